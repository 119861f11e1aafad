"""Forecasts of risk beside others, on a panel whose volatility is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from risks import normal_risk, simulated_risk

from tenor.distribution import CONFIDENCES, LEVELS, Risk
from tenor.errors import DataError, HistoryError
from tenor.evaluation.risk import ADAPTED, INTERVALS, LOSSES, Comparison, RiskEvaluation, evaluate_risk, risk_verdict
from tenor.evaluation.significance import holm, mean_test
from tenor.schema import Float32, Panel

ROWS = slice(100, 415)
TRUE, CONSTANT, HALF, EQUAL = "true", "constant", "half", "equal"
SERVED = f"{TRUE} {ADAPTED}"


@pytest.fixture(scope="module")
def world() -> tuple[Panel, Float32]:
    return simulated_risk()


@pytest.fixture(scope="module")
def forecasts(world: tuple[Panel, Float32]) -> dict[str, Risk]:
    truth = world[1]
    return {
        TRUE: normal_risk(truth),
        CONSTANT: normal_risk(np.full_like(truth, np.log(0.015**2))),
        HALF: normal_risk(truth - math.log(4)),  # half the volatility
        EQUAL: normal_risk(truth),
    }


@pytest.fixture(scope="module")
def served(forecasts: dict[str, Risk]) -> Risk:
    """Intervals a quarter wider than those of the model."""
    return forecasts[TRUE].widened(np.full_like(forecasts[TRUE].widening, 1.25))


@pytest.fixture(scope="module")
def found(world: tuple[Panel, Float32], forecasts: dict[str, Risk], served: Risk) -> dict[int, RiskEvaluation]:
    return {
        h: evaluate_risk(world[0], ROWS, forecasts, horizon=h, adaptive=served, resamples=200)
        for h in world[0].horizons
    }


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_true_volatility_beats_a_constant_by_a_lot(found: dict[int, RiskEvaluation], horizon: int) -> None:
    comparison = found[horizon].comparisons[CONSTANT]
    for loss in LOSSES:
        assert comparison[loss].statistic < -3, loss
        assert comparison[loss].holm < 0.01, loss
        assert comparison[loss].side == 1, loss
    assert comparison["log_variance_mse"].change < -0.7
    assert comparison["qlike"].change < -0.5
    assert found[horizon].confidence_set["qlike"][CONSTANT] < 0.1
    assert found[horizon].confidence_set["qlike"][TRUE] == 1


@pytest.mark.parametrize("horizon", [1, 5])
def test_every_number_of_the_table_by_hand(
    world: tuple[Panel, Float32], forecasts: dict[str, Risk], found: dict[int, RiskEvaluation], horizon: int
) -> None:
    panel, k = world[0], world[0].horizons.index(horizon)
    rows = slice(ROWS.start, min(ROWS.stop, len(panel.sessions) - horizon))
    realised, returns = panel.log_variance[rows, :, k].astype(float), panel.targets[rows, :, k].astype(float)
    assert (found[horizon].days, found[horizon].samples) == (len(realised), realised.size)
    for name, risk in forecasts.items():
        values = {measure: interval.value for measure, interval in found[horizon].table[name].items()}
        error = realised - risk.log_variance[rows, :, k]
        assert values["log_variance_mse"] == pytest.approx((error**2).mean(), rel=1e-5)
        assert values["qlike"] == pytest.approx((np.exp(error) - error - 1).mean(), rel=1e-5)
        for percent, (low, high) in INTERVALS.items():
            below, above = (risk.quantile(level, k)[rows] for level in (low, high))
            assert values[f"coverage_{percent}"] == pytest.approx(((below <= returns) & (returns <= above)).mean())
            assert values[f"width_{percent}"] == pytest.approx((above - below).mean(), rel=1e-5)
        for level in (0.01, 0.05):
            over = returns - risk.quantile(level, k)[rows]
            assert values[f"pinball_{level:g}"] == pytest.approx(
                np.maximum(level * over, (level - 1) * over).mean(), rel=1e-5
            )
        day = panel.volatility[rows].mean(axis=1, dtype=float)
        top = day >= np.quantile(day, 0.9)
        inside = (risk.quantile(0.05, k)[rows] <= returns) & (returns <= risk.quantile(0.95, k)[rows])
        assert values["coverage_90_volatile"] == pytest.approx(inside[top].mean())


def test_the_intervals_of_the_true_volatility_hold_as_often_as_they_should(found: dict[int, RiskEvaluation]) -> None:
    table = found[1].table[TRUE]
    for percent in INTERVALS:
        coverage = table[f"coverage_{percent}"]
        assert coverage.low - 0.01 <= percent / 100 <= coverage.high + 0.01
        assert coverage.value == pytest.approx(percent / 100, abs=0.03)
    for confidence in CONFIDENCES:
        tail = found[1].tails[TRUE][f"{confidence:g}"]
        assert tail.violations.low <= 1 - confidence <= tail.violations.high
        assert tail.p > 0.05
        assert tail.shortfall == pytest.approx(0, abs=0.2)
        assert tail.shortfall_p > 0.05
        assert set(tail.rejected) == {"kupiec", "christoffersen", "dynamic_quantile"}
        assert max(tail.rejected.values()) <= 1 / 3
    assert found[5].tails[TRUE]["0.95"].rejected == {}  # returns over five sessions overlap


def test_a_volatility_too_low_by_half_covers_too_little_and_its_value_at_risk_is_rejected(
    found: dict[int, RiskEvaluation],
) -> None:
    table = found[1].table[HALF]
    assert table["coverage_90"].value == pytest.approx(0.59, abs=0.04)  # P(|z| < 1.645 / 2)
    for percent in INTERVALS:
        assert table[f"coverage_{percent}"].high < percent / 100
    for tail in found[1].tails[HALF].values():
        assert tail.p < 1e-4
        assert tail.rejected["kupiec"] == 1
        assert tail.shortfall < -1
        assert tail.shortfall_p < 1e-4
    assert found[1].tails[HALF]["0.95"].violations.value == pytest.approx(0.205, abs=0.03)  # P(z < -1.645 / 2)


def test_equal_forecasts_are_no_different_however_many_days(found: dict[int, RiskEvaluation]) -> None:
    for loss in LOSSES:
        comparison = found[1].comparisons[EQUAL][loss]
        assert comparison.change == 0
        assert math.isnan(comparison.p)
        assert math.isnan(comparison.holm)
        assert comparison.side is None
        assert not comparison.undecided
    assert f"no different at 5 % from that of {EQUAL} (+0.0 %)" in found[1].verdict
    assert found[1].confidence_set["crps"][EQUAL] == found[1].confidence_set["crps"][TRUE] == 1


def test_each_loss_is_a_family_of_its_own_for_holm(found: dict[int, RiskEvaluation]) -> None:
    for loss in LOSSES:
        adjusted = holm({other: of_loss[loss].p for other, of_loss in found[5].comparisons.items()})
        for other, of_loss in found[5].comparisons.items():
            assert of_loss[loss].holm == pytest.approx(adjusted[other], nan_ok=True)
    tested = [of_loss["qlike"] for other, of_loss in found[5].comparisons.items() if other != EQUAL]
    smallest = min(tested, key=lambda comparison: comparison.p)
    assert smallest.holm == pytest.approx(2 * smallest.p)  # of two tests, not of six


def test_adaptive_intervals_are_judged_for_what_they_held_and_compared_with_none(
    found: dict[int, RiskEvaluation],
) -> None:
    for evaluation in found.values():
        assert list(evaluation.table) == [TRUE, SERVED, CONSTANT, HALF, EQUAL]
        assert list(evaluation.tails) == list(evaluation.table)
        assert set(evaluation.comparisons) == {CONSTANT, HALF, EQUAL}
        assert set(evaluation.confidence_set["crps"]) == {TRUE, CONSTANT, HALF, EQUAL}
        wider, usual = evaluation.table[SERVED], evaluation.table[TRUE]
        assert wider["width_90"].value == pytest.approx(1.25 * usual["width_90"].value, rel=1e-5)
        assert wider["log_variance_mse"] == usual["log_variance_mse"]
        assert evaluation.coverage == wider["coverage_90"].value > usual["coverage_90"].value
        assert evaluation.verdict.endswith(f"held {100 * wider['coverage_90'].value:.1f} % of returns.")
        shares = [row["coverage_90"] for row in evaluation.by_symbol.values()]
        assert np.mean(shares) == pytest.approx(evaluation.coverage)


def test_without_adaptive_intervals_the_models_own_count(
    world: tuple[Panel, Float32], forecasts: dict[str, Risk]
) -> None:
    alone = evaluate_risk(world[0], ROWS, {TRUE: forecasts[TRUE]}, horizon=1)
    assert alone.name == TRUE
    assert alone.coverage == alone.table[TRUE]["coverage_90"].value
    assert alone.comparisons == {}
    assert alone.confidence_set == {}
    assert alone.verdict == (
        f"1 session ahead, the 90 % intervals of {TRUE} held {100 * alone.coverage:.1f} % of returns."
    )
    assert alone.in_band >= 5 / 6  # true intervals: 95 % of symbols lie within their band


def test_a_symbol_that_is_covered_too_rarely_is_out_of_its_band(world: tuple[Panel, Float32]) -> None:
    panel, truth = world
    wrong = truth.copy()
    wrong[:, 2] -= 1.0
    rows = evaluate_risk(panel, ROWS, {TRUE: normal_risk(wrong)}, horizon=1).by_symbol
    assert [symbol for symbol, row in rows.items() if not row["in_band"]] == ["S02"]
    assert all(row["samples"] == ROWS.stop - ROWS.start for row in rows.values())
    # over five sessions a fifth of the returns is separate: the same share of returns can lie within the band
    assert evaluate_risk(panel, ROWS, {TRUE: normal_risk(truth)}, horizon=5).in_band == 1


def test_cells_that_one_model_lacks_count_for_none(world: tuple[Panel, Float32], forecasts: dict[str, Risk]) -> None:
    panel, truth = world
    partly = truth.copy()
    partly[:150, 1] = np.nan
    partly[200] = np.nan
    mask = panel.mask.copy()
    mask[ROWS.start : ROWS.start + 10, 0] = False
    panel = replace(panel, mask=mask)
    two = {TRUE: forecasts[TRUE], "partly": normal_risk(partly)}
    found = evaluate_risk(panel, ROWS, two, horizon=1, resamples=200)
    whole = (ROWS.stop - ROWS.start) * 6
    assert found.samples == whole - 50 - 6 - 10
    assert found.days == ROWS.stop - ROWS.start - 1
    assert found.by_symbol["S01"]["samples"] == found.by_symbol["S02"]["samples"] - 50
    kept = panel.mask & np.isfinite(partly[:, :, 0])
    again = evaluate_risk(replace(panel, mask=kept), ROWS, {TRUE: forecasts[TRUE]}, horizon=1)
    assert again.table[TRUE] == found.table[TRUE]
    assert again.tails == {TRUE: found.tails[TRUE]}
    assert not found.comparisons["partly"]["qlike"].undecided


def test_nothing_after_the_rows_counts(world: tuple[Panel, Float32], forecasts: dict[str, Risk]) -> None:
    panel, rows = world[0], slice(100, 250)
    two = {name: forecasts[name] for name in (TRUE, CONSTANT)}
    before = evaluate_risk(panel, rows, two, horizon=1, resamples=200)
    targets = panel.targets.copy()
    targets[rows.stop :] = 9.0
    targets[: rows.start] = 9.0
    assert evaluate_risk(replace(panel, targets=targets), rows, two, horizon=1, resamples=200) == before
    assert (before.first, before.last) == (panel.sessions[100], panel.sessions[249])


def test_too_few_days_for_a_test(world: tuple[Panel, Float32], forecasts: dict[str, Risk]) -> None:
    two = {name: forecasts[name] for name in (TRUE, CONSTANT)}
    few = evaluate_risk(world[0], slice(100, 112), two, horizon=1, resamples=200)
    comparison = few.comparisons[CONSTANT]["log_variance_mse"]
    assert comparison.side is None
    assert comparison.undecided
    assert f"tested on too few days against that of {CONSTANT} (" in few.verdict
    assert math.isnan(few.table[TRUE]["qlike"].low)
    assert few.to_json()["table"][TRUE]["qlike"]["low"] is None
    assert few.to_json()["comparisons"][CONSTANT]["qlike"]["holm"] is None


def test_json_is_finite_or_none_and_comes_back_as_it_was(found: dict[int, RiskEvaluation]) -> None:
    for horizon, evaluation in found.items():
        plain = evaluation.to_json()
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
        assert plain["horizon"] == horizon
        assert plain["first"] == f"{evaluation.first:%Y-%m-%d}"
        assert plain["in_band"] == evaluation.in_band
        assert plain["comparisons"][EQUAL]["qlike"]["p"] is None
        assert plain["comparisons"][CONSTANT]["qlike"]["p"] == evaluation.comparisons[CONSTANT]["qlike"].p
        assert plain["table"][TRUE]["crps"]["value"] == evaluation.table[TRUE]["crps"].value
        assert plain["tails"][HALF]["0.99"]["p"] == evaluation.tails[HALF]["0.99"].p


@pytest.mark.parametrize(
    ("change", "rows", "error", "message"),
    [
        (lambda f: {}, ROWS, DataError, "nothing to evaluate"),
        (
            lambda f: {TRUE: f[TRUE], "short": f[TRUE].on(slice(0, 50))},
            ROWS,
            DataError,
            r"of short have shape \(50, 6, 2\).*\(420, 6, 2\): forecast this panel",
        ),
        (lambda f: f, slice(419, 420), HistoryError, "no cell has a known return and forecasts of all 4 models"),
        (
            lambda f: {TRUE: f[TRUE], "none": Risk.blank((420, 6, 2))},
            ROWS,
            HistoryError,
            "forecasts of all 2 models. Import more history",
        ),
    ],
    ids=["nothing", "another panel", "nothing known yet", "no forecast"],
)
def test_what_cannot_be_evaluated(
    world: tuple[Panel, Float32],
    forecasts: dict[str, Risk],
    change: Any,
    rows: slice,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        evaluate_risk(world[0], rows, change(forecasts), horizon=1)


def test_adaptive_forecasts_of_another_panel_and_an_unknown_horizon(
    world: tuple[Panel, Float32], forecasts: dict[str, Risk]
) -> None:
    short = forecasts[TRUE].on(slice(0, 50))
    with pytest.raises(DataError, match=f"of {SERVED} have shape"):
        evaluate_risk(world[0], ROWS, forecasts, horizon=1, adaptive=short)
    with pytest.raises(DataError, match="horizon 3 is not in this panel"):
        evaluate_risk(world[0], ROWS, forecasts, horizon=3)


def test_a_loss_of_zero_has_no_change(world: tuple[Panel, Float32]) -> None:
    panel, truth = world
    known = np.where(np.isfinite(panel.log_variance), panel.log_variance, truth)
    found = evaluate_risk(panel, ROWS, {TRUE: normal_risk(truth), "oracle": normal_risk(known)}, horizon=1)
    assert math.isnan(found.comparisons["oracle"]["log_variance_mse"].change)
    assert found.comparisons["oracle"]["log_variance_mse"].side == -1
    json.dumps(found.to_json(), allow_nan=False)


def test_the_side_is_that_of_the_test_by_day() -> None:
    assert Comparison(-0.1, -2.5, 0.01, 0.04).side == 1
    assert Comparison(0.1, 2.5, 0.01, 0.04).side == -1
    assert Comparison(-0.1, -1.5, 0.14, 0.28).side == 0
    # a few days with many cells can turn the mean over cells; the test counts days
    assert Comparison(0.01, -2.5, 0.01, 0.04).side == 1
    nothing = mean_test(np.zeros(3), horizon=1)
    undefined = Comparison(-0.1, nothing.statistic, nothing.p, math.nan)
    assert undefined.side is None
    assert undefined.undecided


def test_the_verdict_groups_rivals_by_outcome() -> None:
    def against(change: float, statistic: float, p: float) -> dict[str, Comparison]:
        return {"log_variance_mse": Comparison(change, statistic, p, p)}

    comparisons = {
        "GARCH": against(-0.123, -4.0, 0.001),
        "HAR": against(0.05, 3.0, 0.01),
        "EWMA": against(-0.01, -1.0, 0.4),
        "EGARCH": against(-0.2, -5.0, 0.0001),
        "young": against(-0.5, math.nan, math.nan),
    }
    assert risk_verdict("tenor", 0.8966, comparisons, 5) == (
        "5 sessions ahead, the squared error of log variance of tenor is lower than that of GARCH (-12.3 %), "
        "EGARCH (-20.0 %); no different at 5 % from that of EWMA (-1.0 %); higher than that of HAR (+5.0 %); "
        "tested on too few days against that of young (-50.0 %); its 90 % intervals held 89.7 % of returns."
    )


def test_the_levels_of_intervals_are_forecast() -> None:
    assert {level for bounds in INTERVALS.values() for level in bounds} <= set(LEVELS)
    assert all(high - low == pytest.approx(percent / 100) for percent, (low, high) in INTERVALS.items())
