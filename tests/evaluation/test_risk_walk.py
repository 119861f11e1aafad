"""Rivals in risk walked forward, what forecasts are worth, and the sentence that sums it up."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from risks import normal_risk, simulated_risk, walked

from tenor.distribution import Risk, calibrated
from tenor.evaluation.garch import GARCH, GJR
from tenor.evaluation.risk import Comparison
from tenor.evaluation.risk_walk import RivalWalk, risk_evaluations, risk_headline, use_risk, walk_rivals
from tenor.evaluation.volatility_rivals import CONSTANT, EWMA, HAR, HAR_X_REFITTED, ROLLING_20, fit_rivals
from tenor.evaluation.walkforward import WalkForward
from tenor.schema import Float32, Panel
from tenor.training import Split
from tenor.variance import log_mean_ahead

FITTED = (CONSTANT, ROLLING_20, EWMA, HAR)
"""Rivals that learn nothing from the test part."""
NAMES = (*FITTED, HAR_X_REFITTED)
SPLITS = (
    Split(slice(0, 210), slice(215, 255), slice(260, 320), purge=5),
    Split(slice(0, 270), slice(275, 315), slice(320, 380), purge=5),
)
ROWS = slice(260, 380)


def changed_after(panel: Panel, t: int, seed: int = 1) -> Panel:
    """The same up to the close of session `t`, another history after it."""
    rng = np.random.default_rng(seed)
    later = (np.arange(len(panel.sessions)) > t)[:, None]
    close = np.where(later, panel.close * np.exp(rng.normal(0, 0.2, panel.close.shape)), panel.close)
    variance = np.where(later, panel.variance * rng.uniform(2, 9, panel.variance.shape), panel.variance)
    targets = panel.targets.copy()
    for k, h in enumerate(panel.horizons):
        targets[:-h, :, k] = np.log(close[h:] / close[:-h])
    return replace(
        panel,
        close=close,
        variance=variance,
        log_variance=log_mean_ahead(variance, close, panel.horizons),
        targets=targets,
        volatility=np.where(later, 3 * panel.volatility, panel.volatility),
    )


@pytest.fixture(scope="module")
def world() -> tuple[Panel, Float32]:
    return simulated_risk()


@pytest.fixture(scope="module")
def rivals(world: tuple[Panel, Float32]) -> RivalWalk:
    return walk_rivals(world[0], SPLITS, names=NAMES, workers=1)


@pytest.fixture(scope="module")
def walk(world: tuple[Panel, Float32]) -> WalkForward:
    risk = normal_risk(world[1])
    constant = normal_risk(np.full_like(world[1], np.log(0.015**2)))
    wider = risk.widened(np.full_like(risk.widening, 1.1))
    return walked(world[0], {"tenor": risk, "LSTM": constant}, ROWS, wider)


def test_the_test_parts_of_all_folds_are_pooled_and_nothing_else_is_forecast(rivals: RivalWalk) -> None:
    assert tuple(rivals.forecasts) == NAMES
    assert rivals.replaced == {}
    for name, risk in rivals.forecasts.items():
        for array in (risk.log_variance, risk.volatility, risk.quantiles, risk.shortfalls, risk.widening):
            assert np.isfinite(array[ROWS]).all(), name
            assert np.isnan(array[: ROWS.start]).all(), name
            assert np.isnan(array[ROWS.stop :]).all(), name


def test_each_fold_is_fitted_on_its_own_training_part_and_calibrated_on_its_validation_part(
    world: tuple[Panel, Float32], rivals: RivalWalk
) -> None:
    panel = world[0]
    for split in SPLITS:
        past = panel.between(0, split.test.stop)
        for name, forecast in fit_rivals(past, split, names=NAMES).forecasts.items():
            expected = calibrated(forecast, past.log_variance, past.targets, split.valid, past.horizons)
            for field, array in expected.on(split.test).__dict__.items():
                np.testing.assert_array_equal(getattr(rivals.forecasts[name].on(split.test), field), array, name)


@pytest.mark.parametrize("t", [275, 305, 319, 341])
def test_what_happens_after_t_changes_no_forecast_up_to_t(
    world: tuple[Panel, Float32], rivals: RivalWalk, t: int
) -> None:
    again = walk_rivals(changed_after(world[0], t), SPLITS, names=NAMES, workers=1)
    for name, risk in rivals.forecasts.items():
        for field, array in risk.__dict__.items():
            np.testing.assert_array_equal(getattr(again.forecasts[name], field)[: t + 1], array[: t + 1], name)
    later = again.forecasts[EWMA].volatility[t + 1 : ROWS.stop] != rivals.forecasts[EWMA].volatility[t + 1 : ROWS.stop]
    assert later.any(), "it does matter afterwards"


def test_test_targets_teach_the_fold_nothing(world: tuple[Panel, Float32], rivals: RivalWalk) -> None:
    panel, last = world[0], SPLITS[-1]
    targets, log_variance = panel.targets.copy(), panel.log_variance.copy()
    targets[last.test] *= 5
    log_variance[last.test] += 2
    changed = replace(panel, targets=targets, log_variance=log_variance)
    again = walk_rivals(changed, SPLITS, names=FITTED, workers=1)
    for name in FITTED:
        for field, array in rivals.forecasts[name].__dict__.items():
            np.testing.assert_array_equal(getattr(again.forecasts[name], field), array, name)


def test_the_shape_comes_from_validation_and_not_from_training(world: tuple[Panel, Float32], rivals: RivalWalk) -> None:
    panel, first = world[0], SPLITS[0]
    for part, moves in ((first.train, False), (first.valid, True)):
        targets = panel.targets.copy()
        targets[part] *= 3
        again = walk_rivals(replace(panel, targets=targets), SPLITS[:1], names=(EWMA,)).forecasts[EWMA].on(first.test)
        before = rivals.forecasts[EWMA].on(first.test)
        np.testing.assert_array_equal(again.volatility, before.volatility)
        factor = 3 if moves else 1
        np.testing.assert_allclose(again.quantiles, factor * before.quantiles, rtol=1e-5)
        np.testing.assert_allclose(again.shortfalls, factor * before.shortfalls, rtol=1e-5)


def test_symbols_without_a_model_are_named_once_and_progress_covers_all_folds(world: tuple[Panel, Float32]) -> None:
    panel = world[0]
    panel = replace(
        panel,
        symbols=panel.symbols[:2],
        **{
            name: getattr(panel, name)[:, :2].copy()
            for name in ("values", "mask", "targets", "volatility", "open", "close", "variance", "log_variance")
        },
    )
    for array in (panel.close, panel.variance, panel.targets, panel.log_variance):
        array[:200, 1] = np.nan  # too young to estimate a GARCH model in either fold
    panel.mask[:210, 1] = False
    splits = (
        Split(slice(0, 270), slice(275, 300), slice(305, 340), purge=5),
        Split(slice(0, 305), slice(310, 335), slice(340, 380), purge=5),
    )
    rows = slice(305, 380)
    seen: list[tuple[int, int]] = []
    found = walk_rivals(
        panel, splits, names=(EWMA, GARCH), workers=1, progress=lambda done, total: seen.append((done, total))
    )
    assert found.replaced == {GARCH: ("S01",)}
    same = (found.forecasts[GARCH].log_variance == found.forecasts[EWMA].log_variance)[rows]
    assert same[:, 1].all()
    assert not same[:, 0].any()
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert len({total for _, total in seen}) == 1


def test_networks_and_rivals_are_evaluated_beside_each_other_at_every_horizon(
    world: tuple[Panel, Float32], walk: WalkForward, rivals: RivalWalk
) -> None:
    found = risk_evaluations(world[0], walk, rivals.forecasts, resamples=100)
    assert list(found) == [1, 5]
    for horizon, evaluation in found.items():
        assert list(evaluation.table) == ["tenor", "tenor with adaptive intervals", "LSTM", *NAMES]
        assert evaluation.horizon == horizon
        assert evaluation.samples == (ROWS.stop - ROWS.start) * 6  # targets reach beyond the test part, and are known
        assert evaluation.comparisons[CONSTANT]["log_variance_mse"].change < -0.3


def test_networks_that_forecast_no_risk_are_left_out(world: tuple[Panel, Float32], walk: WalkForward) -> None:
    plain = replace(walk.predictions["LSTM"], risk=None)
    without = replace(walk, predictions={"tenor": walk.predictions["tenor"], "persistence": plain}, adaptive=None)
    found = risk_evaluations(world[0], without, {}, resamples=100)
    assert list(found[1].table) == ["tenor"]
    assert found[1].comparisons == {}


def test_the_true_volatility_keeps_the_risk_and_is_worth_more(
    world: tuple[Panel, Float32], walk: WalkForward, rivals: RivalWalk
) -> None:
    panel, truth = world
    half = normal_risk(truth - math.log(4))
    used = use_risk(panel, walk, {**rivals.forecasts, GJR: half})
    assert list(used.targeting.portfolios) == ["tenor", EWMA, GJR, HAR_X_REFITTED]  # what is used, in its order
    assert set(used.differences) == {EWMA, GJR, HAR_X_REFITTED}
    ours, too_low = used.targeting.portfolios["tenor"], used.targeting.portfolios[GJR]
    assert abs(math.log(ours.ratio)) < abs(math.log(too_low.ratio))
    assert too_low.leverage > 1.5 * ours.leverage
    assert used.differences[GJR].loss.value > 0
    for horizon, utility in used.utility.items():
        assert utility.horizon == horizon
        assert list(utility.utility) == list(used.targeting.portfolios)
        values = {name: interval.value for name, interval in utility.utility.items()}
        assert max(values, key=values.__getitem__) == "tenor"
        assert 0.85 * utility.most < values["tenor"] < utility.most
        assert utility.holm[GJR] < 0.01
    plain = used.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["targeting"]["portfolios"]["tenor"]["volatility"] == ours.volatility
    assert plain["utility"]["5"]["utility"]["tenor"]["value"] == used.utility[5].utility["tenor"].value
    assert plain["differences"][EWMA]["loss_holm"] == used.differences[EWMA].loss_holm


def headline_of(*outcomes: dict[int, Comparison], coverage: float = 0.9) -> str:
    """Of GJR, and the refitted HAR-X where it is given, by horizon."""
    evaluations: dict[int, Any] = {}
    for horizon in outcomes[0] if outcomes else (1, 5):
        comparisons = {
            name: {"log_variance_mse": of_horizon[horizon]}
            for name, of_horizon in zip((GJR, HAR_X_REFITTED), outcomes, strict=False)
        }
        evaluations[horizon] = SimpleNamespace(comparisons=comparisons, coverage=coverage + 0.001 * horizon)
    return risk_headline(evaluations)


BETTER, WORSE = Comparison(-0.1234, -4.0, 0.001, 0.002), Comparison(0.05, 3.0, 0.01, 0.02)
SAME, EARLY = Comparison(-0.01, -0.5, 0.6, 0.7), Comparison(-0.3, math.nan, math.nan, math.nan)
EQUAL = Comparison(0.0, math.nan, math.nan, math.nan)
HELD = "90 % intervals held 90.1 % at 1, 90.5 % at 5 sessions ahead."
BY = "(squared error of log variance)"


def test_the_headline_where_all_are_beaten() -> None:
    both = {1: BETTER, 5: BETTER}
    assert headline_of(both, both) == (
        f"How far: yes, better than {GJR} by 12.3 % at 1, 12.3 % at 5 sessions ahead; better than {HAR_X_REFITTED} "
        f"by 12.3 % at 1, 12.3 % at 5 sessions ahead {BY}. {HELD}"
    )


def test_the_headline_where_some_are_beaten() -> None:
    assert headline_of({1: BETTER, 5: SAME}, {1: WORSE, 5: EARLY}) == (
        f"How far: in part, better than {GJR} by 12.3 % at 1 session ahead; no different at 5 % from {GJR} at 5 "
        f"sessions ahead; worse than {HAR_X_REFITTED} by 5.0 % at 1 session ahead; not yet distinguishable from "
        f"{HAR_X_REFITTED} at 5 sessions ahead {BY}. {HELD}"
    )


def test_the_headline_where_none_is_beaten() -> None:
    assert headline_of({1: SAME, 5: EQUAL}) == (
        f"How far: no, no different at 5 % from {GJR} at 1, 5 sessions ahead {BY}. {HELD}"
    )
    assert headline_of({1: WORSE, 5: WORSE}).startswith(f"How far: no, worse than {GJR} by 5.0 % at 1, 5.0 % at 5 ")


def test_the_headline_of_too_few_days_and_of_no_rival() -> None:
    assert headline_of({1: EARLY, 5: EARLY}) == (
        f"How far: too few days to decide, not yet distinguishable from {GJR} at 1, 5 sessions ahead {BY}. {HELD}"
    )
    assert headline_of() == f"How far: not compared with a rival. {HELD}"
    assert headline_of({1: BETTER}).endswith("90 % intervals held 90.1 % at 1 session ahead.")


def test_the_headline_is_of_the_evaluations(world: tuple[Panel, Float32], walk: WalkForward, rivals: RivalWalk) -> None:
    found = risk_evaluations(world[0], walk, rivals.forecasts, resamples=100)
    sentence = risk_headline(found)
    for horizon, evaluation in found.items():
        assert f"{100 * evaluation.coverage:.1f} % at {horizon}" in sentence
    assert HAR_X_REFITTED in sentence
    assert GJR not in sentence  # was not among the rivals


def test_sessions_of_the_walk_are_those_of_the_evaluations(
    world: tuple[Panel, Float32], walk: WalkForward, rivals: RivalWalk
) -> None:
    found = risk_evaluations(world[0], walk, {EWMA: rivals.forecasts[EWMA]}, resamples=100)[1]
    assert isinstance(found.first, pd.Timestamp)
    assert (found.first, found.last) == (world[0].sessions[ROWS.start], world[0].sessions[ROWS.stop - 1])
    assert isinstance(rivals.forecasts[EWMA], Risk)
