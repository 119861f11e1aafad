"""Simulated markets with known structure, for sanity checks: one is mean-reverting, one has trends, one is noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from tenor.config import RlConfig
from tenor.schema import Float64
from tenor.trading.rl.market import NORMAL_95, Market, made
from tenor.trading.rl.study import Parts, Study, walk_agents

SESSIONS, SYMBOLS = 1500, 5
NIGHT = 0.3
"""Overnight share of the variance of a session."""
VOLATILITY = 0.01
"""Standard deviation of the log return of a session."""


def reverting(seed: int, sessions: int = SESSIONS, symbols: int = SYMBOLS) -> Market:
    """Mean-reverting prices, with a half-life of about seven sessions."""

    def drift(deviation: Float64, state: Float64) -> Float64:
        del state
        return -0.10 * deviation

    return _made(seed, sessions, symbols, drift, 0.0)


def trending(seed: int, sessions: int = SESSIONS, symbols: int = SYMBOLS) -> Market:
    """Prices with a persistent drift of mean 0 that changes over about 50 sessions, independently for each symbol."""

    def drift(deviation: Float64, state: Float64) -> Float64:
        del deviation
        return state

    return _made(seed, sessions, symbols, drift, 0.35)


def noise(seed: int, sessions: int = SESSIONS, symbols: int = SYMBOLS) -> Market:
    """Unpredictable prices: a random walk."""

    def drift(deviation: Float64, state: Float64) -> Float64:
        del deviation
        return 0.0 * state

    return _made(seed, sessions, symbols, drift, 0.0)


MARKETS: Mapping[str, Callable[[int], Market]] = MappingProxyType(
    {"mean-reverting": reverting, "trending": trending, "noise": noise}
)


SANE = RlConfig(algorithms=("ppo",), seeds=(0,), short=True)
"""The settings of a run on such a market: the defaults, with one seed and with short positions, without which half of
the structure can't be used."""
_PARTS = Parts(slice(0, 800), slice(800, 1000), slice(1000, SESSIONS))


def sanity_run(kind: str, number: int, folder: Path, config: RlConfig = SANE) -> Study:
    """Train an agent on the market `kind` of `MARKETS`, simulated with seed `number`, and evaluate it as usual.

    Parameters
    ----------
    folder
        Folder for the trained agent.
    config
        The settings; the seeds are added to `number`, so that no two runs use the same random numbers.
    """
    own = replace(config, seeds=tuple(1000 * number + seed for seed in config.seeds))
    return walk_agents(MARKETS[kind](number), [_PARTS], own, folder, checks=False)


def _made(
    seed: int, sessions: int, symbols: int, drift: Callable[[Float64, Float64], Float64], strength: float
) -> Market:
    rng = np.random.default_rng(seed)
    stay = 0.98
    state, level = np.zeros(symbols), np.zeros(symbols)
    opens, closes = np.zeros((sessions, symbols)), np.zeros((sessions, symbols))
    shocks = rng.standard_normal((sessions, 3, symbols))
    for t in range(sessions):
        state = stay * state + strength * VOLATILITY * np.sqrt(1 - stay**2) * shocks[t, 2]
        for part, share, prices in ((0, NIGHT, opens), (1, 1 - NIGHT, closes)):
            level = level + share * drift(level, state) + VOLATILITY * np.sqrt(share) * shocks[t, part]
            prices[t] = level
    returns = np.vstack([np.zeros(symbols), np.diff(closes, axis=0)])
    ewma = np.sqrt(pd.DataFrame(returns**2).ewm(alpha=0.06).mean().to_numpy())
    ewma[0] = ewma[1]
    half = np.full_like(ewma, 0.5)
    return made(
        pd.bdate_range("2010-01-04", periods=sessions),
        tuple(f"S{i}" for i in range(symbols)),
        np.exp(opens),
        np.exp(closes),
        ewma,
        ewma=ewma,
        p_up=half,
        lower=-NORMAL_95 * ewma,
        upper=NORMAL_95 * ewma,
        calendar="XNYS",
        version="",
    )
