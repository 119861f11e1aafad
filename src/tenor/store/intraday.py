"""From rows of the table ``intraday`` to bars: each row is assigned to a bar of its own market, and adjusted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tenor.calendars import by_calendar, days_of, exchange
from tenor.schema import BAR_COLUMNS, LENGTHS, BarInterval, Float64


def dated(rows: pd.DataFrame, *, interval: BarInterval, calendar: str) -> pd.DataFrame:
    """`rows` with ``session``, the close of the bar of their market to which they belong, and ``day``, its date.

    Some sources cut bars at other times than the market's bars, for example at the full hour while New York opens at
    half past. Such a row belongs to the first bar that does not close before the row ends; of several in one bar, the
    last is used. Rows that began before the day's open or after its close are left out.

    Parameters
    ----------
    rows
        Rows of the lake with columns ``symbol`` and ``opened_at`` (UTC).
    interval
        The length of a row.
    calendar
        Calendar of symbols whose names show no market, with the interval (``XNYS@1h``).
    """
    session = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]")
    day = session.copy()
    for name, here in by_calendar(rows["symbol"], calendar):
        bars, days = exchange(name), exchange(days_of(name))
        trading_day = days.session_of(rows["opened_at"][here], margin=pd.Timedelta(0)).dropna()
        begins = rows["opened_at"][trading_day.index]
        dates = pd.DatetimeIndex(trading_day)
        inside = np.asarray(days.opens(dates) <= pd.DatetimeIndex(begins))
        # the last row of a day may reach past the close; it is taken to end there
        last = pd.DatetimeIndex(begins + LENGTHS[interval]).as_unit("us"), days.closes(dates).as_unit("us")
        ends = np.minimum(last[0].asi8, last[1].asi8)
        over = pd.Series(pd.DatetimeIndex(ends.view("datetime64[us]"), tz="UTC"), index=begins.index)
        # minus a microsecond, because a bar that closes exactly at the end of the row is the row's bar
        closes = bars.session_of(over - pd.Timedelta(microseconds=1), margin=pd.Timedelta(0))
        session[begins.index[inside]] = closes[inside]
        day[begins.index[inside]] = trading_day[inside]
    with_session = rows.assign(session=session, day=day)
    with_session = with_session[with_session["session"].notna()]
    in_order = with_session.sort_values(["symbol", "session", "opened_at"], kind="stable")
    return in_order.drop_duplicates(["symbol", "session"], keep="last")


def adjusted_like(bars: pd.DataFrame, daily: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """`bars` (of `dated`) with ``adj_close``, by the ratio adj_close / close of the daily bar of each day.

    Some sources adjust their bars for splits, some do not, and the lake may have bars that were fetched before and
    after a split. So each day's last close is compared with the daily close. If they differ by the factor of later
    splits, the day's bars are converted back to traded prices. A day without a daily bar is adjusted like the last one
    before it, and days before the first daily bar like that one. Without daily bars nothing is adjusted.

    Parameters
    ----------
    bars
        Bars of one or several symbols.
    daily
        Daily bars with columns ``symbol, session, close, adj_close``.
    splits
        Splits with columns ``symbol, session, value``.
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
