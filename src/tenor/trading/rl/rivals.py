"""The rivals of an agent: rules without learning, booked in the same way as the agent."""

from __future__ import annotations

import math

import numpy as np

from tenor.evaluation.backtest import Backtest, long_flat
from tenor.evaluation.volatility_targeting import average_correlation, weights_at_target
from tenor.schema import Bool, Float64
from tenor.trading.rl.accounts import Terms, follow, follow_many
from tenor.trading.rl.market import Market

HOLDING = "holding"
EQUAL = "equal weight"
OURS = "volatility target"
EWMA = "volatility target, EWMA"
LONG_FLAT = "long/flat by P(up)"
MINIMUM = "minimum variance"
RANDOM = "random agents"
SHUFFLED = "agent, shuffled forecasts"
FUTURE = "agent that sees the future"
TARGET = 0.10
"""Target annual volatility, a share."""
MEMORY = 250
"""Number of sessions for estimating a covariance; at least a tenth of them is needed."""
AGENTS = 100
"""Number of random agents."""


def rival_weights(market: Market, start: int, terms: Terms) -> dict[str, Float64]:
    """The weights [session from `start`, symbol] of each rule, decided after each close.

    Parameters
    ----------
    market
        The market, from before `start` on, because covariances and correlations look back.
    start
        The first session to decide on.
    terms
        Costs and limits. Volatility targets use the cap; all weights are kept within the limits when they are booked.
    """
    available = market.available[start:]
    equal = available / np.maximum(available.sum(axis=1, keepdims=True), 1)
    correlation = average_correlation(market.close, available, start)
    daily = TARGET / math.sqrt(market.year)
    targeted = {
        name: weights_at_target(volatility[start:], known, correlation, daily, terms.cap)
        for name, volatility in ((OURS, market.volatility), (EWMA, market.ewma))
        for known in (available & np.isfinite(volatility[start:]) & (volatility[start:] > 0),)
    }
    p_up = market.p_up[start:]
    return {
        EQUAL: equal * min(terms.cap, 1.0),
        **targeted,
        LONG_FLAT: long_flat(p_up, available & np.isfinite(p_up)),
        MINIMUM: np.array(
            [
                minimum_variance(market.close[max(0, t - MEMORY) : t + 1], chosen)
                for t, chosen in enumerate(available, start)
            ]
        ),
    }


def rival_accounts(market: Market, start: int, terms: Terms) -> dict[str, Backtest]:
    """Backtests of each rule, and of buy and hold, on the sessions of `market` from `start` on."""
    traded = market.between(start, len(market.sessions))
    accounts = {
        name: follow(traded, weights, terms, name) for name, weights in rival_weights(market, start, terms).items()
    }
    return {HOLDING: holding(traded, terms), **accounts}


def holding(market: Market, terms: Terms) -> Backtest:
    """Buy 1/n of each symbol at its first fill and wait, at the costs of `terms`; the rest is cash until then."""
    chosen = np.isfinite(market.close[0])
    stake = min(terms.cap, 1.0) / max(int(chosen.sum()), 1)
    sessions, symbols = market.open.shape
    last = np.full(symbols, np.nan)
    shares = np.zeros(symbols)
    equity, gross, turnover = np.ones(sessions), np.ones(sessions), np.zeros(sessions)
    spent = 0.0
    for t in range(1, sessions):
        buys = chosen & (shares == 0) & np.isfinite(market.open[t])
        shares = np.where(buys, stake / np.where(buys, market.open[t], 1.0), shares)
        bought = stake * int(buys.sum())
        spent += bought
        turnover[t] = bought / equity[t - 1]
        last = np.where(np.isfinite(market.close[t]), market.close[t], np.where(buys, market.open[t], last))
        gross[t] = 1.0 - spent + float((shares * np.where(shares > 0, last, 0.0)).sum())
        equity[t] = gross[t] - spent * terms.cost / 1e4
    return Backtest(HOLDING, terms.cost, market.sessions, equity, gross, turnover, market.calendar)


def minimum_variance(close: Float64, available: Bool) -> Float64:
    """The fully invested long-only weights [symbol] of least variance under scikit-learn's Ledoit-Wolf covariance.

    Parameters
    ----------
    close
        [session, symbol] up to the decision.
    available
        [symbol]; the others get weight 0. With too few returns, weights are equal.
    """
    from sklearn.covariance import ledoit_wolf

    known = available & np.isfinite(close).all(axis=0)
    count = int(known.sum())
    weights = np.zeros(len(available))
    if count == 0 or len(close) <= MEMORY // 10:
        return available / max(int(available.sum()), 1)
    if count == 1:
        weights[known] = 1.0
        return weights
    covariance, _ = ledoit_wolf(np.diff(np.log(close[:, known]), axis=0))
    weights[known] = _least(covariance)
    return weights


def _least(covariance: Float64) -> Float64:
    """Long-only weights of minimum variance: symbols with negative weights are removed until there are none.

    At the end the conditions of an optimum are met: all held symbols have the same marginal variance, and a removed
    symbol is taken back if its marginal variance is lower.
    """
    count = len(covariance)
    held = np.ones(count, dtype=bool)
    weights = np.full(count, 1.0 / count)
    for _ in range(10 * count):
        solved = np.linalg.solve(covariance[np.ix_(held, held)], np.ones(int(held.sum())))
        if (solved < 0).any():
            places = np.flatnonzero(held)
            held[places[np.argmin(solved)]] = False
            continue
        weights = np.zeros(count)
        weights[held] = solved / solved.sum()
        marginal = covariance @ weights
        level = float(weights @ marginal)
        better = ~held & (marginal < level * (1 - 1e-9))
        if not better.any():
            break
        held[np.flatnonzero(better)[np.argmin(marginal[better])]] = True
    return weights


def random_accounts(
    market: Market, turnover: float, invested: float, terms: Terms, *, count: int = AGENTS, seed: int = 0
) -> tuple[Float64, Float64]:
    """Equity and turnover [account, session] of random agents with a given turnover and exposure.

    Each agent has random targets and moves part of the way to new ones every session; that part is chosen so that the
    mean turnover is `turnover`.

    Parameters
    ----------
    market
        The sessions to trade on.
    turnover
        Mean turnover per session, to be matched.
    invested
        Mean sum of the absolute weights, to be matched.
    """
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        reached = follow_many(market, _wandering(market, middle, invested, terms, count, seed), terms)[1][:, 1:].mean()
        low, high = (middle, high) if reached < turnover else (low, middle)
    return follow_many(market, _wandering(market, high, invested, terms, count, seed), terms)


def _wandering(market: Market, speed: float, invested: float, terms: Terms, count: int, seed: int) -> Float64:
    """Weights [account, session, symbol] that move a share `speed` of the way to new random ones each session."""
    rng = np.random.default_rng(seed)
    sessions, symbols = market.open.shape
    drawn = rng.dirichlet(np.ones(symbols), size=(count, sessions))
    if terms.short:
        drawn *= rng.choice((-1.0, 1.0), size=drawn.shape)
    moving = np.empty_like(drawn)
    moving[:, 0] = drawn[:, 0]
    for t in range(1, sessions):
        moving[:, t] = moving[:, t - 1] + speed * (drawn[:, t] - moving[:, t - 1])
    gross = np.abs(moving).sum(axis=2, keepdims=True)
    scale = invested / np.where(gross > 0, gross, 1.0) if terms.short else invested
    return terms.limited(moving * scale)
