"""Accuracy and MCC on a benchmark's test samples, with intervals and paired differences from resampling days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tenor import metrics
from tenor.benchmarks.protocol import confusion
from tenor.errors import DataError
from tenor.evaluation.bootstrap import RESAMPLES, ConfidenceInterval, interval, resampled_days
from tenor.schema import Float32, Float64


@dataclass(frozen=True)
class Score:
    """Accuracy (0..1) and MCC with 95 % intervals from resampling days; NaN bounds with too few days."""

    accuracy: ConfidenceInterval
    mcc: ConfidenceInterval


@dataclass(frozen=True)
class Judged:
    """Scores of several models on one set of samples.

    Attributes
    ----------
    scores
        By model.
    against
        The first model less each other one, on the same resampled days.
    """

    scores: dict[str, Score]
    against: dict[str, Score]


def judge(p_up: Mapping[str, Float32], label: Float32, *, resamples: int = RESAMPLES) -> Judged:
    """Score each model's `p_up` [day, symbol] against `label` (1 up, 0 down, NaN no sample) on the same samples.

    Raises
    ------
    DataError
        A model is silent on a sample; the message counts them.
    """
    drawn = resampled_days(len(label), horizon=1, resamples=resamples)
    tables = {name: _by_day(name, values, label) for name, values in p_up.items()}
    draws = {name: _measures(drawn @ table) for name, table in tables.items()}
    values = {name: _measures(table.sum(axis=0, keepdims=True)) for name, table in tables.items()}
    scores = {name: _score(values[name], draws[name]) for name in tables}
    ours, *others = tables
    against = {
        name: _score(
            (values[ours][0] - values[name][0], values[ours][1] - values[name][1]),
            (draws[ours][0] - draws[name][0], draws[ours][1] - draws[name][1]),
        )
        for name in others
    }
    return Judged(scores, against)


def plain(p_up: Float32, label: Float32) -> tuple[float, float]:
    """Accuracy (0..1) and MCC."""
    accuracy, mcc = _measures(_by_day("model", p_up, label).sum(axis=0, keepdims=True))
    return float(accuracy[0]), float(mcc[0])


def _by_day(name: str, p_up: Float32, label: Float32) -> Float64:
    """True positives, false positives, true negatives and false negatives of each day, [day, 4]."""
    known, said, rose = confusion(p_up, label)
    silent = int((known & ~np.isfinite(p_up)).sum())
    if silent:
        raise DataError(
            f"benchmark: {name} says nothing on {silent} of {int(known.sum())} test samples: the folder needs bars "
            "from well before the first test session for every symbol."
        )
    cells = (said & rose, said & ~rose, known & ~said & ~rose, rose & ~said)
    return np.stack([cell.sum(axis=1) for cell in cells], axis=1).astype("float64")


def _measures(counts: Float64) -> tuple[Float64, Float64]:
    tp, fp, tn, fn = counts.T
    return metrics.ratio(tp + tn, tp + fp + tn + fn), metrics.mcc_of_counts(tp, fp, tn, fn)


def _score(values: tuple[Float64, Float64], draws: tuple[Float64, Float64]) -> Score:
    accuracy, mcc = (interval(float(v[0]), d) for v, d in zip(values, draws, strict=True))
    return Score(accuracy, mcc)
