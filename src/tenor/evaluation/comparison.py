"""One model against every other, on the same cells: all tests of `significance`, and a verdict for each pair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tenor.errors import DataError
from tenor.evaluation import cells
from tenor.evaluation.bootstrap import RESAMPLES, DayTotals
from tenor.evaluation.significance import (
    LEVEL,
    PAIRED,
    Difference,
    Directed,
    HypothesisTest,
    diebold_mariano,
    drawn_days,
    format_p,
    holm,
    pesaran_timmermann,
    resampled,
)
from tenor.schema import Float64, Panel, Predictions
from tenor.storage.files import json_values


@dataclass(frozen=True)
class Comparison:
    """The evaluated model against one other, on the same cells.

    Attributes
    ----------
    model, other
        Their names.
    horizon
        Sessions ahead.
    days
        Number of sessions with a cell that counts.
    squared_error
        The two-sided Diebold-Mariano test. Its `value` is the mean over days of the evaluated model's squared error (of
        returns) minus the other's; below zero, the evaluated model is better.
    holm
        The p-value of that test, adjusted with Holm's method for all comparisons of the table.
    differences
        For each metric in `PAIRED`, the evaluated model's value minus the other's.
    direction, other_direction
        The Pesaran-Timmermann test of each model.
    verdict
        The result in one sentence.
    """

    model: str
    other: str
    horizon: int
    days: int
    squared_error: HypothesisTest
    holm: float
    differences: dict[str, Difference]
    direction: Directed
    other_direction: Directed
    verdict: str

    @property
    def side(self) -> int | None:
        """1 if the evaluated model's squared error is smaller at 5 % after Holm's correction, -1 if the other's is;
        see `side_of_test`.
        """
        return side_of_test(self.squared_error, self.holm)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        plain: dict[str, Any] = json_values(asdict(self))
        return plain


def side_of_test(test: HypothesisTest, adjusted: float) -> int | None:
    """Which of two forecasts a Diebold-Mariano `test` shows to be better at `LEVEL`.

    Parameters
    ----------
    test
        The test of the first forecast's squared error minus the other's.
    adjusted
        The p-value to decide by, after Holm's correction.

    Returns
    -------
    int or None
        1 if the first forecast is better, -1 if it is worse, 0 if neither can be shown (as for equal forecasts), None
        if there are too few days for a test.
    """
    if not math.isfinite(adjusted):
        return 0 if test.value == 0 else None
    if adjusted >= LEVEL:
        return 0
    return 1 if test.value < 0 else -1


def compare_models(
    panel: Panel,
    rows: slice,
    predictions: Mapping[str, Predictions],
    *,
    horizon: int,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison]:
    """Test the first of `predictions` against every other, on the cells of `rows` that count.

    Parameters
    ----------
    panel
        The panel that was predicted.
    rows
        The sessions of the test, as a slice of the panel's session axis.
    predictions
        The predictions of each model for the whole panel, by name.
    horizon
        Sessions ahead.
    resamples, seed
        Number of resamples of the days, and their seed.

    Raises
    ------
    HistoryError
        No cell counts.
    DataError
        Fewer than two models, or a model without valid predictions for these cells.
    """
    if len(predictions) < 2:
        raise DataError("nothing to compare: give the predictions of at least two models.")
    days, realised = cells.realised(panel, rows, horizon=horizon)
    counts = np.isfinite(realised)
    means: dict[str, Float64] = {}
    totals: dict[str, DayTotals] = {}
    directions: dict[str, Directed] = {}
    for name, of_model in predictions.items():
        means[name], p_up = cells.predicted(panel, days, counts, name, of_model, horizon=horizon)
        totals[name] = DayTotals.of(means[name], p_up, realised)
        directions[name] = pesaran_timmermann(p_up, realised, horizon=horizon)
    drawn, block = drawn_days(len(days), horizon=horizon, resamples=resamples, seed=seed)
    draws = {name: total.measure(drawn) for name, total in totals.items()}
    values = {name: total.values() for name, total in totals.items()}
    ours, *others = predictions
    errors = {name: diebold_mariano(means[ours], means[name], realised, horizon=horizon) for name in others}
    adjusted = holm({name: test.p for name, test in errors.items()})
    return [
        Comparison(
            model=ours,
            other=name,
            horizon=horizon,
            days=len(days),
            squared_error=errors[name],
            holm=adjusted[name],
            differences={
                metric: resampled(
                    values[ours][metric] - values[name][metric],
                    draws[ours][metric] - draws[name][metric],
                    days=len(days),
                    block=block,
                )
                for metric in PAIRED
            },
            direction=directions[ours],
            other_direction=directions[name],
            verdict=_verdict(ours, name, errors[name], adjusted[name], days=len(days)),
        )
        for name in others
    ]


def _verdict(model: str, other: str, test: HypothesisTest, adjusted: float, *, days: int) -> str:
    if not math.isfinite(adjusted):
        if test.value == 0:
            return f"{model} and {other} forecast the same: there is no difference to test."
        return f"{days} days are too few to tell {model} from {other} in squared error."
    opening = {
        1: f"{model} beats {other} in squared error at 5 % after Holm",
        0: f"No edge over {other} in squared error at 5 % after Holm",
        -1: f"{model} is worse than {other} in squared error at 5 % after Holm",
    }[side_of_test(test, adjusted) or 0]
    shown = f"Diebold-Mariano {test.statistic:.2f}, p {format_p(test.p)}, Holm p {format_p(adjusted)}"
    return f"{opening} ({shown})."
