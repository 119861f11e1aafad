"""Dates that can be read in several ways: the file, the calendar and the lake decide, or the file is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.calendars import exchange
from tenor.ingest.files import FileBatch, Reading, read_bars
from tenor.ingest.files.date_texts import OpenDate, parse_date
from tenor.ingest.importing import import_files
from tenor.store import Lake

NOW = pd.Timestamp("2020-06-01 12:00", tz="UTC")
HEAD = "Date,Open,High,Low,Close,Volume\n"


def file_of(tmp_path: Path, dates: list[str], closes: list[float] | None = None, name: str = "AAA.csv") -> Path:
    closes = closes or [50.25 + i for i in range(len(dates))]
    path = tmp_path / name
    path.write_text(HEAD + "".join(f'"{d}",{c},{c + 1},{c - 1},{c},5\n' for d, c in zip(dates, closes, strict=True)))
    return path


def days_of(imported: FileBatch) -> list[str]:
    return [] if imported.bars is None else imported.bars.frame["session"].dt.strftime("%Y-%m-%d").tolist()


def stored_of(*bars: tuple[str, float]) -> Callable[..., pd.DataFrame]:
    days, closes = zip(*bars, strict=True)
    return lambda symbols: pd.DataFrame({"symbol": symbols[0], "session": pd.to_datetime(days), "close": closes})


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Jan 02, 2014", "2014-01-02"),
        ("January 2nd, 2014", "2014-01-02"),
        ("02-Jan-2014", "2014-01-02"),
        ("2 January 2014", "2014-01-02"),
        ("02JAN2014", "2014-01-02"),
        ("2014-Jan-02", "2014-01-02"),
        ("Thu, Jan 2, 2014", "2014-01-02"),
        ("Thursday, 2 January 2014", "2014-01-02"),
        ("2. März 2014", "2014-03-02"),
        ("02 févr. 2014", "2014-02-02"),
        ("1er août 2014", "2014-08-01"),
        ("2 de enero de 2014", "2014-01-02"),
        ("mar. 7 ene. 2014", "2014-01-07"),
        ("2 gennaio 2014", "2014-01-02"),
        ("2014年1月2日", "2014-01-02"),
        ("2014.01.02", "2014-01-02"),
        ("20140102", "2014-01-02"),
    ],
)
def test_days_in_words_and_in_other_forms(text: str, day: str) -> None:
    assert parse_date(text).date == dt.date.fromisoformat(day)


@pytest.mark.parametrize(
    "text", ["May 2014", "Foo 2, 2014", "2014-01/02", "2 2 2014", "12", "Jan 2", "1.5", "2014-01-021"]
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text).why == "is not a date that tenor can read"


def test_the_month_to_date_of_a_british_export(tmp_path: Path) -> None:
    # December as a British service writes it; month first, six of the days are sessions as well
    texts = [f"{day:02d}/12/2019" for day in (2, 3, 4, 5, 6, 9, 10, 11, 12)]
    december = [f"2019-12-{t[:2]}" for t in texts]
    for order in (texts, texts[::-1]):
        imported = read_bars([file_of(tmp_path, order, name="BARC.L.csv")], now=NOW)
        assert sorted(days_of(imported)) == december
        assert "dates such as" in imported.files[0].describe()
        assert "are read day first" in imported.files[0].describe()


def test_the_month_to_date_of_an_american_export(tmp_path: Path) -> None:
    imported = read_bars([file_of(tmp_path, [f"12/{day:02d}/2019" for day in (2, 3, 4, 5, 6, 9, 10)])], now=NOW)
    assert days_of(imported) == [f"2019-12-{day:02d}" for day in (2, 3, 4, 5, 6, 9, 10)]
    assert "read month first" in imported.files[0].describe()


@pytest.mark.parametrize("name", ["AAA.csv", "SAP.DE.csv", "BTC-USD.csv"])
@settings(max_examples=25)
@given(st.integers(0, 240), st.integers(1, 12), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d/%m/%y"]))
def test_consecutive_sessions_are_read_right_or_refused_but_never_wrong(
    tmp_path: Path, name: str, first: int, count: int, form: str
) -> None:
    calendar = {"AAA.csv": "XNYS", "SAP.DE.csv": "XETR", "BTC-USD.csv": "24/7"}[name]
    sessions = exchange(calendar).sessions(pd.Timestamp("2019-01-01"), pd.Timestamp("2020-05-20"))[
        first : first + count
    ]
    imported = read_bars([file_of(tmp_path, sessions.strftime(form).tolist(), name=name)], now=NOW)
    if imported.bars is None:
        (refusal,) = imported.refused
        assert refusal.kind == "file"
        assert refusal.value in sessions.strftime(form)
        assert refusal.remedy.startswith("say which with --dates")
    else:
        assert days_of(imported) == sessions.strftime("%Y-%m-%d").tolist()


# 5 and 6 June, or 6 May and 6 June of 2019: all are sessions of New York
OPEN = ["06/05/2019"]


def test_a_file_in_which_nothing_decides_is_refused_until_the_order_is_given(tmp_path: Path) -> None:
    path = file_of(tmp_path, OPEN)
    imported = read_bars([path], now=NOW)
    (refusal,) = imported.refused
    assert imported.bars is None
    assert (refusal.row, refusal.column, refusal.value, refusal.kind) == (2, "Date", "06/05/2019", "file")
    assert "may be day first (2019-05-06) or month first (2019-06-05)" in refusal.describe()
    assert "--dates dmy or --dates mdy" in refusal.describe()
    assert days_of(read_bars([path], now=NOW, reading=Reading.of(dates="dmy"))) == ["2019-05-06"]
    assert days_of(read_bars([path], now=NOW, reading=Reading.of(dates="mdy"))) == ["2019-06-05"]


@pytest.mark.parametrize(
    ("stored", "day"),
    [
        ((("2019-05-02", 48.0), ("2019-05-03", 49.0)), "2019-05-06"),  # it continues the lake
        ((("2019-06-03", 48.0), ("2019-06-04", 49.0)), "2019-06-05"),
        ((("2019-05-06", 50.25), ("2019-06-05", 70.0)), "2019-05-06"),  # the lake has this bar
        ((("2019-05-03", 49.0), ("2019-05-06", 12.0)), "2019-06-05"),  # it would change another bar
        ((("2019-05-06", 12.0), ("2019-06-05", 13.0)), None),  # it would change one either way
        ((("2018-01-02", 49.0),), None),  # too far away to tell
    ],
)
def test_the_bars_in_the_lake_decide(tmp_path: Path, stored: tuple[tuple[str, float], ...], day: str | None) -> None:
    imported = read_bars([file_of(tmp_path, OPEN)], now=NOW, reading=Reading.of(stored=stored_of(*stored)))
    assert days_of(imported) == ([day] if day else [])
    assert bool(imported.refused) == (day is None)


def test_an_ambiguous_file_never_overwrites_the_lake(tmp_path: Path) -> None:
    sessions = exchange("XLON").sessions(pd.Timestamp("2019-01-02"), pd.Timestamp("2019-11-29"))
    closes = list(100.0 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.001, 0.01, len(sessions)))))
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    history = file_of(tmp_path / "1", sessions.strftime("%Y-%m-%d").tolist(), closes, "BARC.L.csv")
    later = [f"{day:02d}/12/2019" for day in (2, 3, 4, 5, 6, 9, 10, 11, 12)]
    month = file_of(tmp_path / "2", later, [200.5 + i for i in range(9)], "BARC.L.csv")
    lake = str(tmp_path / "lake")
    import_files(lake, [str(history)])
    result = import_files(lake, [str(month)])
    assert (result.bars.new, result.bars.revised) == (9, 0)
    assert "6 bars of the lake would change" in result.files[0].describe()
    # both at once: the first file is not yet in the lake when the second is read
    both = import_files(str(tmp_path / "other"), [str(tmp_path / "1"), str(tmp_path / "2")])
    assert (both.bars.new, both.bars.revised) == (len(sessions) + 9, 0)
    assert Lake(lake).bars().fingerprint() == Lake(str(tmp_path / "other")).bars().fingerprint()


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (["13/01/2014", "01/14/2014"], "Date '01/14/2014' can't be day first, and '13/01/2014' can be nothing else"),
        (["2014-13-01", "2014-14-01", "2014-06-02"], "Date '2014-13-01' has the day before the month"),
        (
            ["41641", "41642"],
            "Date '41641' looks like a spreadsheet's serial number of a day: format the column as a date",
        ),
        (["02/01/03"], "may be day first (2003-01-02) or month first (2003-02-01) or year first (2002-01-03)"),
        (["2014-01-02", "Q1/3 2014", "Q1/6 2014"], "is not a date that tenor can read, as 2 rows have it"),
        (["2014-01-02", "2014-01-03 10:00", "2014-01-03 11:00"], "has a time of day, and tenor takes daily bars, as 2"),
    ],
)
def test_a_file_whose_dates_can_be_read_in_part_alone_is_refused_whole(
    tmp_path: Path, dates: list[str], message: str
) -> None:
    imported = read_bars([file_of(tmp_path, dates)], now=NOW)
    (refusal,) = imported.refused
    assert imported.bars is None
    assert message in refusal.describe()
    assert (imported.files[0].rows, imported.files[0].usable) == (len(dates), 0)


def test_an_order_that_the_dates_contradict_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, ["13/01/2014", "14/01/2014"])
    (refusal,) = read_bars([path], now=NOW, reading=Reading.of(dates="mdy")).refused
    assert "Date '13/01/2014' can't be month first: give --dates dmy" in refusal.describe()


@pytest.mark.parametrize(
    ("dates", "days"),
    [
        (["01/15/14", "01/16/14"], ["2014-01-15", "2014-01-16"]),  # no other order is possible
        (["31-Jan-14", "3-Feb-14"], ["2014-01-31", "2014-02-03"]),
        (["02.01.2014", "03.01.2014"], ["2014-01-02", "2014-01-03"]),  # points: day first
        (["1388620800", "1388707200"], ["2014-01-02", "2014-01-03"]),
        (["1388620800000", "1388707200000"], ["2014-01-02", "2014-01-03"]),
        (["1388620800000000000"], ["2014-01-02"]),
        (["1.3886208E+12"], ["2014-01-02"]),
        (["1388638800", "1404360000"], ["2014-01-02", "2014-07-03"]),  # midnight in New York, winter and summer
        (["2014-01-02T21:00:00Z", "2014-07-03T17:00:00Z"], ["2014-01-02", "2014-07-03"]),  # the close; an early one
        (["1/2/2014 12:00:00 AM", "1/15/2014 12:00:00 AM"], ["2014-01-02", "2014-01-15"]),
    ],
)
def test_dates_that_leave_no_doubt(tmp_path: Path, dates: list[str], days: list[str]) -> None:
    imported = read_bars([file_of(tmp_path, dates)], now=NOW)
    assert days_of(imported) == days
    assert imported.refused == []


def test_midnight_of_the_exchange_counts_east_of_greenwich(tmp_path: Path) -> None:
    # midnight of 6 and 7 January in Tokyo
    path = file_of(tmp_path, ["2014-01-05T15:00:00Z", "2014-01-06T15:00:00Z"], name="7203.T.csv")
    assert days_of(read_bars([path], now=NOW)) == ["2014-01-06", "2014-01-07"]


def test_a_two_digit_year_is_never_in_the_future() -> None:
    assert OpenDate("two digits", False, (2, 1, 14)).read("dmy", 2020) == dt.date(2014, 1, 2)
    assert OpenDate("two digits", False, (2, 1, 97)).read("dmy", 2020) == dt.date(1997, 1, 2)
