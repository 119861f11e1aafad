"""Which cells of a panel are forecast, how wide their returns spread, and the panel as the network reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenor.schema import Bool, Float32, Panel

WARM_UP = 120
"""Sessions beyond the lookback after which a forecast no longer depends on where the history began (< 1e-3 sd)."""


def usable(panel: Panel, lookback: int) -> Bool:
    """[session, symbol]; True where the symbol traded and it is at least its `lookback`-th session with all features.

    These are the cells that are trained on, and those that are predicted.
    """
    return panel.mask & (panel.mask.cumsum(axis=0) >= lookback)


def spread(panel: Panel) -> Float32:
    """[session, symbol, horizon]; the volatility of the return over each horizon, ``volatility * sqrt(h)``."""
    return panel.volatility[:, :, None] * np.sqrt(np.array(panel.horizons, dtype=np.float32))


def network_input(scaled: Panel, columns: slice | None = None) -> Float32:
    """[N, T, F + 1] of a scaled panel, or some of its symbols: features, then the variance, 0 where there is none."""
    columns = columns or slice(None)
    variance = np.nan_to_num(scaled.variance[:, columns, None])
    return symbol_first(np.concatenate((scaled.values[:, columns], variance.astype(np.float32)), axis=2))


def symbol_first(values: NDArray[Any]) -> Float32:
    """[T, N, X] as float32 [N, T, X]."""
    return np.ascontiguousarray(values.transpose(1, 0, 2), dtype=np.float32)
