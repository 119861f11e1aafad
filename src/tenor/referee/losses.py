"""One loss, many models: means, tests against each other, and the model confidence set, all on the same cells."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tenor import metrics
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.risk import Comparison
from tenor.evaluation.risk_metrics import by_day, diebold_mariano_of, model_confidence_set, pinball
from tenor.evaluation.significance import HypothesisTest, holm, mean_by_day
from tenor.referee.result import LossTable, Pairwise
from tenor.schema import Float64

LEAST_DAYS = 30
"""The fewest days with which differences are tested."""


def on_common_cells(cells: Mapping[str, Float64]) -> dict[str, Float64]:
    """The losses of all models [day, symbol], with NaN in every cell in which one model has NaN."""
    known = np.logical_and.reduce([np.isfinite(each) for each in cells.values()])
    return {name: np.where(known, each, np.nan) for name, each in cells.items()}


def loss_table(
    measure: str,
    cells: Mapping[str, Float64],
    horizon: int,
    *,
    sessions: pd.DatetimeIndex,
    symbols: Sequence[str],
    reference: str,
) -> LossTable | None:
    """The first model of `cells` compared with the others; None if there is no common cell.

    Parameters
    ----------
    measure
        Name of the loss.
    cells
        From each model to its losses [session, symbol]; NaN where it has no forecast.
    horizon
        Sessions ahead.
    sessions, symbols
        The names of the axes.
    reference
        The baseline that decides; one of `cells`.
    """
    common = on_common_cells(cells)
    ours, *others = common
    counts = np.isfinite(common[ours])
    days = np.asarray(counts.any(axis=1))
    if not days.any():
        return None
    common = {name: each[days] for name, each in common.items()}
    counts = counts[days]
    values = {name: mean_by_day(each, horizon) for name, each in common.items()}
    tests = {other: _test(common[ours], common[other], horizon) for other in others}
    adjusted = holm({other: test.p for other, test in tests.items()})
    mine, their = common[ours], common[reference]
    by_symbol = {
        symbol: 1 - float(metrics.ratio(mine[counts[:, i], i].sum(), their[counts[:, i], i].sum()))
        for i, symbol in enumerate(symbols)
        if counts[:, i].any()
    }
    return LossTable(
        measure=measure,
        days=int(days.sum()),
        samples=int(counts.sum()),
        values=values,
        comparisons={
            other: _comparison(values[ours], values[other], test, adjusted[other]) for other, test in tests.items()
        },
        confidence_set=_confidence_set(common, horizon),
        by_symbol=by_symbol,
        sessions=sessions[days],
        excess=tuple(float(x) for x in by_day(mine - their)[0]),
        reference=reference,
    )


def pairwise(
    measure: str, cells: Mapping[str, Float64], horizon: int, *, models: Sequence[str], reference: str
) -> Pairwise | None:
    """Compare `models` with each other, and all of them with `reference`; None if they have no common cell.

    Parameters
    ----------
    measure, cells, horizon
        As in `loss_table`; `cells` holds the models and the reference.
    models
        The models to compare.
    reference
        A baseline that is also a candidate of the model confidence set.
    """
    common = on_common_cells(cells)
    counts = np.isfinite(next(iter(common.values())))
    days = counts.any(axis=1)
    if not days.any():
        return None
    common = {name: each[days] for name, each in common.items()}
    values = {name: mean_by_day(each, horizon) for name, each in common.items()}
    tests = {(a, b): _test(common[a], common[b], horizon) for a, b in itertools.combinations(models, 2)}
    adjusted = holm({f"{i}": test.p for i, test in enumerate(tests.values())})
    return Pairwise(
        measure=measure,
        horizon=horizon,
        days=int(days.sum()),
        samples=int(counts.sum()),
        values=values,
        tests={
            pair: _comparison(values[pair[0]], values[pair[1]], test, adjusted[f"{i}"])
            for i, (pair, test) in enumerate(tests.items())
        },
        confidence_set=_confidence_set(common, horizon),
        reference=reference,
    )


def mean_pinball(quantiles: Mapping[float, Float64], realised: Float64) -> Float64:
    """[session, symbol]; twice the mean pinball loss over the levels of `quantiles`; NaN where a quantile is missing.

    Over evenly spaced levels it is the continuous ranked probability score, as in `tenor.evaluation.risk_metrics.crps`.
    """
    total = np.zeros(realised.shape)
    for level, cells in quantiles.items():
        total = total + pinball(cells, level, realised)
    return 2 * total / len(quantiles)


def _test(ours: Float64, other: Float64, horizon: int) -> HypothesisTest:
    test = diebold_mariano_of(ours, other, horizon=horizon)
    if int(np.isfinite(ours).any(axis=1).sum()) < LEAST_DAYS:
        return HypothesisTest(test.value, math.nan, math.nan, math.nan)
    return test


def _comparison(ours: ConfidenceInterval, other: ConfidenceInterval, test: HypothesisTest, p: float) -> Comparison:
    change = float(metrics.ratio(ours.value, other.value)) - 1
    return Comparison(0.0 if ours.value == other.value else change, test.statistic, test.p, p)


def _confidence_set(cells: Mapping[str, Float64], horizon: int) -> dict[str, float]:
    days = next(iter(cells.values())).shape[0]
    if len(cells) < 2 or days < LEAST_DAYS:
        return dict.fromkeys(cells, math.nan)
    return model_confidence_set({name: by_day(each)[0] for name, each in cells.items()}, horizon=horizon)
