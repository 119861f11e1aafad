"""Calendars that exchange_calendars can't build, or that end: every one gives sessions."""

from __future__ import annotations

import exchange_calendars
import pandas as pd
import pytest

from tenor import timetables
from tenor.calendars import exchange
from tenor.errors import ConfigError
from tenor.symbols import MARKET_SUFFIXES
from tenor.timetables import timetable

BROKEN = ("XTAE", "ASEX", "XBEL", "XBSE", "XCYS")


def test_every_market_has_a_calendar_of_the_library() -> None:
    assert {code for code, _ in MARKET_SUFFIXES.values()} <= set(exchange_calendars.get_calendar_names())


@pytest.mark.parametrize("code", [*BROKEN, "XBOM", "XSES", "XSHG", "XSAU"])
def test_sessions_rise_and_reach_a_year_ahead(code: str) -> None:
    table = timetable(code)
    assert table.sessions.is_monotonic_increasing
    assert table.sessions.is_unique
    assert len(table.opens) == len(table.closes) == len(table.sessions)
    assert (table.closes > table.opens).all()
    assert table.sessions[-1] > pd.Timestamp.now() + pd.Timedelta(days=340)
    assert not table.weekdays_only


def test_weeks_of_other_days_and_orthodox_holidays() -> None:
    tel_aviv = timetable("XTAE").sessions
    assert pd.Timestamp("2024-06-09") in tel_aviv  # a Sunday, before the week changed in 2026
    assert pd.Timestamp("2024-06-07") not in tel_aviv
    assert pd.Timestamp("2024-01-20") in timetable("XBOM").sessions  # a Saturday
    assert pd.Timestamp("2024-05-03") not in timetable("ASEX").sessions  # Orthodox Good Friday
    assert pd.Timestamp("2024-05-07") in timetable("ASEX").sessions


def test_a_calendar_beyond_its_end_follows_its_rules_and_says_so() -> None:
    bombay = exchange("XBOM")
    table = timetable("XBOM")
    assert table.known_until is not None
    beyond = table.sessions[table.sessions > table.known_until]
    assert set(beyond.day_of_week) <= set(range(5))
    assert not {(1, 26), (12, 25)} & {(day.month, day.day) for day in beyond}  # fixed holidays
    last_known = table.sessions[table.sessions <= table.known_until][-1]
    assert bombay.following(last_known, 5) == beyond[4]
    assert bombay.uncertain(beyond[0])
    assert not bombay.uncertain(last_known)
    assert f"{table.known_until:%Y-%m-%d}" in bombay.note
    assert exchange("XNYS").note == ""


def test_what_can_not_be_built_has_its_weekdays(monkeypatch: pytest.MonkeyPatch) -> None:
    factory = timetables._factory("XWAR")

    class Broken(factory):  # type: ignore[misc, valid-type]
        def __init__(self, **options: object) -> None:
            raise NotImplementedError("another pandas")

    monkeypatch.setattr(timetables, "_factory", lambda code: Broken)
    table = timetable("XWAR")
    assert table.weekdays_only
    assert set(table.sessions[-300:].day_of_week) == set(range(5))
    assert str(table.closes[-1].tz_convert("Europe/Warsaw").time()) == "17:00:00"


def test_a_calendar_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match="unknown exchange calendar 'XNYC'"):
        timetable("XNYC")
