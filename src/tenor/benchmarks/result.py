"""The result of a benchmark: rows of tenor, of the baselines on the same samples, and published rows.

Intervals and paired differences come from resampling days.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenor import metrics
from tenor.benchmarks.protocol import confusion
from tenor.errors import DataError
from tenor.evaluation.bootstrap import RESAMPLES, ConfidenceInterval, interval, resampled_days
from tenor.schema import Float32, Float64
from tenor.storage.files import json_values

ENSEMBLE = "tenor, ensemble"


@dataclass(frozen=True)
class PublishedRow:
    """A published result on the same data set, with a remark.

    Attributes
    ----------
    model
        Name of the model in the paper.
    accuracy
        Accuracy in percent; None if it is not given.
    mcc
        MCC, -1 .. 1; None if it is not given.
    remark
        Who ran it, or why it is not credible.
    """

    model: str
    accuracy: float | None
    mcc: float | None
    remark: str = ""


NOT_BELIEVED = "reported, not believed: test sets mixed, or code that can't be run"

ACL18 = (
    PublishedRow("LSTM", 52.75, 0.064, "rerun by the authors of SLOT"),
    PublishedRow("ALSTM", 54.90, 0.104, "in the paper on Adv-ALSTM"),
    PublishedRow("ALSTM", 51.82, 0.043, "rerun by the authors of SLOT"),
    PublishedRow("Adv-ALSTM", 57.20, 0.148, "own paper; its run starts from a supplied checkpoint"),
    PublishedRow("Adv-ALSTM", 53.11, 0.069, "rerun by the authors of SLOT"),
    PublishedRow("StockNet", 58.23, 0.081, "own paper; likely on the 1,008 samples with text on each of 5 days"),
    PublishedRow("StockNet", 53.60, -0.025, "rerun by the authors of SLOT"),
    PublishedRow("DTML", 58.12, 0.181, "rerun by the authors of SLOT"),
    PublishedRow("SLOT", 58.72, 0.207),
    PublishedRow("MAN-SF", 60.8, 0.195, NOT_BELIEVED),
    PublishedRow("PEN", 59.9, 0.156, NOT_BELIEVED),
    PublishedRow("CMIN", 62.7, 0.209, NOT_BELIEVED),
    PublishedRow("CausalStock", 63.4, 0.217, NOT_BELIEVED),
)

KDD17 = (
    PublishedRow("LSTM", 51.62, 0.018, "in the paper on Adv-ALSTM"),
    PublishedRow("ALSTM", 51.94, 0.026, "in the paper on Adv-ALSTM"),
    PublishedRow("Adv-ALSTM", 53.05, 0.052, "own paper; its run starts from a supplied checkpoint"),
    PublishedRow("DTML", 53.53, 0.073),
    PublishedRow("CausalStock", 56.09, 0.124, NOT_BELIEVED),
)


@dataclass(frozen=True)
class Score:
    """Accuracy (0..1) and MCC with 95 % intervals from resampled days; the bounds are NaN with too few days."""

    accuracy: ConfidenceInterval
    mcc: ConfidenceInterval


@dataclass(frozen=True)
class ModelScores:
    """Scores of several models on one set of samples.

    Attributes
    ----------
    scores
        Scores by model.
    differences
        For each model except the first: the first model's score minus its score, on the same resampled days.
    """

    scores: dict[str, Score]
    differences: dict[str, Score]


@dataclass(frozen=True)
class Row:
    """A row of the table, as strings.

    Attributes
    ----------
    model, accuracy, mcc, remark
        The cells; the accuracy is in percent.
    interval
        The 95 % interval of the accuracy.
    """

    model: str
    accuracy: str
    mcc: str
    interval: str
    remark: str


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult:
    """The result of tenor's model on a benchmark.

    Attributes
    ----------
    benchmark
        Name of the benchmark.
    counts
        Numbers of samples in train, valid and test.
    published_counts
        The numbers reported in the papers, or None.
    days
        Number of test days.
    seeds
        ``seed, accuracy, mcc, valid_mcc, epoch`` of each seed.
    models
        Scores of the ensemble of the seeds and of the baselines, on the test samples.
    published
        Published rows.
    notes
        Remarks for the reader of the table.
    config
        All settings of tenor's model.
    """

    benchmark: str
    counts: dict[str, int]
    published_counts: dict[str, str] | None
    days: int
    seeds: tuple[dict[str, float], ...]
    models: ModelScores
    published: tuple[PublishedRow, ...]
    notes: tuple[str, ...]
    config: dict[str, Any]

    def seed_mean(self, metric: str) -> tuple[float, float]:
        """Mean and standard deviation (ddof 1; NaN for one seed) of ``accuracy`` or ``mcc`` over the seeds."""
        values = [seed[metric] for seed in self.seeds]
        mean = math.fsum(values) / len(values)
        if len(values) < 2:
            return mean, math.nan
        return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))

    def rows(self) -> list[Row]:
        """The table: rows of tenor, of the baselines, and published ones."""
        accuracy, accuracy_sd = self.seed_mean("accuracy")
        mcc, mcc_sd = self.seed_mean("mcc")
        table = [
            Row(
                f"tenor, mean of {len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}",
                f"{100 * accuracy:.2f}" + (f" ± {100 * accuracy_sd:.2f}" if math.isfinite(accuracy_sd) else ""),
                f"{mcc:.3f}" + (f" ± {mcc_sd:.3f}" if math.isfinite(mcc_sd) else ""),
                "",
                "± is the standard deviation over seeds" if len(self.seeds) > 1 else "",
            )
        ]
        for name, score in self.models.scores.items():
            remark = f"of the same {len(self.seeds)} seeds" if name == ENSEMBLE else self._difference(name)
            table.append(
                Row(name, f"{100 * score.accuracy.value:.2f}", f"{score.mcc.value:.3f}", _span(score.accuracy), remark)
            )
        table += [
            Row(
                other.model,
                "" if other.accuracy is None else f"{other.accuracy:.2f}",
                "" if other.mcc is None else f"{other.mcc:.3f}",
                "",
                f"published; {other.remark}" if other.remark else "published",
            )
            for other in self.published
        ]
        return table

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        plain: dict[str, Any] = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "models"
        }
        plain["published"] = [dataclasses.asdict(other) for other in self.published]
        plain["models"] = dataclasses.asdict(self.models)
        means = {metric: self.seed_mean(metric) for metric in ("accuracy", "mcc")}
        plain["seed_mean"] = {metric: {"mean": mean, "sd": sd} for metric, (mean, sd) in means.items()}
        values: dict[str, Any] = json_values(plain)
        return values

    def _difference(self, name: str) -> str:
        difference = self.models.differences[name].accuracy
        span = _span(difference, signed=True)
        return f"the ensemble minus this row: {100 * difference.value:+.2f} points {span}, paired by day"


def score_models(p_up: Mapping[str, Float32], label: Float32, *, resamples: int = RESAMPLES) -> ModelScores:
    """Score all models on the same samples.

    Parameters
    ----------
    p_up
        P(up) [day, symbol], by model.
    label
        [day, symbol]; 1 up, 0 down, NaN no sample.
    resamples
        Number of resamples of the days.

    Returns
    -------
    ModelScores
        The scores of all models, and the differences to the first.

    Raises
    ------
    DataError
        A model has no prediction for a sample; the message counts them.
    """
    # [resample, day]: how often each day is drawn; multiplied by the counts of the days, the counts of the resamples
    weights = resampled_days(len(label), horizon=1, resamples=resamples)
    by_day = {name: _counts_by_day(name, values, label) for name, values in p_up.items()}
    drawn = {name: _accuracy_and_mcc(weights @ counts) for name, counts in by_day.items()}
    values = {name: _accuracy_and_mcc(counts.sum(axis=0, keepdims=True)) for name, counts in by_day.items()}
    scores = {name: _score(values[name], drawn[name]) for name in by_day}
    first, *others = by_day
    differences = {
        name: _score(
            (values[first][0] - values[name][0], values[first][1] - values[name][1]),
            (drawn[first][0] - drawn[name][0], drawn[first][1] - drawn[name][1]),
        )
        for name in others
    }
    return ModelScores(scores, differences)


def accuracy_and_mcc(p_up: Float32, label: Float32) -> tuple[float, float]:
    """Accuracy (0..1) and MCC of `p_up` against `label`, both [day, symbol]."""
    accuracy, mcc = _accuracy_and_mcc(_counts_by_day("model", p_up, label).sum(axis=0, keepdims=True))
    return float(accuracy[0]), float(mcc[0])


def _counts_by_day(name: str, p_up: Float32, label: Float32) -> Float64:
    """True positives, false positives, true negatives and false negatives of each day, [day, 4]."""
    known = np.isfinite(label)
    missing = int((known & ~np.isfinite(p_up)).sum())
    if missing:
        raise DataError(
            f"benchmark: {name} has no prediction for {missing} of {int(known.sum())} test samples: the folder needs "
            "bars from well before the first test session for every symbol."
        )
    return np.stack([cells.sum(axis=1) for cells in confusion(p_up > 0.5, label)], axis=1).astype("float64")


def _accuracy_and_mcc(counts: Float64) -> tuple[Float64, Float64]:
    """Accuracy and MCC of each row of `counts` [row, 4]."""
    tp, fp, tn, fn = counts.T
    return metrics.ratio(tp + tn, tp + fp + tn + fn), metrics.mcc_of_counts(tp, fp, tn, fn)


def _score(values: tuple[Float64, Float64], drawn: tuple[Float64, Float64]) -> Score:
    """A score from the values on all days and those on each resample; both (accuracy, MCC)."""
    return Score(interval(float(values[0][0]), drawn[0]), interval(float(values[1][0]), drawn[1]))


def _span(bounds: ConfidenceInterval, *, signed: bool = False) -> str:
    if not (math.isfinite(bounds.low) and math.isfinite(bounds.high)):
        return ""
    sign = "+" if signed else ""
    return f"[{100 * bounds.low:{sign}.1f}, {100 * bounds.high:{sign}.1f}]"
