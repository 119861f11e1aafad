"""Simulated stocks whose true variance is known, and how a forecast of it is judged. Needs NumPy alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
STEPS = 20
"""Steps of a session, so that its high and low belong to its variance."""
OVERNIGHT = 0.2
"""Share of the variance between the close and the next open."""


class Stocks(NamedTuple):
    """Stocks by sessions, each [stock, session]; the variance is that of the return from close to close."""

    open: Array
    high: Array
    low: Array
    close: Array
    variance: Array


def simulated(stocks: int, sessions: int) -> Stocks:
    """GARCH(1, 1) returns, each stock with parameters of its own; the first stocks of more stocks are the same ones."""
    return Stocks(
        *map(np.stack, zip(*(_stock(np.random.default_rng((7, i)), sessions) for i in range(stocks)), strict=True))
    )


def _stock(rng: np.random.Generator, sessions: int) -> tuple[Array, ...]:
    level = np.exp(rng.normal(np.log(0.018), 0.3)) ** 2
    alpha, beta = rng.uniform(0.04, 0.1), rng.uniform(0.85, 0.89)
    draws = rng.standard_normal((sessions, STEPS + 1))
    draws *= np.sqrt(np.r_[OVERNIGHT, np.full(STEPS, (1 - OVERNIGHT) / STEPS)])
    variance = np.empty(sessions)
    now = level
    for t, unit in enumerate(draws.sum(axis=1)):
        variance[t] = now
        now = level * (1 - alpha - beta) + now * (alpha * unit * unit + beta)
    moves = draws * np.sqrt(variance)[:, None]
    before = np.r_[0.0, np.cumsum(moves.sum(axis=1))[:-1]]
    paths = np.log(50) + before[:, None] + np.cumsum(moves, axis=1)  # the open, then the session's steps
    return (*map(np.exp, (paths[:, 0], paths.max(axis=1), paths.min(axis=1), paths[:, -1])), variance)


def returns(stocks: Stocks) -> Array:
    """[stock, session - 1]; per cent, as both libraries want them."""
    return 100 * np.diff(np.log(stocks.close), axis=1)


def judged(forecast: Array, stocks: Stocks, test: int) -> dict[str, float]:
    """The work, and the spread of the log error of `forecast` [stock, test] of the last `test` sessions' variance."""
    error = np.log(forecast) - np.log(stocks.variance[:, -test:])
    known = np.isfinite(error)
    return {"work": float(len(forecast)), "error": float(error[known].std()), "share": float(known.mean())}
