"""Yahoo Finance: the chart service (v8), every market, daily and intraday."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from tenor.ingest.services.fields import as_moments, as_numbers, field_at, format_changed
from tenor.ingest.services.price_source import (
    PriceAnswer,
    PriceSource,
    actions_of,
    no_actions,
    price_answer,
    untouched_by_splits,
)
from tenor.schema import LENGTHS, BarInterval

_REACH = {"1h": pd.Timedelta(days=729), "15m": pd.Timedelta(days=59)}


class Yahoo(PriceSource):
    """The chart service. Its prices are adjusted for splits; the adjustment is undone with the splits it reports."""

    name = "yahoo"
    default_url = "https://query1.finance.yahoo.com"
    browsers_only = True

    def serves(self, symbol: str, interval: BarInterval) -> bool:
        """Everything."""
        return bool(symbol) and interval in LENGTHS

    def bars(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp, interval: BarInterval = "1d") -> PriceAnswer:
        """See `PriceSource`; intraday bars reach back two years (1h) or two months (15m)."""
        first = since.tz_localize("UTC")
        if interval != "1d":
            first = max(first, now - _REACH[interval])
        params = {
            "period1": str(int(first.timestamp())),
            "period2": str(int((now + pd.Timedelta(days=1)).timestamp())),
            "interval": interval,
            "events": "div,splits",
            "includeAdjustedClose": "true",
        }
        body = self.get_json(f"/v8/finance/chart/{quote(symbol, safe='')}", params=params)
        result = field_at(body, "chart", "result", 0, source=self.name)
        meta = field_at(result, "meta", source=self.name)
        zone = field_at(meta, "exchangeTimezoneName", source=self.name)
        quotes = field_at(result, "indicators", "quote", 0, source=self.name)
        stamps = result.get("timestamp") or []  # missing if there are no bars
        if not stamps and quotes:
            raise format_changed(self.name, "timestamp")
        moments = as_moments(stamps, source=self.name, field="timestamp", unit="s")
        keys = ("open", "high", "low", "close", "volume")
        columns = {
            key: as_numbers(_listed(quotes, key, stamps, self.name), source=self.name, field=key) for key in keys
        }
        if interval != "1d":
            columns["adj_close"] = columns["close"].copy()
            return price_answer(self.name, symbol, interval, moments, columns, since=since, now=now)
        days = _local_days(moments, zone)
        actions = _actions(result.get("events") or {}, zone, self.name)
        adjusted = result["indicators"].get("adjclose")
        if adjusted is None:  # coins and currencies have none
            columns["adj_close"] = columns["close"].copy()
        else:
            column = field_at(adjusted, 0, "adjclose", source=self.name) if stamps else []
            columns["adj_close"] = as_numbers(column, source=self.name, field="adjclose")
        # undo the split adjustment: prices and volumes as they were traded
        since_split = untouched_by_splits(days, actions)
        for key in ("open", "high", "low", "close"):
            columns[key] = columns[key] * since_split
        columns["volume"] = columns["volume"] / since_split
        title = str(meta.get("longName") or meta.get("shortName") or "")
        return price_answer(
            self.name, symbol, interval, days, columns, since=since, now=now, actions=actions, name=title
        )


def _listed(quotes: Any, key: str, stamps: list[Any], source: str) -> Any:
    return field_at(quotes, key, source=source) if stamps else []


def _local_days(moments: pd.DatetimeIndex, zone: str) -> pd.DatetimeIndex:
    return moments.tz_convert(zone).tz_localize(None).normalize()


def _actions(events: Any, zone: str, source: str) -> pd.DataFrame:
    rows = []
    for kind, key in (("split", "splits"), ("dividend", "dividends")):
        of_kind = list((events.get(key) or {}).values())
        dates = as_moments([field_at(e, "date", source=source) for e in of_kind], source=source, field="date", unit="s")
        for day, event in zip(_local_days(dates, zone), of_kind, strict=True):
            if kind == "split":
                shares = field_at(event, "numerator", source=source)
                before = field_at(event, "denominator", source=source)
                value = float(shares) / float(before) if before else np.nan
            else:
                value = float(field_at(event, "amount", source=source))
            rows.append((day, kind, value))
    return actions_of(rows) if rows else no_actions()
