"""Exchange sessions: which there are, when they close, and which one a moment belongs to (exchange_calendars)."""

from __future__ import annotations

import functools
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.errors import ConfigError, DataError, did_you_mean

FIRST = "1990-01-01"


class Exchange:
    """One exchange's calendar.

    Parameters
    ----------
    code : an exchange_calendars name: ``XNYS`` (New York), ``XLON``, ``XTKS`` …, or ``24/7``.

    Raises
    ------
    ConfigError : there is no such calendar.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self._calendar = _calendar(code)
        self._sessions = pd.DatetimeIndex(self._calendar.sessions).as_unit("us")
        self._closes = pd.DatetimeIndex(self._calendar.closes).tz_convert("UTC").as_unit("us")

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
            raise DataError(f"{self.code}: the calendar has no session {count} after {session:%Y-%m-%d}.")
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
        opens = pd.DatetimeIndex(self._calendar.opens).tz_convert("UTC").as_unit("us")
        return opens[self._places(sessions)]

    @functools.cached_property
    def sessions_per_year(self) -> float:
        """How many sessions a year has, by the calendar's last ten whole years: what annualises a daily figure."""
        last = int(self._sessions[-1].year)
        years = np.asarray(self._sessions.year)
        return float(((years >= last - 10) & (years < last)).sum()) / 10

    def _places(self, sessions: pd.DatetimeIndex) -> NDArray[np.intp]:
        place = np.asarray(self._sessions.get_indexer(sessions))
        if (place < 0).any():
            stray = sessions[place < 0][0]
            raise DataError(f"{stray:%Y-%m-%d} is not a session of {self.code}.")
        return place

    def _place(self, session: pd.Timestamp) -> int:
        place = int(self._sessions.searchsorted(session))
        if place == len(self._sessions) or self._sessions[place] != session:
            raise DataError(f"{session:%Y-%m-%d} is not a session of {self.code}.")
        return place


@functools.cache
def exchange(code: str) -> Exchange:
    """The exchange `code`, made once."""
    return Exchange(code)


def _calendar(code: str) -> Any:
    known = exchange_calendars.get_calendar_names()
    if code not in known:
        raise ConfigError(f"unknown exchange calendar {code!r}.{did_you_mean(code, known) or ' US stocks: XNYS.'}")
    earliest = exchange_calendars.get_calendar(code).bound_min()
    start = max(pd.Timestamp(FIRST), earliest) if earliest is not None else pd.Timestamp(FIRST)
    return exchange_calendars.get_calendar(code, start=start)
