"""When an item was published: what is read, and the true reason for what is not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest

from tenor.errors import UnusableError
from tenor.ingest.files.news_times import TimeColumn, TimeReader, one_time_of_day
from tenor.ingest.files.time_texts import read_time

NOW = pd.Timestamp("2025-03-01", tz="UTC")
SECONDS = 1_700_000_000  # 2023-11-14 22:13:20 UTC


def times(*cells: Any, name: str = "published") -> TimeColumn:
    return TimeReader(name, NOW).read(pd.Series(list(cells), dtype=object))


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2023-11-14T22:13:20Z", "2023-11-14 22:13:20"),
        ("2023-11-14t22:13:20z", "2023-11-14 22:13:20"),
        ("2023-11-14 22:13:20 UTC", "2023-11-14 22:13:20"),
        ("2023-11-14 22:13:20.123456789 utc", "2023-11-14 22:13:20.123456"),
        ("2023-11-14 22:13:20-04", "2023-11-15 02:13:20"),
        ("2023-11-14T22:13:20+0530", "2023-11-14 16:43:20"),
        ("2023-11-14 22:13:20 +05:30", "2023-11-14 16:43:20"),
        ("2023-11-14 22:13:20−03:00", "2023-11-15 01:13:20"),
        ("2023/11/14 22:13 GMT", "2023-11-14 22:13:00"),
        ("2023-11-14 10:13 PM UTC", "2023-11-14 22:13:00"),
        ("2023-11-14 12:13 AM UTC", "2023-11-14 00:13:00"),
        ("14.11.2023 22:13 +01:00", "2023-11-14 21:13:00"),
        ("20231114T221320Z", "2023-11-14 22:13:20"),
        ("20231114T221320 America/New_York", "2023-11-15 03:13:20"),
        # RFC 822 and 2822: mail, RSS
        ("Tue, 14 Nov 2023 22:13:20 GMT", "2023-11-14 22:13:20"),
        ("Tue, 14 Nov 2023 22:13:20 UT", "2023-11-14 22:13:20"),
        ("14 Nov 2023 22:13:20 +0000", "2023-11-14 22:13:20"),
        ("Tue, 14 Nov 23 22:13:20 -0000", "2023-11-14 22:13:20"),
        ("Tue, 14 Nov 2023 22:13 +0100 (CET)", "2023-11-14 21:13:00"),
        ("Tue, 14 Nov 2023 22:13:20 EST", "2023-11-15 03:13:20"),
        ("Tue, 14 Nov 2023 22:13:20 EDT", "2023-11-15 02:13:20"),
        ("Tue, 14 Nov 2023 22:13:20 CST", "2023-11-15 04:13:20"),
        ("Tue, 14 Nov 2023 22:13:20 CDT", "2023-11-15 03:13:20"),
        ("Tue, 14 Nov 2023 22:13:20 MST", "2023-11-15 05:13:20"),
        ("Tue, 14 Nov 2023 22:13:20 MDT", "2023-11-15 04:13:20"),
        ("Tue, 14 Nov 2023 22:13:20 PST", "2023-11-15 06:13:20"),
        ("Tue, 14 Nov 2023 22:13:20 PDT", "2023-11-15 05:13:20"),
        # Twitter, date, JavaScript, Go, Java
        ("Tue Nov 14 22:13:20 +0000 2023", "2023-11-14 22:13:20"),
        ("Fri Nov  3 22:13:20 UTC 2023", "2023-11-03 22:13:20"),
        ("Tue Nov 14 2023 23:13:20 GMT+0100 (Central European Standard Time)", "2023-11-14 22:13:20"),
        ("2023-11-14 22:13:20.5 +0000 UTC", "2023-11-14 22:13:20.5"),
        ("2023-11-14T17:13:20-05:00[America/New_York]", "2023-11-14 22:13:20"),
        ("2023-11-14T22:13:20Z[UTC]", "2023-11-14 22:13:20"),
        # named zones and words
        ("2023-11-14 17:13:20 America/New_York", "2023-11-14 22:13:20"),
        ("2023-07-14 17:13 america/new_york", "2023-07-14 21:13:00"),
        ("2023-11-14 22:13 Asia/Kolkata", "2023-11-14 16:43:00"),
        ("November 14, 2023 5:13 PM EST", "2023-11-14 22:13:00"),
        ("Tuesday, Nov. 14, 2023 at 17:13 EST", "2023-11-14 22:13:00"),
        ("14-Sep-2023 09:00:00 UTC", "2023-09-14 09:00:00"),
    ],
)
def test_times_with_a_zone_are_read(text: str, utc: str) -> None:
    moment, assumed = read_time(text)
    assert (moment.replace(tzinfo=None), assumed) == (dt.datetime.fromisoformat(utc), False)


DATE = "is a date without a time"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2023-11-14", DATE),
        ("2023-11-14Z", DATE),
        ("2023-11-14+01:00", DATE),
        ("14.11.2023", DATE),
        ("11/14/2023", DATE),
        ("14 Nov 2023", DATE),
        ("November 14, 2023", DATE),
        ("Tue, 14 Nov 2023", DATE),
        ("2023-W46-2", DATE),
        ("2023-11-14 22:13:20", "has no zone"),
        ("20231114T221320", "has no zone"),
        ("Tue Nov 14 22:13:20 2023", "has no zone"),
        ("Tue, 14 Nov 2023 22:13:20", "has no zone"),
        ("14.11.2023 22:13", "has no zone"),
        ("2023-11-14 22:13 CEST", "has the zone 'CEST', which is no offset"),
        ("2023-11-14 22:13 ET", "has the zone 'ET'"),
        ("2023-11-14 22:13 IST", "has the zone 'IST'"),
        ("2023-11-14 22:13 Mars/Phobos", "has the zone 'Mars/Phobos'"),
        ("2023-11-14 22:13 ../../etc/passwd", "has the zone '../../etc/passwd'"),
        ("2023-11-14 22:13 +19:00", "has the offset +1900, which no place has"),
        ("2023-11-14T22:13:20-23:00", "which no place has"),
        ("2023-11-14 22:13 -0500 EDT", "has an offset that EDT does not have"),
        ("2023-11-14T22:13-04:00[America/New_York]", "has an offset that America/New_York did not have then"),
        ("2023-11-05 01:30 America/New_York", "was twice in America/New_York"),
        ("2023-03-12 02:30 America/New_York", "never was in America/New_York"),
        ("11/14/2023 22:13 UTC", "whether the day or the month stands first"),
        ("14 Nov 23 22:13 UTC", "which of its numbers is the year"),
        ("Wed, 14 Nov 2023 22:13:20 GMT", "names a weekday that 2023-11-14 was not"),
        ("2023-02-30T10:00:00Z", "is no time of the calendar"),
        ("2023-11-14T25:00:00Z", "is no time of the calendar"),
        ("2023-11-14 13:00 PM UTC", "is no time of the calendar"),
        ("0001-01-01T00:00:00+02:00", "is no time of the calendar"),
        ("2 hours ago", "is no time that tenor can read"),
        ("10:30:54Z", "is no time that tenor can read"),
        ("2023-11-14T22:13:20Z" + " " * 5 + "x" * 500, "is no time that tenor can read"),
    ],
)
def test_the_reason_is_true(text: str, why: str) -> None:
    with pytest.raises(UnusableError) as error:
        read_time(text)
    assert why in error.value.why
    assert error.value.remedy


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("form", [int, str, lambda n: f"{n}.0"])
def test_numbers_since_1970_in_any_unit(unit: int, form: Any) -> None:
    column = times(form(SECONDS * unit), form((SECONDS + 1) * unit))
    assert column.why.tolist() == ["", ""]
    assert column.moments.tolist() == [pd.Timestamp(SECONDS + i, unit="s", tz="UTC") for i in (0, 1)]


def test_parts_of_a_second_stay() -> None:
    assert times(SECONDS + 0.25).moments[0].microsecond == 250_000
    assert times(f"{SECONDS * 1_000_000 + 7}").moments[0].microsecond == 7


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["20200605", "20200608"], DATE),
        ([20200605.0], DATE),
        (["202006051030"], "has no zone"),
        (["20200605103054"], "has no zone"),
        (["2020060510"], "has no zone"),
        ([2020], "is a year"),
        (["45292.5"], "is a day as spreadsheets count them"),
        ([45292], "is a day as spreadsheets count them"),
        ([7, 8, 9], "no plausible one"),
        ([0, -1], "no plausible one"),
        ([4e12], "no plausible one"),
        (["1606051030", "1606051145"], "may be a time as YYMMDDHHMM"),
    ],
)
def test_other_numbers_are_no_times(cells: list[Any], why: str) -> None:
    column = times(*cells)
    assert all(why in each for each in column.why)
    assert column.moments.isna().all()


def test_numbers_are_judged_for_the_file() -> None:
    mixed = times(SECONDS, 20200605, 20200608)
    assert mixed.moments.isna().all()
    assert "others in its column, as 20200605" in mixed.why[0]
    one_typo = times(*range(SECONDS, SECONDS + 20), 12)
    assert one_typo.moments.isna().tolist() == [False] * 20 + [True]
    reader = TimeReader("time", NOW)
    reader.read(pd.Series(["20200605"], dtype=object))
    assert reader.read(pd.Series([SECONDS], dtype=object)).moments.isna().all()  # what the first batch showed stays


def test_a_column_mixes_forms_and_each_cell_has_its_reason() -> None:
    column = times(
        SECONDS, "Tue, 14 Nov 2023 22:13:20 GMT", "2023-11-14", "", None, float("nan"), "N/A", True, {"a": 1}
    )
    assert column.moments.notna().tolist() == [True, True] + [False] * 7
    missing = "is missing"
    unread = "is no time that tenor can read"
    assert [w.partition(":")[0] for w in column.why] == ["", "", DATE, *[missing] * 4, unread, unread]


def test_the_columns_name_says_the_zone() -> None:
    for name in ("created_utc", "publishedUtc", "Date (UTC)", "date_gmt"):
        column = times("2023-11-14 22:13:20", name=name)
        assert column.moments[0] == pd.Timestamp("2023-11-14 22:13:20", tz="UTC")
        assert name in column.notes[0]
        assert times("2023-11-14 22:13:20-04", name=name).notes == ()
    alpha = times("20231114T221320", "2023-11-14 22:13", "20231114", name="time_published")
    assert alpha.moments.notna().tolist() == [True, False, False]
    assert times("20231114T221320", name="published").moments.isna().all()
    assert times("2023-11-14", name="created_utc").moments.isna().all()


def test_zero_times_and_typed_values() -> None:
    local = pd.Timestamp("2023-11-14 17:13:20", tz="America/New_York")
    column = times(
        "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", local, pd.Timestamp("2023-11-14"), dt.date(2023, 11, 14)
    )
    assert column.moments.notna().tolist() == [False, False, True, False, False]
    assert column.why[0] == column.why[1] == "is what programs write that have no time"
    assert (column.why[3], column.why[4].partition(":")[0]) == ("has no zone", DATE)


def test_one_time_of_day_is_noticed() -> None:
    days = pd.Series(pd.date_range("2024-05-01 04:00", periods=4, tz="UTC"))
    assert one_time_of_day(days) == "04:00"
    assert one_time_of_day(days[:2]) == ""
    assert one_time_of_day(days + pd.to_timedelta([0, 0, 0, 1], unit="s")) == ""
