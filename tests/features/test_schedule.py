"""What the calendar says of the next session, by hand for days that are out of the ordinary."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.features import build_panel
from tenor.features.schedule import Schedule, schedule_feature
from tenor.schema import Bars

NAMES = (
    "next_gap", "next_weekday_sin", "next_weekday_cos", "next_hour_sin", "next_hour_cos", "next_month_end",
    "next_quarter_end", "next_expiry",
)  # fmt: skip


def schedule(calendar: str, first: str, last: str) -> dict[str, pd.Series]:
    """The features by session; `first` .. `last` is the axis."""
    sessions = exchange(calendar).sessions(pd.Timestamp(first), pd.Timestamp(last))
    found = schedule_feature.compute(Schedule(calendar, sessions), ["calendar"])
    return {name: pd.Series(values, sessions) for name, values in found.items()}


def marked(series: pd.Series) -> list[str]:
    assert set(series.unique()) <= {0.0, 1.0}
    return [f"{day:%Y-%m-%d}" for day in series.index[series == 1]]


def test_the_names() -> None:
    assert schedule_feature.of(["calendar"]) == NAMES


def test_thanksgiving_week_of_2016_in_new_york() -> None:
    found = schedule("XNYS", "2016-11-21", "2016-11-28")
    # Monday 21 to Wednesday 23; Thursday is Thanksgiving; Friday 25 is a half day; Monday 28
    assert [f"{day:%m-%d}" for day in found["next_gap"].index] == ["11-21", "11-22", "11-23", "11-25", "11-28"]
    np.testing.assert_allclose(found["next_gap"], np.log([1, 1, 2, 3, 1]), atol=1e-12)
    next_weekday = np.array([1, 2, 4, 0, 1])
    np.testing.assert_allclose(found["next_weekday_sin"], np.sin(2 * np.pi * next_weekday / 7), atol=1e-12)
    np.testing.assert_allclose(found["next_weekday_cos"], np.cos(2 * np.pi * next_weekday / 7), atol=1e-12)
    assert (found["next_hour_sin"] == 0).all()
    assert (found["next_hour_cos"] == 1).all()
    assert marked(found["next_month_end"]) == []
    # the last session of the axis knows of the two after it: Tuesday 29 is not the month's last, Wednesday 30 is
    assert marked(schedule("XNYS", "2016-11-21", "2016-11-29")["next_month_end"]) == ["2016-11-29"]


def test_expiry_is_the_third_friday_or_the_session_before_it() -> None:
    # 2016-03-18 is the third Friday; Good Friday is a week later
    assert marked(schedule("XNYS", "2016-03-01", "2016-03-31")["next_expiry"]) == ["2016-03-17"]
    # 2014-04-18 is the third Friday and Good Friday: options expire on Thursday the 17th, the day after the 16th
    assert marked(schedule("XNYS", "2014-04-01", "2014-04-30")["next_expiry"]) == ["2014-04-16"]
    # the 21st is as late as a third Friday can be, the 15th as early
    year = marked(schedule("XNYS", "2016-12-30", "2017-12-29")["next_expiry"])
    assert len(year) == 12
    days = exchange("XNYS")
    expiries = [f"{days.following(pd.Timestamp(day), 1):%m-%d}" for day in year]
    assert expiries == [
        "01-20", "02-17", "03-17", "04-21", "05-19", "06-16", "07-21", "08-18", "09-15", "10-20", "11-17", "12-15",
    ]  # fmt: skip


def test_the_ends_of_months_and_quarters() -> None:
    found = schedule("XNYS", "2016-01-04", "2016-12-30")
    # the session before each month's last one; Good Friday is 2016-03-25, Memorial Day 2016-05-30
    assert marked(found["next_month_end"]) == [
        "2016-01-28", "2016-02-26", "2016-03-30", "2016-04-28", "2016-05-27", "2016-06-29", "2016-07-28", "2016-08-30",
        "2016-09-29", "2016-10-28", "2016-11-29", "2016-12-29",
    ]  # fmt: skip
    assert marked(found["next_quarter_end"]) == ["2016-03-30", "2016-06-29", "2016-09-29", "2016-12-29"]


def test_round_the_clock_every_day_follows_the_day_before() -> None:
    found = schedule("24/7", "2016-03-01", "2016-03-31")
    assert (found["next_gap"] == 0).all()
    assert marked(found["next_expiry"]) == ["2016-03-17"]
    assert marked(found["next_month_end"]) == ["2016-03-30"]


def test_within_a_day_the_hour_and_the_night_count() -> None:
    # New York in winter: bars of an hour end at 15:30 .. 20:30 UTC and the last at 21:00
    found = schedule("XNYS@1h", "2024-01-11", "2024-01-13")
    moments = found["next_gap"].index
    assert moments[:2].tolist() == [pd.Timestamp("2024-01-11 15:30"), pd.Timestamp("2024-01-11 16:30")]
    at = {f"{moment:%d %H:%M}": i for i, moment in enumerate(moments)}
    gap = np.exp(found["next_gap"].to_numpy()) * 24  # hours
    assert gap[at["11 15:30"]] == pytest.approx(1)
    assert gap[at["11 20:30"]] == pytest.approx(0.5)
    assert gap[at["11 21:00"]] == pytest.approx(18.5)
    assert gap[at["12 21:00"]] == pytest.approx(18.5 + 3 * 24)  # Monday the 15th is a holiday
    for name, of in (("next_hour_sin", math.sin), ("next_hour_cos", math.cos)):
        assert found[name].iloc[at["11 15:30"]] == pytest.approx(of(2 * math.pi * 16.5 / 24))
        assert found[name].iloc[at["11 21:00"]] == pytest.approx(of(2 * math.pi * 15.5 / 24))
    assert np.sin(2 * np.pi / 7) == pytest.approx(found["next_weekday_sin"].iloc[at["12 21:00"]])  # Tuesday


def test_expiry_within_a_day_is_the_last_bar_of_the_third_friday() -> None:
    marks = schedule("XNYS@1h", "2016-03-14", "2016-03-26")["next_expiry"]
    assert marks.index[marks == 1].tolist() == [pd.Timestamp("2016-03-18 19:30")]  # the bar before that of the close


@pytest.mark.parametrize("cut", [120, 121, 122, 123, 124, 180])
def test_where_the_axis_ends_changes_nothing(cut: int, bars_of: Callable[..., Bars]) -> None:
    bars = bars_of(symbols=2, sessions=200)
    config = FeatureConfig(groups=("calendar",), horizons=(1,))
    last = np.sort(bars.frame["session"].unique())[cut - 1]
    whole, part = build_panel(bars, config), build_panel(bars.until(pd.Timestamp(last)), config)
    assert part.features == NAMES
    assert part.values.tobytes() == whole.values[:cut].tobytes()
    assert (whole.values[150] == whole.values[150, :1]).all()  # the same for every symbol
