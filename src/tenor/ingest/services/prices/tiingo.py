"""Tiingo: US stocks and funds, as traded and adjusted, daily; hourly and quarter-hourly from IEX. It needs a key."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.ingest.services.fields import as_moments, as_numbers, field_at, format_changed
from tenor.ingest.services.price_source import PriceAnswer, PriceSource, actions_where, price_answer
from tenor.schema import LENGTHS, BarInterval

_FREQUENCIES = {"1h": "1hour", "15m": "15min"}


class Tiingo(PriceSource):
    """The daily and the IEX endpoints. The key goes in a header."""

    name = "tiingo"
    default_url = "https://api.tiingo.com"
    key_variables = ("TIINGO_API_KEY",)
    gap = 1.0

    def serves(self, symbol: str, interval: BarInterval) -> bool:
        """Whether `symbol` is a US stock or fund."""
        us = market_of(symbol).calendar == "XNYS" and parts_of(symbol)[1] == ""
        return us and interval in LENGTHS and not symbol.startswith("^") and "=" not in symbol

    def bars(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp, interval: BarInterval = "1d") -> PriceAnswer:
        """See `PriceSource`."""
        headers = {"Authorization": f"Token {self.key()}"}
        params = {"startDate": f"{since:%Y-%m-%d}", "format": "json"}
        path = f"/tiingo/daily/{quote(symbol, safe='')}/prices"
        if interval != "1d":
            params |= {"resampleFreq": _FREQUENCIES[interval], "columns": "open,high,low,close,volume"}
            path = f"/iex/{quote(symbol, safe='')}/prices"
        rows = self.get_json(path, params=params, headers=headers)
        if not isinstance(rows, list):
            raise format_changed(self.name, "prices")
        moments = as_moments(self._column(rows, "date"), source=self.name, field="date")
        columns = {key: self._numbers(rows, key) for key in ("open", "high", "low", "close", "volume")}
        if interval != "1d":
            columns["adj_close"] = columns["close"].copy()
            return price_answer(self.name, symbol, interval, moments, columns, since=since, now=now)
        days = moments.tz_localize(None).normalize()
        columns["adj_close"] = self._numbers(rows, "adjClose")
        splits, dividends = self._numbers(rows, "splitFactor"), self._numbers(rows, "divCash")
        actions = actions_where(days, splits=splits, dividends=dividends)
        return price_answer(self.name, symbol, interval, days, columns, since=since, now=now, actions=actions)

    def _column(self, rows: list[Any], key: str) -> list[Any]:
        return [field_at(row, key, source=self.name) for row in rows]

    def _numbers(self, rows: list[Any], key: str) -> Any:
        return as_numbers(self._column(rows, key), source=self.name, field=key)
