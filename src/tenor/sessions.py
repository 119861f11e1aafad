"""Exchange sessions: which there are, when they close, and which one a moment belongs to (exchange_calendars).

``XNYS@1h`` is a calendar too, and its sessions are the bars of one hour of each day in New York: they begin at the
open, follow each other every hour, and the last one ends with the close, however short it is. Such a session is named
by the UTC moment of its own close. All that goes by a calendar so goes by bars as well.
"""

from __future__ import annotations

import functools
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.errors import ConfigError, DataError, did_you_mean
from tenor.schema import LENGTHS, Interval, label, within_days

FIRST = "1990-01-01"
YEARS = (2015, 2024)
"""Years in which sessions are counted: always the same, so that a figure does not depend on the day it is made on."""


class Exchange:
    """One exchange's calendar.

    Parameters
    ----------
    code : an exchange_calendars name: ``XNYS`` (New York), ``XLON``, ``XTKS`` …, or ``24/7``; with ``@1h`` or ``@15m``
        its bars of that length.

    Raises
    ------
    ConfigError : there is no such calendar, or there are no bars of that length.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.interval = interval_of(code)
        self._calendar = _calendar(days_of(code))
        self._sessions = pd.DatetimeIndex(self._calendar.sessions).as_unit("us")
        self._opens = pd.DatetimeIndex(self._calendar.opens).tz_convert("UTC").as_unit("us")
        self._closes = pd.DatetimeIndex(self._calendar.closes).tz_convert("UTC").as_unit("us")
        if self.interval != "1d":
            self._opens, self._closes = _cut(self._opens, self._closes, LENGTHS[self.interval])
            self._sessions = self._closes.tz_localize(None)

    def sessions(self, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
        """All sessions from `first` to `last`, both included."""
        return self._sessions[(self._sessions >= first) & (self._sessions <= last)]

    def close(self, session: pd.Timestamp) -> pd.Timestamp:
        """The moment (UTC) at which `session` closes; early closes are known."""
        return self._closes[self._place(session)]

    def following(self, session: pd.Timestamp, count: int = 1) -> pd.Timestamp:
        """The session `count` sessions after `session`, which may itself be no session (a stray Saturday bar, say)."""
        place = int(self._sessions.searchsorted(session, side="right")) - 1 + count
        if not 0 <= place < len(self._sessions):
            raise DataError(f"{self.code}: the calendar has no session {count} after {self.label(session)}.")
        return self._sessions[place]

    def session_of(self, moments: pd.Series[Any], *, margin: pd.Timedelta) -> pd.Series[Any]:
        """The first session whose cut-off (its close less `margin`) lies after each moment.

        What is published at or after the cut-off of a session belongs to the next one.

        Parameters
        ----------
        moments : tz-aware; any zone.
        margin : how long before the close the cut-off lies, >= 0.

        Returns
        -------
        Series of session dates on the same index; NaT where the calendar does not reach.
        """
        if not isinstance(moments.dtype, pd.DatetimeTZDtype):
            raise DataError("moments have no time zone: convert them to UTC first.")
        utc = moments.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
        place = np.asarray((self._closes - margin).searchsorted(pd.DatetimeIndex(utc), side="right"))
        known = (place < len(self._sessions)) & utc.notna().to_numpy() & (utc >= self._closes[0] - margin).to_numpy()
        dates = self._sessions.to_numpy()[np.minimum(place, len(self._sessions) - 1)]
        return pd.Series(np.where(known, dates, np.datetime64("NaT")), index=moments.index, dtype="datetime64[us]")

    @property
    def zone(self) -> str:
        """The exchange's time zone, by its IANA name."""
        return str(self._calendar.tz)

    def last_closed(self, moment: pd.Timestamp) -> pd.Timestamp:
        """The last session that was over at `moment` (tz-aware); its close may be that very moment."""
        place = int(self._closes.searchsorted(moment.tz_convert("UTC"), side="right")) - 1
        if place < 0:
            raise DataError(f"{self.code}: the calendar has no session that was over at {moment:%Y-%m-%d %H:%M}.")
        return self._sessions[place]

    def closed_by(self, moments: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """For each of `moments` (tz-aware) the last session that was over by then; NaT before the first close."""
        place = np.asarray(self._closes.searchsorted(moments.tz_convert("UTC"), side="right")) - 1
        dates = self._sessions.to_numpy()[np.maximum(place, 0)]
        return pd.DatetimeIndex(np.where(place >= 0, dates, np.datetime64("NaT")))

    def closes(self, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """When each of `sessions` closes (UTC)."""
        return self._closes[self._places(sessions)]

    def opens(self, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """When each of `sessions` opens (UTC)."""
        return self._opens[self._places(sessions)]

    def label(self, session: pd.Timestamp) -> str:
        """`session` as text (see `tenor.schema.label`)."""
        return label(session, intraday=self.interval != "1d")

    @functools.cached_property
    def sessions_per_year(self) -> float:
        """How many sessions a year has, by `YEARS`: what annualises a session's figure."""
        years = np.asarray(self._sessions.year)
        whole = years[(years > years[0]) & (years >= YEARS[0]) & (years <= YEARS[1])]
        return len(whole) / len(np.unique(whole))

    def _places(self, sessions: pd.DatetimeIndex) -> NDArray[np.intp]:
        place = np.asarray(self._sessions.get_indexer(sessions))
        if (place < 0).any():
            raise DataError(f"{self.label(sessions[place < 0][0])} is not a session of {self.code}.")
        return place

    def _place(self, session: pd.Timestamp) -> int:
        place = int(self._sessions.searchsorted(session))
        if place == len(self._sessions) or self._sessions[place] != session:
            raise DataError(f"{self.label(session)} is not a session of {self.code}.")
        return place


@functools.cache
def exchange(code: str) -> Exchange:
    """The exchange `code`, made once."""
    return Exchange(code)


def days_of(code: str) -> str:
    """The exchange whose days, or whose bars, `code` means: ``XNYS`` of ``XNYS@1h``."""
    return code.partition("@")[0]


def interval_of(code: str) -> Interval:
    """How long a session of `code` is: ``1h`` of ``XNYS@1h``, ``1d`` of ``XNYS``.

    Raises
    ------
    ConfigError : there are no bars of that length.
    """
    _, at, length = code.partition("@")
    for interval in LENGTHS:
        if interval == (length if at else "1d"):
            return interval
    raise ConfigError(f"calendar {code!r}: there are no bars of {length!r}; it takes @1h, @15m, or a name without '@'.")


def with_interval(calendar: str, interval: Interval) -> str:
    """The calendar of the bars of `interval` on the exchange `calendar`: the reverse of `days_of` and `interval_of`."""
    return calendar if interval == "1d" else f"{calendar}@{interval}"


def through(sessions: pd.DatetimeIndex, until: str) -> int:
    """How many of `sessions` there are up to `until`: a day (YYYY-MM-DD), whole, or the moment of a bar's close.

    Days of intraday bars are UTC days.
    """
    last = pd.Timestamp(until)
    if len(until) <= len("YYYY-MM-DD") and within_days(sessions):
        last += pd.Timedelta(days=1)
    return int(sessions.searchsorted(last, side="right"))


def _cut(
    opens: pd.DatetimeIndex, closes: pd.DatetimeIndex, length: pd.Timedelta
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Opens and closes of the bars of `length` between each of `opens` and its close."""
    count = np.ceil(np.asarray((closes - opens) / length)).astype(np.int64)
    first = np.repeat(np.cumsum(count) - count, count)
    begins = opens.repeat(count) + (np.arange(int(count.sum())) - first) * length
    ends = np.minimum((begins + length).asi8, closes.repeat(count).asi8)
    return begins.as_unit("us"), pd.DatetimeIndex(ends.view("datetime64[us]"), tz="UTC")


def _calendar(code: str) -> Any:
    known = exchange_calendars.get_calendar_names()
    if code not in known:
        raise ConfigError(f"unknown exchange calendar {code!r}.{did_you_mean(code, known) or ' US stocks: XNYS.'}")
    earliest = exchange_calendars.get_calendar(code).bound_min()
    start = max(pd.Timestamp(FIRST), earliest) if earliest is not None else pd.Timestamp(FIRST)
    return exchange_calendars.get_calendar(code, start=start)
