"""ARIMA, exponential smoothing and theta as baselines: what they see, what they say, and what happens without data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from statsforecast.models import AutoARIMA, AutoETS, DynamicOptimizedTheta

from tenor.errors import ConfigError
from tenor.evaluation.statistical import ARIMA, ETS, STATISTICAL, THETA, fit_statistical
from tenor.schema import Panel
from tenor.training import Split

SPLIT = Split(slice(0, 150), slice(155, 195), slice(200, 230), purge=5)


@pytest.fixture(scope="module")
def panel(sentiment_panel_of: Callable[..., Panel]) -> Panel:
    """230 sessions of four symbols; one is missing on some days, one moves by a rule that ARIMA can find."""
    made = sentiment_panel_of(230, 4)
    rng = np.random.default_rng(1)
    returns = np.zeros(230)
    for t in range(1, 230):
        returns[t] = 0.6 * returns[t - 1] + rng.normal(0, 0.01)
    close = made.close.copy()
    close[:, 1] = 20 * np.exp(np.cumsum(returns))
    mask = made.mask.copy()
    mask[205:208, 2] = False
    close[205:208, 2] = np.nan
    return replace(made, close=close, mask=mask)


def test_they_say_something_in_every_cell_after_validation_and_nothing_before(panel: Panel) -> None:
    found = fit_statistical(panel, SPLIT, workers=1)
    assert tuple(found) == STATISTICAL
    for said in found.values():
        for values in (said.mean, said.p_up):
            assert np.isnan(values[:195]).all()
            np.testing.assert_array_equal(np.isfinite(values[195:]).all(axis=2), panel.mask[195:])
        known = panel.mask[195:]
        assert ((said.p_up[195:][known] > 0) & (said.p_up[195:][known] < 1)).all()


@pytest.mark.parametrize(
    ("name", "model"),
    [
        (ARIMA, AutoARIMA(max_p=3, max_q=3, season_length=1)),
        (ETS, AutoETS(model="AZN", season_length=1)),
        (THETA, DynamicOptimizedTheta(season_length=1)),
    ],
)
@pytest.mark.parametrize("symbol", [1, 2])
def test_a_forecast_is_that_of_the_library_fitted_before_the_test_and_applied_up_to_the_session(
    panel: Panel, name: str, model: object, symbol: int
) -> None:
    said = fit_statistical(panel, SPLIT, names=(name,), workers=1)[name]
    logs = np.log(panel.close[:, symbol])
    fitted = model.fit(logs[:195][np.isfinite(logs[:195])])  # type: ignore[attr-defined]
    for t in (195, 209, 229):
        y = logs[: t + 1][np.isfinite(logs[: t + 1])]
        expected = fitted.forward(y, h=5)["mean"][[0, 4]] - y[-1]
        np.testing.assert_allclose(said.mean[t, symbol], expected, rtol=1e-5, atol=1e-9)


def test_arima_finds_what_is_there(panel: Panel) -> None:
    said = fit_statistical(panel, SPLIT, names=(ARIMA,), workers=1)[ARIMA]
    logs = np.log(panel.close[:, 1])
    last, following = logs[199:229] - logs[198:228], logs[200:230] - logs[199:229]
    assert np.corrcoef(said.mean[199:229, 1, 0], 0.6 * last)[0, 1] > 0.8
    assert np.corrcoef(said.mean[199:229, 1, 0], following)[0, 1] > 0.3


@pytest.mark.parametrize("t", [199, 210, 222])
def test_the_future_changes_no_forecast(panel: Panel, t: int) -> None:
    close, targets, mask = panel.close.copy(), panel.targets.copy(), panel.mask.copy()
    close[t + 1 :] *= np.random.default_rng(t).uniform(0.2, 4, close[t + 1 :].shape)
    for k, h in enumerate(panel.horizons):
        targets[t + 1 - h :, :, k] = 0.5
    mask[t + 3 :, 0] = False
    close[t + 3 :, 0] = np.nan
    before = fit_statistical(panel, SPLIT, workers=1)
    after = fit_statistical(replace(panel, close=close, targets=targets, mask=mask), SPLIT, workers=1)
    for name in STATISTICAL:
        np.testing.assert_array_equal(after[name].mean[: t + 1], before[name].mean[: t + 1])
        np.testing.assert_array_equal(after[name].p_up[: t + 1], before[name].p_up[: t + 1])
    assert (after[ETS].mean[t + 1 :, 1] != before[ETS].mean[t + 1 :, 1]).any()


@pytest.mark.slow  # starts processes that import it all
def test_side_by_side_is_the_same_and_progress_is_told(panel: Panel) -> None:
    told: list[tuple[int, int]] = []
    alone = fit_statistical(panel, SPLIT, workers=1)
    both = fit_statistical(panel, SPLIT, workers=2, progress=lambda done, total: told.append((done, total)))
    for name in STATISTICAL:
        np.testing.assert_array_equal(both[name].mean, alone[name].mean)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_too_little_history_and_a_price_that_never_moves_stay_where_they_are(panel: Panel) -> None:
    close, mask = panel.close.copy(), panel.mask.copy()
    close[:, 0] = 7.0
    close[:170, 3], mask[:170, 3] = np.nan, False
    found = fit_statistical(replace(panel, close=close, mask=mask), SPLIT, workers=1)
    share = np.mean(panel.targets[:150, :, 0][mask[:150]] > 0)
    for said in found.values():
        assert (said.mean[195:, [0, 3]] == 0).all()
        np.testing.assert_allclose(said.p_up[195:, [0, 3], 0], share, atol=1e-6)


def test_p_up_is_above_one_half_exactly_where_a_rise_is_forecast(panel: Panel) -> None:
    said = fit_statistical(panel, SPLIT, names=(THETA,), workers=1)[THETA]
    known = np.isfinite(said.mean) & (said.mean != 0)
    np.testing.assert_array_equal(said.p_up[known] > 0.5, said.mean[known] > 0)


def test_an_unknown_name_is_refused_with_a_suggestion(panel: Panel) -> None:
    with pytest.raises(ConfigError, match=r"unknown model 'thet'\. Did you mean 'theta'"):
        fit_statistical(panel, SPLIT, names=("thet",))
