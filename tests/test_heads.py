from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tenor.config import TrainConfig
from tenor.distribution import LEVELS, Shape
from tenor.errors import ModelError
from tenor.heads import (
    HEADS,
    SHARES,
    SLOPES,
    TARGETS,
    Calibration,
    Head,
    Outcomes,
    Surroundings,
    base_rate,
    mixed,
    platt_slope,
)
from tenor.schema import Predictions
from tenor.training.trainer import LOSSES, STARTS

NAMES = ("mean", "up_logit", "log_variance")
SHAPE = Shape(0.1, tuple(np.linspace(-3, 3, len(LEVELS)).tolist()), (2.5, 3.5))


def calibration_of(base: tuple[float, ...], slope: tuple[float, ...], shape: Shape = SHAPE) -> Calibration:
    shapes = {name: (number,) * len(base) for name, number in {"share": 1.0, **shape.to_mapping()}.items()}
    return Calibration({"mean": {}, "up_logit": {"base": base, "slope": slope}, "log_variance": shapes})


def around(scale: np.ndarray, linear: float = np.nan) -> Surroundings:
    return Surroundings(scale, np.full(scale.shape, linear))


def test_the_heads_become_every_column_of_a_prediction_once() -> None:
    output = np.zeros((2, 1), dtype=np.float32)
    each = [head.columns(output, {n: np.ones(1) for n in ("base", "slope", "share")}, around(output)) for head in HEADS]
    names = [name for columns in each for name in columns]
    # bounds and risk are made of the forecast log variance
    made = {"model", "lower", "upper", "risk"}
    assert sorted(names) == sorted({field.name for field in dataclasses.fields(Predictions)} - made | {"log_variance"})


def test_each_row_of_the_table_is_one_that_the_rest_knows() -> None:
    assert [head.name for head in HEADS] == list(NAMES)
    for head in HEADS:
        assert head.target in TARGETS
        assert head.loss in LOSSES
        assert head.start in STARTS
        assert getattr(TrainConfig(), head.weight) >= 0
    assert [head.name for head in HEADS if head.pools_variance] == ["log_variance"]


def cells_of(head: Head, k: int) -> Outcomes:
    """What a network of known faults said: it is too sure by half, and its variances are too low by a half."""
    rng = np.random.default_rng(k)
    logit = rng.normal(0, 1, 40_000)
    variance = 1e-4 * np.exp(rng.normal(0, 0.5, 40_000))
    horizon = (1, 5)[k]
    returns = rng.normal(0, 1, 40_000) * np.sqrt(horizon * variance)
    if head.target == "log_variance":
        output, target = np.log(variance / 2), np.log(variance)
    else:
        output, target = 2 * logit, np.where(outcomes(logit, k), 1.0, -1.0)
    return Outcomes(
        output, np.full(len(output), np.nan), target, np.array([1.0, -1.0]), returns, 40_000 / horizon, horizon
    )


def test_calibration_finds_the_faults_of_every_head_and_comes_back_from_its_mapping() -> None:
    calibration = Calibration.fit(cells_of, 2)
    assert set(calibration.fitted) == set(NAMES)
    assert calibration.fitted["up_logit"]["slope"] == pytest.approx((0.5, 0.5), rel=0.06)
    for k, (shape, horizon) in enumerate(zip(calibration.shapes(), (1, 5), strict=True)):
        assert shape.level == pytest.approx(np.log(2), abs=1e-9)
        assert shape.quantiles[LEVELS.index(0.95)] == pytest.approx(1.645 * np.sqrt(horizon), rel=0.03), k
    again = Calibration.from_mapping(json.loads(json.dumps(calibration.to_mapping())))
    assert again == calibration
    assert again.shapes() == calibration.shapes()


@pytest.mark.parametrize("truth", [1.0, 0.7, 0.5, 0.2])
def test_validation_finds_the_share_of_the_linear_forecast_and_only_where_there_is_one(truth: float) -> None:
    rng = np.random.default_rng(3)
    network, linear, noise = rng.normal(-9, 1, (3, 20_000))
    linear[::4] = np.nan
    target = mixed(network, linear, truth) + 0.1 * (noise + 9)
    head = next(head for head in HEADS if head.name == "log_variance")
    fitted = head.calibrate(Outcomes(network, linear, target, target, rng.normal(0, 0.01, 20_000), 20_000, 1))
    assert fitted["share"] == max(truth, min(SHARES))  # the network keeps at least half
    parameters = {name: np.array([number]) for name, number in fitted.items()}
    surroundings = Surroundings(np.ones((20_000, 1), dtype=np.float32), linear[:, None])
    column = head.columns(network[:, None].astype(np.float32), parameters, surroundings)["log_variance"]
    np.testing.assert_allclose(column[::4, 0], network[::4], rtol=1e-6)
    np.testing.assert_allclose(column[:, 0], mixed(network, linear, fitted["share"]), rtol=1e-6)


@pytest.mark.parametrize(("truth", "taken"), [(1.0, 1.0), (0.6, 0.5), (0.0, 0.0), (-1.0, 0.0), (4.0, 1.5)])
def test_validation_finds_how_much_of_the_season_counts_within_bounds(truth: float, taken: float) -> None:
    rng = np.random.default_rng(4)
    network, noise = rng.normal(-9, 1, (2, 20_000))
    season = rng.normal(0, 0.3, 20_000)
    target = network + truth * season + 0.1 * (noise + 9)
    head = next(head for head in HEADS if head.name == "log_variance")
    none, returns = np.full(20_000, np.nan), rng.normal(0, 0.01, 20_000)
    fitted = head.calibrate(Outcomes(network, none, target, target, returns, 20_000, 1, season=season))
    assert fitted["season"] == taken
    parameters = {name: np.array([number]) for name, number in fitted.items()}
    ones = np.ones((20_000, 1), dtype=np.float32)
    around = Surroundings(ones, none[:, None], season=season[:, None])
    output = network[:, None].astype(np.float32)
    column = head.columns(output, parameters, around)["log_variance"][:, 0]
    np.testing.assert_allclose(column, network + taken * season, rtol=1e-6)
    # a model from before the season came takes nothing of it
    del parameters["season"]
    np.testing.assert_array_equal(head.columns(output, parameters, around)["log_variance"], output)


def test_a_calibration_without_the_season_is_read_and_one_beyond_its_bounds_is_not() -> None:
    mapping = Calibration.fit(cells_of, 2).to_mapping()
    assert mapping["log_variance"]["season"] == [0.0, 0.0]
    with pytest.raises(ModelError, match="can't be used"):
        Calibration.from_mapping({**mapping, "log_variance": {**mapping["log_variance"], "season": [0.0, 7.0]}})
    without = {name: values for name, values in mapping["log_variance"].items() if name != "season"}
    before = Calibration.from_mapping({**mapping, "log_variance": without})
    assert before.shapes() == Calibration.from_mapping(mapping).shapes()


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
    p = calibration_of((0.2, 0.2), (1.0, 0.05)).columns(dict.fromkeys(NAMES, logit), around(logit))["p_up"]
    assert (np.diff(p, axis=0) > 0).all()
    assert p[:, 0] == pytest.approx(1 / (1 + np.exp(-logit[:, 0])))
    assert np.abs(p[:, 1] - 1 / (1 + np.exp(-0.2))).max() < 0.05


def test_base_rate_is_finite_even_when_nothing_rose() -> None:
    assert base_rate(50, 100) == 0
    assert np.isfinite(base_rate(0, 10))
    assert np.isfinite(base_rate(10, 10))


def test_columns_are_in_their_units() -> None:
    calibration, output = calibration_of((0.1,), (1.0,)), np.full((3, 1), 0.5, dtype=np.float32)
    columns = calibration.columns(dict.fromkeys(NAMES, output), around(output / 10))
    np.testing.assert_allclose(columns["mean"], 0.025, rtol=1e-6)
    np.testing.assert_array_equal(columns["log_variance"], output)  # its level is a matter of the shape


def test_mapping_there_and_back() -> None:
    calibration = calibration_of((0.1, 1 / 3), (1.0, 2.0))
    assert Calibration.from_mapping(calibration.to_mapping()) == calibration
    assert calibration.shapes() == [SHAPE, SHAPE]
    broken = calibration.to_mapping()
    with pytest.raises(ModelError, match="calibration"):
        Calibration.from_mapping(broken | {"log_variance": broken["log_variance"] | {"share": [0.3, 1.0]}})
    with pytest.raises(ModelError, match="calibration"):
        Calibration.from_mapping(broken | {"up_logit": {"base": [0.1], "slope": [float("nan")]}})
    for head in broken:
        with pytest.raises(ModelError, match="calibration"):
            Calibration.from_mapping({name: each for name, each in broken.items() if name != head})
