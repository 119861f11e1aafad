from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rl_markets import market_of, walking
from scipy.optimize import minimize

from tenor.evaluation.backtest import buy_and_hold
from tenor.schema import Panel
from tenor.trading.rl.accounts import Terms
from tenor.trading.rl.rivals import (
    EQUAL,
    EWMA,
    HOLDING,
    LONG_FLAT,
    MINIMUM,
    OURS,
    _least,
    holding,
    minimum_variance,
    random_accounts,
    rival_accounts,
    rival_weights,
)


def test_all_rules_are_there_and_within_the_limits() -> None:
    market = walking(sessions=200)
    accounts = rival_accounts(market, 100, Terms())
    assert set(accounts) == {HOLDING, EQUAL, OURS, EWMA, LONG_FLAT, MINIMUM}
    assert all(len(account.sessions) == 100 for account in accounts.values())
    weights = rival_weights(market, 100, Terms())
    np.testing.assert_allclose(weights[EQUAL], 1 / 3)
    np.testing.assert_allclose(weights[MINIMUM].sum(axis=1), 1.0)
    assert not weights[LONG_FLAT].any()  # P(up) is one half
    assert (rival_weights(market_of(market.open, market.close, p_up=0.6), 100, Terms())[LONG_FLAT] > 0.3).all()


def test_no_rule_looks_ahead() -> None:
    market = walking(sessions=200)
    other = replace(market, open=market.open.copy(), close=market.close.copy())
    other.open[151:] *= 3
    other.close[151:] *= np.linspace(1, 5, 49)[:, None]
    ours, theirs = (rival_weights(each, 100, Terms()) for each in (market, other))
    for name in ours:
        np.testing.assert_array_equal(ours[name][:51], theirs[name][:51])


def test_holding_is_that_of_the_evaluation() -> None:
    market = walking(symbols=4)
    market.open[:4, 1] = market.close[:4, 1] = np.nan
    market.open[1:9, 2] = market.close[1:9, 2] = np.nan
    grid = market.close.shape
    panel = Panel(
        np.zeros((*grid, 1), "float32"), np.isfinite(market.close), np.zeros((*grid, 1), "float32"),
        np.full(grid, 0.01, "float32"), market.open, market.close, market.sessions, market.symbols, ("one",), (1,),
    )  # fmt: skip
    ours, theirs = holding(market, Terms(cost=15)), buy_and_hold(panel, slice(0, grid[0]), cost=15)
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-12)
    np.testing.assert_allclose(ours.turnover, theirs.turnover, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_minimum_variance_is_the_optimum_that_a_solver_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    factor = rng.normal(1, 0.6, (6, 1))
    covariance = factor @ factor.T + np.diag(rng.uniform(0.05, 1, 6))
    found = minimize(
        lambda w: w @ covariance @ w, np.full(6, 1 / 6), bounds=[(0, 1)] * 6, tol=1e-12,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    )  # fmt: skip
    ours = _least(covariance)
    assert ours.min() >= 0
    assert ours.sum() == pytest.approx(1)
    assert ours @ covariance @ ours == pytest.approx(found.fun, rel=1e-6)


def test_minimum_variance_of_few_symbols_or_days_is_defined() -> None:
    close = walking(sessions=60).close
    np.testing.assert_allclose(minimum_variance(close[:10], np.array([True, True, False])), [0.5, 0.5, 0])
    np.testing.assert_allclose(minimum_variance(close, np.array([False, True, False])), [0, 1, 0])
    assert not minimum_variance(close, np.zeros(3, bool)).any()


@pytest.mark.parametrize(("turnover", "short"), [(0.05, False), (0.3, False), (0.2, True)])
def test_random_agents_trade_as_much_as_they_are_asked_to(turnover: float, short: bool) -> None:
    terms = Terms(short=short)
    equity, traded = random_accounts(walking(symbols=5), turnover, 0.8, terms, count=20)
    assert traded[:, 1:].mean() == pytest.approx(turnover, rel=0.25)
    assert np.ptp(equity[:, -1]) > 0
