"""Sources -> lake: symbol by symbol, a batch at a time, so that what came stays when the rest does not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.config import SourcesConfig
from tenor.errors import ConfigError, SourceError, StoreError
from tenor.ingest.fetch_news import NewsResult, fetch_news
from tenor.ingest.fetch_symbol import Asking, SymbolFetch
from tenor.ingest.files.cells import clean_symbol
from tenor.ingest.reconcile import Span
from tenor.ingest.services import PRICE_SOURCES
from tenor.ingest.services.catalogue import price_sources
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.schema import BAR_COLUMNS, BarInterval, Bars
from tenor.store import Appended, Lake

Progress = Callable[[int, int], None]
"""Told of the symbols done, and of how many there are."""

_LEAST, _MOST = 16, 400
_MANY_PARTS = 64
"""A table with so many small parts has them merged: each fetch adds at least one, and each read opens all."""
NOTHING = Appended(0, 0, 0)


@dataclass(frozen=True)
class Outcome:
    """One symbol after a fetch.

    Attributes
    ----------
    source
        That answered; ``""`` where none did.
    new, revised
        Rows in the lake.
    notes
        What a person should look at.
    errors
        By source, why it gave nothing.
    """

    symbol: str
    source: str
    new: int
    revised: int
    notes: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """No source answered."""
        return not self.source


@dataclass(frozen=True)
class Fetched:
    """What a fetch did: `bars` by symbol, `news` by source."""

    bars: tuple[Outcome, ...]
    news: tuple[NewsResult, ...]

    @property
    def worked(self) -> bool:
        """Whether anything answered at all."""
        return any(not o.failed for o in self.bars) or any(not n.failed for n in self.news)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "bars": [{**o.__dict__, "notes": list(o.notes), "errors": list(o.errors)} for o in self.bars],
            "news": [n.to_json() for n in self.news],
        }


@contextlib.contextmanager
def opened(
    config: SourcesConfig, http: Http | None = None, keys: SourceKeys | None = None
) -> Iterator[tuple[Http, SourceKeys]]:
    """The client and the keys: those given, or new ones with the keys of the process's environment."""
    keys = keys or SourceKeys.from_environment(os.environ)
    if http is not None:
        yield http, keys
        return
    with Http(config.http, keys=keys) as own:
        yield own, keys


def fetch(
    store: str,
    symbols: Sequence[str],
    config: SourcesConfig | None = None,
    *,
    interval: BarInterval = "1d",
    news: bool = True,
    now: pd.Timestamp | None = None,
    http: Http | None = None,
    keys: SourceKeys | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Bring the bars and the news of `symbols` into the lake: what is new, and what was revised of the last sessions.

    Batches are appended as they come, so that a fetch that is cut off keeps what it had; the next one goes on from what
    the lake holds. Several may run at once.

    Parameters
    ----------
    symbols
        None means all that a live source brought before.
    config
        The default one where it is left out.
    now
        UTC; the clock's time by default. Sessions that were not over by then are left out.
    http, keys
        Instead of the network and the environment's.

    Raises
    ------
    ConfigError
        A text is no symbol, or there are none.
    StoreError
        The lake can't be written. What goes wrong with a source is told in the outcome.
    """
    config = config or SourcesConfig()
    lake = Lake(store)
    wanted = _symbols(lake, symbols)
    moment = now or pd.Timestamp.now("UTC")
    with opened(config, http, keys) as (client, known):
        sources = price_sources(config, client, known)
        usable = {name: source for name, source in sources.items() if not source.missing_keys(known)}
        asking = Asking(
            sources=usable,
            config=config,
            now=moment,
            since=pd.Timestamp(config.since),
            interval=interval,
            rows=lambda symbol: lake.rows("bars", [symbol]),
        )
        outcomes = _bars(lake, asking, wanted, progress)
        told = fetch_news(lake, wanted, config, now=moment, http=client, keys=known) if news else ()
    with contextlib.suppress(StoreError):  # what came is there; a damaged part is told by whoever reads it
        lake.compact(least=_MANY_PARTS)
    return Fetched(tuple(outcomes), tuple(told))


def bring(store: str, symbols: Sequence[str], config: SourcesConfig, interval: BarInterval) -> None:
    """`fetch` for a refresh: bars of `interval`, and with the daily ones the news.

    Raises
    ------
    SourceError
        No source answered. And what `fetch` raises.
    """
    if not fetch(store, symbols, config, interval=interval, news=interval == "1d").worked:
        raise SourceError("no source answered: see 'tenor data doctor'", kind="away")


def _symbols(lake: Lake, symbols: Sequence[str]) -> list[str]:
    if not symbols:
        spans = lake.spans("bars")
        found = sorted(set(spans.loc[spans["source"].isin(PRICE_SOURCES), "symbol"]))
        if not found:
            raise ConfigError("no symbols were named, and no live source has brought any to the lake: name some.")
        return found
    clean = []
    for text in symbols:
        symbol = clean_symbol(text)
        if not symbol:
            raise ConfigError(f"{text!r} is no symbol; write it as Yahoo does: AAPL, SAP.DE, BTC-USD, EURUSD=X.")
        clean.append(symbol)
    return list(dict.fromkeys(clean))


def _bars(lake: Lake, asking: Asking, symbols: list[str], progress: Progress | None) -> list[Outcome]:
    spans = _spans(lake, asking.interval, symbols)
    size = min(max(len(symbols) // 8, _LEAST), _MOST)
    outcomes: list[Outcome] = []
    with _workers(asking.config.parallel) as pool:
        for start in range(0, len(symbols), size):
            batch = symbols[start : start + size]
            held = _held(lake, asking, batch, spans)
            asked: list[SymbolFetch] = []
            try:
                for found in pool.map(lambda s: asking.symbol(s, spans.get(s, []), held[s]), batch):  # noqa: B023
                    asked.append(found)
                    if progress:
                        progress(start + len(asked), len(symbols))
            finally:  # whoever breaks off a fetch keeps what came
                if asked:
                    outcomes += _stored(lake, asked, asking.interval, asking.now)
    return outcomes


@contextlib.contextmanager
def _workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that take no further question once something was raised."""
    pool = ThreadPoolExecutor(count, thread_name_prefix="tenor-fetch")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _spans(lake: Lake, interval: BarInterval, symbols: list[str]) -> dict[str, list[Span]]:
    frame = lake.bar_spans(interval, symbols)
    found: dict[str, list[Span]] = {}
    for row in frame.itertuples(index=False):
        found.setdefault(str(row.symbol), []).append(Span(str(row.source), row.first, row.last))  # type: ignore[arg-type]
    return found


def _held(lake: Lake, asking: Asking, batch: list[str], spans: dict[str, list[Span]]) -> dict[str, pd.DataFrame]:
    """The lake's rows from where the sources will be asked, by symbol; one read for the batch."""
    known = [symbol for symbol in batch if symbol in spans] if asking.interval == "1d" else []
    columns = [*BAR_COLUMNS, "source"]
    nothing = pd.DataFrame({c: pd.Series(dtype="float64") for c in columns}).astype(
        {"symbol": "str", "session": "datetime64[us]", "source": "str"}
    )
    held = dict.fromkeys(batch, nothing)
    if known:
        since = min(asking.starts(symbol, spans[symbol]) for symbol in known)
        rows = lake.rows("bars", known, since=since)
        held |= {str(symbol): frame[columns].reset_index(drop=True) for symbol, frame in rows.groupby("symbol")}
    return held


def _stored(lake: Lake, asked: list[SymbolFetch], interval: BarInterval, now: pd.Timestamp) -> list[Outcome]:
    """Append a batch: one part a source, the bars last, so that what they rest on is there when they are."""
    rows = [found.rows for found in asked if len(found.rows)]
    actions = [found.actions for found in asked if len(found.actions)]
    names = [(found.symbol, found.name, found.source) for found in asked if found.name]
    if actions:
        lake.append_rows("actions", pd.concat(actions, ignore_index=True))
    if names:
        lake.append_rows("names", pd.DataFrame(names, columns=["symbol", "name", "source"]))
    if rows:
        whole = pd.concat(rows, ignore_index=True)
        if interval == "1d":
            for source, frame in whole.groupby("source", sort=True):
                lake.append_bars(Bars(frame), source=str(source), claim=True)
        else:
            lake.append_rows("intraday", whole)
    outcomes = [
        Outcome(found.symbol, found.source, found.new, len(found.rows) - found.new, found.notes, found.errors)
        for found in asked
    ]
    log = pd.DataFrame(
        {
            "symbol": [o.symbol for o in outcomes],
            "kind": interval,
            "asked_at": pd.Series([now] * len(outcomes), dtype="datetime64[us, UTC]"),
            "source": [o.source for o in outcomes],
            "new": [o.new for o in outcomes],
            "revised": [o.revised for o in outcomes],
            "note": ["; ".join((*o.notes, *o.errors)) for o in outcomes],
        }
    )
    lake.append_rows("fetches", log)
    return outcomes
