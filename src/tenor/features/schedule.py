"""Features of the calendar of the next session, which is known long before, and the same for all symbols."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenor.calendars import exchange
from tenor.features.feature import Declarations
from tenor.schema import Float64


@dataclass(frozen=True)
class Schedule:
    """The sessions of an axis, and the two sessions after each.

    Attributes
    ----------
    calendar
        Name of their calendar.
    sessions
        In order, without a gap.
    """

    calendar: str
    sessions: pd.DatetimeIndex

    @functools.cached_property
    def _beyond(self) -> pd.DatetimeIndex:
        """`sessions` and the two that follow them."""
        days, last = exchange(self.calendar), self.sessions[-1]
        return pd.DatetimeIndex([*self.sessions, *([days.following(last, 1), days.following(last, 2)])])

    @functools.cached_property
    def next(self) -> pd.DatetimeIndex:
        """[session]; the session after each."""
        return pd.DatetimeIndex(self._beyond[1:-1])

    @functools.cached_property
    def after_next(self) -> pd.DatetimeIndex:
        """[session]; the second session after each."""
        return pd.DatetimeIndex(self._beyond[2:])


schedule_feature: Declarations[Schedule] = Declarations()
"""The decorator that declares a feature of the group ``calendar``; it also holds all declared ones."""


@schedule_feature(
    name="next_gap",
    group="calendar",
    formula="log(days from this session to the next)",
    source="the exchange's calendar",
)
def _next_gap(x: Schedule) -> Float64:
    return np.log((x.next - x.sessions).to_numpy() / np.timedelta64(1, "D"))


@schedule_feature(
    name="next_weekday_sin",
    group="calendar",
    formula="sin(2π weekday / 7) of the next session, Monday 0",
    source="the exchange's calendar",
)
def _next_weekday_sin(x: Schedule) -> Float64:
    return np.sin(2 * np.pi * x.next.day_of_week.to_numpy() / 7)


@schedule_feature(
    name="next_weekday_cos",
    group="calendar",
    formula="cos(2π weekday / 7) of the next session, Monday 0",
    source="the exchange's calendar",
)
def _next_weekday_cos(x: Schedule) -> Float64:
    return np.cos(2 * np.pi * x.next.day_of_week.to_numpy() / 7)


@schedule_feature(
    name="next_hour_sin",
    group="calendar",
    formula="sin(2π hour / 24) of the next session's close; 0 for daily bars",
    source="the exchange's calendar",
)
def _next_hour_sin(x: Schedule) -> Float64:
    return np.sin(2 * np.pi * _hours(x.next) / 24)


@schedule_feature(
    name="next_hour_cos",
    group="calendar",
    formula="cos(2π hour / 24) of the next session's close; 1 for daily bars",
    source="the exchange's calendar",
)
def _next_hour_cos(x: Schedule) -> Float64:
    return np.cos(2 * np.pi * _hours(x.next) / 24)


@schedule_feature(
    name="next_month_end",
    group="calendar",
    formula="1 where the next session is the last of its month, else 0",
    source="the exchange's calendar",
)
def _next_month_end(x: Schedule) -> Float64:
    return np.asarray(x.after_next.month != x.next.month, dtype="float64")


@schedule_feature(
    name="next_quarter_end",
    group="calendar",
    formula="1 where the next session is the last of its quarter, else 0",
    source="the exchange's calendar",
)
def _next_quarter_end(x: Schedule) -> Float64:
    return np.asarray(x.after_next.quarter != x.next.quarter, dtype="float64")


@schedule_feature(
    name="next_expiry",
    group="calendar",
    formula="1 where the next session is the last one up to the month's third Friday, else 0",
    source="monthly option expiry",
)
def _next_expiry(x: Schedule) -> Float64:
    first = x.next.to_period("M").to_timestamp()
    third_friday = first + pd.to_timedelta((4 - first.day_of_week) % 7 + 14, unit="D")
    return np.asarray((x.next.normalize() <= third_friday) & (x.after_next.normalize() > third_friday), dtype="float64")


def _hours(sessions: pd.DatetimeIndex) -> Float64:
    return np.asarray(sessions.hour + sessions.minute / 60, dtype="float64")
