"""The cells of a test that count, for one horizon, and means over them with honest intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenor.evaluation import metrics
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.significance import drawn_days, resampled
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


def mean_by_day(values: Float64, horizon: int) -> ConfidenceInterval:
    """Mean of the finite cells of `values` [session, symbol], with the 95 % interval that resampling days gives it."""
    known = np.isfinite(values)
    sums, counts = np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype("float64")
    drawn, block = drawn_days(len(values), horizon=horizon)
    draws = metrics.ratio(drawn @ sums, drawn @ counts)
    found = resampled(float(metrics.ratio(sums.sum(), counts.sum())), draws, days=len(values), block=block)
    return ConfidenceInterval(found.value, found.low, found.high)


def bins_by_day(
    values: Float64, by: Float64, horizon: int, *, bins: int
) -> tuple[list[float], list[ConfidenceInterval]]:
    """`values` [session, symbol] in up to `bins` equally filled bins of `by`: each bin's mean of `by`, and of `values`.

    The bins of `tenor.evaluation.metrics.reliability`: equal values share one, so there may be fewer.
    """
    known = np.isfinite(values) & np.isfinite(by)
    if not known.any():
        return [], []
    edges = np.unique(np.quantile(by[known], np.arange(1, bins) / bins))
    place = np.searchsorted(edges, by, side="left")
    at: list[float] = []
    means: list[ConfidenceInterval] = []
    for i in range(len(edges) + 1):
        here = known & (place == i)
        if here.any():
            at.append(float(by[here].mean()))
            means.append(mean_by_day(np.where(here, values, np.nan), horizon))
    return at, means
