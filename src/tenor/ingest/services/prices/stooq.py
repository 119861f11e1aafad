"""Stooq: daily bars in CSV, without a key, adjusted for splits and dividends; many exchanges, coins, currencies."""

from __future__ import annotations

import csv

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.errors import SourceError
from tenor.ingest.services.fields import as_numbers, format_changed
from tenor.ingest.services.price_source import PriceAnswer, PriceSource, price_answer
from tenor.schema import BarInterval

_SUFFIXES = {"": "us", "DE": "de", "L": "uk", "T": "jp", "HK": "hk", "BD": "hu", "WA": ""}


class Stooq(PriceSource):
    """The download of a symbol's history. It has only adjusted prices: `close` is the adjusted close."""

    name = "stooq"
    default_url = "https://stooq.com"
    gap = 0.5

    def serves(self, symbol: str, interval: BarInterval) -> bool:
        """Whether `symbol` is of an exchange that it has, a coin in dollars or a currency pair; daily bars only."""
        market = market_of(symbol)
        if market.kind == "crypto":
            return interval == "1d" and market.currency == "USD"
        known = market.kind == "currency" or parts_of(symbol)[1] in _SUFFIXES
        return interval == "1d" and known and not symbol.startswith("^")

    def bars(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp, interval: BarInterval = "1d") -> PriceAnswer:
        """See `PriceSource`."""
        params = {"s": _own_symbol(symbol), "d1": f"{since:%Y%m%d}", "d2": f"{now:%Y%m%d}", "i": "d"}
        body = self.get_text("/q/d/l/", params=params, form="csv")
        lines = body.decode("utf-8-sig", errors="replace").strip().splitlines()
        if not lines or lines[0].strip().casefold() == "no data":
            raise SourceError(
                f"stooq has no such symbol, or no bar of {symbol} since {since:%Y-%m-%d}.", kind="unknown"
            )
        if "daily hits limit" in lines[0].casefold():
            raise SourceError("stooq gives no more answers today: its daily limit is reached.", kind="limited")
        rows = list(csv.reader(lines))
        header = [name.strip().casefold() for name in rows[0]]
        if missing := [name for name in ("date", "open", "high", "low", "close") if name not in header]:
            raise format_changed(self.name, missing[0])
        rows = [row for row in rows[1:] if row]
        if any(len(row) != len(header) for row in rows):
            raise SourceError(f"stooq sent a CSV that is cut off for {symbol}: try later.", kind="malformed")
        texts = {name: [row[place] or None for row in rows] for place, name in enumerate(header)}
        columns = {c: as_numbers(texts[c], source=self.name, field=c) for c in ("open", "high", "low", "close")}
        columns["adj_close"] = columns["close"].copy()
        # currencies have no volume
        columns["volume"] = as_numbers(texts.get("volume", [0.0] * len(rows)), source=self.name, field="volume")
        try:
            dates = [text or "" for text in texts["date"]]
            days = pd.DatetimeIndex(pd.to_datetime(dates, format="%Y-%m-%d")).as_unit("us")
        except (ValueError, TypeError):
            raise format_changed(self.name, "date") from None
        return price_answer(self.name, symbol, interval, days, columns, since=since, now=now)


def _own_symbol(symbol: str) -> str:
    market = market_of(symbol)
    left, right = parts_of(symbol)
    if market.kind == "crypto":
        return f"{left}.v".lower()
    if market.kind == "currency":
        return f"{left}{right}".lower()
    return f"{left}.{_SUFFIXES[right]}".rstrip(".").lower()
