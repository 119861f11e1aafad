"""News -> lake: every source that config names is asked; what it gives is tied to symbols and kept once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.config import SourcesConfig
from tenor.duplicates import near_duplicates
from tenor.errors import SourceError
from tenor.ingest.services.asking import asked
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import Keys
from tenor.ingest.services.news import NewsAnswer, NewsSource, Ties, as_news, news_sources
from tenor.store import Appended, Lake

_FIRST = pd.Timedelta(days=30)
_AGAIN = pd.Timedelta(days=2)
_KIND = "news"


@dataclass(frozen=True)
class NewsFetch:
    """What a source of news gave.

    Attributes
    ----------
    new
        Items that the lake did not have.
    known
        That it had.
    refused
        Without a usable time or text.
    repeats
        Of the items fetched, how many say nearly the same as another about the same symbol.
    untied
        About none of the symbols.
    asked, failures
        Requests, and how many of them failed; `errors` says how, once each.
    """

    source: str
    new: int
    known: int
    refused: int
    repeats: int
    untied: int
    asked: int
    failures: int
    errors: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """It answered not once."""
        return self.failures >= self.asked

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {**self.__dict__, "errors": list(self.errors)}


def fetch_news(
    lake: Lake, symbols: Sequence[str], config: SourcesConfig, *, now: pd.Timestamp, http: Http, keys: Keys
) -> list[NewsFetch]:
    """Bring the news about `symbols` into the lake; each source's items are appended as soon as it is done."""
    sources = news_sources(config, http, keys)
    if not sources:
        return []
    last = _last(lake, symbols)
    names = {str(row["symbol"]): str(row["name"]) for row in lake.rows("names", list(symbols)).to_dict("records")}
    ties = Ties(symbols, names)
    starts = _Starts(last, _first_asked(lake, symbols, last, sources), now)
    return [_from(source, lake, symbols, starts, ties, config, now) for source in sources]


@dataclass(frozen=True)
class _Starts:
    """From when each source is asked about each symbol, by (symbol, source): what is held, and when it was first asked.

    A source that failed the first days is asked from where it would have been asked on the first.
    """

    last: dict[tuple[str, str], pd.Timestamp]
    first_asked: dict[tuple[str, str], pd.Timestamp]
    now: pd.Timestamp

    def since(self, symbol: str, source: str) -> pd.Timestamp:
        held = self.last.get((symbol, source))
        if held is not None:  # what was held back, or published out of order, is looked for again
            return held - _AGAIN
        return self.first_asked.get((symbol, source), self.now) - _FIRST


def _first_asked(
    lake: Lake, symbols: Sequence[str], last: dict[tuple[str, str], pd.Timestamp], sources: Sequence[NewsSource]
) -> dict[tuple[str, str], pd.Timestamp]:
    wanting = [s for s in ["", *symbols] if any((s, source.name) not in last for source in sources)]
    found: dict[tuple[str, str], pd.Timestamp] = {}
    for row in lake.rows("fetches", wanting).to_dict("records"):
        if row["kind"] == _KIND:
            found.setdefault((str(row["symbol"]), str(row["source"])), row["asked_at"])
    return found


def _last(lake: Lake, symbols: Sequence[str]) -> dict[tuple[str, str], pd.Timestamp]:
    spans = lake.spans("news", list(symbols))
    return {(str(r["symbol"]), str(r["source"])): r["last"] for r in spans.to_dict("records")}


def _from(
    source: NewsSource,
    lake: Lake,
    symbols: Sequence[str],
    starts: _Starts,
    ties: Ties,
    config: SourcesConfig,
    now: pd.Timestamp,
) -> NewsFetch:
    def ask(symbol: str) -> NewsAnswer | SourceError:
        since = starts.since(symbol, source.name)
        try:
            return asked(source.name, lambda: source.items(symbol, since=since, now=now))
        except SourceError as error:
            return error

    wanted = [s for s in symbols if source.serves(s)] if source.by_symbol else [""]
    with ThreadPoolExecutor(config.parallel, thread_name_prefix="tenor-news") as pool:
        answers = list(pool.map(ask, wanted))
    _noted(lake, source, wanted, answers, starts, now)
    errors = [answer for answer in answers if isinstance(answer, SourceError)]
    sound = [answer for answer in answers if isinstance(answer, NewsAnswer)]
    frames = [answer.frame for answer in sound if len(answer.frame)]
    untied = 0
    appended = Appended(0, 0, 0)
    again = 0
    if frames:
        frame = pd.concat(frames, ignore_index=True)
        frame, untied = (frame, 0) if source.by_symbol else _tied(frame, ties)
        if len(frame):
            again = int(near_duplicates(frame["text"].tolist(), groups=frame["symbol"].tolist()).sum())
            appended = lake.append_news(as_news(frame, source.name))
    named = [(s, n, source.name) for a in sound for s, n in (a.names or {}).items() if n]
    if named:
        lake.append_rows("names", pd.DataFrame(named, columns=["symbol", "name", "source"]))
    return NewsFetch(
        source.name,
        appended.new,
        appended.unchanged + appended.revised,
        sum(answer.refused for answer in sound),
        again,
        untied,
        len(wanted),
        len(errors),
        tuple(dict.fromkeys(str(error) for error in errors)),
    )


def _noted(
    lake: Lake,
    source: NewsSource,
    wanted: Sequence[str],
    answers: Sequence[NewsAnswer | SourceError],
    starts: _Starts,
    now: pd.Timestamp,
) -> None:
    """Keep what failed, and that a symbol without any news was asked for; the rest shows in the news themselves."""
    pairs = zip(wanted, answers, strict=True)
    told = [(s, a) for s, a in pairs if isinstance(a, SourceError) or (s, source.name) not in starts.last]
    if not told:
        return
    note = pd.Series([str(a) if isinstance(a, SourceError) else "" for _, a in told], dtype="str")
    asked_at = pd.Series([now] * len(told), dtype="datetime64[us, UTC]")
    rows = {"symbol": [s for s, _ in told], "kind": _KIND, "asked_at": asked_at, "source": source.name}
    lake.append_rows("fetches", pd.DataFrame({**rows, "new": 0, "revised": 0, "note": note}))


def _tied(frame: pd.DataFrame, ties: Ties) -> tuple[pd.DataFrame, int]:
    """The items once for each symbol that they are about, and how many are about none."""
    about = [ties.symbols(text) for text in frame["text"]]
    tied = frame.assign(symbol=pd.Series(about, index=frame.index, dtype="object"))
    untied = sum(not found for found in about)
    tied = tied.explode("symbol").dropna(subset=["symbol"])
    return tied.astype({"symbol": "str"}).reset_index(drop=True), untied
