"""Panels made from daily returns, for tests that judge forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tenor.schema import Panel


def panel_of(daily: Any, *, volatility: Any = 0.017, gap: Any = 0.0, horizons: tuple[int, ...] = (1, 5)) -> Panel:
    """Every cell counts, and what is to come is known as far as `daily` [session, symbol] reaches.

    Parameters
    ----------
    volatility : of a session, as the panel has it. `gap` : log of open over close.
    """
    level = np.cumsum(daily, axis=0)
    sessions, symbols = level.shape
    targets = np.full((*level.shape, len(horizons)), np.nan, "float32")
    for i, h in enumerate(horizons):
        targets[:-h, :, i] = level[h:] - level[:-h]
    close = 50 * np.exp(level)
    return Panel(
        values=np.zeros((*level.shape, 1), "float32"),
        mask=np.ones(level.shape, bool),
        targets=targets,
        volatility=np.broadcast_to(volatility, level.shape).astype("float32"),
        open=close * np.exp(gap),
        close=close,
        sessions=pd.bdate_range("2015-01-05", periods=sessions).astype("datetime64[us]"),
        symbols=tuple(f"S{i:02d}" for i in range(symbols)),
        features=("one",),
        horizons=horizons,
    )
