"""Evaluates a walk-forward: all folds together by day, each fold by itself, and a verdict in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tenor.evaluation.baselines import PERSISTENCE
from tenor.evaluation.bootstrap import RESAMPLES, ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation, evaluate
from tenor.evaluation.uncertainty import ADAPTIVE, FIXED, Uncertainty, uncertainty
from tenor.evaluation.walkforward import WalkForward
from tenor.schema import Panel
from tenor.storage.files import json_values
from tenor.training.folds import fold_table

SHOWN = ("skill", "direction", "mcc", "rank_ic")
"""Metrics that are computed for each fold."""


@dataclass(frozen=True)
class FoldRow:
    """Results of the model on the test part of one fold.

    Attributes
    ----------
    fold
        Number of the fold, counted from 1.
    dates
        First and last day of each part, by name of the part.
    days, samples
        Numbers of sessions and cells that count.
    metrics
        Value and 95 % interval of each metric of `SHOWN`.
    p
        P-value of a Diebold-Mariano test against persistence in this fold, not adjusted; NaN with too few days.
    """

    fold: int
    dates: dict[str, tuple[str, str]]
    days: int
    samples: int
    metrics: dict[str, ConfidenceInterval]
    p: float

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        values: dict[str, Any] = json_values(asdict(self))
        return values


@dataclass(frozen=True)
class WalkForwardSummary:
    """The results of a walk-forward, by horizon.

    Attributes
    ----------
    verdict
        One sentence.
    table
        The folds as a table of dates.
    evaluations
        Evaluations on the pooled days of all folds.
    folds
        Results of each fold by itself.
    uncertainty
        Evaluation of the uncertainty, on all days and by fold.
    scheme
        The scheme of the training parts, rolling or expanding.
    purge
        Number of sessions dropped between parts (purge).
    seeds
        Number of networks per fold.
    """

    verdict: str
    table: str
    scheme: str
    purge: int
    seeds: int
    evaluations: dict[int, Evaluation]
    folds: dict[int, tuple[FoldRow, ...]]
    uncertainty: dict[int, Uncertainty]

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "verdict": self.verdict,
            "scheme": self.scheme,
            "purge": self.purge,
            "seeds": self.seeds,
            "table": self.table.splitlines(),
            "evaluations": [evaluation.to_json() for evaluation in self.evaluations.values()],
            "folds": {str(horizon): [row.to_json() for row in rows] for horizon, rows in self.folds.items()},
            "uncertainty": [of_horizon.to_json() for of_horizon in self.uncertainty.values()],
        }


def summarise_walk(panel: Panel, walk: WalkForward, *, scheme: str, resamples: int = RESAMPLES) -> WalkForwardSummary:
    """Evaluate `walk`, made with adaptive intervals, at every horizon of `panel`.

    Parameters
    ----------
    panel
        The panel that was walked.
    walk
        The walk-forward, with adaptive intervals.
    scheme
        The scheme of the training parts, for the report.
    resamples
        Number of resamples of the days.

    Returns
    -------
    WalkForwardSummary
        The results by horizon.

    Raises
    ------
    HistoryError
        A fold has no cell that counts.
    """
    counted = walk.counted(panel)
    evaluations = {
        h: evaluate(counted, walk.rows, walk.predictions, horizon=h, resamples=resamples) for h in panel.horizons
    }
    ours = walk.predictions[walk.name]
    kinds = {FIXED: ours} | ({} if walk.adaptive is None else {ADAPTIVE: walk.adaptive})
    parts = tuple(fold.split.test for fold in walk.folds)
    return WalkForwardSummary(
        verdict=headline(evaluations, f"{len(parts)} walk-forward fold{'s' if len(parts) > 1 else ''}"),
        table=fold_table(panel.sessions, [fold.split for fold in walk.folds]),
        scheme=scheme,
        purge=walk.folds[0].split.purge,
        seeds=len(walk.seeds),
        evaluations=evaluations,
        folds={h: _rows(counted, walk, h, resamples) for h in panel.horizons},
        uncertainty={
            h: uncertainty(counted, walk.rows, ours, kinds, horizon=h, folds=parts, resamples=resamples)
            for h in panel.horizons
        },
    )


def _rows(panel: Panel, walk: WalkForward, horizon: int, resamples: int) -> tuple[FoldRow, ...]:
    pair = {name: walk.predictions[name] for name in dict.fromkeys((walk.name, PERSISTENCE))}
    rows = []
    for number, fold in enumerate(walk.folds, start=1):
        evaluation = evaluate(panel, fold.split.test, pair, horizon=horizon, resamples=resamples)
        rows.append(
            FoldRow(
                fold=number,
                dates=fold.split.dates(panel.sessions),
                days=evaluation.days,
                samples=evaluation.samples,
                metrics={metric: evaluation.table[walk.name][metric] for metric in SHOWN},
                p=evaluation.tests[0].squared_error.p,
            )
        )
    return tuple(rows)


def headline(evaluations: Mapping[int, Evaluation], where: str) -> str:
    """One sentence on whether the model beats persistence, at each horizon, by Diebold-Mariano after Holm.

    Parameters
    ----------
    evaluations
        Evaluations by horizon.
    where
        What was tested, such as ``4 walk-forward folds``.

    Returns
    -------
    str
        The sentence.
    """
    sides: dict[int | None, list[int]] = {}
    for horizon, evaluation in evaluations.items():
        sides.setdefault(side_of(evaluation, PERSISTENCE), []).append(horizon)
    name = next(iter(next(iter(evaluations.values())).table))
    words: dict[int | None, str] = {
        1: f"{name} beats persistence at 5 %",
        0: "no edge over persistence at 5 %",
        -1: f"{name} is worse than persistence at 5 %",
        None: f"too few days to tell {name} from persistence",
    }
    results = "; ".join(f"{text}, {_ahead(sides[side])}" for side, text in words.items() if side in sides)
    first = min(evaluation.first for evaluation in evaluations.values())
    last = max(evaluation.last for evaluation in evaluations.values())
    days = max(evaluation.days for evaluation in evaluations.values())
    count = len(next(iter(evaluations.values())).tests)
    return (
        f"{results[0].upper()}{results[1:]} ({where}, {days} days, {first:%Y-%m-%d} … {last:%Y-%m-%d}; "
        f"squared error, Diebold-Mariano after Holm over {count} model{'s' if count != 1 else ''})."
    )


def side_of(evaluation: Evaluation, other: str) -> int | None:
    """Which squared error is smaller: that of the evaluated model (1) or of `other` (-1); see `side_of_test`.

    None also if `other` is not among the models of the evaluation.
    """
    return next((test.side for test in evaluation.tests if test.other == other), None)


def _ahead(horizons: Sequence[int]) -> str:
    counts = [str(h) for h in horizons]
    listed = counts[0] if len(counts) == 1 else f"{', '.join(counts[:-1])} and {counts[-1]}"
    return f"{listed} session{'' if listed == '1' else 's'} ahead"
