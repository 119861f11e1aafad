from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tenor.errors import ModelError
from tenor.heads import HEADS, SLOPES, Calibration, base_rate, conformal_width, platt_slope
from tenor.schema import Predictions


def calibration_of(base: tuple[float, ...], slope: tuple[float, ...], width: tuple[float, ...]) -> Calibration:
    return Calibration({"mean": {"width": width}, "up_logit": {"base": base, "slope": slope}})


def test_the_heads_become_every_column_of_a_prediction_once() -> None:
    output = np.zeros((2, 1), dtype=np.float32)
    each = [head.columns(output, {n: np.ones(1) for n in ("width", "base", "slope")}, output) for head in HEADS]
    names = [name for columns in each for name in columns]
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(Predictions) if field.name != "model")


def outcomes(logit: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(len(logit)) < 1 / (1 + np.exp(-logit))


@pytest.mark.parametrize("factor", [0.25, 1.0, 2.0])
def test_trust_finds_by_how_much_the_network_is_too_sure(factor: float) -> None:
    logit = np.random.default_rng(1).normal(0.1, 1.5, 50_000)
    up = outcomes(0.1 + factor * (logit - 0.1))
    assert platt_slope(logit, up, base=0.1, days=5000) == pytest.approx(factor, rel=0.06)


def test_few_days_leave_the_network_its_own_confidence() -> None:
    logit = np.random.default_rng(1).normal(0.0, 0.2, 1000)
    assert platt_slope(logit, outcomes(-logit), base=0.0, days=5) == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("up", [True, False])
def test_a_useless_or_one_sided_validation_stays_in_bounds(up: bool) -> None:
    logit = np.random.default_rng(1).normal(0.0, 3.0, 1000)
    assert SLOPES[0] <= platt_slope(logit, np.full(1000, up), base=0.0, days=1000) <= SLOPES[-1]
    assert platt_slope(logit, outcomes(-logit), base=0.0, days=1000) == SLOPES[0]  # never turned round


def test_p_up_rises_with_the_logit_and_falls_back_to_the_base_rate() -> None:
    logit = np.linspace(-3, 3, 50)[:, None] * np.ones(2)
    p = calibration_of((0.2, 0.2), (1.0, 0.05), (1.6, 1.6)).columns({"mean": logit, "up_logit": logit}, logit)["p_up"]
    assert (np.diff(p, axis=0) > 0).all()
    assert p[:, 0] == pytest.approx(1 / (1 + np.exp(-logit[:, 0])))
    assert np.abs(p[:, 1] - 1 / (1 + np.exp(-0.2))).max() < 0.05


def test_width_is_the_conformal_rank() -> None:
    assert conformal_width(np.array([-3.0, 1.0, 2.0])) == 3.0  # too few for 90 %: the largest
    assert conformal_width(np.arange(1, 100.0)) == 90.0  # ceil(100 * 0.9)
    error = np.random.default_rng(0).normal(size=(2000, 300))
    covered = [(np.abs(row[200:]) <= conformal_width(row[:200])).mean() for row in error]
    assert np.mean(covered) == pytest.approx(181 / 201, abs=0.002)


def test_base_rate_is_finite_even_when_nothing_rose() -> None:
    assert base_rate(50, 100) == 0
    assert np.isfinite(base_rate(0, 10))
    assert np.isfinite(base_rate(10, 10))


def test_mapping_there_and_back() -> None:
    calibration = calibration_of((0.1, 1 / 3), (1.0, 2.0), (1.6, 1.7))
    assert Calibration.from_mapping(calibration.to_mapping()) == calibration
    with pytest.raises(ModelError, match="calibration"):
        Calibration.from_mapping({"mean": {"width": [1.0]}, "up_logit": {"base": [0.1], "slope": [float("nan")]}})
    with pytest.raises(ModelError, match="calibration"):  # a head is missing
        Calibration.from_mapping({"mean": {"width": [1.0]}})
