"""Binance: coins against USDT and other coins, daily (UTC) and intraday, page by page, without a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.errors import SourceError
from tenor.ingest.services.http import Http
from tenor.ingest.services.prices.answer import Answer, as_moments, as_numbers, changed, make_answer
from tenor.schema import LENGTHS, BarInterval

URL = "https://api.binance.com"
_PAGE = 1000
_PAGES = 500
# dollars are traded there as a coin that follows the dollar
_QUOTES = {"USD": "USDT"}


@dataclass(frozen=True)
class Binance:
    """The klines endpoint. ``BTC-USD`` is asked for as BTCUSDT, which may part from the dollar in a crisis."""

    http: Http
    url: str = URL
    name: str = "binance"

    def serves(self, symbol: str, interval: BarInterval) -> bool:
        """Coins."""
        return market_of(symbol).kind == "crypto" and interval in LENGTHS

    def bars(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp, interval: BarInterval = "1d") -> Answer:
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
                raise SourceError(f"binance sends the same page of {symbol} again and again.", kind="malformed")
            start = following
        at = as_moments([row[0] for row in rows], source=self.name, field="open time", unit="ms")
        names = ("open", "high", "low", "close", "volume")
        columns = {
            name: as_numbers([row[i] for row in rows], source=self.name, field=name) for i, name in enumerate(names, 1)
        }
        columns["adj_close"] = columns["close"].copy()
        if interval == "1d":
            at = at.tz_localize(None).normalize()
        return make_answer(self.name, symbol, interval, at, columns, since=since, now=now)

    def _page(self, pair: str, interval: BarInterval, start: int, end: int) -> list[Any]:
        params = {"symbol": pair, "interval": interval, "startTime": str(start), "endTime": str(end)}
        params |= {"limit": str(_PAGE)}
        url = f"{self.url}/api/v3/klines"
        page = self.http.get_json(url, source=self.name, params=params, unknown=(400, 404), gap=0.1)
        if not isinstance(page, list) or any(not isinstance(row, list) or len(row) < 6 for row in page):
            raise changed(self.name, "klines")
        return page
