"""Small markets for tests of trading by reinforcement learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tenor.trading.rl.market import NORMAL_95, Market, made


def market_of(opens: Any, closes: Any, *, volatility: float = 0.01, p_up: Any = 0.5, version: str = "") -> Market:
    """A market of prices [session, symbol], with the same forecast everywhere."""
    opens, closes = np.asarray(opens, "float64"), np.asarray(closes, "float64")
    known = np.full(closes.shape, volatility)
    return made(
        pd.bdate_range("2015-01-05", periods=len(closes)),
        tuple(f"S{i}" for i in range(closes.shape[1])),
        opens,
        closes,
        known,
        ewma=known,
        p_up=np.broadcast_to(np.asarray(p_up, "float64"), closes.shape),
        lower=-NORMAL_95 * known,
        upper=NORMAL_95 * known,
        calendar="XNYS",
        version=version,
    )


def walking(sessions: int = 120, symbols: int = 3, seed: int = 0, *, volatility: float = 0.01) -> Market:
    """A random walk with gaps overnight."""
    rng = np.random.default_rng(seed)
    moves = volatility * rng.standard_normal((sessions, 2, symbols)) / np.sqrt(2)
    level = np.cumsum(moves.reshape(2 * sessions, symbols), axis=0).reshape(sessions, 2, symbols)
    return market_of(np.exp(level[:, 0]), np.exp(level[:, 1]), volatility=volatility)
