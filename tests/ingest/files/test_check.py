"""Planted faults, each found under its own name and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.errors import DataError
from tenor.ingest.files import SymbolReport, check_bars, read_bars
from tenor.schema import PRICES, Bars

MakeBars = Callable[..., Bars]


@pytest.fixture
def frame(bars_of: MakeBars) -> pd.DataFrame:
    return bars_of(symbols=1, sessions=100).frame


def report(frame: pd.DataFrame, **options: object) -> SymbolReport:
    (result,) = check_bars(frame, **options)  # type: ignore[arg-type]
    return result


def scaled(frame: pd.DataFrame, start: int, factor: float, *, volume: float) -> pd.DataFrame:
    late = np.arange(len(frame)) >= start
    prices = {c: np.where(late, frame[c] * factor, frame[c]) for c in PRICES}
    return frame.assign(**prices, volume=np.where(late, 5000 * volume, 5000.0))


def test_sound_bars_are_clean(bars: Bars) -> None:
    reports = check_bars(bars)
    assert [r.symbol for r in reports] == list(bars.symbols)
    assert all(r.clean for r in reports)
    assert reports[0].row()[:4] == ("S00", "2014-01-02", "2015-03-12", "300")


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], dict[str, int]]] = {
    "two gaps": (lambda f: f.drop(index=[10, 11, 12, 50]), {"missing": 4}),
    "a session twice": (lambda f: pd.concat([f, f.iloc[[7]]]), {"duplicates": 1}),
    "a price of zero": (lambda f: f.assign(low=f["low"].where(f.index != 9, 0.0)), {"nonpositive": 1}),
    "no price": (lambda f: f.assign(adj_close=f["adj_close"].where(f.index != 9)), {"unreadable": 1}),
    "high below low": (lambda f: f.assign(high=f["high"].where(f.index != 9, 1e-3)), {"high_below_low": 1}),
    "a Saturday": (
        lambda f: pd.concat([f, f.iloc[[7]].assign(session=pd.Timestamp("2014-01-18"))]),
        {"off_calendar": 1},
    ),
    "close above high": (
        lambda f: f.assign(close=f["close"].where(f.index != 9, f["high"] * 1.1)),
        {"outside": 1},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_counted_under_its_name(frame: pd.DataFrame, fault: str) -> None:
    plant, expected = FAULTS[fault]
    result = report(plant(frame.copy()))
    names = ("missing", "duplicates", "nonpositive", "high_below_low", "off_calendar", "unreadable", "outside")
    assert {name: getattr(result, name) for name in names if getattr(result, name)} == expected
    assert not result.clean


def test_gaps_are_runs_of_sessions(frame: pd.DataFrame) -> None:
    result = report(frame.drop(index=[10, 11, 12, 50]))
    sessions = frame["session"]
    assert result.gaps == ((sessions[10], sessions[12], 3), (sessions[50], sessions[50], 1))


@pytest.mark.parametrize(
    ("factor", "volume", "split"),
    [(1 / 2, 2, "1:2"), (1 / 7, 7, "1:7"), (2 / 3, 1.5, "1:1.5"), (10, 0.1, "10:1"), (0.5, 1, "1:2")],
)
def test_an_unadjusted_split_is_told_by_its_ratio(
    frame: pd.DataFrame, factor: float, volume: float, split: str
) -> None:
    calm = frame.assign(**dict.fromkeys(PRICES, 40.0))
    calm[list(PRICES)] *= 1 + 0.001 * np.sin(np.arange(len(calm)))[:, None]
    result = report(scaled(calm, 60, factor, volume=volume))
    assert [(j.session, j.split) for j in result.jumps] == [(frame["session"][60], split)]
    assert result.jumps[0].factor == pytest.approx(factor, rel=0.01)
    assert result.to_json()["jumps"] == [
        {"session": f"{frame['session'][60]:%Y-%m-%d}", "factor": pytest.approx(factor, rel=0.01), "split": split}
    ]


def test_a_crash_that_everybody_traded_is_no_jump(frame: pd.DataFrame) -> None:
    assert report(scaled(frame, 60, 0.5, volume=12)).jumps == ()
    assert [j.split for j in report(scaled(frame, 60, 0.43, volume=1)).jumps] == [""]


@pytest.mark.parametrize(("length", "runs"), [(4, 0), (5, 1), (9, 1)])
def test_stale_runs_begin_at_five_equal_closes(frame: pd.DataFrame, length: int, runs: int) -> None:
    flat = frame.copy()
    flat.loc[20 : 20 + length - 1, "close"] = flat.loc[20, "close"]
    stale = report(flat).stale
    assert [(a, b, n) for a, b, n in stale] == [(flat["session"][20], flat["session"][20 + length - 1], length)] * runs


def test_refusals_of_the_import_are_counted(tmp_path: Path) -> None:
    (tmp_path / "AAA.csv").write_text(
        "Date,Open,High,Low,Close,Adj Close,Volume\n"
        "2014-01-02,10,12,9.5,11,10.5,100\n2014-01-02,10,12,9.5,11,10.5,100\n2014-01-02,10,12,9.5,11,10.4,100\n"
        "2014-01-03,-10,12,9.5,11,10.5,100\n2014-01-06,10,9,9.5,9.2,9.5,100\n2014-01-04,10,12,9.5,11,10.5,100\n"
        "2014-01-07,x,12,9.5,11,10.5,100\n2014-01-08,10,12,9.5,11,10.5,100\n"
    )
    imported = read_bars([tmp_path])
    assert imported.bars is not None
    result = report(imported.bars.frame, refusals=imported.refusals)
    counts = (result.duplicates, result.nonpositive, result.high_below_low, result.off_calendar, result.unreadable)
    assert counts == (2, 1, 1, 1, 1)
    assert result.row() == ("AAA", "2014-01-02", "2014-01-08", "2", "3", "1", "2", "1", "1", "0", "0")


def test_one_bar_and_a_round_the_clock_calendar(bars: Bars) -> None:
    one = Bars(bars.frame.iloc[:1])
    assert check_bars(one)[0].clean
    week = bars.frame[bars.frame["symbol"] == "S00"].iloc[:5]
    assert check_bars(week, calendar="24/7")[0].missing == 2


def test_a_frame_of_something_else() -> None:
    with pytest.raises(DataError, match=r"no column 'symbol', .*; a check needs symbol, session"):
        check_bars(pd.DataFrame({"x": [1]}))


def test_known_splits_of_published_prices_are_found(published: Callable[[str], Path]) -> None:
    imported = read_bars([published("kdd17-price_long_50")])
    assert imported.bars is not None
    assert imported.refused == []
    assert all(not r.jumps for r in check_bars(imported.bars))
    unadjusted = check_bars(Bars(imported.bars.frame.assign(adj_close=imported.bars.frame["close"])))
    result = {(r.symbol, f"{j.session:%Y-%m-%d}", j.split) for r in unadjusted for j in r.jumps}
    known = {
        ("AAPL", "2014-06-09", "1:7"),
        ("BRK-B", "2010-01-21", "1:50"),
        ("CMCSA", "2007-02-22", "1:1.5"),
        ("D", "2007-11-20", "1:2"),
        ("GOOGL", "2014-04-03", "1:2"),
        ("KO", "2012-08-13", "1:2"),
        ("MA", "2014-01-22", "1:10"),
    }
    assert known <= result
    assert len(result) <= 12
