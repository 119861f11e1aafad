"""Does the model know how sure it is? Its P(up), its intervals and its silence, on sessions that it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tenor import metrics
from tenor.evaluation import cells
from tenor.evaluation.abstention import Spoken, abstention
from tenor.evaluation.bootstrap import RESAMPLES
from tenor.evaluation.conformal import Coverage, coverage
from tenor.schema import Panel, Predictions
from tenor.storage.files import json_values

FIXED = "one quantile of validation"
ADAPTIVE = "adaptive"


@dataclass(frozen=True)
class Uncertainty:
    """How one model's doubts held at one horizon.

    Attributes
    ----------
    brier
        Mean of (P(up) - went up)^2.
    brier_constant
        That of always saying the share of rises of the same cells, which a model without knowledge can at best reach.
    ece
        Expected calibration error, in ten groups of equal count.
    coverage
        Kind of 90 % interval (`FIXED`, `ADAPTIVE`) -> how often it held.
    by_fold
        Likewise, a mapping for each fold in order.
    abstention
        Accuracy as it falls silent where it is least sure; by cell, and by whole days.
    """

    horizon: int
    brier: float
    brier_constant: float
    ece: float
    coverage: dict[str, Coverage]
    by_fold: tuple[dict[str, Coverage], ...]
    abstention: tuple[Spoken, ...]
    abstention_days: tuple[Spoken, ...]

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values; what is undefined is None."""
        plain: dict[str, Any] = json_values(asdict(self))
        return plain


def uncertainty(
    panel: Panel,
    rows: slice,
    said: Predictions,
    intervals: Mapping[str, Predictions],
    *,
    horizon: int,
    folds: tuple[slice, ...] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Uncertainty:
    """Judge the doubts of `said` on `rows`.

    Parameters
    ----------
    intervals
        Kind -> predictions with the bounds of that kind.
    folds
        The test parts that `rows` consist of.

    Raises
    ------
    HistoryError, DataError
        No cell counts, or `said` can't be judged on those that do.
    """
    _, realised, p_up = cells.chances(panel, rows, said, horizon=horizon)
    share = float((realised[np.isfinite(realised)] > 0).mean())

    def held(part: slice) -> dict[str, Coverage]:
        return {
            kind: coverage(panel, part, one, horizon=horizon, resamples=resamples, seed=seed)
            for kind, one in intervals.items()
        }

    def silent(whole_days: bool) -> tuple[Spoken, ...]:
        return tuple(
            abstention(panel, rows, said, horizon=horizon, whole_days=whole_days, resamples=resamples, seed=seed)
        )

    return Uncertainty(
        horizon=horizon,
        brier=metrics.brier(p_up, realised),
        brier_constant=share * (1 - share),
        ece=metrics.ece(p_up, realised),
        coverage=held(rows),
        by_fold=tuple(held(part) for part in folds),
        abstention=silent(whole_days=False),
        abstention_days=silent(whole_days=True),
    )
