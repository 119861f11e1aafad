from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.distribution import CONFIDENCES, FEWEST, LEVELS, Risk, Shape, calibrated

NORMAL = {0.01: -2.3263, 0.025: -1.95996, 0.05: -1.64485, 0.25: -0.67449, 0.5: 0.0, 0.9: 1.28155, 0.99: 2.3263}
# Student's t with 4 degrees of freedom, scaled to a variance of 1: 2 / 4 under the root
STUDENT = {level: q / math.sqrt(2) for level, q in {0.01: -3.74695, 0.05: -2.13185, 0.25: -0.7407, 0.5: 0.0}.items()}


def sample(draw: np.ndarray, *, horizon: int = 1, wrong: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forecast and realised log variance and the return, of draws with variance 1; the forecast is `wrong` times it."""
    variance = 1e-4 * np.exp(np.random.default_rng(9).normal(0, 0.7, len(draw)))
    return np.log(variance * wrong), np.log(variance), draw * np.sqrt(horizon * variance)


def shortfall(draw: np.ndarray, confidence: float) -> float:
    return float(-draw[draw < np.quantile(draw, 1 - confidence)].mean())


@pytest.mark.parametrize("horizon", [1, 5, 20])
@pytest.mark.parametrize("wrong", [0.25, 1.0, 3.0])
def test_of_normal_returns(horizon: int, wrong: float) -> None:
    draw = np.random.default_rng(0).normal(size=200_000)
    shape = Shape.fit(*sample(draw, horizon=horizon, wrong=wrong), horizon)
    assert shape.level == pytest.approx(-math.log(wrong), abs=1e-9)
    found = dict(zip(LEVELS, np.array(shape.quantiles) / math.sqrt(horizon), strict=True))
    for level, quantile in NORMAL.items():
        assert found[level] == pytest.approx(quantile, abs=0.03), level
    assert np.array(shape.shortfalls) / math.sqrt(horizon) == pytest.approx([2.0627, 2.6652], rel=0.01)


def test_of_students_returns() -> None:
    draw = np.random.default_rng(1).standard_t(4, 2_000_000) / math.sqrt(2)
    shape = Shape.fit(*sample(draw), 1)
    found = dict(zip(LEVELS, shape.quantiles, strict=True))
    for level, quantile in STUDENT.items():
        assert found[level] == pytest.approx(quantile, abs=0.04), level
    # expected shortfall of t: its density at the quantile / tail * (4 + q²) / 3
    assert shape.shortfalls == pytest.approx([3.2029 / math.sqrt(2), 5.2206 / math.sqrt(2)], rel=0.02)
    assert shape.shortfalls == pytest.approx([shortfall(draw, c) for c in CONFIDENCES], rel=0.01)


@given(seed=st.integers(0, 1000), count=st.integers(FEWEST, 400))
@settings(max_examples=40)
def test_qlike_is_least_at_the_level(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    forecast, realised = rng.normal(-9, 1, (2, count))
    level = Shape.fit(forecast, realised, rng.normal(0, 0.01, count), 1).level

    def qlike(shift: float) -> float:
        error = realised - forecast - shift
        return float((np.exp(error) - error - 1).mean())

    assert qlike(level) < min(qlike(level - 0.01), qlike(level + 0.01))
    assert np.exp(realised - forecast - level).mean() == pytest.approx(1)


@given(seed=st.integers(0, 1000), count=st.integers(FEWEST, 300), tail=st.floats(1.1, 8))
@settings(max_examples=60)
def test_quantiles_rise_and_no_shortfall_is_less_than_its_quantile(seed: int, count: int, tail: float) -> None:
    draw = np.random.default_rng(seed).standard_t(tail, count)
    shape = Shape.fit(*sample(draw), 1)
    assert np.isfinite([shape.level, *shape.quantiles, *shape.shortfalls]).all()
    assert (np.diff(shape.quantiles) >= 0).all()
    for confidence, lost in zip(CONFIDENCES, shape.shortfalls, strict=True):
        assert lost >= -shape.quantiles[LEVELS.index(round(1 - confidence, 2))]


@pytest.mark.parametrize("count", [0, 1, FEWEST - 1])
def test_of_too_few_cells_the_shape_is_the_normal_one(count: int) -> None:
    draw = np.random.default_rng(0).normal(5, 1, count)
    shape = Shape.fit(*sample(draw, horizon=5, wrong=9.0), 5)
    assert shape.level == 0
    found = dict(zip(LEVELS, np.array(shape.quantiles) / math.sqrt(5), strict=True))
    for level, quantile in NORMAL.items():
        assert found[level] == pytest.approx(quantile, abs=1e-4)
    assert np.array(shape.shortfalls) / math.sqrt(5) == pytest.approx([2.0627, 2.6652], abs=1e-4)


def test_cells_that_lack_something_do_not_count() -> None:
    cells = sample(np.random.default_rng(0).normal(size=3 * FEWEST))
    whole = Shape.fit(*(each[: 2 * FEWEST] for each in cells), 1)
    for lacking in range(3):
        holed = [each.copy() for each in cells]
        holed[lacking][2 * FEWEST :] = np.nan
        assert Shape.fit(*holed, 1) == whole
    holed = [each.copy() for each in cells]
    holed[0][FEWEST - 1 :] = np.inf
    assert Shape.fit(*holed, 1).level == 0  # too few are left


def test_a_shape_comes_back_from_its_mapping() -> None:
    shape = Shape.fit(*sample(np.random.default_rng(0).normal(size=100)), 1)
    mapping = json.loads(json.dumps(shape.to_mapping()))
    assert len(mapping) == 2 + len(LEVELS) + len(CONFIDENCES)
    assert Shape.from_mapping(mapping) == shape
    for name in mapping:
        with pytest.raises(KeyError):
            Shape.from_mapping({other: number for other, number in mapping.items() if other != name})


# risk ---------------------------------------------------------------------------------------------------------------

SHAPES = [
    Shape(0.5, tuple(np.linspace(-3, 4, len(LEVELS)).tolist()), (3.5, 4.5)),
    Shape(-0.2, tuple(np.linspace(-6, 9, len(LEVELS)).tolist()), (7.0, 8.0)),
]


@pytest.fixture
def risk() -> Risk:
    log_variance = np.log(np.array([[[1e-4, 4e-4], [9e-4, 1e-4]], [[1e-4, np.nan], [1e-4, 1e-4]]]))
    return Risk.of(log_variance.astype("float32"), SHAPES)


def test_volatility_has_its_level(risk: Risk) -> None:
    np.testing.assert_allclose(risk.volatility[0, :, 0], np.array([0.01, 0.03]) * math.exp(0.25), rtol=1e-5)
    np.testing.assert_allclose(risk.volatility[0, :, 1], np.array([0.02, 0.01]) * math.exp(-0.1), rtol=1e-5)
    assert np.isnan(risk.volatility[1, 0, 1])
    assert all(getattr(risk, field.name).dtype == np.float32 for field in dataclasses.fields(Risk))


@pytest.mark.parametrize("k", [0, 1])
def test_quantiles_value_at_risk_and_shortfall(risk: Risk, k: int) -> None:
    for level, quantile in zip(LEVELS, SHAPES[k].quantiles, strict=True):
        np.testing.assert_allclose(risk.quantile(level, k), quantile * risk.volatility[:, :, k], rtol=1e-5)
    for confidence, level, lost in zip(CONFIDENCES, (0.05, 0.01), SHAPES[k].shortfalls, strict=True):
        np.testing.assert_array_equal(risk.value_at_risk(confidence, k), -risk.quantile(level, k))
        np.testing.assert_allclose(risk.expected_shortfall(confidence, k), lost * risk.volatility[:, :, k], rtol=1e-5)
    np.testing.assert_array_equal(risk.value_at_risk(0.975, k), -risk.quantile(0.025, k))
    with pytest.raises(ValueError, match="not in tuple"):
        risk.quantile(0.07, k)


def test_widening_stretches_all_but_the_volatility(risk: Risk) -> None:
    wide = risk.widened(np.full(risk.volatility.shape, 2.0))
    np.testing.assert_array_equal(wide.volatility, risk.volatility)
    np.testing.assert_array_equal(wide.quantile(0.05, 1), 2 * risk.quantile(0.05, 1))
    np.testing.assert_array_equal(wide.value_at_risk(0.99, 1), 2 * risk.value_at_risk(0.99, 1))
    np.testing.assert_array_equal(wide.expected_shortfall(0.99, 0), 2 * risk.expected_shortfall(0.99, 0))
    assert (risk.widening == 1).all()


def test_some_sessions_are_views(risk: Risk) -> None:
    part = risk.on(slice(1, 2))
    np.testing.assert_array_equal(part.quantile(0.05, 0), risk.quantile(0.05, 0)[1:])
    assert np.shares_memory(part.volatility, risk.volatility)


def test_any_models_forecasts_are_calibrated_on_the_rows_given() -> None:
    rng = np.random.default_rng(0)
    realised = rng.normal(-9, 0.5, (300, 4, 2)).astype("float32")
    returns = (np.exp(realised / 2) * rng.normal(size=realised.shape) * np.sqrt([1, 5])).astype("float32")
    forecast = realised - np.float32(0.7)
    risk = calibrated(forecast, realised, returns, slice(100, 200), (1, 5))
    np.testing.assert_allclose(risk.volatility, np.exp(realised / 2), rtol=1e-4)
    for k in (0, 1):
        share = (returns[100:200, :, k] < risk.quantile(0.05, k)[100:200]).mean()
        assert share == pytest.approx(0.05, abs=0.005)
    changed = [each.copy() for each in (realised, returns)]
    for each in changed:
        each[:100] = each[200:] = 5.0
    other = calibrated(forecast, changed[0], changed[1], slice(100, 200), (1, 5))
    np.testing.assert_array_equal(other.quantiles, risk.quantiles)
    np.testing.assert_array_equal(other.volatility, risk.volatility)


def test_the_volatility_of_returns_is_that_of_validation() -> None:
    """Ranges that show twice the variance of the closes: the return's own volatility is smaller by the root of two."""
    rng = np.random.default_rng(3)
    log_variance = rng.normal(-9, 0.5, 4000)
    realised = log_variance + rng.normal(0, 0.1, 4000)
    returns = np.exp(log_variance / 2) * rng.normal(0, np.sqrt(0.5), 4000)
    shape = Shape.fit(log_variance, realised, returns, 1)
    assert shape.scale == pytest.approx(np.sqrt(0.5), rel=0.03)
    risk = Risk.of(log_variance.astype(np.float32).reshape(-1, 1, 1), [shape])
    standard = returns / risk.return_volatility[:, 0, 0]
    assert np.mean(standard**2) == pytest.approx(1.0, rel=1e-4)
