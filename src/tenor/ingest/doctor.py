"""Test whether each source works now, with one small, real request for each."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.config import SourcesConfig
from tenor.errors import SourceError
from tenor.ingest.fetch import client_and_keys
from tenor.ingest.services.catalogue import event_sources, news_classes, news_sources, price_sources
from tenor.ingest.services.fields import guarded
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.ingest.services.source import Source

PROBES = ("AAPL", "BTC-USD")
_RECENT = pd.Timedelta(days=14)
_KEYED = "put a source with a key first, as in sources.prices = ['tiingo', …]"
_REMEDY = {
    "httpx": "After a single request, this most likely means that the source refuses the client's TLS handshake: set "
    f"sources.http.transport to 'curl' (pip install 'tenor[yahoo]'), or {_KEYED}.",
    "curl": "The request had a browser's TLS handshake, so your address sent too many requests or is blocked: wait "
    f"some hours, or {_KEYED}.",
}
"""From the transport to the advice after a 429 to the first request, for sources that answer only browsers."""
_A_YEAR = pd.Timedelta(days=366)


@dataclass(frozen=True)
class SourceCheck:
    """Whether one source works.

    Attributes
    ----------
    source
        The name of the source.
    kind
        ``prices``, ``news`` or ``events``.
    symbol
        The symbol requested.
    works
        Whether it returned at least one usable row.
    message
        The number of rows and the time of the latest, or what went wrong.
    seconds
        How long the request took.
    """

    source: str
    kind: str
    symbol: str
    works: bool
    message: str
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
) -> list[SourceCheck]:
    """Ask every configured source for the last two weeks of a symbol that it has (events: the last year).

    Nothing is stored. A source whose key is not in the environment is reported as not working, without a request.

    Parameters
    ----------
    config
        Which sources to ask, and how.
    now
        UTC; the current time by default.
    http
        Sends the requests; by default a new client on the network.
    keys
        Keys of the services; by default those in the environment.

    Raises
    ------
    ConfigError
        The settings name an unknown source.
    """
    moment = now or pd.Timestamp.now("UTC")
    checks: list[SourceCheck] = []
    # one try only, because the question is whether a source works now
    at_once = dataclasses.replace(config, http=dataclasses.replace(config.http, attempts=1))
    with client_and_keys(at_once, http, keys) as (client, known):
        for price in price_sources(config, client, known).values():
            symbol = next((s for s in PROBES if price.serves(s, "1d")), PROBES[0])
            since = (moment - _RECENT).tz_localize(None).normalize()
            checks.append(_tried(price, "prices", symbol, _bars(price, symbol, since, moment), config))
        news = news_sources(config, client, known)
        for source in news:
            symbol = next((s for s in PROBES if source.serves(s)), PROBES[0]) if source.by_symbol else ""
            checks.append(_tried(source, "news", symbol, _items(source, symbol, moment), config))
        for name in config.news:
            if missing := news_classes()[name].missing_keys(known):
                message = f"needs {news_classes()[name].key_is}: set the environment variable {missing[0]}"
                checks.append(SourceCheck(name, "news", "", False, message, 0.0))
            if name == "feeds" and not config.feeds:
                checks.append(SourceCheck("feeds", "news", "", False, "no feed is configured: set sources.feeds", 0.0))
        for dates in event_sources(config, client, known):
            symbol = PROBES[0] if dates.by_symbol else ""
            checks.append(_tried(dates, "events", symbol, _dates(dates, symbol, moment), config))
    return checks


def _tried(source: Source, kind: str, symbol: str, question: Callable[[], str], config: SourcesConfig) -> SourceCheck:
    start = time.perf_counter()
    try:
        message, works = guarded(source.name, question), True
    except SourceError as error:
        message, works = str(error), False
        if error.kind == "limited" and source.browsers_only:
            message = f"{message} {_REMEDY[config.http.transport]}"
    return SourceCheck(source.name, kind, symbol, works, message, time.perf_counter() - start)


def _bars(source: Any, symbol: str, since: pd.Timestamp, now: pd.Timestamp) -> Callable[[], str]:
    def question() -> str:
        answer = source.bars(symbol, since=since, now=now)
        if answer.frame.empty:
            raise SourceError(f"{source.name} has no bar of {symbol} since {since:%Y-%m-%d}.", kind="unknown")
        return f"{len(answer.frame)} bars to {answer.frame['at'].iloc[-1]:%Y-%m-%d}"

    return question


def _dates(source: Any, symbol: str, now: pd.Timestamp) -> Callable[[], str]:
    def question() -> str:
        frame = source.events(symbol, since=now - _A_YEAR, now=now).frame
        if frame.empty:
            raise SourceError(f"{source.name} has no date of {symbol or 'any symbol'}.", kind="unknown")
        return f"{len(frame)} dates to {frame['session'].max():%Y-%m-%d}"

    return question


def _items(source: Any, symbol: str, now: pd.Timestamp) -> Callable[[], str]:
    def question() -> str:
        frame = source.items(symbol, since=now - _RECENT, now=now).frame
        if frame.empty:
            raise SourceError(f"{source.name} has no news item of the last two weeks.", kind="unknown")
        return f"{len(frame)} items to {frame['published_at'].max():%Y-%m-%d %H:%M} UTC"

    return question
