"""When an item was published: what is read, and the true reason for what is not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest

from tenor.errors import UnusableError
from tenor.ingest.files.news_order import order_of_times
from tenor.ingest.files.news_times import TimeColumn, TimeReader, full_hours, one_time_of_day
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
        ("14 Nov 2023 22:13:20 GMT", "2023-11-14 22:13:20"),
        ("4 Nov 2023 22:13 GMT", "2023-11-04 22:13:00"),
        ("14 Nov 23 22:13:20 GMT", "2023-11-14 22:13:20"),
        ("14 Nov 23 22:13 EST", "2023-11-15 03:13:00"),
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
        ("2023-11-14 22:13 CEST", "has the zone 'CEST', which is neither an offset"),
        ("2023-11-14 22:13 ET", "has the zone 'ET'"),
        ("2023-11-14 22:13 IST", "has the zone 'IST'"),
        ("2023-11-14 22:13 Mars/Phobos", "has the zone 'Mars/Phobos'"),
        ("2023-11-14 22:13 ../../etc/passwd", "has the zone '../../etc/passwd'"),
        ("2023-11-14 22:13 +19:00", "has the offset +1900, which no place has"),
        ("2023-11-14T22:13:20-23:00", "which no place has"),
        ("2023-11-14 22:13 -0500 EDT", "has an offset that EDT does not have"),
        ("2023-11-14T22:13-04:00[America/New_York]", "has an offset that America/New_York did not have then"),
        ("2023-11-05 01:30 America/New_York", "occurred twice in America/New_York"),
        ("2023-03-12 02:30 America/New_York", "did not exist in America/New_York"),
        ("11/14/2023 22:13 UTC", "whether the day or the month is first"),
        ("14-Nov-23 22:13 UTC", "which of its numbers is the year"),
        ("Wed, 14 Nov 2023 22:13:20 GMT", "names a weekday that is not the weekday of 2023-11-14"),
        ("2023-02-30T10:00:00Z", "is not a time of the calendar"),
        ("2023-11-14T25:00:00Z", "is not a time of the calendar"),
        ("2023-11-14 13:00 PM UTC", "is not a time of the calendar"),
        ("0001-01-01T00:00:00+02:00", "is not a time of the calendar"),
        ("2 hours ago", "is not a time that tenor can read"),
        ("10:30:54Z", "is not a time that tenor can read"),
        ("2023-11-14T22:13:20Z" + " " * 5 + "x" * 500, "is not a time that tenor can read"),
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
        (["45292.5"], "looks like a spreadsheet's serial number of a day"),
        ([45292], "looks like a spreadsheet's serial number of a day"),
        ([7, 8], "not a plausible one"),
        ([0, -1], "not a plausible one"),
        ([4e12], "not a plausible one"),
        (["1606051030", "1606051145"], "may be a time as YYMMDDHHMM"),
    ],
)
def test_other_numbers_are_no_times(cells: list[Any], why: str) -> None:
    column = times(*cells)
    assert all(why in each for each in column.why)
    assert column.moments.isna().all()


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([SECONDS // 3600 + i for i in range(4)], "hours since 1970"),
        ([19_675, 19_676, 19_690], "days since 1970"),
        ([str(19_675 * 86_400 + i * 86_400) for i in range(3)], "midnights: they are days without a time"),
        ([(19_675 + i) * 86_400_000 for i in range(3)], "midnights: they are days without a time"),
        (["20200605", "20200608", "20200609", ""], "is a date without a time: it does not say when on that day; so is"),
        ([45292, 45293.5, 45299], "looks like a spreadsheet's serial number of a day"),
        ([2019, 2020, 2021], "is a year"),
        ([7, 8, 9], "not a plausible one"),
    ],
)
def test_a_file_of_numbers_that_are_all_no_times_is_refused_once(cells: list[Any], why: str) -> None:
    with pytest.raises(UnusableError, match=why) as raised:
        times(*cells)
    assert (raised.value.column, raised.value.value) == ("published", str(cells[0]))


def test_a_word_for_a_missing_time_does_not_hide_it_but_another_form_of_time_does() -> None:
    with pytest.raises(UnusableError, match="days since 1970"):
        times(19_675, 19_676, 19_690, None, "N/A")
    assert times(19_675, 19_676, 19_690, "2023-11-14T22:13:20Z").moments.notna().tolist() == [False] * 3 + [True]
    assert times(*(SECONDS // 86_400 * 86_400 + i * 86_400 for i in range(5)), SECONDS).moments.notna().all()


def test_full_hours() -> None:
    hours = pd.Series(pd.date_range("2024-05-01", periods=24, freq="h", tz="UTC"))
    assert full_hours(hours)
    assert not full_hours(hours[:23])
    assert not full_hours(pd.concat([hours, pd.Series([pd.Timestamp("2024-05-01 10:01", tz="UTC")])]))


@pytest.mark.parametrize(
    ("text", "order", "utc"),
    [
        ("03/04/2020 14:05 UTC", "dmy", "2020-04-03 14:05"),
        ("03/04/2020 14:05 UTC", "mdy", "2020-03-04 14:05"),
        ("3-4-2020 2:05 PM EST", "mdy", "2020-03-04 19:05"),
        ("03/04/20, 14:05:09 +02:00", "dmy", "2020-04-03 12:05:09"),
        ("20/04/03 14:05 UTC", "ymd", "2020-04-03 14:05"),
        ("03.04.2020 14:05 Z", None, "2020-04-03 14:05"),
        ("03.04.2020 14:05 Z", "mdy", "2020-03-04 14:05"),
        ("03/04/2020 14:05 Europe/Paris", "dmy", "2020-04-03 12:05"),
        ("3/4/2020T14:05Z", "dmy", "2020-04-03 14:05"),
    ],
)
def test_times_are_read_in_the_order_of_their_file(text: str, order: Any, utc: str) -> None:
    assert read_time(text, order=order)[0].replace(tzinfo=None) == dt.datetime.fromisoformat(utc)


@pytest.mark.parametrize(
    ("text", "order", "why"),
    [
        ("31/04/2020 14:05 UTC", "dmy", "is not a time of the calendar"),
        ("03/14/2020 14:05 UTC", "dmy", "is not a time of the calendar"),
        ("03/04/2020 25:05 UTC", "dmy", "is not a time of the calendar"),
        ("03/04/2020 14:05", "dmy", "has no zone"),
        ("03/04/2020", "dmy", "is a date without a time"),
        ("03.04.20 14:05 UTC", None, "whether the day or the month is first"),
    ],
)
def test_an_order_does_not_make_a_time_of_what_is_none(text: str, order: Any, why: str) -> None:
    with pytest.raises(UnusableError, match=why):
        read_time(text, order=order)


def order_of(*cells: str, given: Any = None) -> tuple[str, str]:
    return order_of_times(cells, NOW.to_pydatetime(), given, "published")


@pytest.mark.parametrize(
    ("cells", "order", "note"),
    [
        (("03/04/2020 9:00 UTC", "13/04/2020 9:00 UTC"), "dmy", "above 12"),
        (("03/04/2020 9:00 UTC", "04/13/2020 9:00 UTC"), "mdy", "above 12"),
        (("03-04-20 9:00 UTC", "25-04-20 9:00 UTC", "31-01-20 9:00 UTC"), "dmy", "from the future"),
        (("05/05/2020 9:00 UTC",), "dmy", ""),
        (
            ("03/01/2025 9:00 UTC", "12/02/2025 9:00 UTC"),
            "dmy",
            "'03/01/2025 9:00 UTC' are read day first (2025-01-03)",
        ),
        (tuple(f"0{d}/0{m}/2024 9:00 UTC" for m in (3, 4) for d in range(1, 6)), "dmy", "would not be in order"),
        (tuple(f"0{m}/0{d}/2024 9:00 UTC" for m in (4, 3) for d in range(6, 1, -1)), "mdy", "would not be in order"),
        (("03.04.2020 9:00 UTC",), "dmy", ""),
        (("03.04.2020 9:00 UTC", "03.14.2020 9:00 UTC"), "mdy", "above 12"),
    ],
)
def test_the_whole_file_decides_the_order(cells: tuple[str, ...], order: str, note: str) -> None:
    decided, noted = order_of(*cells)
    assert decided == order
    assert note in noted
    assert bool(note) == bool(noted)


@pytest.mark.parametrize(
    ("cells", "given", "why"),
    [
        (
            ("03/04/2020 9:00 UTC", "04/05/2020 9:00 UTC"),
            None,
            "may be day first .2020-04-03. or month first .2020-03-04.: say which with --dates dmy or --dates mdy",
        ),
        (("03/04/20 9:00 UTC",), None, "or year first"),
        (("13/04/2020 9:00 UTC", "04/13/2020 9:00 UTC"), None, "as other rows must be"),
        (("13/04/2020 9:00 UTC",), "mdy", "can't be month first: give --dates dmy"),
        (("03/04/2020 9:00 UTC",), "ymd", "can't be year first: give --dates dmy"),
        # neither lies in the future: tomorrow has begun further east
        (("02/03/2025 9:00 UTC", "01/03/2025 9:00 UTC"), None, "may be day first"),
        # seven days in order by accident decide nothing
        (tuple(f"0{d}/03/2024 9:00 UTC" for d in range(1, 8)), None, "may be day first"),
    ],
)
def test_an_order_that_stays_open_is_asked_for(cells: tuple[str, ...], given: Any, why: str) -> None:
    with pytest.raises(UnusableError, match=why) as raised:
        order_of(*cells, given=given)
    assert raised.value.value in cells


def test_numbers_are_judged_for_the_file() -> None:
    mixed = times(SECONDS, 20200605, 20200608)
    assert mixed.moments.isna().all()
    assert "others in its column, such as 20200605" in mixed.why[0]
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
    unread = "is not a time that tenor can read"
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
    assert column.why[0] == column.why[1] == "is what programs write if they have no time"
    assert (column.why[3], column.why[4].partition(":")[0]) == ("has no zone", DATE)


def test_one_time_of_day_is_noticed() -> None:
    days = pd.Series(pd.date_range("2024-05-01 04:00", periods=4, tz="UTC"))
    assert one_time_of_day(days) == "04:00"
    assert one_time_of_day(days[:2]) == ""
    assert one_time_of_day(days + pd.to_timedelta([0, 0, 0, 1], unit="s")) == ""
