"""Rows of the table ``intraday`` to Bars: each dated by the bar of its own market that it fills, and adjusted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tenor.calendars import by_calendar, days_of, exchange
from tenor.schema import BAR_COLUMNS, LENGTHS, BarInterval, Float64


def dated(rows: pd.DataFrame, *, interval: BarInterval, calendar: str) -> pd.DataFrame:
    """`rows` with ``session``, the close of the bar of their market that they belong to, and ``day``, its trading date.

    A row that does not stand on the market's own grid (a source that cuts its bars at the full hour, where New York
    opens at half past) belongs to the first bar that closes no earlier than it ends; of several in one bar the last
    counts. What began before the day's open or after its close is left out.

    Parameters
    ----------
    rows
        Columns ``symbol`` and ``opened_at`` (UTC), as the lake holds them.
    interval
        The length of a row.
    calendar
        Of symbols whose names have no market, with the interval (``XNYS@1h``).
    """
    session = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]")
    day = session.copy()
    for name, here in by_calendar(rows["symbol"], calendar):
        bars, days = exchange(name), exchange(days_of(name))
        trading_day = days.session_of(rows["opened_at"][here], margin=pd.Timedelta(0)).dropna()
        begins = rows["opened_at"][trading_day.index]
        dates = pd.DatetimeIndex(trading_day)
        inside = np.asarray(days.opens(dates) <= pd.DatetimeIndex(begins))
        # the last row of a day may reach past the close: it ends there
        last = pd.DatetimeIndex(begins + LENGTHS[interval]).as_unit("us"), days.closes(dates).as_unit("us")
        ends = np.minimum(last[0].asi8, last[1].asi8)
        over = pd.Series(pd.DatetimeIndex(ends.view("datetime64[us]"), tz="UTC"), index=begins.index)
        # a bar that closes at the very end of the row is the row's own: hence the microsecond
        closes = bars.session_of(over - pd.Timedelta(microseconds=1), margin=pd.Timedelta(0))
        session[begins.index[inside]] = closes[inside]
        day[begins.index[inside]] = trading_day[inside]
    with_session = rows.assign(session=session, day=day)
    with_session = with_session[with_session["session"].notna()]
    in_order = with_session.sort_values(["symbol", "session", "opened_at"], kind="stable")
    return in_order.drop_duplicates(["symbol", "session"], keep="last")


def adjusted_like(bars: pd.DataFrame, daily: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """`bars` (of `dated`) with ``adj_close``, by the ratio adj_close / close of the daily bar of each day.

    Some sources undo splits in their bars, some do not, and the lake may have bars from before and after a split. So
    each day's last close is compared with the daily one: where they differ by the factor of splits since then, the
    day's bars are put back to what was traded. A day without a daily bar (yet) is adjusted like the last one before it,
    and what lies before the first like that one; without daily bars nothing is adjusted.

    Parameters
    ----------
    bars
        Of several symbols.
    daily
        Columns ``symbol, session, close, adj_close``.
    splits
        Columns ``symbol, session, value``.
    """
    daily_of = {str(symbol): frame.sort_values("session") for symbol, frame in daily.groupby("symbol")}
    splits_of = {str(symbol): frame.sort_values("session") for symbol, frame in splits.groupby("symbol")}
    unadjusted = bars.assign(adj_close=bars["close"])
    adjusted = [
        _of_symbol(frame, daily_of[str(symbol)], splits_of.get(str(symbol))) if str(symbol) in daily_of else frame
        for symbol, frame in unadjusted.groupby("symbol", sort=False)
    ]
    return pd.concat(adjusted or [unadjusted]).loc[:, list(BAR_COLUMNS)]


def _of_symbol(bars: pd.DataFrame, daily: pd.DataFrame, splits: pd.DataFrame | None) -> pd.DataFrame:
    days = pd.DatetimeIndex(daily["session"])
    place = np.maximum(np.asarray(days.searchsorted(pd.DatetimeIndex(bars["day"]), side="right")) - 1, 0)
    ratio: Float64 = (daily["adj_close"] / daily["close"]).to_numpy()
    if splits is not None:
        last = bars.drop_duplicates("day", keep="last").set_index("day")["close"]
        gaps = np.log(daily.set_index("session")["close"]).reindex(last.index) - np.log(last)
        undone = {day: _undone(gap, splits[(splits["session"] > day).to_numpy()]) for day, gap in gaps.dropna().items()}
        scale: Float64 = bars["day"].map(undone).fillna(1.0).to_numpy()
        prices = {name: bars[name] * scale for name in ("open", "high", "low", "close")}
        bars = bars.assign(**prices, volume=bars["volume"] / scale)
    return bars.assign(adj_close=bars["close"] * ratio[place])


def _undone(gap: float, later: pd.DataFrame) -> float:
    """The factor by which a source undid splits in a day's bars: that of the first n of the `later` ones, n from 0.

    It is the one nearest to `gap`, the log of the daily close over the last close of the day's bars.
    """
    products = np.concatenate([[1.0], np.cumprod(later["value"].to_numpy(dtype="float64"))])
    return float(products[np.argmin(np.abs(np.log(products) - gap))])
