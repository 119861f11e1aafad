"""How fresh the lake is: per symbol the last bar, the last news, where they came from, and how far behind they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.calendars import exchange, market_of, with_interval
from tenor.config import SourcesConfig
from tenor.errors import DataError
from tenor.ingest.services import PRICE_SOURCES
from tenor.schema import BarInterval
from tenor.store import Lake


@dataclass(frozen=True)
class SymbolStatus:
    """One symbol.

    Attributes
    ----------
    calendar, currency
        Of its market.
    last_bar
        Its last session, and `source`, where that came from; `live` where that is a source that is fetched.
    expected
        The last session of its own market that was over.
    behind
        Sessions from `last_bar` to there.
    stale
        Whether that is more than config allows; False for what only files brought.
    last_news
        The latest publication (UTC), or None.
    news_source
        Where from.
    fetched_at
        When a source was last asked, or None.
    note
        What that fetch had to tell.
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
    fetched_at: pd.Timestamp | None
    note: str

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON scalars."""
        plain: dict[str, Any] = dict(self.__dict__)
        for key in ("last_bar", "expected"):
            plain[key] = exchange(self.calendar).label(plain[key])
        for key in ("last_news", "fetched_at"):
            plain[key] = None if plain[key] is None else plain[key].isoformat()
        return plain

    def describe(self) -> str:
        """One line on a symbol that is stale."""
        return (
            f"the last bar of {self.symbol} is of {exchange(self.calendar).label(self.last_bar)} (from {self.source}), "
            f"{self.behind} sessions of {self.calendar} behind {exchange(self.calendar).label(self.expected)}"
        )


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
    UnknownSymbolError, StoreError
        As of `Lake.bars`.
    """
    lake = Lake(store)
    moment = now or pd.Timestamp.now("UTC")
    bars = _latest(lake.bar_spans(interval, symbols))
    if symbols is not None or not bars:
        calendar = with_interval("XNYS", interval)
        for symbol in symbols or ():
            if symbol not in bars:
                lake.bars([symbol], calendar=calendar)  # says that there are none, and which there are
        if not bars:
            lake.bars(calendar=calendar)
    news = _latest(lake.spans("news", symbols))
    fetches = {str(r["symbol"]): r for r in lake.rows("fetches", symbols).to_dict("records") if r["kind"] == interval}
    return [
        _of(symbol, bars[symbol], news.get(symbol), fetches.get(symbol), config, moment, interval)
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
    """One line on each of `symbols` whose bars are older than config allows; nothing under ``ignore``.

    Symbols that only files brought are not judged: nobody promised that they are of today.
    """
    if config.when_stale == "ignore":
        return {}
    return {
        one.symbol: one.describe() for one in status(store, config, symbols, now=now, interval=interval) if one.stale
    }


def freshness(
    store: str,
    config: SourcesConfig,
    symbols: Sequence[str],
    *,
    now: pd.Timestamp | None = None,
    interval: BarInterval = "1d",
) -> dict[str, str]:
    """What to say before a forecast of `symbols`: `stale`, unless config has it refused.

    Raises
    ------
    DataError
        A symbol is stale and ``sources.when_stale`` is ``refuse``.
    """
    found = stale(store, config, symbols, now=now, interval=interval)
    if found and config.when_stale == "refuse":
        more = f" (and {len(found) - 1} more symbols)" if len(found) > 1 else ""
        first = next(iter(found.values()))
        raise DataError(f"{first}{more}: run 'tenor data fetch', or set sources.when_stale to say.")
    return found


def _latest(spans: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Of each symbol the source whose rows reach furthest."""
    rows = spans.sort_values("last", kind="stable").to_dict("records")
    return {str(row["symbol"]): {str(k): v for k, v in row.items()} for row in rows}


def _of(
    symbol: str,
    bars: dict[str, Any],
    news: dict[str, Any] | None,
    fetched: dict[Any, Any] | None,
    config: SourcesConfig,
    now: pd.Timestamp,
    interval: BarInterval,
) -> SymbolStatus:
    market = market_of(symbol)
    calendar = exchange(with_interval(market.calendar, interval))
    last, expected = pd.Timestamp(bars["last"]), calendar.last_closed(now)
    if interval != "1d":  # the lake knows when it opened
        last = calendar.session_of(pd.Series([last]), margin=pd.Timedelta(0)).iloc[0]
    behind = max(len(calendar.sessions(last, expected)) - 1, 0) if last < expected else 0
    live = bars["source"] in PRICE_SOURCES
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
        fetched_at=None if fetched is None else pd.Timestamp(fetched["asked_at"]),
        note="" if fetched is None else str(fetched["note"]),
    )
