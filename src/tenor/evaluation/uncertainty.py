"""Evaluates the uncertainty of forecasts: P(up), 90 % intervals, and accuracy with abstention.

All of it is out of sample, with 95 % intervals from resampled days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenor import metrics
from tenor.errors import DataError
from tenor.evaluation import cells
from tenor.evaluation.bootstrap import RESAMPLES, ConfidenceInterval
from tenor.evaluation.significance import drawn_days, resampled, share
from tenor.schema import Bool, Float64, Panel, Predictions
from tenor.storage.files import json_values

FIXED = "one quantile of validation"
ADAPTIVE = "adaptive"

SHARES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05)
"""Shares of the cells, or days, for which `abstention` keeps the forecasts."""


@dataclass(frozen=True)
class Coverage:
    """Coverage of the 90 % interval, with 95 % intervals from resampled days; these are NaN with too few days.

    Attributes
    ----------
    overall
        Coverage over all cells.
    by_year
        Coverage by year.
    volatile_days
        Coverage on the tenth of days with the highest volatility, as known when the forecast was made.
    volatile_cells
        Coverage in the tenth of cells with the highest volatility, likewise.
    violent_days
        Coverage on the tenth of days with the largest realised mean absolute return. No interval can cover 90 % on days
        selected by their outcome: this shows how much was missed, and is not a measure of calibration.
    width
        Mean of upper - lower bound, in log return.
    """

    overall: ConfidenceInterval
    by_year: dict[str, ConfidenceInterval]
    volatile_days: ConfidenceInterval
    volatile_cells: ConfidenceInterval
    violent_days: ConfidenceInterval
    width: float


@dataclass(frozen=True)
class CoverageAccuracy:
    """Accuracy of a model that abstains below a threshold: one point of its coverage-accuracy curve.

    Attributes
    ----------
    threshold
        It predicts a direction if |P(up) - .5| is at least this (with `whole_days`, if the day's mean of it is).
    cells, days
        Share of cells for which it predicts a direction, and of days on which it does so for at least one symbol.
    accuracy
        Share of right directions among them, with its 95 % interval from resampled days.
    edge
        `accuracy` minus the share of rises on the same cells, which is the accuracy of always-up there.
    """

    threshold: float
    cells: float
    days: float
    accuracy: ConfidenceInterval
    edge: ConfidenceInterval


@dataclass(frozen=True)
class Uncertainty:
    """Evaluation of one model's uncertainty at one horizon.

    Attributes
    ----------
    horizon
        Sessions ahead.
    brier
        Brier score: mean of (P(up) - went up)^2, where went up is 1 or 0.
    brier_constant
        Brier score of always predicting the share of rises of the same cells, the best constant forecast.
    ece
        Expected calibration error, in ten groups of equal count.
    coverage
        Coverage by kind of 90 % interval (`FIXED`, `ADAPTIVE`).
    by_fold
        Coverage by kind, one mapping for each fold in order.
    abstention, abstention_days
        Accuracy when the model abstains from its least certain forecasts; by cell, and by whole days.
    """

    horizon: int
    brier: float
    brier_constant: float
    ece: float
    coverage: dict[str, Coverage]
    by_fold: tuple[dict[str, Coverage], ...]
    abstention: tuple[CoverageAccuracy, ...]
    abstention_days: tuple[CoverageAccuracy, ...]

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        values: dict[str, Any] = json_values(asdict(self))
        return values


def uncertainty(
    panel: Panel,
    rows: slice,
    predictions: Predictions,
    intervals: Mapping[str, Predictions],
    *,
    horizon: int,
    folds: tuple[slice, ...] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Uncertainty:
    """Evaluate the uncertainty of `predictions` on `rows`.

    Parameters
    ----------
    panel, rows, horizon
        The panel, the test sessions as a slice of its session axis, and the horizon in sessions ahead.
    predictions
        Predictions of the model, over the whole panel.
    intervals
        Predictions with the bounds of each kind of interval, by kind.
    folds
        The test parts that `rows` consist of.
    resamples, seed
        Number of resamples of the days, and their seed.

    Returns
    -------
    Uncertainty
        The evaluation at `horizon`.

    Raises
    ------
    HistoryError
        No cell counts.
    DataError
        The predictions or bounds are missing in a cell that counts.
    """
    _, realised, p_up = cells.realised_and_p_up(panel, rows, predictions, horizon=horizon)
    rises = float((realised[np.isfinite(realised)] > 0).mean())

    def coverages(part: slice) -> dict[str, Coverage]:
        return {
            kind: coverage(panel, part, bounded, horizon=horizon, resamples=resamples, seed=seed)
            for kind, bounded in intervals.items()
        }

    def curve(whole_days: bool) -> tuple[CoverageAccuracy, ...]:
        return tuple(
            abstention(panel, rows, predictions, horizon=horizon, whole_days=whole_days, resamples=resamples, seed=seed)
        )

    return Uncertainty(
        horizon=horizon,
        brier=metrics.brier(p_up, realised),
        brier_constant=rises * (1 - rises),
        ece=metrics.ece(p_up, realised),
        coverage=coverages(rows),
        by_fold=tuple(coverages(part) for part in folds),
        abstention=curve(whole_days=False),
        abstention_days=curve(whole_days=True),
    )


def coverage(
    panel: Panel, rows: slice, predictions: Predictions, *, horizon: int, resamples: int = RESAMPLES, seed: int = 0
) -> Coverage:
    """Coverage of the intervals of `predictions` on `rows` (of one fold, or of all).

    Parameters
    ----------
    panel, rows, horizon, resamples, seed
        As in `uncertainty`.
    predictions
        Predictions with the bounds of the intervals, over the whole panel.

    Returns
    -------
    Coverage
        The coverage, overall and by subset.

    Raises
    ------
    HistoryError
        No cell counts.
    DataError
        `predictions` have no interval in a cell that counts.
    """
    days, realised = cells.realised(panel, rows, horizon=horizon)
    counts = np.isfinite(realised)
    lower = _bound(panel, predictions, "lower", days, counts, horizon)
    upper = _bound(panel, predictions, "upper", days, counts, horizon)
    inside = counts & (realised >= lower) & (realised <= upper)
    volatility = np.where(counts, panel.volatility[days], np.nan)
    expected_moves = np.nanmean(volatility, axis=1)
    realised_moves = np.nanmean(np.abs(realised), axis=1)
    drawn, block = drawn_days(len(days), horizon=horizon, resamples=resamples, seed=seed)

    def share_inside(chosen: Bool) -> ConfidenceInterval:
        hits = (inside & chosen).sum(axis=1, dtype="float64")
        return share(hits, (counts & chosen).sum(axis=1, dtype="float64"), drawn, block=block)

    years = panel.sessions[days].year.to_numpy()
    return Coverage(
        overall=share_inside(counts),
        by_year={str(year): share_inside((years == year)[:, None]) for year in np.unique(years)},
        volatile_days=share_inside((expected_moves >= np.quantile(expected_moves, 0.9))[:, None]),
        volatile_cells=share_inside(counts & (volatility >= np.nanquantile(volatility, 0.9))),
        violent_days=share_inside((realised_moves >= np.quantile(realised_moves, 0.9))[:, None]),
        width=float((upper - lower)[counts].mean()),
    )


def abstention(
    panel: Panel,
    rows: slice,
    predictions: Predictions,
    *,
    horizon: int,
    whole_days: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[CoverageAccuracy]:
    """Accuracy when the model abstains from its least certain forecasts, from all cells to the most certain twentieth.

    Thresholds are quantiles of the certainty in the test, and do not depend on outcomes. Cells of equal certainty are
    kept or dropped together, so that fewer points than `SHARES` can result; a model that names no direction has none.

    Parameters
    ----------
    panel, rows, predictions, horizon
        As in `uncertainty`.
    whole_days
        Whether to predict all symbols of a day or none.
    resamples, seed
        Number of resamples of the days, and their seed.

    Returns
    -------
    list of CoverageAccuracy
        Points of the coverage-accuracy curve, from all cells to the fewest.

    Raises
    ------
    HistoryError
        No cell counts.
    DataError
        The predictions are missing in a cell that counts.
    """
    days, realised, p_up = cells.realised_and_p_up(panel, rows, predictions, horizon=horizon)
    counts = np.isfinite(realised)
    if not metrics.names_direction(p_up[counts]):
        return []
    certainty = np.where(counts, np.abs(p_up - 0.5), 0.0)
    if whole_days:  # each cell gets the mean of its day, so that a threshold keeps or drops the day as a whole
        by_day = certainty.sum(axis=1) / counts.sum(axis=1)
        certainty = np.repeat(by_day[:, None], counts.shape[1], axis=1)
    drawn, block = drawn_days(len(days), horizon=horizon, resamples=resamples, seed=seed)
    # method="higher" makes each threshold a value in the data: interpolated ones would split ties by rounding
    thresholds = np.quantile(certainty[counts], 1 - np.array(SHARES), method="higher")
    rose = realised > 0
    right = (p_up > 0.5) == rose
    return [
        _curve_point(threshold, counts & (certainty >= threshold), counts, right, rose, drawn, block)
        for threshold in np.unique(thresholds)
    ]


def _curve_point(
    threshold: float,
    predicted: Bool,
    counts: Bool,
    right: Bool,
    rose: Bool,
    drawn: Float64,
    block: int,
) -> CoverageAccuracy:
    n = predicted.sum(axis=1, dtype="float64")
    hits = (predicted & right).sum(axis=1, dtype="float64")
    rises = (predicted & rose).sum(axis=1, dtype="float64")
    edges = metrics.ratio(drawn @ (hits - rises), drawn @ n)
    edge = resampled(float((hits - rises).sum() / n.sum()), edges, days=len(n), block=block)
    return CoverageAccuracy(
        threshold=float(threshold),
        cells=float(n.sum() / counts.sum()),
        days=float((n > 0).mean()),
        accuracy=share(hits, n, drawn, block=block),
        edge=edge.interval,
    )


def _bound(
    panel: Panel, predictions: Predictions, name: str, days: NDArray[np.intp], counts: Bool, horizon: int
) -> Float64:
    """The bound `name` (lower or upper) of every cell, [day, symbol]."""
    values = predictions.lower if name == "lower" else predictions.upper
    if values is None:
        raise DataError(f"predictions of {predictions.model} have no interval: give them one with adapt first.")
    bound = values[days, :, panel.horizon_index(horizon)].astype("float64")
    missing = counts & ~np.isfinite(bound)
    if missing.any():
        day, symbol = np.argwhere(missing)[0]
        raise DataError(
            f"{predictions.model} gives no {name} bound for {panel.symbols[symbol]} on "
            f"{panel.sessions[days[day]]:%Y-%m-%d}: run adapt over the rows that are evaluated."
        )
    return bound
