"""Binance: coins against USDT and other coins, daily (UTC) and intraday, page by page, without a key."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.errors import SourceError
from tenor.ingest.services.fields import as_moments, as_numbers, format_changed
from tenor.ingest.services.price_source import PriceAnswer, PriceSource, price_answer
from tenor.schema import LENGTHS, BarInterval

_PAGE = 1000
_PAGES = 500
# Binance has no pairs in US dollars, but in a stablecoin that follows the dollar
_QUOTES = {"USD": "USDT"}


class Binance(PriceSource):
    """The klines endpoint. ``BTC-USD`` is requested as BTCUSDT, whose price may deviate from dollars in a crisis."""

    name = "binance"
    default_url = "https://api.binance.com"
    gap = 0.1

    def serves(self, symbol: str, interval: BarInterval) -> bool:
        """Coins."""
        return market_of(symbol).kind == "crypto" and interval in LENGTHS

    def bars(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp, interval: BarInterval = "1d") -> PriceAnswer:
        """See `PriceSource`."""
        coin, quote = parts_of(symbol)
        start = int(since.tz_localize("UTC").timestamp() * 1000)
        end = int(now.timestamp() * 1000)
        rows: list[Any] = []
        for _ in range(_PAGES):
            page = self._page(coin + _QUOTES.get(quote, quote), interval, start, end)
            rows += page
            if len(page) < _PAGE:
                break
            following = int(page[-1][0]) + 1
            if following <= start:
                raise SourceError(f"binance sends the same page of {symbol} repeatedly.", kind="malformed")
            start = following
        at = as_moments([row[0] for row in rows], source=self.name, field="open time", unit="ms")
        names = ("open", "high", "low", "close", "volume")
        columns = {
            name: as_numbers([row[i] for row in rows], source=self.name, field=name) for i, name in enumerate(names, 1)
        }
        columns["adj_close"] = columns["close"].copy()
        if interval == "1d":
            at = at.tz_localize(None).normalize()
        return price_answer(self.name, symbol, interval, at, columns, since=since, now=now)

    def _page(self, pair: str, interval: BarInterval, start: int, end: int) -> list[Any]:
        params = {"symbol": pair, "interval": interval, "startTime": str(start), "endTime": str(end)}
        params |= {"limit": str(_PAGE)}
        page = self.get_json("/api/v3/klines", params=params, unknown=(400, 404))
        if not isinstance(page, list) or any(not isinstance(row, list) or len(row) < 6 for row in page):
            raise format_changed(self.name, "klines")
        return page
