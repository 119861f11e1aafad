from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tenor.distribution import LEVELS, Risk, Shape
from tenor.schema import Predictions
from tenor.training.scoring import scores


@pytest.fixture
def seen(panel_of):
    return panel_of(sessions=120, symbols=6)


def said(panel, mean, p_up=None) -> Predictions:
    return Predictions("made", mean, (mean > 0) * 0.8 + 0.1 if p_up is None else p_up)


def test_who_knows_everything_scores_one_and_who_says_the_contrary_minus(seen) -> None:
    truth = seen.targets
    best = scores(seen, said(seen, truth), seen.mask, horizon=1)
    no_risk = {"log_variance_r2": math.nan}
    assert best == pytest.approx({"error_reduction": 1.0, "rank_ic": 1.0, "mcc": 1.0} | no_risk, nan_ok=True)
    worst = scores(seen, said(seen, -truth), seen.mask, horizon=1)
    expected = {"error_reduction": -3.0, "rank_ic": -1.0, "mcc": -1.0}  # (2r)^2 = 4 r^2
    assert worst == pytest.approx(expected | no_risk, nan_ok=True)


def test_of_risk_it_is_the_share_of_the_log_variance_that_is_explained(seen) -> None:
    def r2(log_variance, cells=seen.mask, horizon=5) -> float:
        shapes = [Shape(0.3, (0.0,) * len(LEVELS), (1.0, 1.0))] * 2  # the level is none of its business
        made = dataclasses.replace(said(seen, seen.targets), risk=Risk.of(log_variance, shapes))
        return scores(seen, made, cells, horizon=horizon)["log_variance_r2"]

    truth = seen.log_variance
    known = seen.mask & np.isfinite(truth[:, :, 1]) & np.isfinite(seen.targets[:, :, 1])
    mean = float(truth[:, :, 1][known].astype("float64").mean())
    assert r2(truth) == pytest.approx(1)
    assert r2(np.full_like(truth, mean)) == pytest.approx(0, abs=1e-4)
    assert r2(2 * mean - truth) == pytest.approx(-3, abs=1e-3)
    half = truth.copy()
    half[:60] = 0.0
    later = seen.mask & (np.arange(len(seen.mask)) >= 60)[:, None]
    assert r2(half, later) == pytest.approx(1)
    assert r2(half) < 0
    assert math.isnan(r2(truth, np.zeros_like(seen.mask)))


def test_who_says_nothing_scores_nothing(seen) -> None:
    zero = np.zeros_like(seen.targets)
    found = scores(seen, said(seen, zero), seen.mask, horizon=5)
    assert found["error_reduction"] == 0
    assert found["mcc"] == 0
    assert math.isnan(found["rank_ic"])


def test_error_reduction_is_in_units_of_volatility(seen) -> None:
    rough = dataclasses.replace(seen, volatility=seen.volatility * np.r_[100.0, np.ones(5)].astype(np.float32))
    mean = np.zeros_like(seen.targets)
    mean[:, 0] = seen.targets[:, 0] * 3  # badly wrong where volatility is a hundred times as high
    assert abs(scores(rough, said(seen, mean), seen.mask, horizon=1)["error_reduction"]) < 1e-3
    assert scores(seen, said(seen, mean), seen.mask, horizon=1)["error_reduction"] < -0.1


def test_only_the_cells_asked_for_count(seen) -> None:
    mean = seen.targets.copy()
    mean[:60] = 7.0
    on = seen.mask.copy()
    on[:60] = False
    assert scores(seen, said(seen, mean), on, horizon=1)["error_reduction"] == pytest.approx(1.0)
    nothing = scores(seen, said(seen, mean), np.zeros_like(on), horizon=1)
    assert all(math.isnan(v) for v in nothing.values())


def test_a_model_without_a_direction_can_still_be_ranked(seen) -> None:
    half = np.full_like(seen.targets, 0.5)
    assert scores(seen, said(seen, seen.targets, half), seen.mask, horizon=1)["mcc"] == 0


def test_few_symbols_have_no_rank(panel_of) -> None:
    few = panel_of(sessions=60, symbols=4)
    assert math.isnan(scores(few, said(few, few.targets), few.mask, horizon=1)["rank_ic"])
