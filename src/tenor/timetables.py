"""When an exchange is open, from exchange_calendars; calendars that it can't build are repaired, short ones extended.

Its calendars have three problems (`docs/decisions/0018-calendars-and-extra-sessions.md`):

- Some rules are written for an older pandas. Holidays that depend on the Orthodox Easter can't be computed, and unusual
  trading days (Saturdays in India, Sundays in Tel Aviv) are silently left out. Both are computed here.
- Some calendars end with the year up to which an exchange has published its holidays. Later sessions follow the rules
  of the calendar: its weekdays, without the holidays that a rule gives.
- A calendar that can't be built at all gets the days of its week, without holidays.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd
from exchange_calendars.pandas_extensions.offsets import OrthodoxEaster
from pandas.tseries.offsets import CustomBusinessDay

from tenor.errors import ConfigError, did_you_mean

FIRST = "1990-01-01"
AHEAD = pd.Timedelta(days=365)
"""How far ahead of today a calendar reaches; by its rules, if the exchange has not published its holidays so far."""
_EVERY_DAY = "1111111"
_YEARS = 12  # a fixed holiday falls on some eight weekdays in so many years
_MARGIN = pd.Timedelta(days=60)  # longer than any run of days without a session

if "_add_datetime" not in vars(OrthodoxEaster):
    # pandas 3 asks an offset for `_add_datetime`; the library's has the method under its former name
    OrthodoxEaster._add_datetime = OrthodoxEaster._apply


@dataclass(frozen=True)
class Timetable:
    """The sessions of one exchange.

    Attributes
    ----------
    sessions
        Midnights without time zone, in rising order.
    opens, closes
        Open and close of each session, UTC.
    zone
        The exchange's time zone, by its IANA name.
    known_until
        The last day up to which its holidays are known; None if rules give all of them. Later sessions follow the
        calendar's rules, so that a holiday whose date varies may be counted as a session.
    weekdays_only
        Whether no holidays are known at all.
    """

    sessions: pd.DatetimeIndex
    opens: pd.DatetimeIndex
    closes: pd.DatetimeIndex
    zone: str
    known_until: pd.Timestamp | None = None
    weekdays_only: bool = False


def timetable(code: str) -> Timetable:
    """The sessions of the exchange `code`, from 1990 (or the beginning of its calendar) to a year from now.

    Raises
    ------
    ConfigError
        There is no such calendar.
    """
    known = exchange_calendars.get_calendar_names()
    if code not in known:
        raise ConfigError(f"unknown exchange calendar {code!r}.{did_you_mean(code, known) or ' US stocks: XNYS.'}")
    factory = _factory(code)
    today = pd.Timestamp.now("UTC").tz_localize(None).normalize()
    start = max(pd.Timestamp(FIRST), factory.bound_min() or pd.Timestamp(FIRST))
    try:
        table = _of(_mended(factory)(start=start) if _has_other_weeks(factory) else factory(start=start))
    except Exception:  # noqa: BLE001 - whatever a calendar of the library's fails with, its exchange has weekdays
        table = _by_rules(factory, start, today + AHEAD, holidays=False)
        return Timetable(table.sessions, table.opens, table.closes, table.zone, weekdays_only=True)
    bound = factory.bound_max()
    # with a few days' tolerance, because the library's own calendars end on the last session before that day
    if bound is None or table.sessions[-1] >= today + AHEAD - pd.Timedelta(days=15):
        return table
    more = _by_rules(factory, bound + pd.Timedelta(days=1), today + AHEAD, holidays=True, past=table.sessions)
    return Timetable(
        _joined(table.sessions, more.sessions),
        _joined(table.opens, more.opens),
        _joined(table.closes, more.closes),
        table.zone,
        known_until=bound,
    )


def _joined(first: pd.DatetimeIndex, second: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(first.append(second)).as_unit("us")


def _of(calendar: Any) -> Timetable:
    return Timetable(
        pd.DatetimeIndex(calendar.sessions).as_unit("us"),
        pd.DatetimeIndex(calendar.opens).tz_convert("UTC").as_unit("us"),
        pd.DatetimeIndex(calendar.closes).tz_convert("UTC").as_unit("us"),
        str(calendar.tz),
    )


def _factory(code: str) -> Any:
    """The class of the calendar `code`, whose rules can be read without building it."""
    dispatcher = exchange_calendars.calendar_utils.global_calendar_dispatcher
    return dispatcher._calendar_factories[dispatcher.resolve_alias(code)]


def _rules(factory: Any) -> Any:
    """An instance of the calendar that has its rules, and no sessions yet."""
    return factory.__new__(factory)


def _has_other_weeks(factory: Any) -> bool:
    return bool(getattr(_rules(factory), "special_weekmasks", ()))


def _mended(factory: Any) -> Any:
    """The calendar with its sessions computed here from its rules, weeks of other trading days among them."""

    class Mended(factory):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            self._span = options["start"], self.default_end()
            super().__init__(**options)

        @functools.cached_property
        def day(self) -> CustomBusinessDay:
            # each closed day is given as a holiday, so that nothing depends on how pandas adds an offset
            days = pd.date_range(self._span[0] - _MARGIN, self._span[1] + _MARGIN)
            closed = days.difference(_open_days(self, days, holidays=True))
            return CustomBusinessDay(weekmask=_EVERY_DAY, holidays=list(closed))

    return Mended


def _open_days(rules: Any, days: pd.DatetimeIndex, *, holidays: bool) -> pd.DatetimeIndex:
    """Those of `days` on which a calendar of these `rules` has a session."""
    weekday = days.day_of_week.to_numpy()
    is_open = _by_weekday(rules.weekmask)[weekday]
    for first, last, mask in getattr(rules, "special_weekmasks", ()):
        here = np.ones(len(days), dtype=bool)
        here &= np.asarray(days >= first) if first is not None else True
        here &= np.asarray(days <= last) if last is not None else True
        is_open = np.where(here, _by_weekday(mask)[weekday], is_open)
    if holidays:
        regular = rules.regular_holidays
        closed = pd.DatetimeIndex(rules.adhoc_holidays)
        closed = closed.tz_localize(None) if closed.tz is not None else closed
        is_open &= ~np.asarray(days.isin(closed))
        if regular is not None:
            is_open &= ~np.asarray(days.isin(regular.holidays(days[0], days[-1])))
    return pd.DatetimeIndex(days[is_open])


def _by_rules(
    factory: Any, first: pd.Timestamp, last: pd.Timestamp, *, holidays: bool, past: pd.DatetimeIndex | None = None
) -> Timetable:
    """Sessions from the rules alone, at the latest usual hours.

    With `holidays` those that a rule gives are left out; given the sessions of the `past`, the days of the year on
    which these had none either.
    """
    rules = _rules(factory)
    zone = str(rules.tz)
    days = _open_days(rules, pd.date_range(first, max(first, last)), holidays=holidays)
    if past is not None:
        yearly = _closed_every_year(past)
        days = days[[(day.month, day.day) not in yearly for day in days]]

    def moments(times: Any, offset: int) -> pd.DatetimeIndex:
        since, time = times[-1]
        del since  # the present hours; earlier ones do not matter after the calendar's end
        local = days + pd.Timedelta(days=offset, hours=time.hour, minutes=time.minute, seconds=time.second)
        shifted = local.tz_localize(zone, nonexistent="shift_forward", ambiguous=True)
        return shifted.tz_convert("UTC").as_unit("us")

    opens = moments(rules.open_times, rules.open_offset)
    return Timetable(days.as_unit("us"), opens, moments(rules.close_times, rules.close_offset), zone)


def _closed_every_year(sessions: pd.DatetimeIndex) -> set[tuple[int, int]]:
    """Month and day of fixed holidays: no session in any of the last years in which they fell on a weekday."""
    known = pd.date_range(sessions[-1] - pd.Timedelta(days=365 * _YEARS), sessions[-1])
    weekdays = known[known.day_of_week < 5]
    frame = pd.DataFrame({"month": weekdays.month, "day": weekdays.day, "open": weekdays.isin(sessions)})
    counted = frame.groupby(["month", "day"])["open"].agg(["size", "any"])
    fixed = counted[(counted["size"] >= _YEARS // 2) & ~counted["any"]]
    return {(int(month), int(day)) for month, day in fixed.index}


def _by_weekday(mask: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([mark == "1" for mark in mask])
