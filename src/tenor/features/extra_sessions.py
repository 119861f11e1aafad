"""Bars of days that an exchange's calendar does not have: an extra session, or a wrong date?

Exchanges hold sessions that no calendar has in advance: a Saturday's test of the other data centre, the hour of Muhurat
trading in India. `docs/decisions/0018-calendars-and-extra-sessions.md` says which bars of such days are trusted. The
lake keeps them. A panel has only the calendar's sessions, so their move is part of the next session's return.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd

from tenor.calendars import by_calendar, exchange
from tenor.schema import Bars, Bool

MOST = 0.02
"""The largest share of days that may be extra sessions; with more, the calendar or the dates are wrong."""
_LEAST_SYMBOLS = 3
_NEAR = pd.Timedelta(days=7)
_PRICES = ["open", "high", "low", "close"]


def extra_in_file(frame: pd.DataFrame, closed: Bool, calendar: str, vouched: Collection[pd.Timestamp] = ()) -> Bool:
    """[row]; which rows of `frame` that are not on a session are bars of an extra session.

    A day is an extra session under two conditions. At least three symbols, and at least half of those that trade in the
    week around it, have a bar of it that can be trusted (`_sound`). And not more than `MOST` of all days are like it.
    A day in `vouched` needs only one symbol.

    Parameters
    ----------
    frame
        Bars of one calendar, columns ``symbol, session``, prices and ``volume``.
    closed
        [row]; whether the row is not on a session.
    calendar
        Name of the calendar.
    vouched
        Extra sessions that are already known (`extra_days`).
    """
    days = frame["session"]
    off_days = pd.DatetimeIndex(days[closed]).unique()
    sound = closed & _sound(frame, closed, calendar)
    extra = list(vouched)
    off_days = off_days[~off_days.isin(pd.DatetimeIndex(extra))]
    if not sound.any():
        return np.zeros(len(frame), dtype=bool)
    if len(off_days) > int(MOST * days.nunique()):
        off_days = off_days[:0]
    for day in off_days:
        with_bar = frame.loc[sound & (days == day).to_numpy(), "symbol"].nunique()
        active = frame.loc[((days - day).abs() <= _NEAR).to_numpy(), "symbol"].nunique()
        if with_bar >= _LEAST_SYMBOLS and 2 * with_bar >= active:
            extra.append(day)
    return np.asarray(sound & days.isin(extra).to_numpy())


def extra_of_service(frame: pd.DataFrame, closed: Bool, calendar: str) -> Bool:
    """As `extra_in_file`, for one symbol's bars from a price service, whose dates are reliable.

    Each bar that can be trusted (`_sound`) is of an extra session, unless more than `MOST` of the rows (and more than
    one) are not on a session.
    """
    if int(closed.sum()) > max(1, int(MOST * len(frame))):
        return np.zeros(len(frame), dtype=bool)
    return np.asarray(closed & _sound(frame.assign(symbol=""), closed, calendar))


def extra_days(days: pd.DatetimeIndex, calendar: str) -> pd.DatetimeIndex:
    """The extra sessions among `days`, on which bars of `calendar` are stored; none if more than `MOST` would be.

    Such bars were stored because they could be trusted, so other symbols' bars of the same day are trusted too.
    """
    unique = days.unique()
    if not len(unique):
        return unique
    extra = unique[~unique.isin(exchange(calendar).sessions(unique.min(), unique.max()))]
    return extra if len(extra) <= MOST * len(unique) else extra[:0]


def on_sessions(bars: Bars, calendar: str) -> Bars:
    """Daily `bars` without those of extra sessions, for a panel over the sessions of `calendar`.

    If more than `MOST` of the days of an exchange are not its sessions, nothing is left out: then the calendar is
    wrong, and building the panel raises an error.
    """
    if bars.interval != "1d":
        return bars
    frame = bars.frame
    extra = np.zeros(len(frame), dtype=bool)
    for name, here in by_calendar(frame["symbol"], calendar):
        days = pd.DatetimeIndex(frame.loc[here, "session"])
        stray = ~np.asarray(days.isin(exchange(name).sessions(days.min(), days.max())))
        if stray.any() and days[stray].nunique() <= MOST * days.nunique():
            extra[np.flatnonzero(here)[stray]] = True
    return replace(bars, frame=frame[~extra]) if extra.any() and not extra.all() else bars


def _sound(frame: pd.DataFrame, closed: Bool, calendar: str) -> Bool:
    """Whether a row on a closed day has volume, is no copy of a neighbour, and leaves no hole beside it.

    A source that fills a day in repeats the prices of the day before or after; a bar that was given a wrong date is
    missing on the session it belongs to.
    """
    ordered = frame.sort_values(["symbol", "session"], kind="stable")
    prices, symbols = ordered[_PRICES], ordered["symbol"].astype("str")
    same = (prices == prices.shift(1)).all(axis=1) & (symbols == symbols.shift(1))
    copied = (same | same.shift(-1, fill_value=False)).reindex(frame.index).to_numpy(dtype=bool)
    sound = (frame["volume"] > 0).to_numpy() & ~copied & closed
    present = set(zip(frame["symbol"], frame["session"], strict=True))
    spans = frame.groupby("symbol", observed=True)["session"].agg(["min", "max"])
    for row in np.flatnonzero(sound):
        symbol, day = frame["symbol"].iloc[row], pd.Timestamp(frame["session"].iloc[row])
        first, last = spans.loc[symbol]
        around = [exchange(calendar).following(day, count) for count in (0, 1)]
        sound[row] = all((symbol, session) in present for session in around if first <= session <= last)
    return np.asarray(sound)
