"""A made-up market: the same prices, actions and news for every service, as they were known at a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import exchange, market_of

FIRST = pd.Timestamp("2024-01-02")
LAST = pd.Timestamp("2024-12-30")
WORDS = [
    "plant", "order", "margin", "dealer", "battery", "audit", "pilot", "tender", "freight", "patent", "lender",
    "outlook", "warehouse", "recall", "licence", "shipment", "union", "surplus", "forecast", "charter", "turbine",
    "refinery", "harvest", "contract", "depot", "vendor",
]  # fmt: skip

FILINGS = [
    ("8-K", "2.02,9.01", "2024-01-25 16:05:10"),
    ("10-K", "", "2024-02-08 17:12:40"),
    ("8-K", "5.02", "2024-03-01 07:45:00"),
    ("4", "", "2024-03-04 21:10:05"),
    ("8-K", "2.02,9.01", "2024-04-24 08:01:30"),
    ("8-K/A", "2.02", "2024-04-29 12:00:00"),
    ("8-K", "2.02", "2024-06-20 10:15:00"),
    ("10-Q", "", "2024-06-20 18:20:00"),
]
"""Made up: results after a close, before an open and within a session, and what is none."""


@dataclass
class World:
    """All facts about the market.

    Attributes
    ----------
    seed
        Of the prices and the news.
    now
        The moment of the requests.
    splits
        By symbol, day -> ratio.
    dividends
        By symbol, day -> money a share.
    corrections
        By symbol, day -> (moment from which the right bar is known, factor by which the wrong prices are off).
    news_days
        How many days back headlines are served.
    intraday_days
        How many sessions back intraday bars are served.
    unknown
        Symbols that no service has.
    filings
        By symbol, (form, items, New York's time of acceptance); others have `FILINGS`.
    eastern
        Symbols whose times of acceptance EDGAR writes by New York's clock, with a Z all the same.
    coming
        By symbol, (day, hour) of the calendar of results: ``bmo``, ``amc`` or ``""``; others have none.
    """

    seed: int = 0
    now: pd.Timestamp = field(default_factory=lambda: pd.Timestamp("2024-06-28 23:00", tz="UTC"))
    splits: dict[str, dict[str, float]] = field(default_factory=dict)
    dividends: dict[str, dict[str, float]] = field(default_factory=dict)
    corrections: dict[str, dict[str, tuple[str, float]]] = field(default_factory=dict)
    news_days: int = 8
    intraday_days: int = 5
    unknown: tuple[str, ...] = ("NOPE",)
    filings: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    eastern: tuple[str, ...] = ()
    coming: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _cache: dict[str, pd.DataFrame] = field(default_factory=dict)
    _items: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def bars(self, symbol: str, since: pd.Timestamp, *, live: bool = False) -> pd.DataFrame:
        """As traded, with ``adj_close`` and the actions' columns, from `since` to the last session over by `now`.

        With `live` the session that is under way has a row as well.
        """
        whole = self._whole(symbol)
        market = exchange(market_of(symbol).calendar)
        last = market.last_closed(self.now)
        coming = market.following(last)
        open_by_now = live and self.now >= market.close(coming) - pd.Timedelta(hours=6)
        known = whole[whole["session"] <= (coming if open_by_now else last)].copy()
        for day, (moment, factor) in self.corrections.get(symbol, {}).items():
            if pd.Timestamp(moment, tz="UTC") > self.now:
                known.loc[known["session"] == pd.Timestamp(day), ["open", "high", "low", "close"]] *= factor
        steps = (1 - known["dividend"].to_numpy()[1:] / known["close"].to_numpy()[:-1]) / known["split"].to_numpy()[1:]
        growth = np.append(np.cumprod(steps[::-1])[::-1], 1.0)
        known["adj_close"] = known["close"].to_numpy() * growth
        return known[known["session"] >= since].reset_index(drop=True)

    def filed(self, symbol: str) -> list[tuple[str, str, pd.Timestamp]]:
        """Form, items and time of acceptance (UTC) of what `symbol` filed by `now`, the newest first."""
        rows = [
            (form, items, pd.Timestamp(at, tz="America/New_York").tz_convert("UTC"))
            for form, items, at in self.filings.get(symbol, FILINGS)
        ]
        return [row for row in reversed(rows) if row[2] <= self.now]

    def intraday(self, symbol: str, since: pd.Timestamp, minutes: int) -> pd.DataFrame:
        """Bars of so many minutes, from the open on, of the last `intraday_days` sessions over by `now`."""
        rows: list[dict[str, Any]] = []
        calendar, step = exchange(market_of(symbol).calendar), pd.Timedelta(minutes=minutes)
        for row in self.bars(symbol, since, live=True).tail(self.intraday_days).itertuples():
            days = pd.DatetimeIndex([row.session])
            begins = pd.date_range(calendar.opens(days)[0], calendar.closes(days)[0], freq=step, inclusive="left")
            rng = np.random.default_rng([self.seed, row.session.toordinal(), *symbol.encode()])
            close = row.close * np.exp(np.append(np.cumsum(rng.normal(0, 0.004, len(begins) - 1)), 0.0))
            open_ = np.append(row.open, close[:-1])
            high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
            for at, *numbers in zip(begins, open_, high, low, close, strict=True):
                if at + step > self.now:
                    break
                rows.append(
                    {"at": at, **dict(zip(("open", "high", "low", "close"), numbers, strict=True)), "volume": 900.0}
                )
        return pd.DataFrame(rows)

    def news(self, symbol: str, since: pd.Timestamp) -> list[dict[str, Any]]:
        """Items published from `since` to `now`: two a day, of made-up words."""
        return [item for item in self._news(symbol) if since <= item["at"] <= self.now]

    def _news(self, symbol: str) -> list[dict[str, Any]]:
        if symbol not in self._items:
            rng = np.random.default_rng([self.seed, 7, *symbol.encode()])
            self._items[symbol] = []
            for moment in pd.date_range(FIRST, LAST, freq="12h", tz="UTC"):
                at = moment + pd.Timedelta(hours=7, minutes=int(rng.integers(0, 300)))
                words = " ".join(rng.choice(WORDS, 7))
                self._items[symbol].append(
                    {
                        "id": int(at.timestamp()),
                        "at": at,
                        "title": f"{symbol} {words}",
                        "summary": f"More on {rng.choice(WORDS)} and {rng.choice(WORDS)}.",
                        "url": f"https://news.example/{symbol}/{int(at.timestamp())}",
                        "publisher": "The Example",
                    }
                )
        return self._items[symbol]

    def _whole(self, symbol: str) -> pd.DataFrame:
        if symbol not in self._cache:
            days = exchange(market_of(symbol).calendar).sessions(FIRST, LAST)
            rng = np.random.default_rng([self.seed, *symbol.encode()])
            close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
            split = np.ones(len(days))
            dividend = np.zeros(len(days))
            for day, ratio in self.splits.get(symbol, {}).items():
                split[days == pd.Timestamp(day)] = ratio
            for day, money in self.dividends.get(symbol, {}).items():
                dividend[days == pd.Timestamp(day)] = money
            close = np.round(close / np.cumprod(split), 4)
            open_ = np.round(close * (1 + rng.normal(0, 0.003, len(days))), 4)
            frame = pd.DataFrame({"session": days, "open": open_, "close": close})
            frame["high"] = np.round(np.maximum(open_, close) * 1.004, 4)
            frame["low"] = np.round(np.minimum(open_, close) * 0.996, 4)
            frame["volume"] = rng.integers(1_000, 9_000, len(days)).astype(float) * 100
            self._cache[symbol] = frame.assign(split=split, dividend=dividend)
        return self._cache[symbol]
