"""Stooq: daily bars in CSV, without a key, adjusted for splits and dividends; many exchanges, coins, currencies."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.errors import SourceError
from tenor.ingest.services.http import Http
from tenor.ingest.services.prices.answer import Answer, as_numbers, changed, make_answer
from tenor.schema import BarInterval

URL = "https://stooq.com"
_SUFFIXES = {"": "us", "DE": "de", "L": "uk", "T": "jp", "HK": "hk", "BD": "hu", "WA": ""}


@dataclass(frozen=True)
class Stooq:
    """The download of a symbol's history. It has adjusted prices alone: `close` is what it was worth in today's."""

    http: Http
    url: str = URL
    name: str = "stooq"

    def serves(self, symbol: str, interval: BarInterval) -> bool:
        """Daily bars of the exchanges that it has, of coins in dollars and of currencies."""
        market = market_of(symbol)
        if market.kind == "crypto":
            return interval == "1d" and market.currency == "USD"
        known = market.kind == "currency" or parts_of(symbol)[1] in _SUFFIXES
        return interval == "1d" and known and not symbol.startswith("^")

    def bars(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp, interval: BarInterval = "1d") -> Answer:
        """See `PriceSource`."""
        params = {"s": _own_symbol(symbol), "d1": f"{since:%Y%m%d}", "d2": f"{now:%Y%m%d}", "i": "d"}
        body = self.http.get_text(f"{self.url}/q/d/l/", source=self.name, params=params, form="csv", gap=0.5)
        lines = body.decode("utf-8-sig", errors="replace").strip().splitlines()
        if not lines or lines[0].strip().casefold() == "no data":
            raise SourceError(
                f"stooq has no such symbol, or no bar of {symbol} since {since:%Y-%m-%d}.", kind="unknown"
            )
        if "daily hits limit" in lines[0].casefold():
            raise SourceError("stooq gives no more answers today: its limit a day is reached.", kind="limited")
        rows = list(csv.reader(lines))
        names = [name.strip().casefold() for name in rows[0]]
        if missing := [name for name in ("date", "open", "high", "low", "close") if name not in names]:
            raise changed(self.name, missing[0])
        rows = [row for row in rows[1:] if row]
        if any(len(row) != len(names) for row in rows):
            raise SourceError(f"stooq sent a CSV that is cut off for {symbol}: try later.", kind="malformed")
        own = {name: [row[place] or None for row in rows] for place, name in enumerate(names)}
        columns = {c: as_numbers(own[c], source=self.name, field=c) for c in ("open", "high", "low", "close")}
        columns["adj_close"] = columns["close"].copy()
        # currencies have no volume
        columns["volume"] = as_numbers(own.get("volume", [0.0] * len(rows)), source=self.name, field="volume")
        try:
            texts = [text or "" for text in own["date"]]
            days = pd.DatetimeIndex(pd.to_datetime(texts, format="%Y-%m-%d")).as_unit("us")
        except (ValueError, TypeError):
            raise changed(self.name, "date") from None
        return make_answer(self.name, symbol, interval, days, columns, since=since, now=now)


def _own_symbol(symbol: str) -> str:
    market = market_of(symbol)
    left, right = parts_of(symbol)
    if market.kind == "crypto":
        return f"{left}.v".lower()
    if market.kind == "currency":
        return f"{left}{right}".lower()
    return f"{left}.{_SUFFIXES[right]}".rstrip(".").lower()
