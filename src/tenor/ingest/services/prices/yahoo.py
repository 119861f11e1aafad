"""Yahoo Finance: the chart service (v8), every market, daily and intraday."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from tenor.ingest.services.http import Http
from tenor.ingest.services.prices.answer import (
    Answer,
    actions_of,
    as_moments,
    as_numbers,
    changed,
    make_answer,
    no_actions,
    reach,
    untouched_by_splits,
)
from tenor.schema import LENGTHS, BarInterval

URL = "https://query1.finance.yahoo.com"
_REACH = {"1h": pd.Timedelta(days=729), "15m": pd.Timedelta(days=59)}


@dataclass(frozen=True)
class Yahoo:
    """The chart service. Its prices are adjusted for splits, which is undone here by the splits that it tells."""

    http: Http
    url: str = URL
    name: str = "yahoo"

    def serves(self, symbol: str, interval: BarInterval) -> bool:
        """Everything."""
        return bool(symbol) and interval in LENGTHS

    def bars(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp, interval: BarInterval = "1d") -> Answer:
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
        body = self.http.get_json(
            f"{self.url}/v8/finance/chart/{quote(symbol, safe='')}", source=self.name, params=params
        )
        found = reach(body, "chart", "result", 0, source=self.name)
        meta = reach(found, "meta", source=self.name)
        zone = reach(meta, "exchangeTimezoneName", source=self.name)
        quotes = reach(found, "indicators", "quote", 0, source=self.name)
        stamps = found.get("timestamp") or []  # left out where there is no bar
        if not stamps and quotes:
            raise changed(self.name, "timestamp")
        moments = as_moments(stamps, source=self.name, field="timestamp", unit="s")
        keys = ("open", "high", "low", "close", "volume")
        columns = {
            key: as_numbers(_listed(quotes, key, stamps, self.name), source=self.name, field=key) for key in keys
        }
        if interval != "1d":
            columns["adj_close"] = columns["close"].copy()
            return make_answer(self.name, symbol, interval, moments, columns, since=since, now=now)
        days = _local_days(moments, zone)
        actions = _actions(found.get("events") or {}, zone, self.name)
        adjusted = found["indicators"].get("adjclose")
        if adjusted is None:  # coins and currencies have none
            columns["adj_close"] = columns["close"].copy()
        else:
            column = reach(adjusted, 0, "adjclose", source=self.name) if stamps else []
            columns["adj_close"] = as_numbers(column, source=self.name, field="adjclose")
        since_split = untouched_by_splits(days, actions)
        for key in ("open", "high", "low", "close"):
            columns[key] = columns[key] * since_split
        columns["volume"] = columns["volume"] / since_split
        title = str(meta.get("longName") or meta.get("shortName") or "")
        return make_answer(
            self.name, symbol, interval, days, columns, since=since, now=now, actions=actions, name=title
        )


def _listed(quotes: Any, key: str, stamps: list[Any], source: str) -> Any:
    return reach(quotes, key, source=source) if stamps else []


def _local_days(moments: pd.DatetimeIndex, zone: str) -> pd.DatetimeIndex:
    return moments.tz_convert(zone).tz_localize(None).normalize()


def _actions(events: Any, zone: str, source: str) -> pd.DataFrame:
    rows = []
    for kind, key in (("split", "splits"), ("dividend", "dividends")):
        found = list((events.get(key) or {}).values())
        dates = as_moments([reach(e, "date", source=source) for e in found], source=source, field="date", unit="s")
        for day, event in zip(_local_days(dates, zone), found, strict=True):
            if kind == "split":
                above, below = (reach(event, part, source=source) for part in ("numerator", "denominator"))
                value = float(above) / float(below) if below else np.nan
            else:
                value = float(reach(event, "amount", source=source))
            rows.append((day, kind, value))
    return actions_of(rows) if rows else no_actions()
