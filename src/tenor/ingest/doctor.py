"""Does each source work, from here, now? Each is asked one small question for real."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.config import SourcesConfig
from tenor.errors import SourceError
from tenor.ingest.fetch import opened
from tenor.ingest.services.catalogue import news_classes, news_sources, price_sources
from tenor.ingest.services.fields import guarded
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys

PROBES = ("AAPL", "BTC-USD")
_RECENT = pd.Timedelta(days=14)


@dataclass(frozen=True)
class Check:
    """One source.

    Attributes
    ----------
    kind
        ``prices`` or ``news``.
    symbol
        What it was asked for.
    works
        It gave at least one sound row.
    told
        How many and of when, or what went wrong.
    seconds
        It took.
    """

    source: str
    kind: str
    symbol: str
    works: bool
    told: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON scalars."""
        return dict(self.__dict__) | {"seconds": round(self.seconds, 3)}


def doctor(
    config: SourcesConfig,
    *,
    now: pd.Timestamp | None = None,
    http: Http | None = None,
    keys: SourceKeys | None = None,
) -> list[Check]:
    """Ask every configured source for the last two weeks of a symbol that it has. Nothing is written.

    A source whose key the environment lacks does not work, and is told so without being asked.
    """
    moment = now or pd.Timestamp.now("UTC")
    found: list[Check] = []
    at_once = dataclasses.replace(config, http=dataclasses.replace(config.http, attempts=1))  # now is the question
    with opened(at_once, http, keys) as (client, known):
        for price in price_sources(config, client, known).values():
            symbol = next((s for s in PROBES if price.serves(s, "1d")), PROBES[0])
            since = (moment - _RECENT).tz_localize(None).normalize()
            found.append(_tried(price.name, "prices", symbol, _bars(price, symbol, since, moment)))
        news = news_sources(config, client, known)
        for source in news:
            symbol = next((s for s in PROBES if source.serves(s)), PROBES[0]) if source.by_symbol else ""
            found.append(_tried(source.name, "news", symbol, _items(source, symbol, moment)))
        for name in config.news:
            if missing := news_classes()[name].missing_keys(known):
                told = f"needs a key: set the environment's {missing[0]}"
                found.append(Check(name, "news", "", False, told, 0.0))
            if name == "feeds" and not config.feeds:
                found.append(Check("feeds", "news", "", False, "no feed is named: set sources.feeds", 0.0))
    return found


def _tried(name: str, kind: str, symbol: str, question: Callable[[], str]) -> Check:
    start = time.perf_counter()
    try:
        told, works = guarded(name, question), True
    except SourceError as error:
        told, works = str(error), False
    return Check(name, kind, symbol, works, told, time.perf_counter() - start)


def _bars(source: Any, symbol: str, since: pd.Timestamp, now: pd.Timestamp) -> Callable[[], str]:
    def question() -> str:
        answer = source.bars(symbol, since=since, now=now)
        if answer.frame.empty:
            raise SourceError(f"{source.name} has no bar of {symbol} since {since:%Y-%m-%d}.", kind="unknown")
        return f"{len(answer.frame)} bars to {answer.frame['at'].iloc[-1]:%Y-%m-%d}"

    return question


def _items(source: Any, symbol: str, now: pd.Timestamp) -> Callable[[], str]:
    def question() -> str:
        frame = source.items(symbol, since=now - _RECENT, now=now).frame
        if frame.empty:
            raise SourceError(f"{source.name} has no item of the last two weeks.", kind="unknown")
        return f"{len(frame)} items to {frame['published_at'].max():%Y-%m-%d %H:%M} UTC"

    return question
