"""Match days and moments of a file with the sessions of an exchange."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import exchange

Days = NDArray[np.datetime64]
_DAY = np.timedelta64(1, "D")
# times are those of daily bars if at least this share of them is a midnight, or the open or close of a session
_ALL_BUT = 0.99


@functools.lru_cache(maxsize=8)
def first_unfinished(calendar: str, now: pd.Timestamp) -> np.datetime64 | None:
    """The first session that is not over at `now` (UTC); None if there is none in the following days."""
    today = now.tz_localize(None).normalize()
    soon = exchange(calendar).sessions(today - pd.Timedelta(days=15), today + pd.Timedelta(days=15))
    return next((day_of(session) for session in soon if exchange(calendar).close(session) > now), None)


def day_of(session: pd.Timestamp) -> np.datetime64:
    """`session` as a ``datetime64[D]``."""
    return np.datetime64(session.date(), "D")


def sessions_between(calendar: str, first: np.datetime64, last: np.datetime64) -> Days:
    """The sessions of `calendar` from `first` to `last`, both included."""
    sessions = exchange(calendar).sessions(pd.Timestamp(first), pd.Timestamp(last))
    return sessions.to_numpy().astype("datetime64[D]")


def daily_stamps(moments: NDArray[np.datetime64], calendar: str, *, local: bool = False) -> Days:
    """The session of each time stamp of a daily bar.

    A daily bar is stamped with midnight, or with the open or close of its session: in UTC in the dumps of brokers and
    charting services, in the exchange's own time in spreadsheets.

    Parameters
    ----------
    moments
        ``datetime64[us]``, [n].
    calendar
        The calendar of the exchange.
    local
        Whether `moments` are in the exchange's time zone; otherwise they are UTC.

    Returns
    -------
    ndarray
        ``datetime64[D]``, [n]; NaT for a moment that is not such a stamp. All are NaT if too many are not.
    """
    none = np.full(len(moments), np.datetime64("NaT"), "datetime64[D]")
    known = ~np.isnat(moments)
    if not known.any():
        return none
    days = moments.astype("datetime64[D]")
    if not local and (days[known] == moments[known]).all():
        return days
    if not local:
        zoned = pd.DatetimeIndex(moments).tz_localize("UTC").tz_convert(exchange(calendar).zone)
        moments = zoned.tz_localize(None).to_numpy().astype("datetime64[us]")
        days = moments.astype("datetime64[D]")
    fits = known & ((days == moments) | _bounds(moments, days, known, calendar))
    if fits[known].mean() < _ALL_BUT and (~fits[known]).sum() > (1 if known.sum() > 2 else 0):
        return none
    return np.where(fits, days, none)


def _bounds(moments: NDArray[np.datetime64], days: Days, known: NDArray[np.bool_], calendar: str) -> NDArray[np.bool_]:
    """Whether each moment is the open or the close of its day's session, in the exchange's time zone."""
    market = exchange(calendar)
    sessions = market.sessions(pd.Timestamp(days[known].min()), pd.Timestamp(days[known].max()))
    fits = np.zeros(len(moments), dtype=bool)
    if not len(sessions):
        return fits
    own = sessions.to_numpy().astype("datetime64[D]")
    place = np.minimum(np.searchsorted(own, days), len(own) - 1)
    for bounds in (market.opens(sessions), market.closes(sessions)):
        clock = bounds.tz_convert(market.zone).tz_localize(None).to_numpy().astype("datetime64[us]")
        fits |= (own[place] == days) & (clock[place] == moments)
    return fits
