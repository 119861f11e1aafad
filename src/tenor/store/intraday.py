"""Rows of the table ``intraday`` -> Bars: each dated by the bar of its own market that it fills, and adjusted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tenor.calendars import by_calendar, days_of, exchange
from tenor.schema import BAR_COLUMNS, LENGTHS, BarInterval, Float64


def dated(rows: pd.DataFrame, *, interval: BarInterval, calendar: str) -> pd.DataFrame:
    """`rows` with ``session``, the close of the bar of their market that knows them, and ``day``, its trading date.

    A row that does not stand on the market's own grid (a source that cuts its bars at the full hour, where New York
    opens at half past) belongs to the first bar that closes no earlier than it ends; of several in one bar the last
    counts. What began before the day's open or after its close is left out.

    Parameters
    ----------
    rows
        Columns ``symbol`` and ``opened_at`` (UTC), as the lake holds them.
    calendar
        Of symbols whose names tell no market, with the interval (``XNYS@1h``).
    """
    session, day = (pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]") for _ in range(2))
    for name, here in by_calendar(rows["symbol"], calendar):
        bars, days = exchange(name), exchange(days_of(name))
        on = days.session_of(rows["opened_at"][here], margin=pd.Timedelta(0)).dropna()
        begins = rows["opened_at"][on.index]
        dates = pd.DatetimeIndex(on)
        inside = np.asarray(days.opens(dates) <= pd.DatetimeIndex(begins))
        ends = np.minimum(pd.DatetimeIndex(begins + LENGTHS[interval]).asi8, days.closes(dates).asi8)
        over = pd.Series(pd.DatetimeIndex(ends.view("datetime64[us]"), tz="UTC"), index=begins.index)
        # a close at the very end of the row is that of its own bar
        found = bars.session_of(over - pd.Timedelta(microseconds=1), margin=pd.Timedelta(0))
        session[begins.index[inside]] = found[inside]
        day[begins.index[inside]] = on[inside]
    placed = rows.assign(session=session, day=day)
    placed = placed[placed["session"].notna()].sort_values(["symbol", "session", "opened_at"], kind="stable")
    return placed.drop_duplicates(["symbol", "session"], keep="last")


def adjusted_like(bars: pd.DataFrame, daily: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """`bars` (as `dated` gives them) with ``adj_close``, by what daily bars say of each day: adj_close / close there.

    Some sources undo splits in the bars that they give, some do not, and the lake may hold bars from before and after
    one. So each day's last close is held against the daily one: where they are as far apart as splits since then make
    them, the day's bars are put back to what was traded. A day of which there is no daily bar (yet) is adjusted like
    the last one before it, and what lies before the first like that one; without daily bars nothing is adjusted.

    Parameters
    ----------
    daily
        Columns ``symbol, session, close, adj_close``.
    splits
        Columns ``symbol, session, value``.
    """
    known = {str(symbol): frame.sort_values("session") for symbol, frame in daily.groupby("symbol")}
    cuts = {str(symbol): frame.sort_values("session") for symbol, frame in splits.groupby("symbol")}
    placed = [
        _of_symbol(frame, known[str(symbol)], cuts.get(str(symbol))) if str(symbol) in known else frame
        for symbol, frame in bars.assign(adj_close=bars["close"]).groupby("symbol", sort=False)
    ]
    return pd.concat(placed or [bars.assign(adj_close=bars["close"])]).loc[:, list(BAR_COLUMNS)]


def _of_symbol(bars: pd.DataFrame, daily: pd.DataFrame, splits: pd.DataFrame | None) -> pd.DataFrame:
    days = pd.DatetimeIndex(daily["session"])
    place = np.maximum(np.asarray(days.searchsorted(pd.DatetimeIndex(bars["day"]), side="right")) - 1, 0)
    ratio: Float64 = (daily["adj_close"] / daily["close"]).to_numpy()
    if splits is not None:
        last = bars.drop_duplicates("day", keep="last").set_index("day")["close"]
        apart = np.log(daily.set_index("session")["close"]).reindex(last.index) - np.log(last)
        undone = {
            day: _undone(gap, splits[(splits["session"] > day).to_numpy()]) for day, gap in apart.dropna().items()
        }
        scale: Float64 = bars["day"].map(undone).fillna(1.0).to_numpy()
        prices = {name: bars[name] * scale for name in ("open", "high", "low", "close")}
        bars = bars.assign(**prices, volume=bars["volume"] / scale)
    return bars.assign(adj_close=bars["close"] * ratio[place])


def _undone(gap: float, later: pd.DataFrame) -> float:
    """By how much the splits that were undone in a day's bars changed them: none, or all up to one of `later`."""
    products = np.concatenate([[1.0], np.cumprod(later["value"].to_numpy(dtype="float64"))])
    return float(products[np.argmin(np.abs(np.log(products) - gap))])
