"""The Sharpe ratio's error and deflation, against published worked values and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tenor.evaluation.cost_sweep import expected_best, probabilistic, sharpe, standard_error

YEAR = math.sqrt(250)


def test_the_worked_example_of_the_deflated_ratio() -> None:
    # Bailey and Lopez de Prado: a ratio of 2.5 a year over 5 years of 250 days, the best of 100 trials whose
    # yearly ratios have variance 1/2, skew -3 and kurtosis 10: hurdle .1132 a day, deflated .9004; of 46: .9505
    hurdle = expected_best(100, spread=math.sqrt(0.5 / 250))
    assert hurdle == pytest.approx(0.1132, abs=5e-5)
    found = probabilistic(2.5 / YEAR, hurdle, count=1250, skew=-3, kurtosis=10)
    assert found == pytest.approx(0.9004, abs=5e-5)
    fewer = expected_best(46, spread=math.sqrt(0.5 / 250))
    assert probabilistic(2.5 / YEAR, fewer, count=1250, skew=-3, kurtosis=10) == pytest.approx(0.9505, abs=5e-5)


def test_without_lags_the_error_is_mertens() -> None:
    returns = np.random.default_rng(1).standard_t(6, 3000) * 0.01 + 0.001
    apart = (returns - returns.mean()) / returns.std()
    ratio, skew, kurtosis = returns.mean() / returns.std(), (apart**3).mean(), (apart**4).mean()
    told = math.sqrt((1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2) / len(returns))
    assert standard_error(returns, lags=0) == pytest.approx(told, rel=1e-12)


@pytest.mark.parametrize("memory", [0.0, 0.3])
def test_the_error_is_how_far_ratios_spread(memory: float) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (800, 1100))
    for t in range(1, noise.shape[1]):
        noise[:, t] += memory * noise[:, t - 1]
    returns = noise[:, 100:] + 0.0008
    ratios = returns.mean(axis=1) / returns.std(axis=1)
    told = np.mean([standard_error(one) for one in returns])
    assert told == pytest.approx(ratios.std(), rel=0.12)
    if memory:  # what takes the days for independent is too sure of itself
        assert np.mean([standard_error(one, lags=0) for one in returns]) < 0.85 * ratios.std()


def test_the_hurdle_is_what_the_best_without_skill_reaches() -> None:
    rng = np.random.default_rng(0)
    returns = rng.normal(0, 0.01, (300, 20, 250))
    best = (returns.mean(axis=2) / returns.std(axis=2)).max(axis=1)
    assert expected_best(20, spread=1 / math.sqrt(249)) == pytest.approx(best.mean(), rel=0.03)
    assert expected_best(1, spread=0.1) == 0.0


def test_deflation_is_seldom_sure_of_the_best_of_many_without_skill() -> None:
    rng = np.random.default_rng(3)
    sure = plain = 0
    for _ in range(300):
        tries = rng.normal(0, 0.01, (20, 250))
        best = tries[np.argmax(tries.mean(axis=1) / tries.std(axis=1))]
        sure += sharpe(best, per_year=252, trials=20).deflated > 0.95
        plain += sharpe(best, per_year=252).deflated > 0.95
    assert sure <= 0.05 * 300
    assert plain > 0.5 * 300  # undeflated it is fooled most of the time


def test_what_is_undefined() -> None:
    for returns in (np.zeros(100), np.full(100, 0.01), np.array([0.01, -0.01] * 5)):
        found = sharpe(returns, per_year=252, trials=3)
        assert math.isnan(found.value)
        assert math.isnan(found.deflated)
        assert found.trials == 3
