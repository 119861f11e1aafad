from __future__ import annotations

import numpy as np
import pytest

from tenor.features.catalogue import feature_names
from tenor.features.context import context
from tenor.features.indicators import log_mean_variance
from tenor.schema import Float64

NAN = np.nan


@pytest.fixture
def returns() -> tuple[dict[int, Float64], Float64]:
    rng = np.random.default_rng(2)
    one = rng.normal(0, 0.02, (60, 7))
    five = rng.normal(0, 0.04, (60, 7))
    one[rng.random(one.shape) < 0.2] = NAN
    five[np.isnan(one)] = NAN
    return {1: one, 5: five}, np.where(np.isnan(one), NAN, rng.uniform(0.01, 0.03, one.shape))


def test_one_session_by_hand() -> None:
    one = np.full((30, 4), NAN)
    one[:29, :2] = 0.01
    one[29] = [0.03, -0.01, NAN, 0.01]
    five = np.where(np.isnan(one), NAN, 0.02)
    features = {n: v[29] for n, v in context({1: one, 5: five}, np.full((30, 4), 0.02)).items()}
    np.testing.assert_allclose(features["market_return_1"], [1, 1, NAN, 1], rtol=1e-12)
    np.testing.assert_allclose(features["market_return_5"], [2 / 5**0.5, 2 / 5**0.5, NAN, 2 / 5**0.5], rtol=1e-12)
    np.testing.assert_allclose(features["market_volatility"], [np.log(0.01), np.log(0.01), NAN, np.log(0.01)])
    np.testing.assert_allclose(features["dispersion"][0], np.std([0.03, -0.01, 0.01]) / 0.02)
    np.testing.assert_allclose(features["breadth"][0], 1 / 3)
    np.testing.assert_allclose(features["relative_return_1"] * 5**0.5, [2, -2, NAN, 0], atol=1e-12)
    np.testing.assert_allclose(features["rank_return_1"], [1 / 3, -1 / 3, NAN, 0], atol=1e-12)


def test_it_computes_what_the_catalogue_names(returns: tuple[dict[int, Float64], Float64]) -> None:
    assert tuple(context(*returns)) == feature_names(["context"])


def test_the_markets_risk_is_the_mean_over_the_symbols_that_are_there(
    returns: tuple[dict[int, Float64], Float64],
) -> None:
    spans, volatility = returns
    traded = ~np.isnan(spans[1])
    rng = np.random.default_rng(5)
    logs = {bars: np.where(traded, rng.normal(-9, 1, traded.shape), NAN) for bars in (1, 5, 22, 66)}
    logs[66][:20, 3] = NAN  # not known yet
    found = context(spans, volatility, logs, groups=["risk"])
    names = ("market_log_variance", "market_log_variance_5", "market_log_variance_22", "market_log_variance_66")
    assert tuple(found) == names
    for name, each in zip(names, logs.values(), strict=True):
        np.testing.assert_array_equal(np.isfinite(found[name]), traded)
        for t in (0, 10, 30, 59):
            np.testing.assert_allclose(found[name][t, traded[t]], np.nanmean(each[t]), rtol=1e-12)


def test_the_mean_of_variances_is_that_of_the_last_bars() -> None:
    variance = np.array([NAN, 1.0, 3.0, 8.0, 1.0])
    np.testing.assert_allclose(log_mean_variance(variance, 1), np.log(variance))
    np.testing.assert_allclose(log_mean_variance(variance, 3), [NAN, NAN, NAN, np.log(4), np.log(4)], rtol=1e-12)


def test_one_symbol_is_its_own_market() -> None:
    one = np.random.default_rng(0).normal(0, 0.01, (50, 1))
    features = {n: v[25:] for n, v in context({1: one, 5: one}, np.full((50, 1), 0.01)).items()}
    for name in ("dispersion", "relative_return_1", "relative_return_5", "rank_return_1"):
        assert (features[name] == 0).all(), name
    assert (features["breadth"] == np.sign(one[25:])).all()
    assert all(np.isfinite(v).all() for v in features.values())


def test_a_symbol_without_data_changes_no_bit(returns: tuple[dict[int, Float64], Float64]) -> None:
    spans, volatility = returns
    before = context(spans, volatility)
    blank = np.full((60, 13), NAN)
    # in front, so that every sum is grouped anew unless it runs symbol by symbol
    after = context({k: np.hstack([blank, v]) for k, v in spans.items()}, np.hstack([blank, volatility]))
    assert [n for n in before if before[n].tobytes() != after[n][:, 13:].tobytes()] == []


def test_a_session_in_which_nobody_traded_is_no_step(returns: tuple[dict[int, Float64], Float64]) -> None:
    spans, volatility = returns
    with_hole = context(
        {k: np.insert(v, 40, NAN, axis=0) for k, v in spans.items()}, np.insert(volatility, 40, NAN, axis=0)
    )
    without = context(spans, volatility)
    for name, values in with_hole.items():
        assert np.isnan(values[40]).all()
        np.testing.assert_array_equal(np.delete(values, 40, axis=0), without[name])


def test_equal_returns_share_their_rank() -> None:
    flat = np.zeros((30, 5))
    assert (context({1: flat, 5: flat}, np.full((30, 5), 0.01))["rank_return_1"] == 0).all()
