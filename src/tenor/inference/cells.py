"""Which cells of a panel are forecast, the volatility of their returns, and the panel as the network reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenor.schema import Bool, Float32, Panel

WARM_UP = 120
"""Sessions beyond the lookback after which a forecast no longer depends on where the history began.

The forecast then changes by less than 0.001 standard deviations.
"""


def usable(panel: Panel, lookback: int) -> Bool:
    """[session, symbol]; True where the symbol traded and it is at least its `lookback`-th session with all features.

    These are the cells that are trained on, and those that are predicted.
    """
    return panel.mask & (panel.mask.cumsum(axis=0) >= lookback)


def spread(panel: Panel) -> Float32:
    """[session, symbol, horizon]; the volatility of the return over each horizon, ``volatility * sqrt(h)``."""
    return panel.volatility[:, :, None] * np.sqrt(np.array(panel.horizons, dtype=np.float32))


def network_input(scaled: Panel, columns: slice | None = None) -> Float32:
    """The network's input from a scaled panel: [N, T, F + 1], for N symbols, T sessions and F features.

    The last column is the variance of the session, 0 where there is none. `columns` selects some of the symbols.
    """
    columns = columns or slice(None)
    variance = np.nan_to_num(scaled.variance[:, columns, None])
    return symbol_first(np.concatenate((scaled.values[:, columns], variance.astype(np.float32)), axis=2))


def symbol_first(values: NDArray[Any]) -> Float32:
    """`values` [T, N, X] as float32 [N, T, X]: sessions by symbols become symbols by sessions."""
    return np.ascontiguousarray(values.transpose(1, 0, 2), dtype=np.float32)
