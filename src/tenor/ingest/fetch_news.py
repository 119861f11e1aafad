"""Fetch news into the lake: every source in the settings is asked, and its items are assigned to symbols."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.config import SourcesConfig
from tenor.duplicates import near_duplicates
from tenor.errors import SourceError
from tenor.ingest.services.catalogue import news_sources
from tenor.ingest.services.fields import guarded
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.ingest.services.matching import SymbolMatcher
from tenor.ingest.services.news_source import NewsAnswer, NewsSource, as_news
from tenor.store import Appended, Lake

_FIRST = pd.Timedelta(days=30)
_AGAIN = pd.Timedelta(days=2)
_KIND = "news"


@dataclass(frozen=True)
class NewsResult:
    """The result of fetching from one source of news.

    Attributes
    ----------
    source
        The name of the source.
    new
        Number of items that the lake did not have.
    known
        Number of items that the lake already had.
    refused
        Number of items without a usable time or text.
    repeats
        Number of fetched items that are nearly the same as another one about the same symbol.
    unassigned
        Number of items about none of the symbols.
    requests
        How many requests were sent.
    failures
        How many of them failed.
    errors
        The messages of the failures, each once.
    """

    source: str
    new: int
    known: int
    refused: int
    repeats: int
    unassigned: int
    requests: int
    failures: int
    errors: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether no request was answered."""
        return self.failures >= self.requests

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {**self.__dict__, "errors": list(self.errors)}


def fetch_news(
    lake: Lake, symbols: Sequence[str], config: SourcesConfig, *, now: pd.Timestamp, http: Http, keys: SourceKeys
) -> list[NewsResult]:
    """Fetch the news about `symbols` into the lake; the items of a source are appended as soon as it has answered."""
    sources = news_sources(config, http, keys)
    if not sources:
        return []
    last = _last(lake, symbols)
    names = {str(row["symbol"]): str(row["name"]) for row in lake.rows("names", list(symbols)).to_dict("records")}
    matcher = SymbolMatcher(symbols, names)
    starts = _Starts(last, _first_asked(lake, symbols, last, sources), now)
    return [_from(source, lake, symbols, starts, matcher, config, now) for source in sources]


@dataclass(frozen=True)
class _Starts:
    """From when each source is asked about each symbol.

    If a source has failed from the first day on, it is asked from where it would have been asked on that day.

    Attributes
    ----------
    last
        The latest publication in the lake, by (symbol, source).
    first_asked
        When the source was first asked about the symbol, by (symbol, source).
    now
        The moment of this fetch.
    """

    last: dict[tuple[str, str], pd.Timestamp]
    first_asked: dict[tuple[str, str], pd.Timestamp]
    now: pd.Timestamp

    def since(self, symbol: str, source: str) -> pd.Timestamp:
        last = self.last.get((symbol, source))
        if last is not None:  # asks again for some earlier time: items may be published late or out of order
            return last - _AGAIN
        return self.first_asked.get((symbol, source), self.now) - _FIRST


def _first_asked(
    lake: Lake, symbols: Sequence[str], last: dict[tuple[str, str], pd.Timestamp], sources: Sequence[NewsSource]
) -> dict[tuple[str, str], pd.Timestamp]:
    without_news = [s for s in ["", *symbols] if any((s, source.name) not in last for source in sources)]
    moments: dict[tuple[str, str], pd.Timestamp] = {}
    for row in lake.rows("fetches", without_news).to_dict("records"):
        if row["kind"] == _KIND:
            moments.setdefault((str(row["symbol"]), str(row["source"])), row["asked_at"])
    return moments


def _last(lake: Lake, symbols: Sequence[str]) -> dict[tuple[str, str], pd.Timestamp]:
    spans = lake.spans("news", list(symbols))
    return {(str(r["symbol"]), str(r["source"])): r["last"] for r in spans.to_dict("records")}


def _from(
    source: NewsSource,
    lake: Lake,
    symbols: Sequence[str],
    starts: _Starts,
    matcher: SymbolMatcher,
    config: SourcesConfig,
    now: pd.Timestamp,
) -> NewsResult:
    def ask(symbol: str) -> NewsAnswer | SourceError:
        since = starts.since(symbol, source.name)
        try:
            return guarded(source.name, lambda: source.items(symbol, since=since, now=now))
        except SourceError as error:
            return error

    requested = [s for s in symbols if source.serves(s)] if source.by_symbol else [""]
    with ThreadPoolExecutor(config.parallel, thread_name_prefix="tenor-news") as pool:
        answers = list(pool.map(ask, requested))
    _log_fetch(lake, source, requested, answers, starts, now)
    errors = [answer for answer in answers if isinstance(answer, SourceError)]
    sound = [answer for answer in answers if isinstance(answer, NewsAnswer)]
    frames = [answer.frame for answer in sound if len(answer.frame)]
    unassigned = repeated = 0
    appended = Appended(0, 0, 0)
    if frames:
        frame = pd.concat(frames, ignore_index=True)
        if not source.by_symbol:
            frame, unassigned = _assigned(frame, matcher)
        if len(frame):
            repeated = int(near_duplicates(frame["text"].tolist(), groups=frame["symbol"].tolist()).sum())
            appended = lake.append_news(as_news(frame, source.name))
    names = [(symbol, name, source.name) for a in sound for symbol, name in (a.names or {}).items() if name]
    if names:
        lake.append_rows("names", pd.DataFrame(names, columns=["symbol", "name", "source"]))
    return NewsResult(
        source=source.name,
        new=appended.new,
        known=appended.unchanged + appended.revised,
        refused=sum(answer.refused for answer in sound),
        repeats=repeated,
        unassigned=unassigned,
        requests=len(requested),
        failures=len(errors),
        errors=tuple(dict.fromkeys(str(error) for error in errors)),
    )


def _log_fetch(
    lake: Lake,
    source: NewsSource,
    requested: Sequence[str],
    answers: Sequence[NewsAnswer | SourceError],
    starts: _Starts,
    now: pd.Timestamp,
) -> None:
    """Record the failures, and the requests for symbols without any news; stored news show the other requests."""
    pairs = zip(requested, answers, strict=True)
    entries = [(s, a) for s, a in pairs if isinstance(a, SourceError) or (s, source.name) not in starts.last]
    if not entries:
        return
    note = pd.Series([str(a) if isinstance(a, SourceError) else "" for _, a in entries], dtype="str")
    asked_at = pd.Series([now] * len(entries), dtype="datetime64[us, UTC]")
    rows = {"symbol": [s for s, _ in entries], "kind": _KIND, "asked_at": asked_at, "source": source.name}
    lake.append_rows("fetches", pd.DataFrame({**rows, "new": 0, "revised": 0, "note": note}))


def _assigned(frame: pd.DataFrame, matcher: SymbolMatcher) -> tuple[pd.DataFrame, int]:
    """The items, repeated for each symbol that they are about, and the number of items that are about none."""
    about = [matcher.symbols(text) for text in frame["text"]]
    items = frame.assign(symbol=pd.Series(about, index=frame.index, dtype="object"))
    items = items.explode("symbol").dropna(subset=["symbol"])
    return items.astype({"symbol": "str"}).reset_index(drop=True), sum(not each for each in about)
