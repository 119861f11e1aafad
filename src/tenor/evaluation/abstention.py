"""Is a model right more often where it is surer? Accuracy against the share of cells, or days, on which it speaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenor.evaluation import cells, metrics
from tenor.evaluation.bootstrap import RESAMPLES, ConfidenceInterval
from tenor.evaluation.significance import drawn_days, resampled, share
from tenor.schema import Float64, Panel, Predictions

SHARES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05)


@dataclass(frozen=True)
class Spoken:
    """What a model gets right if it speaks only where it is sure.

    Attributes
    ----------
    threshold
        It speaks where |P(up) - .5| is at least this (with `whole_days`: where that day's mean is).
    cells, days
        Share of cells on which it speaks, and of days on which it speaks of some symbol.
    accuracy
        Share of right directions where it speaks, 95 % interval from resampled days.
    edge
        That less the share of rises on the same cells, which is what always-up gets right there.
    """

    threshold: float
    cells: float
    days: float
    accuracy: ConfidenceInterval
    edge: ConfidenceInterval


def abstention(
    panel: Panel,
    rows: slice,
    said: Predictions,
    *,
    horizon: int,
    whole_days: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Spoken]:
    """Accuracy as the model falls silent where it is least sure, from all cells to the surest twentieth.

    Thresholds are quantiles of the test's own certainty, never of its outcomes. Equal certainty falls silent together,
    so that fewer shares than `SHARES` can come out; a model that names no direction has none.

    Parameters
    ----------
    rows
        The test's sessions, as places on the panel's session axis.
    whole_days
        Speak of all symbols of a day or of none.

    Raises
    ------
    HistoryError, DataError
        No cell counts, or `said` can't be judged on those that do.
    """
    days, realised, p_up = cells.chances(panel, rows, said, horizon=horizon)
    counts = np.isfinite(realised)
    if not metrics.names_direction(p_up[counts]):
        return []
    sure = np.where(counts, np.abs(p_up - 0.5), 0.0)
    if whole_days:
        sure = np.repeat((sure.sum(axis=1) / counts.sum(axis=1))[:, None], counts.shape[1], axis=1)
    drawn, block = drawn_days(len(days), horizon=horizon, resamples=resamples, seed=seed)
    least = np.quantile(sure[counts], 1 - np.array(SHARES), method="higher")
    right, up = (p_up > 0.5) == (realised > 0), realised > 0
    return [_spoken(t, counts & (sure >= t), counts, right, up, drawn, block) for t in np.unique(least)]


def _spoken(
    threshold: float,
    speaks: np.ndarray,
    counts: np.ndarray,
    right: np.ndarray,
    up: np.ndarray,
    drawn: Float64,
    block: int,
) -> Spoken:
    n, hits, rises = (part.sum(axis=1, dtype="float64") for part in (speaks, speaks & right, speaks & up))
    accuracy = share(hits, n, drawn, block=block)
    above = metrics.ratio(drawn @ (hits - rises), drawn @ n)
    edge = resampled(float((hits - rises).sum() / n.sum()), above, days=len(n), block=block)
    return Spoken(
        threshold=float(threshold),
        cells=float(n.sum() / counts.sum()),
        days=float((n > 0).mean()),
        accuracy=accuracy,
        edge=edge.interval,
    )
