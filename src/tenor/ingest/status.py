"""How fresh the lake is: for each symbol the last bar and news, their sources, and how far behind they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.calendars import exchange, market_of, with_interval
from tenor.config import SourcesConfig
from tenor.ingest.services import PRICE_SOURCES
from tenor.lateness import bars_behind
from tenor.schema import BarInterval
from tenor.store import Lake


@dataclass(frozen=True)
class SymbolStatus:
    """How fresh one symbol's rows are.

    Attributes
    ----------
    symbol
        The symbol.
    calendar
        Calendar of its market.
    currency
        Currency of its prices.
    last_bar
        The session of its last bar.
    source
        Source of the last bar.
    live
        Whether that source is a service; otherwise the bar came from a file.
    expected
        The last session of its own market that was over.
    behind
        Sessions from `last_bar` to `expected`.
    stale
        Whether `behind` is more than the settings allow; False if bars came only from files.
    last_news
        Time of the latest news item (UTC), or None.
    news_source
        Source of the latest news item.
    events
        How many dates of the symbol's own events are known, without withdrawn ones.
    next_event
        The session of the next event, or None.
    next_kind
        The kind of the next event.
    fetched_at
        When a source was last asked, or None.
    note
        The notes and errors of that fetch.
    """

    symbol: str
    calendar: str
    currency: str
    last_bar: pd.Timestamp
    source: str
    live: bool
    expected: pd.Timestamp
    behind: int
    stale: bool
    last_news: pd.Timestamp | None
    news_source: str
    events: int
    next_event: pd.Timestamp | None
    next_kind: str
    fetched_at: pd.Timestamp | None
    note: str

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON scalars."""
        plain: dict[str, Any] = dict(self.__dict__)
        for key in ("last_bar", "expected"):
            plain[key] = exchange(self.calendar).label(plain[key])
        plain["next_event"] = None if self.next_event is None else f"{self.next_event:%Y-%m-%d}"
        for key in ("last_news", "fetched_at"):
            plain[key] = None if plain[key] is None else plain[key].isoformat()
        return plain

    def describe(self) -> str:
        """One line about a symbol that is stale."""
        last, expected = map(exchange(self.calendar).label, (self.last_bar, self.expected))
        return bars_behind(self.symbol, last, self.source, self.behind, self.calendar, expected)


def status(
    store: str,
    config: SourcesConfig,
    symbols: Sequence[str] | None = None,
    *,
    now: pd.Timestamp | None = None,
    interval: BarInterval = "1d",
) -> list[SymbolStatus]:
    """The freshness of `symbols` (by default of all that have bars of `interval`), each by its own market's calendar.

    Raises
    ------
    UnknownSymbolError
        The lake has no bars of a symbol.
    StoreError
        The lake can't be read, or is empty.
    """
    lake = Lake(store)
    moment = now or pd.Timestamp.now("UTC")
    symbols = lake.named(symbols, with_interval("XNYS", interval))
    bars = _latest(lake.bar_spans(interval, symbols))
    if symbols is not None or not bars:
        calendar = with_interval("XNYS", interval)
        for symbol in symbols or ():
            if symbol not in bars:
                lake.bars([symbol], calendar=calendar)  # raises an error that names the symbols there are
        if not bars:
            lake.bars(calendar=calendar)
    news = _latest(lake.spans("news", symbols))
    dates = lake.events(symbols=sorted(bars))
    events = {} if dates is None else {str(symbol): frame for symbol, frame in dates.standing.groupby("symbol")}
    fetches = {str(r["symbol"]): r for r in lake.rows("fetches", symbols).to_dict("records") if r["kind"] == interval}
    return [
        _of(symbol, bars[symbol], news.get(symbol), events.get(symbol), fetches.get(symbol), config, moment, interval)
        for symbol in sorted(bars)
    ]


def stale(
    store: str,
    config: SourcesConfig,
    symbols: Sequence[str],
    *,
    now: pd.Timestamp | None = None,
    interval: BarInterval = "1d",
) -> dict[str, str]:
    """One line about each of `symbols` whose bars are older than the settings allow; empty if they say ``ignore``.

    Symbols with bars only from files are never stale, because files are not expected to be up to date.
    """
    if config.when_stale == "ignore":
        return {}
    rows = status(store, config, symbols, now=now, interval=interval)
    return {row.symbol: row.describe() for row in rows if row.stale}


def news_without_bars(store: str) -> tuple[str, ...]:
    """The symbols with news but without bars (daily or shorter); no model uses this news."""
    lake = Lake(store)
    with_bars = {str(s) for spans in (lake.spans("bars"), lake.spans("intraday")) for s in spans["symbol"]}
    return tuple(sorted({str(s) for s in lake.spans("news")["symbol"]} - with_bars))


def _latest(spans: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """From each symbol to the span that ends last."""
    rows = spans.sort_values("last", kind="stable").to_dict("records")
    return {str(row["symbol"]): {str(k): v for k, v in row.items()} for row in rows}


def _of(
    symbol: str,
    bars: dict[str, Any],
    news: dict[str, Any] | None,
    events: pd.DataFrame | None,
    fetched: dict[Any, Any] | None,
    config: SourcesConfig,
    now: pd.Timestamp,
    interval: BarInterval,
) -> SymbolStatus:
    market = market_of(symbol)
    calendar = exchange(with_interval(market.calendar, interval))
    last, expected = pd.Timestamp(bars["last"]), calendar.last_closed(now)
    if interval != "1d":  # the lake has the moment of opening
        last = calendar.session_of(pd.Series([last]), margin=pd.Timedelta(0)).iloc[0]
    behind = max(len(calendar.sessions(last, expected)) - 1, 0) if last < expected else 0
    live = bars["source"] in PRICE_SOURCES
    ahead = None if events is None else events[(events["session"] > market.exchange.last_closed(now)).to_numpy()]
    coming = None if ahead is None or ahead.empty else ahead.iloc[0]  # sorted by session
    return SymbolStatus(
        symbol=symbol,
        calendar=calendar.code,
        currency=market.currency,
        last_bar=last,
        source=str(bars["source"]),
        live=live,
        expected=expected,
        behind=behind,
        stale=live and behind > config.max_stale_sessions,
        last_news=None if news is None else pd.Timestamp(news["last"]),
        news_source="" if news is None else str(news["source"]),
        events=0 if events is None else len(events),
        next_event=None if coming is None else coming["session"],
        next_kind="" if coming is None else str(coming["kind"]),
        fetched_at=None if fetched is None else pd.Timestamp(fetched["asked_at"]),
        note="" if fetched is None else str(fetched["note"]),
    )
