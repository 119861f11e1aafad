"""Tables as features: a row counts from its moment on; what does not change is coded as the training part knew it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor.config import FeatureConfig
from tenor.errors import ConfigError, DataError
from tenor.features import build_panel
from tenor.features.axis import Axis
from tenor.features.own import Own, OwnTable, StaticTable, read_own_table
from tenor.schema import Bars

CONFIG = FeatureConfig(horizons=(1,))


def table(rows: list[tuple[Any, ...]], columns: str, calendar: str = "XNYS") -> OwnTable:
    read = read_own_table("macro", pd.DataFrame(rows, columns=columns.split()), calendar=calendar, where="macro.csv")
    assert isinstance(read, OwnTable)
    return read


def at(bars: Bars, own: OwnTable, column: str = "macro") -> pd.DataFrame:
    axis = Axis.of(bars, "XNYS")
    return pd.DataFrame(own.features(axis, bars.symbols)[column], index=axis.sessions, columns=list(bars.symbols))


def test_a_row_counts_from_its_moment_on_until_a_newer_one_is_known(bars: Bars) -> None:
    own = table(
        [
            ("S00", "2013-12-31", "2014-02-03", 1.0),
            ("S00", "2014-03-31", "2014-05-02T16:30:00-04:00", 2.0),  # after the close of May 2: from May 5 on
            ("S00", "2013-12-31", "2014-06-02", 9.0),  # a late revision of an older session changes nothing
            ("S00", "2014-03-31", "2014-07-05", 3.0),  # a Saturday: from Monday's close on
        ],
        "symbol session known_since value",
    )
    values, age = at(bars, own)["S00"], at(bars, own, "macro_age")["S00"]
    for day, value in (("2014-02-03", 1.0), ("2014-05-02", 1.0), ("2014-05-05", 2.0), ("2014-06-03", 2.0)):
        assert values[day] == value
    assert values["2014-07-03"] == 2.0
    assert values["2014-07-07"] == 3.0
    assert values["2014-01-31"] == 0.0  # nobody's value is known yet
    assert age["2014-01-31"] == 1.0
    assert age["2014-02-03"] == 0.0
    assert age["2014-02-05"] == 2 / 250


def test_a_table_without_a_moment_is_known_at_the_close_of_its_session(bars: Bars) -> None:
    own = table([("S01", "2014-03-03", 5.0)], "ticker date value")
    assert at(bars, own)["S01"]["2014-02-28"] == 0.0
    assert at(bars, own)["S01"]["2014-03-03"] == 5.0


def test_a_symbol_without_a_value_has_the_mean_of_the_others_of_the_table(bars: Bars) -> None:
    rows = [("S00", "2014-03-03", 4.0), ("S01", "2014-03-04", 8.0), ("NOBARS", "2014-03-05", 18.0)]
    own = table(rows, "symbol known_since value")
    values = at(bars, own)["S02"]
    assert [values[f"2014-03-{day:02d}"] for day in (3, 4, 5)] == [4.0, 6.0, 10.0]
    assert (at(bars, own, "macro_age")["S02"] == 1.0).all()


def test_a_table_without_symbols_is_of_all(bars: Bars) -> None:
    values = at(
        bars, table([("2014-03-03", 2.0, 5.0), ("2014-04-01", 3.0, None)], "known_since rate cpi"), "macro_rate"
    )
    assert (values.loc["2014-03-03":"2014-03-31"] == 2.0).all().all()
    assert (values.loc["2014-04-01":] == 3.0).all().all()


def test_an_empty_cell_leaves_the_last_value(bars: Bars) -> None:
    own = table([("2014-03-03", 2.0, 5.0), ("2014-04-01", 3.0, None)], "known_since rate cpi")
    assert (at(bars, own, "macro_cpi").loc["2014-03-03":] == 5.0).all().all()


def test_a_later_row_changes_no_earlier_session_by_a_bit(bars: Bars) -> None:
    rng = np.random.default_rng(1)
    days = pd.DatetimeIndex(bars.frame["session"].unique())
    rows = [
        (s, days[k].strftime("%Y-%m-%d"), v)
        for s in ("S00", "S01", "X")
        for k, v in zip(range(5, 295, 17), rng.normal(size=18), strict=False)
    ]
    cut = days[150]
    past = [row for row in rows if pd.Timestamp(row[1]) <= cut]
    later = [(s, d, v + 1.0) for s, d, v in rows if pd.Timestamp(d) > cut] + [("ANEW", "2015-01-05", 7.0)]
    before, after = (at(bars, table(each, "symbol known_since value")) for each in (rows, past + later))
    assert before.loc[:cut].to_numpy().tobytes() == after.loc[:cut].to_numpy().tobytes()
    assert not before.equals(after)


def test_rows_known_after_the_saved_ones_are_added_and_no_others(bars: Bars) -> None:
    own = table([("S00", "2014-03-03", 1.0), ("S01", "2014-05-01", 2.0)], "symbol known_since value")
    new = table(
        [
            ("S00", "2014-03-03", 9.0),
            ("S00", "2014-06-02", 4.0),
            ("S01", "2014-04-01", 9.0),
            ("S02", "2014-01-06", 5.0),
        ],
        "symbol known_since value",
    )
    values = at(bars, own.extended(new.frame))
    assert values["S00"]["2014-03-04"] == 1.0
    assert values["S00"]["2014-06-02"] == 4.0
    assert values["S01"].iloc[-1] == 2.0
    assert values["S02"].iloc[-1] == 5.0


def test_a_table_is_read_back_to_the_bit() -> None:
    rows = [("NA", "2014-03-31", "2014-05-02T16:30:00-04:00", 0.1 + 0.2), ("", "2014-03-31", "2014-05-02", 1e-300)]
    own = table(rows, "symbol session known_since value")
    again = OwnTable.of_data("macro", own.data(), dated=True)
    assert again.data() == own.data()
    pd.testing.assert_frame_equal(again.frame, own.frame)


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([("S00", "2014-13-01", 1.0)], "symbol session v", "row 1: session '2014-13-01' is not a date: write"),
        ([("S00", "03/04/2014", 1.0)], "symbol known_since v", "row 1: known_since '03/04/2014' is not a date"),
        ([("S00", "2014-03-04 16:30", 1.0)], "symbol known_since v", "has a time and no zone: add one"),
        ([("S00", "2014-03-04", "x")], "symbol session v", "row 1: v 'x' is not a number: write one"),
        ([("S00", "2014-03-04", np.inf)], "symbol session v", "row 1: v 'inf' is not a number"),
        ([("S00", None, 1.0)], "symbol known_since v", "row 1: known_since is missing: nobody can tell"),
        (
            [("S00", "2014-03-04", 1.0), ("S00", "2014-03-04", 2.0)],
            "symbol session v",
            "S00 2014-03-04 has two rows",
        ),
        ([], "symbol session v", "has 0 rows and the columns symbol, session, v: it needs rows"),
        ([("S00", "2014-03-04")], "symbol session", "it needs rows and a column with values"),
        ([("S00", "Tech"), ("S00", "Banks")], "symbol sector", "row 1: S00 has several rows"),
        ([("", "Tech")], "symbol sector", "row 1: the symbol is missing, and the table has no session"),
        ([("S00", None)], "symbol sector", "every value is missing"),
        ([("S00", "2014-03-04", None)], "symbol session v", "v has no number at all: leave the column out"),
        (
            [("S00", "2145-03-04", 1.0)],
            "symbol session v",
            "session 2145-03-04 lies after the last session that XNYS",
        ),
        ([("S00", "2014-03-04", 1.0)], "symbol v v", "has two columns named 'v': rename one"),
    ],
)
def test_what_can_not_be_used_is_named(rows: list[tuple[Any, ...]], columns: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"macro\.csv.*{message}"):
        read_own_table("macro", pd.DataFrame(rows, columns=columns.split()), calendar="XNYS", where="macro.csv")


def static(rows: list[tuple[Any, ...]], columns: str) -> StaticTable:
    read = read_own_table("company", pd.DataFrame(rows, columns=columns.split()), calendar="XNYS", where="x.csv")
    assert isinstance(read, StaticTable)
    return read


def test_categories_are_those_of_the_training_part_and_another_one_is_all_zeros(bars: Bars) -> None:
    own = static([("S00", "Tech", 3), ("S01", "Banks", 5), ("S02", "Mines", 100)], "symbol sector age").fitted(
        ["S00", "S01"]
    )
    assert own.columns == ("company_sector_Banks", "company_sector_Tech", "company_age")
    grid = own.features(Axis.of(bars, "XNYS"), bars.symbols)
    assert grid["company_sector_Tech"][7].tolist() == [1, 0, 0, 0]
    assert grid["company_sector_Banks"][7].tolist() == [0, 1, 0, 0]  # S02 has an unseen one, S03 none
    assert grid["company_age"][7].tolist() == [3, 5, 100, 4]
    again = StaticTable.of_data("company", own.data(), own.texts, dict(own.categories), dict(own.means))
    assert again.features(Axis.of(bars, "XNYS"), bars.symbols)["company_age"].tolist() == grid["company_age"].tolist()


def test_a_static_table_that_tells_nothing_of_the_training_part_is_refused() -> None:
    own = static([("AAA", "Tech"), ("BBB", "Banks")], "symbol sector")
    with pytest.raises(DataError, match=r"'company' has none of the symbols trained on \(S00 …\): its symbols are A"):
        own.fitted(["S00"])
    many = static([(f"S{i}", f"c{i}") for i in range(60)], "symbol sector")
    with pytest.raises(DataError, match="column 'sector' has 60 categories, and 50 are the most: group them"):
        many.fitted([f"S{i}" for i in range(60)])


def test_a_frame_of_python_is_a_table_as_well(bars: Bars) -> None:
    sector = pd.DataFrame({"symbol": bars.symbols, "sector": ["Tech", "Tech", "Banks", "Banks"]})
    own = Own.of(CONFIG, given=[("sector", sector)]).fitted(bars)
    panel = build_panel(bars, CONFIG, own=own)
    assert panel.features[-2:] == ("sector_Banks", "sector_Tech")
    with pytest.raises(ConfigError, match="own feature 'my sector': a name is made of letters"):
        Own.of(CONFIG, given=[("my sector", sector)])


def test_days_are_read_by_the_calendar_of_the_symbol() -> None:
    own = table([("7203.T", "2014-03-03", 1.0), ("AAPL", "2014-03-03", 2.0)], "symbol known_since v")
    closes = own.frame.set_index("symbol")["known_since"]
    assert f"{closes['7203.T']:%H:%M}" == "06:00"
    assert f"{closes['AAPL']:%H:%M}" == "21:00"


def test_a_table_of_nothing_that_is_trained_on_is_refused(bars: Bars) -> None:
    for rows, message in (
        (
            [("ZZZZ", "2014-03-04", 1.0)],
            r"'macro' has none of the symbols trained on \(S00, S01, S02 …\): its symbols are",
        ),
        ([("S00", "2024-03-04", 1.0)], "'macro' is known from 2024-03-04 on, after the last bar"),
    ):
        own = Own(tables=(table(rows, "symbol session v"),))
        with pytest.raises(DataError, match=message):
            own.fitted(bars)
    old = table([("S00", "1950-03-04", 7.0)], "symbol session v")
    assert (at(bars, old)["S00"] == 7.0).all()
