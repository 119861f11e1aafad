"""The GARCH family: parameters that are recovered, forecasts that are arch's own, and symbols that have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from arch import arch_model

from tenor.evaluation.garch import (
    EGARCH,
    GARCH,
    GJR,
    MODELS,
    Parameters,
    estimate,
    fit_garch,
    mean_variance_ahead,
)
from tenor.schema import Float64, Panel

ESTIMATED = 900


def simulated(name: str, bars: int, seed: int, *, scale: float = 0.01) -> Float64:
    """Log returns by the recursion of each model with known parameters."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1, bars)
    returns, variance = np.empty(bars), 1.0
    for t in range(bars):
        e = np.sqrt(variance) * z[t]
        returns[t] = e
        if name == EGARCH:
            variance = np.exp(0.2 * (abs(z[t]) - np.sqrt(2 / np.pi)) - 0.1 * z[t] + 0.95 * np.log(variance))
        else:
            gamma = 0.1 if name == GJR else 0.0
            variance = 0.05 + (0.1 + gamma * (e < 0)) * e**2 + (0.85 - gamma / 2) * variance
    return returns * scale


@pytest.fixture(scope="module")
def returns() -> dict[str, Float64]:
    return {name: simulated(name, 1_000, seed=3) for name in MODELS}


@pytest.mark.parametrize(
    ("name", "expected"),
    [(GARCH, (0.1, 0.0, 0.85)), (GJR, (0.1, 0.1, 0.8)), (EGARCH, (0.2, -0.1, 0.95))],
)
def test_the_parameters_of_a_simulation_are_recovered(name: str, expected: tuple[float, float, float]) -> None:
    found = estimate(name, simulated(name, 8_000, seed=1))
    assert found is not None
    np.testing.assert_allclose((found.alpha, found.gamma, found.beta), expected, atol=0.035)


@pytest.mark.parametrize("name", [GARCH, GJR])
@pytest.mark.parametrize("bar", [ESTIMATED - 1, 950, 999])
def test_forecasts_are_those_of_arch(returns: dict[str, Float64], name: str, bar: int) -> None:
    parameters = estimate(name, returns[name][:ESTIMATED])
    assert parameters is not None
    y = returns[name][: bar + 1] / parameters.scale
    fitted = arch_model(y, mean="Constant", p=1, q=1, rescale=False, **MODELS[name]).fit(disp="off", last_obs=ESTIMATED)
    theirs = fitted.forecast(horizon=5, start=bar, reindex=False).variance.to_numpy()[0]
    ours = mean_variance_ahead(name, parameters, returns[name], (1, 5))[bar] / parameters.scale**2
    np.testing.assert_allclose(ours, [theirs[0], theirs.mean()], rtol=1e-4)


def test_egarch_several_sessions_ahead_is_what_simulation_says(returns: dict[str, Float64]) -> None:
    parameters = estimate(EGARCH, returns[EGARCH][:ESTIMATED])
    assert parameters is not None
    y = returns[EGARCH] / parameters.scale
    model = arch_model(y, mean="Constant", p=1, q=1, rescale=False, **MODELS[EGARCH])
    fixed = model.fix([getattr(parameters, key) for key in ("mu", "omega", "alpha", "gamma", "beta")])
    theirs = fixed.forecast(
        horizon=10,
        start=999,
        reindex=False,
        method="simulation",
        simulations=50_000,
        random_state=np.random.RandomState(0),  # arch takes no other
    ).variance.to_numpy()[0]
    ours = mean_variance_ahead(EGARCH, parameters, returns[EGARCH], (1, 5, 10))[999] / parameters.scale**2
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6)
    np.testing.assert_allclose(ours[1:], [theirs[:5].mean(), theirs.mean()], rtol=5e-3)


@pytest.mark.parametrize("name", [*MODELS])
def test_a_forecast_depends_on_no_later_return_and_on_the_last_one(returns: dict[str, Float64], name: str) -> None:
    parameters = estimate(name, returns[name][:ESTIMATED])
    assert parameters is not None
    before = mean_variance_ahead(name, parameters, returns[name], (1, 5))
    changed = returns[name].copy()
    changed[950:] *= 7
    after = mean_variance_ahead(name, parameters, changed, (1, 5))
    np.testing.assert_array_equal(after[:950], before[:950])
    assert (after[950] != before[950]).all()


@pytest.mark.parametrize("name", [*MODELS])
def test_variances_stay_within_bounds_whatever_happens(name: str) -> None:
    parameters = Parameters(0.0, 0.1, 40.0, -30.0, 1.0, 1.0, 0.01)
    ahead = mean_variance_ahead(name, parameters, np.array([1.0, -1.0, 0.0, 1e3]), (1, 3))
    assert np.isfinite(ahead).all()
    assert (ahead > 0).all()


@pytest.mark.parametrize(
    "returns",
    [np.zeros(400), np.full(400, 0.01), simulated(GARCH, 249, seed=0), np.empty(0)],
    ids=["no move", "one return", "too few", "none"],
)
@pytest.mark.parametrize("name", [*MODELS])
def test_no_parameters_without_enough_to_estimate_them(name: str, returns: Float64) -> None:
    assert estimate(name, returns) is None


@pytest.mark.parametrize("flag", [0, 9])
def test_a_search_that_does_not_converge_gives_no_parameters(monkeypatch: pytest.MonkeyPatch, flag: int) -> None:
    class Result:
        convergence_flag = flag
        params = pd.Series({"mu": 0.0, "omega": 0.1, "alpha[1]": 0.1, "beta[1]": 0.8})

    monkeypatch.setattr("arch.univariate.base.ARCHModel.fit", lambda *args, **options: Result())
    assert (estimate(GARCH, simulated(GARCH, 300, seed=0)) is None) == (flag != 0)


@pytest.mark.parametrize(("alpha", "usable"), [(-0.05, False), (0.05, True)])
def test_an_egarch_that_a_large_return_calms_is_not_used(
    monkeypatch: pytest.MonkeyPatch, alpha: float, usable: bool
) -> None:
    class Result:
        convergence_flag = 0
        params = pd.Series({"mu": 0.0, "omega": 0.1, "alpha[1]": alpha, "gamma[1]": -0.1, "beta[1]": 0.8})

    monkeypatch.setattr("arch.univariate.base.ARCHModel.fit", lambda *args, **options: Result())
    assert (estimate(EGARCH, simulated(GARCH, 300, seed=0)) is not None) == usable


def test_what_the_optimiser_raises_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr("arch.univariate.base.ARCHModel.fit", fail)
    assert estimate(GARCH, simulated(GARCH, 300, seed=0)) is None


def panel_of(returns: Float64) -> Panel:
    """[session, symbol] log returns as a panel of one constant feature."""
    close = 50 * np.exp(np.cumsum(returns, axis=0))
    grid = close.shape
    targets = np.full((*grid, 2), np.nan, dtype=np.float32)
    for k, h in enumerate((1, 5)):
        targets[:-h, :, k] = np.log(close[h:] / close[:-h])
    mask = np.isfinite(close)
    return Panel(
        values=np.zeros((*grid, 1), dtype=np.float32),
        mask=mask,
        targets=targets,
        volatility=np.where(mask, 0.01, np.nan).astype(np.float32),
        open=close,
        close=close,
        sessions=pd.bdate_range("2010-01-04", periods=grid[0]).as_unit("us"),
        symbols=tuple(f"S{i:02d}" for i in range(grid[1])),
        features=("constant",),
        horizons=(1, 5),
    )


def test_symbols_are_shared_among_processes_without_any_difference() -> None:
    panel = panel_of(np.stack([simulated(GARCH, 500, seed=s) for s in range(3)], axis=1))
    close = panel.close.copy()
    close[100:105, 1] = np.nan
    close[:300, 2] = np.nan
    panel = replace(panel, close=close)
    done: list[tuple[int, int]] = []
    alone = fit_garch(panel, slice(0, 400), (GARCH, GJR), workers=1, progress=lambda *count: done.append(count))
    shared = fit_garch(panel, slice(0, 400), (GARCH, GJR), workers=2)
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert [*alone] == [*shared] == [GARCH, GJR]
    for name in alone:
        np.testing.assert_array_equal(alone[name], shared[name])
        assert alone[name].shape == (500, 3, 2)
        assert np.isfinite(alone[name][1:, 0]).all()
        np.testing.assert_array_equal(np.isfinite(alone[name][1:, 1, 0]), np.isfinite(close[1:, 1]))
        assert np.isnan(alone[name][:, 2]).all()  # 99 returns in training
