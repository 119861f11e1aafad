"""The cells of a test that count, for one horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenor.schema import Bool, Float64, Panel, Predictions


@dataclass(frozen=True)
class Cells:
    """What was forecast and what came, [session, symbol], NaN where a cell does not count.

    A cell counts where the panel's mask is True and its return is known: the same rule as in `tenor.evaluation`.
    Returns are natural logs over `horizon` sessions. `lower` and `upper` are all NaN for a model without intervals.
    """

    horizon: int
    sessions: pd.DatetimeIndex
    realised: Float64
    mean: Float64
    p_up: Float64
    lower: Float64
    upper: Float64
    volatility: Float64

    @property
    def inside(self) -> Float64:
        """1 where the realised return lies in the 90 % interval, 0 where not, NaN where a cell does not count."""
        within = (self.realised >= self.lower) & (self.realised <= self.upper)
        return np.where(np.isfinite(self.realised + self.lower + self.upper), within.astype("float64"), np.nan)


def cells(panel: Panel, rows: slice, predictions: Predictions, horizon: int) -> Cells:
    """The cells of `rows` that count at `horizon`."""
    h = panel.horizon_index(horizon)
    target = panel.targets[rows, :, h].astype("float64")
    counts: Bool = panel.mask[rows] & np.isfinite(target)
    nothing = np.full(target.shape, np.nan)

    def cut(values: np.ndarray | None) -> Float64:
        return nothing if values is None else np.where(counts, values[rows, :, h].astype("float64"), np.nan)

    return Cells(
        horizon=horizon,
        sessions=panel.sessions[rows],
        realised=np.where(counts, target, np.nan),
        mean=cut(predictions.mean),
        p_up=cut(predictions.p_up),
        lower=cut(predictions.lower),
        upper=cut(predictions.upper),
        volatility=np.where(counts, panel.volatility[rows].astype("float64"), np.nan),
    )
