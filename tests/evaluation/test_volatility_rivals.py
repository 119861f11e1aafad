"""The rivals in risk: against independent oracles, against the future, and where there is little to learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor.config import FeatureConfig
from tenor.errors import ConfigError, HistoryError
from tenor.evaluation import volatility_rivals
from tenor.evaluation.garch import EGARCH, GARCH, GJR
from tenor.evaluation.volatility_rivals import (
    BOOSTING,
    CONSTANT,
    EWMA,
    HAR,
    HAR_X,
    HAR_X_REFITTED,
    RIVALS,
    ROLLING_20,
    ROLLING_250,
    Linear,
    RivalFits,
    fit_rivals,
)
from tenor.features import build_panel
from tenor.har import HAR_TERMS, har_terms
from tenor.schema import Bars, Float64, Panel
from tenor.training import Split

SESSIONS = 480
SPLIT = Split(slice(0, 330), slice(335, 395), slice(400, SESSIONS), purge=5)
FAMILY = (GARCH, GJR, EGARCH)
QUICK = tuple(name for name in RIVALS if name not in (*FAMILY, BOOSTING))


def make_panel(sessions: int = SESSIONS, symbols: int = 4, seed: int = 0) -> Panel:
    """Variances with memory and a common part; symbol 1 misses some sessions, the last symbol starts late."""
    rng = np.random.default_rng(seed)
    shocks = 0.25 * rng.normal(0, 1, (sessions, symbols)) + 0.25 * rng.normal(0, 1, (sessions, 1))
    logs = np.zeros((sessions, symbols))
    for t in range(1, sessions):
        logs[t] = 0.95 * logs[t - 1] + shocks[t]
    returns = 0.015 * np.exp(logs / 2) * rng.normal(0, 1, (sessions, symbols))
    close = 50 * np.exp(np.cumsum(returns, axis=0))
    if symbols > 1:
        close[100:107, 1] = np.nan
        close[:250, -1] = np.nan
    variance = np.where(np.isfinite(close), 2.25e-4 * np.exp(logs + 0.4 * rng.normal(0, 1, close.shape)), np.nan)
    mask = np.isfinite(close)
    mask[:66] = False
    targets = np.full((*close.shape, 2), np.nan, dtype=np.float32)
    for k, h in enumerate((1, 5)):
        targets[:-h, :, k] = np.log(close[h:] / close[:-h])
    values = np.where(mask[:, :, None], rng.normal(0, 1, (*close.shape, 2)), 0).astype(np.float32)
    values[:, :, 1] = 0  # a column that never changes
    return Panel(
        values=values,
        mask=mask,
        targets=targets,
        volatility=np.where(mask, 0.015, np.nan).astype(np.float32),
        open=close,
        close=close,
        sessions=pd.bdate_range("2010-01-04", periods=sessions).as_unit("us"),
        symbols=tuple(f"S{i:02d}" for i in range(symbols)),
        features=("noise", "constant"),
        horizons=(1, 5),
        variance=variance,
    )


@pytest.fixture(scope="module")
def panel() -> Panel:
    return make_panel()


@pytest.fixture(scope="module")
def forecasts(panel: Panel) -> dict[str, Any]:
    return {**fit_rivals(panel, SPLIT, workers=1).forecasts}


def by_lstsq(x: Float64, y: Float64) -> Float64:
    """[intercept, slopes]."""
    coefficients: Float64 = np.linalg.lstsq(np.c_[np.ones(len(x)), x], y, rcond=None)[0]
    return coefficients


def last_bars(panel: Panel, t: int, symbol: int, sessions: int) -> Float64:
    known = panel.variance[: t + 1, symbol]
    return known[np.isfinite(known)][-sessions:]


def test_all_forecast_every_cell_of_the_mask_and_no_other(panel: Panel, forecasts: dict[str, Any]) -> None:
    assert tuple(forecasts) == RIVALS
    for name, forecast in forecasts.items():
        assert forecast.dtype == np.float32
        expected = np.repeat(panel.mask[:, :, None], 2, axis=2)
        if name == ROLLING_250:
            expected &= (np.cumsum(np.isfinite(panel.variance), axis=0) >= 125)[:, :, None]
        if name in (HAR_X, HAR_X_REFITTED, BOOSTING):
            expected &= (np.cumsum(np.isfinite(panel.variance), axis=0) >= 33)[:, :, None]
        if name in (HAR, ROLLING_20):
            expected &= (np.cumsum(np.isfinite(panel.variance), axis=0) >= (11 if name == HAR else 10))[:, :, None]
        if name in (HAR_X, HAR_X_REFITTED, BOOSTING):  # no return without a close before it
            expected[250, -1] = False
        np.testing.assert_array_equal(np.isfinite(forecast), expected, err_msg=name)


def test_the_better_ones_beat_the_constant(panel: Panel, forecasts: dict[str, Any]) -> None:
    def error(name: str) -> Float64:
        return np.nanmean((forecasts[name] - panel.log_variance)[SPLIT.test] ** 2, axis=(0, 1), dtype="float64")

    for name in (ROLLING_20, EWMA, HAR, HAR_X, HAR_X_REFITTED, *FAMILY, BOOSTING):
        assert (error(name) < 0.95 * error(CONSTANT)).all(), name


@pytest.mark.parametrize(("t", "symbol"), [(66, 0), (110, 1), (300, 2), (479, 3)])
def test_the_terms_of_har_are_averages_of_a_symbols_own_bars_and_of_the_market(
    panel: Panel, t: int, symbol: int
) -> None:
    terms = har_terms(panel)
    assert terms.shape == (SESSIONS, 4, len(HAR_TERMS))
    for j, n in enumerate((1, 5, 22, 66)):
        own = [
            np.log(last_bars(panel, t, s, n).mean())
            for s in range(4)
            if np.isfinite(panel.variance[t, s]) and len(last_bars(panel, t, s, n)) >= n / 2
        ]
        np.testing.assert_allclose(terms[t, symbol, j], np.log(last_bars(panel, t, symbol, n).mean()), rtol=1e-9)
        np.testing.assert_allclose(terms[t, symbol, 4 + j], np.mean(own), rtol=1e-9)
    closes = panel.close[: t + 1, symbol]
    last, before = closes[np.isfinite(closes)][[-1, -2]]
    np.testing.assert_allclose(terms[t, symbol, 8], np.log(1 + 100 * max(-np.log(last / before), 0)), atol=1e-12)


@pytest.mark.parametrize(("name", "terms"), [(HAR, 3), (HAR_X, 9)])
@pytest.mark.parametrize("k", [0, 1])
def test_har_is_ordinary_least_squares_of_the_training_cells(
    panel: Panel, forecasts: dict[str, Any], name: str, terms: int, k: int
) -> None:
    x = har_terms(panel)[:, :, :terms]
    y = np.where(panel.mask, panel.log_variance[:, :, k], np.nan).astype("float64")
    known = np.isfinite(x).all(axis=2) & np.isfinite(y)
    known[SPLIT.train.stop :] = False
    b = by_lstsq(x[known], y[known])
    expected = np.where(panel.mask, b[0] + x @ b[1:], np.nan)
    np.testing.assert_allclose(forecasts[name][:, :, k], expected, rtol=1e-5)


@pytest.mark.parametrize("name", [ROLLING_20, EWMA])
def test_averages_are_recalibrated_on_the_training_cells(panel: Panel, forecasts: dict[str, Any], name: str) -> None:
    raw = np.full(panel.close.shape, np.nan)
    for symbol in range(4):
        for t in np.flatnonzero(panel.mask[:, symbol]):
            bars = last_bars(panel, t, symbol, 20 if name == ROLLING_20 else SESSIONS)
            weights = np.ones(len(bars)) if name == ROLLING_20 else 0.94 ** np.arange(len(bars))[::-1]
            if name == EWMA or len(bars) >= 10:
                raw[t, symbol] = np.log(weights @ bars / weights.sum())
    y = panel.log_variance[:, :, 1].astype("float64")
    known = np.isfinite(raw) & np.isfinite(y)
    known[SPLIT.train.stop :] = False
    b = by_lstsq(raw[known][:, None], y[known])
    np.testing.assert_allclose(forecasts[name][:, :, 1], b[0] + b[1] * raw, rtol=1e-5)


def test_the_constant_is_each_symbols_mean_in_training(panel: Panel, forecasts: dict[str, Any]) -> None:
    training = np.where(panel.mask[SPLIT.train], panel.log_variance[SPLIT.train, :, 1], np.nan)
    expected = np.nanmean(training, axis=0, dtype="float64")
    np.testing.assert_allclose(forecasts[CONSTANT][-1, :, 1], expected, rtol=1e-6)


@pytest.mark.parametrize("t", [335, 355, 356, 479])
@pytest.mark.parametrize("k", [0, 1])
def test_the_refitted_har_knows_every_target_that_is_over_and_none_that_is_not(
    panel: Panel, forecasts: dict[str, Any], t: int, k: int
) -> None:
    fitted_at = 335 + (t - 335) // 21 * 21
    x = har_terms(panel)
    y = np.where(panel.mask, panel.log_variance[:, :, k], np.nan).astype("float64")
    known = np.isfinite(x).all(axis=2) & np.isfinite(y)
    known[fitted_at - panel.horizons[k] + 1 :] = False
    for symbol in range(4):
        rows = known[:, symbol]
        if rows.sum() >= 150:
            b, low, high = by_lstsq(x[rows, symbol], y[rows, symbol]), x[rows, symbol].min(0), x[rows, symbol].max(0)
            terms = np.clip(x[t, symbol], low, high)
        else:
            assert symbol == 3
            b, terms = by_lstsq(x[known], y[known]), x[t, symbol]
        np.testing.assert_allclose(forecasts[HAR_X_REFITTED][t, symbol, k], b[0] + b[1:] @ terms, rtol=1e-5)


def test_boosting_starts_from_har_x_and_learns_what_har_x_can_not(panel: Panel) -> None:
    # a feature that says how the next session's variance differs from the forecast, when it is above a threshold
    values = panel.values.copy()
    signal = np.nan_to_num(
        panel.log_variance[:, :, 0] - fit_rivals(panel, SPLIT, names=(HAR_X,)).forecasts[HAR_X][..., 0]
    )
    values[:, :, 0] = np.where(panel.mask, signal > 0, 0)
    fits = fit_rivals(replace(panel, values=values), SPLIT, names=(HAR_X, BOOSTING)).forecasts
    errors = {
        name: np.nanmean((forecast - panel.log_variance)[SPLIT.test, :, 0] ** 2) for name, forecast in fits.items()
    }
    assert errors[BOOSTING] < 0.6 * errors[HAR_X]


def test_boosting_takes_no_round_that_validation_does_not_support(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volatility_rivals, "BOOSTING_ROUNDS", 5)
    log_variance = panel.log_variance.copy()
    fits = fit_rivals(panel, SPLIT, names=(HAR_X,)).forecasts[HAR_X]
    log_variance[SPLIT.valid] = fits[SPLIT.valid]  # validation where HAR-X is never wrong
    fits_then = fit_rivals(replace(panel, log_variance=log_variance), SPLIT, names=(HAR_X, BOOSTING)).forecasts
    np.testing.assert_array_equal(fits_then[BOOSTING], fits_then[HAR_X])


@pytest.fixture(scope="module")
def made_bars(bars_of: Callable[..., Bars]) -> Bars:
    """Bars whose closes are those of `make_panel`, so that the GARCH family has something to find."""
    frame = bars_of(3, SESSIONS).frame.copy()
    factors = make_panel(symbols=4).close[:, [0, 2, 1]].T.ravel() / frame["close"].to_numpy()
    for column in ("open", "high", "low", "close", "adj_close"):
        frame[column] *= factors
    return Bars(frame[np.isfinite(factors)])


@pytest.fixture(scope="module")
def before(made_bars: Bars) -> RivalFits:
    return fit_rivals(build_panel(made_bars, FeatureConfig(horizons=(1, 5))), SPLIT, workers=1)


@pytest.mark.processes
def test_processes_that_share_the_horizons_give_the_same_bytes(made_bars: Bars, before: RivalFits) -> None:
    panel = build_panel(made_bars, FeatureConfig(horizons=(1, 5)))
    shared = fit_rivals(panel, SPLIT, names=(GARCH, BOOSTING), workers=2).forecasts
    for name, forecast in shared.items():
        assert forecast.tobytes() == before.forecasts[name].tobytes()


@pytest.mark.parametrize("t", [SPLIT.train.stop + 4, 360, SPLIT.valid.stop + 4, 450])
def test_the_future_changes_no_forecast(made_bars: Bars, before: RivalFits, t: int) -> None:
    frame = made_bars.frame.copy()
    sessions = np.sort(frame["session"].unique())
    later = (frame["session"] > sessions[t]).to_numpy()
    factors = np.random.default_rng(t).uniform(0.5, 2, int(later.sum()))
    for column in ("open", "high", "low", "close", "adj_close"):
        frame.loc[later, column] *= factors
    changed = build_panel(Bars(frame), FeatureConfig(horizons=(1, 5)))
    # the rounds of boosting are chosen on the whole of validation
    names = [name for name in RIVALS if name != BOOSTING or t >= SPLIT.valid.stop + 4]
    after = fit_rivals(changed, SPLIT, names=names, workers=1)
    assert after.replaced == before.replaced
    for name, forecast in after.forecasts.items():
        np.testing.assert_array_equal(forecast[: t + 1], before.forecasts[name][: t + 1], err_msg=name)
        if name != CONSTANT:
            assert (forecast[t + 1 :] != before.forecasts[name][t + 1 :]).any(), name
        if name in FAMILY:
            assert len(before.replaced.get(name, ())) < 3


def test_symbols_without_a_garch_have_the_forecast_of_ewma_and_are_named(
    panel: Panel, forecasts: dict[str, Any]
) -> None:
    close = panel.close.copy()
    close[:, 0] = 7.0
    fits = fit_rivals(replace(panel, close=close), SPLIT, names=(EGARCH, GJR, EWMA, GARCH), workers=1)
    assert tuple(fits.forecasts) == (EGARCH, GJR, EWMA, GARCH)
    for name in FAMILY:
        assert {"S00", "S03"} <= {*fits.replaced[name]}
        np.testing.assert_array_equal(fits.forecasts[name][:, [0, 3]], fits.forecasts[EWMA][:, [0, 3]])
        if "S01" not in fits.replaced[name]:
            assert (fits.forecasts[name][SPLIT.test, 1] != fits.forecasts[EWMA][SPLIT.test, 1]).all()
    assert not {EWMA, HAR} & {*fits.replaced}


def test_where_no_symbol_has_a_garch_all_have_ewma(panel: Panel) -> None:
    split = Split(slice(0, 200), slice(205, 300), slice(305, SESSIONS), purge=5)
    fits = fit_rivals(panel, split, names=(GARCH, EWMA), workers=1)
    assert fits.replaced == {GARCH: panel.symbols}
    np.testing.assert_array_equal(fits.forecasts[GARCH], fits.forecasts[EWMA])


def test_one_symbol_alone(forecasts: dict[str, Any]) -> None:
    alone = make_panel(symbols=1)
    fits = fit_rivals(alone, SPLIT, workers=1)
    for name, forecast in fits.forecasts.items():
        assert np.isfinite(forecast[SPLIT.test]).all(), name
        assert np.abs(forecast[SPLIT.test] - alone.log_variance[SPLIT.test])[:-5].mean() < 3, name


def test_a_symbol_without_training_rows_has_pooled_forecasts(panel: Panel) -> None:
    mask, close, variance = panel.mask.copy(), panel.close.copy(), panel.variance.copy()
    for array, nothing in ((mask, False), (close, np.nan), (variance, np.nan)):
        array[:360, 3] = nothing
    late = replace(panel, mask=mask, close=close, variance=variance)
    forecasts = fit_rivals(late, SPLIT, names=QUICK).forecasts
    for name in QUICK:
        if name != ROLLING_250:  # 120 sessions are too few for it
            assert np.isfinite(forecasts[name][SPLIT.test, 3]).all(), name
    training = np.where(mask[SPLIT.train], panel.log_variance[SPLIT.train, :, 0], np.nan)
    np.testing.assert_allclose(forecasts[CONSTANT][-1, 3, 0], np.nanmean(training, dtype="float64"), rtol=1e-6)


def test_a_variance_that_never_changes_is_forecast_to_stay(panel: Panel) -> None:
    still = replace(
        panel,
        variance=np.where(np.isfinite(panel.variance), 1e-4, np.nan),
        log_variance=np.where(np.isfinite(panel.log_variance), np.log(1e-4), np.nan).astype(np.float32),
    )
    for name, forecast in fit_rivals(still, SPLIT, names=(*QUICK, BOOSTING)).forecasts.items():
        np.testing.assert_allclose(forecast[np.isfinite(forecast)], np.log(1e-4), rtol=1e-6, err_msg=name)


def test_an_average_longer_than_training_is_left_as_it_is(panel: Panel) -> None:
    split = Split(slice(0, 100), slice(105, 200), slice(205, SESSIONS), purge=5)
    forecast = fit_rivals(panel, split, names=(ROLLING_250,)).forecasts[ROLLING_250]
    np.testing.assert_allclose(forecast[479, 0, :], np.log(last_bars(panel, 479, 0, 250).mean()), rtol=1e-6)


def test_what_is_missing_is_named(panel: Panel) -> None:
    nothing = replace(panel, log_variance=np.full_like(panel.log_variance, np.nan))
    with pytest.raises(HistoryError, match="no training cell has a known variance 1 sessions ahead"):
        fit_rivals(nothing, SPLIT, names=(CONSTANT,))
    young = replace(panel, mask=np.isfinite(panel.close))
    short = Split(slice(0, 20), slice(25, 100), slice(105, SESSIONS), purge=5)
    with pytest.raises(HistoryError, match="no training cell has 66 sessions of variance before it"):
        fit_rivals(young, short, names=(HAR_X,))
    empty = Split(SPLIT.train, slice(395, 395), SPLIT.test, purge=5)
    with pytest.raises(HistoryError, match="no validation cell"):
        fit_rivals(panel, empty, names=(BOOSTING,))


def test_an_unknown_name_is_refused_with_the_nearest(panel: Panel) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'HAR-X'"):
        fit_rivals(panel, SPLIT, names=("HARX",))


def test_least_squares_of_repeated_and_constant_columns() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(-9, 1, (200, 2))
    y = 3 + x @ [0.5, -0.2] + rng.normal(0, 0.1, 200)
    b = by_lstsq(x, y)
    plain = Linear.fit(x, y)
    np.testing.assert_allclose([plain.intercept, *plain.slopes], b, rtol=1e-8)
    repeated = np.c_[x, x[:, 0], np.full(200, -9.3)]
    np.testing.assert_allclose(Linear.fit(repeated, y).predict(repeated), plain.predict(x), rtol=1e-9)
    one = Linear.fit(x[:1], y[:1])
    np.testing.assert_allclose(one.predict(x), y[0])
