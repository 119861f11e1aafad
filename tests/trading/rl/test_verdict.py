from __future__ import annotations

import numpy as np
import pytest
from rl_markets import walking

from tenor.errors import DataError
from tenor.evaluation.backtest import Backtest
from tenor.schema import Float64
from tenor.trading.rl.rivals import HOLDING, RANDOM, SHUFFLED
from tenor.trading.rl.verdict import Verdict, behaviour, drawdown_difference, judge

SESSIONS = walking(sessions=501).sessions


def account(name: str, mean: float, *, seed: int = 0, turnover: float = 0.1, noise: float = 0.01) -> Backtest:
    moves = np.random.default_rng(seed).normal(mean, noise, 500) if noise else np.full(500, mean)
    equity = np.concatenate([[1.0], np.cumprod(1 + moves)])
    return Backtest(name, 10.0, SESSIONS, equity, equity, np.full(501, turnover), "XNYS")


def judged(agent: Backtest, weights: Float64 | None = None, **given: object) -> Verdict:
    random = np.stack([account("r", 0.0, seed=100 + i).equity for i in range(20)])
    options = {
        "rivals": {HOLDING: account("h", 0.0, seed=1), SHUFFLED: account("s", 0.0, seed=2)},
        "random": random,
        "future": None,
        "seeds": (1.0, 2.0),
        "tried": 1,
        "exposure": np.ones(501),
        **given,
    }
    return judge(agent, np.full((501, 2), 0.5) if weights is None else weights, **options)  # type: ignore[arg-type]


def test_an_agent_that_earns_more_than_all_rivals_claims_it() -> None:
    verdict = judged(account("agent", 0.003))
    assert verdict.claims
    assert "better than every rival, and than luck" in verdict.sentence
    assert set(verdict.against) == {HOLDING, SHUFFLED, RANDOM}
    assert verdict.random_p == pytest.approx(1 / 21)
    assert any("With the forecasts it does better" in line for line in verdict.checks)


def test_the_luck_of_many_tries_takes_the_claim_away() -> None:
    assert (
        judged(account("agent", 0.002)).sharpe.deflated > judged(account("agent", 0.002), tried=10_000).sharpe.deflated
    )
    verdict = judged(account("agent", 0.0016, seed=5), tried=10**9)
    assert not verdict.claims


def test_an_agent_without_skill_claims_nothing() -> None:
    claims = [judged(account("agent", 0.0, seed=1000 + i)).claims for i in range(20)]
    assert sum(claims) == 0


def test_an_agent_in_cash_is_compared_and_worse_than_what_earns() -> None:
    cash = account("agent", 0.0, turnover=0.0, noise=0.0)
    verdict = judged(cash, np.zeros((501, 2)), rivals={HOLDING: account("h", 0.004, seed=1)})
    assert verdict.behaviour == "stay in cash"
    assert verdict.against[HOLDING].sharpe.value < -2
    assert verdict.against[HOLDING].holm < 0.05
    assert "Worse than holding" in verdict.sentence
    assert not verdict.claims


def test_an_agent_that_saw_the_future_and_stayed_poor_says_that_nothing_means_anything() -> None:
    poor = judged(account("agent", 0.0), future=account("f", 0.0, seed=7))
    assert any("The learning is broken" in line for line in poor.checks)
    rich = judged(account("agent", 0.0), future=account("f", 0.01, seed=7))
    assert any("got rich" in line and "can learn" in line for line in rich.checks)


def test_what_it_learned_is_told_from_what_it_holds() -> None:
    hold = account("h", 0.0005, turnover=0.0)
    everything = np.full((501, 2), 0.5)
    assert behaviour(account("a", 0.0005, turnover=0.01), everything, hold, np.ones(501)) == "hold"
    assert "hold 40%" in behaviour(account("a", 0.0005, turnover=0.01), everything * 0.4, hold, np.ones(501))
    exposure = np.linspace(0.2, 1, 501)
    scaled = everything * exposure[:, None]
    assert "hold less when more volatility" in behaviour(account("a", 0.0005), scaled, hold, exposure)
    assert "long and short" in behaviour(
        account("a", 0.0, seed=9, turnover=0.5), everything * [1, -1], hold, np.ones(501)
    )


def test_falls_are_compared_on_the_same_blocks() -> None:
    one = account("a", 0.0)
    same = drawdown_difference(one, one)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    calm = Backtest("c", 10.0, SESSIONS, one.equity**0.2, one.equity**0.2, one.turnover, "XNYS")
    less = drawdown_difference(calm, one)
    assert less.value < 0
    assert less.high < 0
    with pytest.raises(DataError, match="same sessions"):
        drawdown_difference(
            one, Backtest("o", 1.0, SESSIONS[:9], one.equity[:9], one.gross[:9], one.turnover[:9], "XNYS")
        )
