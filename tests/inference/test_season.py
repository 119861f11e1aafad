"""What the season adds: terms by hand on real dates, a planted season found, no say of the future, little history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.features import build_panel
from tenor.har import REFIT_EVERY
from tenor.inference.season import BOUND, REPORTED, season_effect, season_terms
from tenor.schema import Bars, Panel
from tenor.variance import log_mean_ahead

FIRST = 420


@pytest.fixture(scope="module")
def sessions() -> pd.DatetimeIndex:
    return exchange("XNYS").sessions(pd.Timestamp("2014-01-02"), pd.Timestamp("2016-12-30"))


@pytest.fixture(scope="module")
def panel(bars_of: Callable[..., Bars]) -> Panel:
    return build_panel(bars_of(4, 640), FeatureConfig(horizons=(1, 5)))


def terms(sessions: pd.DatetimeIndex, marks: dict[str, float], ahead: int) -> dict[str, pd.Series]:
    """The first two terms by session of one symbol, whose excess is 0 but on the days of `marks`."""
    excess = np.zeros((len(sessions), 1))
    for day, value in marks.items():
        excess[sessions.get_loc(pd.Timestamp(day))] = value
    values = season_terms(sessions, excess, ahead)[:, 0]
    np.testing.assert_array_equal(values[:, 2:], np.maximum(values[:, :2] - REPORTED, 0))
    return {"usual": pd.Series(values[:, 0], sessions), "year": pd.Series(values[:, 1], sessions)}


def days(series: pd.Series, value: float) -> list[str]:
    return [f"{day:%Y-%m-%d}" for day in series.index[np.isclose(series, value)]]


def test_a_report_is_expected_one_to_four_quarters_later_on_the_same_weekday(sessions: pd.DatetimeIndex) -> None:
    # a Thursday; those 13, 26, 39 and 52 weeks later are 2015-07-23, 10-22, 2016-01-21 and 04-21
    next_session = terms(sessions, {"2015-04-23": 4.0}, 1)
    assert days(next_session["usual"], 1.0) == ["2015-07-22", "2015-10-21", "2016-01-20", "2016-04-20"]
    assert days(next_session["year"], 4.0) == ["2016-04-20"]
    # one of the five sessions after each of these
    expected = ["2016-04-14", "2016-04-15", "2016-04-18", "2016-04-19", "2016-04-20"]
    assert days(terms(sessions, {"2015-04-23": 4.0}, 5)["year"], 4.0) == expected


def test_a_symbol_that_is_not_a_year_old_has_the_quarters_there_are(sessions: pd.DatetimeIndex) -> None:
    young = terms(sessions[sessions >= pd.Timestamp("2015-04-01")], {"2015-04-23": 4.0}, 1)
    assert young["usual"]["2015-07-22"] == 4.0  # of one quarter, not of four
    assert young["year"]["2015-07-22"] == 4.0
    assert young["usual"]["2015-10-21"] == 2.0
    assert (young["usual"][:"2015-06-30"] == 0).all()


def test_a_holiday_thirteen_weeks_ago_gives_way_to_the_session_after_it(sessions: pd.DatetimeIndex) -> None:
    # thirteen weeks before Monday 2016-04-18 is Martin Luther King's day, without a session
    usual = terms(sessions, {"2016-01-20": 4.0}, 1)["usual"]
    assert days(usual[:"2016-04-30"], 1.0) == ["2016-04-18", "2016-04-19"]


def reports(panel: Panel) -> list[int]:
    """A row every 13 weeks."""
    days = pd.date_range(panel.sessions[30], panel.sessions[-1], freq="91D")
    return panel.sessions.searchsorted(days).tolist()


def reporting(panel: Panel) -> Panel:
    """The same panel, in which all symbols' variances are twelve times as high in the rows of `reports`."""
    variance = panel.variance.copy()
    variance[reports(panel)] *= 12
    return replace(panel, variance=variance, log_variance=log_mean_ahead(variance, panel.close, panel.horizons))


def test_a_planted_season_raises_the_forecasts_before_its_sessions_and_lowers_the_others(panel: Panel) -> None:
    effect = season_effect(reporting(panel), FIRST)
    before = [row - 1 for row in reports(panel) if row > FIRST]
    assert len(before) == 3
    assert (effect[before, :, 0] > 0.5).all()
    assert np.median(effect[FIRST:, :, 0]) < 0
    five = {row - lag for row in before for lag in range(5) if row - lag >= FIRST}
    others = [row for row in range(FIRST, len(effect)) if row not in five]
    assert effect[sorted(five), :, 1].mean() > effect[others, :, 1].mean() + 0.3


def test_rows_of_the_future_change_no_bit_of_it(panel: Panel) -> None:
    planted = reporting(panel)
    whole = season_effect(planted, FIRST)
    assert np.isfinite(whole).all()
    assert (whole[:FIRST] == 0).all()
    assert (whole[FIRST:] != 0).any()
    for stop in (FIRST + 1, FIRST + REFIT_EVERY, FIRST + REFIT_EVERY + 1, 557, 639):
        np.testing.assert_array_equal(season_effect(planted.between(0, stop), FIRST), whole[:stop])


@pytest.mark.parametrize("length", [0, 1, 30, 66, 150])
def test_a_short_history_has_none_and_none_is_infinite(panel: Panel, length: int) -> None:
    effect = season_effect(panel.between(0, length), 0)
    assert effect.shape == (length, 4, 2)
    assert np.isfinite(effect).all()
    assert (effect[:REFIT_EVERY] == 0).all()  # nothing is known of any target yet


def test_holes_and_a_symbol_without_bars_do_no_harm(panel: Panel) -> None:
    holed = reporting(panel)
    holed.variance[:, 3] = np.nan
    holed.variance[::9, 1] = np.nan
    holed.mask[:, 3] = False
    effect = season_effect(holed, FIRST)
    assert np.isfinite(effect).all()
    assert (effect[:, 3] == 0).all()
    assert (effect[FIRST:, 0] != 0).any()


def test_a_split_that_nobody_adjusted_moves_no_forecast_beyond_the_bound(panel: Panel) -> None:
    variance = panel.variance.copy()
    variance[300, 1] *= 1e12
    log_variance = log_mean_ahead(variance, panel.close, panel.horizons)
    effect = season_effect(replace(panel, variance=variance, log_variance=log_variance), FIRST)
    assert np.isfinite(effect).all()
    assert 0.1 < np.abs(effect).max() <= BOUND


@pytest.mark.parametrize("calendar", ["24/7", "XTKS", "XNYS@1h"])
def test_terms_of_other_calendars_are_finite_and_causal(calendar: str) -> None:
    axis = exchange(calendar).sessions(pd.Timestamp("2015-01-05"), pd.Timestamp("2015-12-29"))
    excess = np.random.default_rng(0).normal(size=(len(axis), 2))
    excess[::7, 1] = np.nan
    whole = season_terms(axis, excess, 20)
    assert np.isfinite(whole).all()
    assert (whole[-1] != 0).any()
    for stop in (1, 30, len(axis) // 2, len(axis) - 1):
        np.testing.assert_array_equal(season_terms(axis[:stop], excess[:stop], 20), whole[:stop])


def test_horizons_longer_than_a_quarter_have_no_term_that_looks_ahead(sessions: pd.DatetimeIndex) -> None:
    excess = np.random.default_rng(0).normal(size=(len(sessions), 1))
    for ahead in (62, 100, 300):
        whole = season_terms(sessions, excess, ahead)
        for stop in (200, 500):
            np.testing.assert_array_equal(season_terms(sessions[:stop], excess[:stop], ahead), whole[:stop])
