from __future__ import annotations

import numpy as np
import pytest
from rl_markets import market_of, walking

from tenor.evaluation.backtest import simulate
from tenor.schema import Panel
from tenor.trading.rl.accounts import Accounts, Terms, follow, follow_many
from tenor.trading.rl.market import Market
from tenor.trading.rl.rewards import RUIN


def panel_of_market(market: Market) -> Panel:
    grid = market.close.shape
    return Panel(
        np.zeros((*grid, 1), "float32"), np.isfinite(market.close), np.zeros((*grid, 1), "float32"),
        np.full(grid, 0.01, "float32"), market.open, market.close, market.sessions, market.symbols, ("one",), (1,),
    )  # fmt: skip


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("cost", [0.0, 10.0])
def test_an_account_earns_what_the_evaluations_backtest_says(short: bool, cost: float) -> None:
    market = walking(symbols=4, seed=3, volatility=0.02)
    market.open[20, 1] = market.open[50:60, 2] = np.nan
    market.close[20, 1] = market.close[50:60, 2] = np.nan
    market.open[:5, 3] = market.close[:5, 3] = np.nan
    terms = Terms(cost=cost, borrow=0.0, cap=1.5, short=short)
    weights = terms.limited(np.random.default_rng(1).normal(size=market.close.shape))
    ours, theirs = follow(market, weights, terms, "a"), simulate("a", panel_of_market(market), weights, cost=cost)
    np.testing.assert_allclose(ours.equity, theirs.equity, rtol=1e-12)
    np.testing.assert_allclose(ours.gross, theirs.gross, rtol=1e-12)
    np.testing.assert_allclose(ours.turnover, theirs.turnover, rtol=1e-12, atol=1e-15)


def test_many_accounts_at_once_are_as_many_alone() -> None:
    market = walking(symbols=3)
    terms = Terms()
    weights = np.random.default_rng(0).random((5, *market.close.shape)) / 3
    equity, turnover = follow_many(market, weights, terms)
    for i in range(5):
        alone = follow(market, weights[i], terms, "a")
        np.testing.assert_allclose(equity[i], alone.equity, rtol=1e-12)
        np.testing.assert_allclose(turnover[i], alone.turnover, rtol=1e-12)


def test_accounts_at_different_sessions_do_not_mix() -> None:
    market = walking(symbols=2)
    accounts = Accounts(market, Terms(cost=0), 2)
    accounts.open_at(np.array([0, 1]), np.array([10, 40]))
    outcome = accounts.step(np.array([[1.0, 0.0], [0.0, 1.0]]))
    expected = np.log([market.close[11, 0] / market.open[11, 0], market.close[41, 1] / market.open[41, 1]])
    np.testing.assert_allclose(outcome.log_return, expected)


def test_a_decision_is_filled_at_the_next_open_and_pays_for_what_it_trades() -> None:
    market = market_of([[1.0], [2.0], [4.0]], [[1.0], [3.0], [4.0]])
    accounts = Accounts(market, Terms(cost=100), 1)
    outcome = accounts.step(np.array([[1.0]]))
    assert accounts.worth[0] == pytest.approx(1.5 - 0.01)
    assert outcome.turnover[0] == pytest.approx(1.0)


def test_loans_and_short_positions_pay_their_rate() -> None:
    market = market_of(np.ones((3, 1)), np.ones((3, 1)))
    year = market.year
    for weight, money in ((-1.0, 1.0), (3.0, 2.0), (1.0, 0.0)):
        accounts = Accounts(market, Terms(cost=0, borrow=100, cap=3, limit=3, short=True), 1)
        accounts.step(np.array([[weight]]))
        assert accounts.worth[0] == pytest.approx(1 - money * 0.01 / year)


def test_limits_hold_whatever_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    asked = 5 * rng.normal(size=(100, 6))
    for short in (False, True):
        terms = Terms(cap=1.2, limit=0.4, short=short)
        for held in (terms.limited(asked), terms.weights_of(np.clip(asked, -1, 1))):
            assert np.abs(held).sum(axis=1).max() <= 1.2 + 1e-12
            assert np.abs(held).max() <= 0.4 + 1e-12
            assert (held.min() < 0) == short
    np.testing.assert_allclose(Terms().weights_of(np.zeros((1, 4))), 0.25)
    np.testing.assert_allclose(Terms(short=True).weights_of(np.zeros((1, 4))), 0)


def test_ruin_is_final_and_charged_once() -> None:
    market = market_of([[1.0], [1.0], [9.0], [9.0], [9.0]], [[1.0], [1.0], [9.0], [9.0], [9.0]])
    accounts = Accounts(market, Terms(short=True), 1)
    rewards = [accounts.step(np.array([[-1.0]])).log_return[0] for _ in range(4)]
    assert rewards[1:] == [RUIN, 0.0, 0.0]
    assert accounts.worth[0] == 0
    assert np.isfinite(accounts.observe()).all()


def test_what_is_tied_up_in_a_halt_is_not_shared_out() -> None:
    opens = np.ones((4, 2))
    opens[2, 0] = np.nan
    market = market_of(opens, opens)
    accounts = Accounts(market, Terms(cost=0), 1)
    accounts.step(np.array([[0.8, 0.2]]))
    accounts.step(np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(accounts.positions, [[0.8, 0.2]])
