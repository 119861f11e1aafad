"""Fetch bars, news and events into the lake, batch by batch, so that a fetch that fails keeps its earlier batches."""

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
from tenor.ingest.fetch_events import EventsResult, fetch_events
from tenor.ingest.fetch_news import NewsResult, fetch_news
from tenor.ingest.fetch_symbol import FetchPlan, SymbolFetch
from tenor.ingest.reconcile import Span
from tenor.ingest.services import PRICE_SOURCES
from tenor.ingest.services.catalogue import price_sources
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.schema import BAR_COLUMNS, BarInterval, Bars
from tenor.store import Lake
from tenor.symbols import clean_symbol

FetchProgress = Callable[[int, int], None]
"""Called with the number of symbols done, and the number of all symbols."""

# symbols in a batch
_LEAST, _MOST = 16, 400
_MANY_PARTS = 64
"""A table with this many small parts is compacted, because each fetch adds at least one and each read opens all."""


@dataclass(frozen=True)
class SymbolOutcome:
    """The result of fetching one symbol.

    Attributes
    ----------
    symbol
        The symbol.
    source
        The source that answered; ``""`` if none did.
    new
        Number of rows that the lake did not have.
    revised
        Number of rows of which the lake had another version.
    notes
        Findings that a person should look at.
    errors
        From the name of each source that failed to the reason.
    """

    symbol: str
    source: str
    new: int
    revised: int
    notes: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether no source answered."""
        return not self.source


@dataclass(frozen=True)
class FetchResult:
    """The result of a fetch.

    Attributes
    ----------
    bars
        One outcome for each symbol.
    news
        One result for each source of news.
    events
        One result for each source of events.
    """

    bars: tuple[SymbolOutcome, ...]
    news: tuple[NewsResult, ...]
    events: tuple[EventsResult, ...] = ()

    @property
    def worked(self) -> bool:
        """Whether any source answered."""
        brought = (any(not each.failed for each in kind) for kind in (self.bars, self.news, self.events))
        return any(brought)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "bars": [{**o.__dict__, "notes": list(o.notes), "errors": list(o.errors)} for o in self.bars],
            "news": [n.to_json() for n in self.news],
            "events": [e.to_json() for e in self.events],
        }


@contextlib.contextmanager
def client_and_keys(
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
    events: bool = True,
    now: pd.Timestamp | None = None,
    http: Http | None = None,
    keys: SourceKeys | None = None,
    progress: FetchProgress | None = None,
) -> FetchResult:
    """Fetch bars, news and events of `symbols` into the lake: new sessions, and revisions of the latest stored ones.

    Each batch is appended as soon as it is complete: an interrupted fetch keeps its earlier batches, and the next one
    continues from there. Several may run at once.

    Parameters
    ----------
    store
        The lake: a folder, or ``s3://bucket/prefix``.
    symbols
        Symbols in Yahoo's notation; if empty, all symbols that were fetched from a service before.
    config
        Which sources to ask, and how.
    interval
        The length of a bar.
    news
        Whether to fetch news as well.
    events
        Whether to fetch dates of events as well, if `config` names sources of them.
    now
        UTC; the current time by default. Sessions that were not over by then are left out.
    http
        Sends the requests; by default a new client on the network.
    keys
        Keys of the services; by default those in the environment.
    progress
        Called after each symbol.

    Raises
    ------
    ConfigError
        A text is not a symbol, there are no symbols, or the settings name an unknown source.
    StoreError
        The lake can't be written. The failures of sources are in the result.
    """
    config = config or SourcesConfig()
    lake = Lake(store)
    requested = _symbols(lake, symbols)
    moment = now or pd.Timestamp.now("UTC")
    with client_and_keys(config, http, keys) as (client, known):
        sources = price_sources(config, client, known)
        usable = {name: source for name, source in sources.items() if not source.missing_keys(known)}
        plan = FetchPlan(
            sources=usable,
            config=config,
            now=moment,
            since=pd.Timestamp(config.since),
            interval=interval,
            rows=lambda symbol: lake.rows("bars", [symbol]),
        )
        outcomes = _bars(lake, plan, requested, progress)
        news_results = fetch_news(lake, requested, config, now=moment, http=client, keys=known) if news else ()
        event_results = fetch_events(lake, requested, config, now=now, http=client, keys=known) if events else ()
    # the rows are stored; a damaged part is reported by whatever reads it
    with contextlib.suppress(StoreError):
        lake.compact(least=_MANY_PARTS)
    return FetchResult(tuple(outcomes), tuple(news_results), tuple(event_results))


def fetch_or_fail(store: str, symbols: Sequence[str], config: SourcesConfig, interval: BarInterval) -> None:
    """`fetch` before a refresh: bars of `interval`; with daily bars, also news and events.

    Raises
    ------
    SourceError
        No source answered.
    """
    days = interval == "1d"
    if not fetch(store, symbols, config, interval=interval, news=days, events=days).worked:
        raise SourceError("no source answered: see 'tenor data doctor'", kind="away")


def _symbols(lake: Lake, symbols: Sequence[str]) -> list[str]:
    if not symbols:
        spans = lake.spans("bars")
        fetched_before = sorted(set(spans.loc[spans["source"].isin(PRICE_SOURCES), "symbol"]))
        if not fetched_before:
            raise ConfigError("no symbols were given, and none was fetched into this lake before: name some.")
        return fetched_before
    clean = []
    for text in symbols:
        symbol = clean_symbol(text)
        if not symbol:
            raise ConfigError(f"{text!r} is not a symbol; write it as Yahoo does: AAPL, SAP.DE, BTC-USD, EURUSD=X.")
        clean.append(symbol)
    return list(dict.fromkeys(clean))


def _bars(lake: Lake, plan: FetchPlan, symbols: list[str], progress: FetchProgress | None) -> list[SymbolOutcome]:
    spans = _spans(lake, plan.interval, symbols)
    size = min(max(len(symbols) // 8, _LEAST), _MOST)
    outcomes: list[SymbolOutcome] = []
    with _workers(plan.config.parallel) as pool:
        for start in range(0, len(symbols), size):
            batch = symbols[start : start + size]
            stored = _stored_rows(lake, plan, batch, spans)
            results: list[SymbolFetch] = []
            try:
                for result in pool.map(lambda s: plan.fetch(s, spans.get(s, []), stored[s]), batch):  # noqa: B023
                    results.append(result)
                    if progress:
                        progress(start + len(results), len(symbols))
            finally:  # an interrupted fetch stores the answers that it has received
                if results:
                    outcomes += _append(lake, results, plan.interval, plan.now)
    return outcomes


@contextlib.contextmanager
def _workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that starts no further requests after an error was raised."""
    pool = ThreadPoolExecutor(count, thread_name_prefix="tenor-fetch")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _spans(lake: Lake, interval: BarInterval, symbols: list[str]) -> dict[str, list[Span]]:
    frame = lake.bar_spans(interval, symbols)
    spans: dict[str, list[Span]] = {}
    for row in frame.itertuples(index=False):
        spans.setdefault(str(row.symbol), []).append(Span(str(row.source), row.first, row.last))  # type: ignore[arg-type]
    return spans


def _stored_rows(
    lake: Lake, plan: FetchPlan, batch: list[str], spans: dict[str, list[Span]]
) -> dict[str, pd.DataFrame]:
    """The lake's rows of each symbol from the first day that a source will be asked for, in one read for the batch."""
    known = [symbol for symbol in batch if symbol in spans] if plan.interval == "1d" else []
    columns = [*BAR_COLUMNS, "source"]
    nothing = pd.DataFrame({c: pd.Series(dtype="float64") for c in columns}).astype(
        {"symbol": "str", "session": "datetime64[us]", "source": "str"}
    )
    stored = dict.fromkeys(batch, nothing)
    if known:
        since = min(plan.starts(symbol, spans[symbol]) for symbol in known)
        rows = lake.rows("bars", known, since=since)
        stored |= {str(symbol): frame[columns].reset_index(drop=True) for symbol, frame in rows.groupby("symbol")}
    return stored


def _append(lake: Lake, results: list[SymbolFetch], interval: BarInterval, now: pd.Timestamp) -> list[SymbolOutcome]:
    """Append a batch, one part for each source. The bars come last: a reader who sees them sees their actions too."""
    rows = [result.rows for result in results if len(result.rows)]
    actions = [result.actions for result in results if len(result.actions)]
    names = [(result.symbol, result.name, result.source) for result in results if result.name]
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
    outcomes = [SymbolOutcome(r.symbol, r.source, r.new, len(r.rows) - r.new, r.notes, r.errors) for r in results]
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
