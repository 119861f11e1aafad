"""Means over the cells of a test, with intervals from resampled days."""

from __future__ import annotations

import numpy as np

from tenor.evaluation import metrics
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.significance import drawn_days, resampled
from tenor.schema import Float64


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
