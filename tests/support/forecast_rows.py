"""Forecasts of a panel as the rows of a file, for tests of the referee."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tenor.distribution import LEVELS
from tenor.schema import Bars, Bool, Panel, Predictions


def rows_of(panel: Panel, predictions: Predictions, cells: Bool) -> pd.DataFrame:
    """All that `predictions` say in `cells` [session, symbol], one row a symbol, session and horizon."""
    t, i = np.nonzero(cells)
    frames = []
    for k, horizon in enumerate(panel.horizons):
        frame = pd.DataFrame(
            {
                "symbol": np.array(panel.symbols)[i],
                "session": panel.sessions[t],
                "horizon": horizon,
                "return": predictions.mean[t, i, k],
                "p_up": predictions.p_up[t, i, k],
            }
        )
        if predictions.risk is not None:
            risk = predictions.risk
            frame["variance"] = risk.volatility[t, i, k].astype("float64") ** 2
            frame["log_variance"] = risk.log_variance[t, i, k]
            for level in LEVELS:
                frame[f"q{level:g}"] = risk.quantile(level, k)[t, i]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def closes_of(bars: Bars) -> pd.DataFrame:
    """Adjusted closes, [session, symbol]."""
    return bars.frame.pivot(index="session", columns="symbol", values="adj_close")


def long(values: pd.DataFrame, name: str, *, first: str, horizon: int = 1) -> pd.DataFrame:
    """A frame [session, symbol] from `first` on as rows of forecasts of `name`."""
    part = values[values.index >= first].stack().rename(name).rename_axis(["session", "symbol"]).reset_index()
    return part.assign(horizon=horizon)
