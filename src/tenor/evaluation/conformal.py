"""How often 90 % intervals held, on which days and in which cells. `adapt` makes intervals that stay at 90 %."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenor.errors import DataError
from tenor.evaluation import cells
from tenor.evaluation.bootstrap import RESAMPLES, ConfidenceInterval
from tenor.evaluation.significance import drawn_days, share
from tenor.inference.conformal import MISS, adapt
from tenor.schema import Bool, Float32, Float64, Panel, Predictions

__all__ = ["MISS", "Coverage", "adapt", "coverage"]


@dataclass(frozen=True)
class Coverage:
    """Share of returns inside the 90 % interval, with 95 % intervals from resampled days; NaN with too few days.

    Attributes
    ----------
    overall
        Over all cells.
    by_year
        Year -> over its cells.
    volatile_days
        On the tenth of days on which volatility, as known when the forecast was made, was highest.
    volatile_cells
        In the tenth of cells whose volatility was highest, likewise.
    violent_days
        On the tenth of days that turned out with the largest mean absolute return. No interval made before can cover
        90 % on days chosen for how far they moved: it says how much was missed, not what is calibrated.
    width
        Mean of upper - lower, in log return.
    """

    overall: ConfidenceInterval
    by_year: dict[str, ConfidenceInterval]
    volatile_days: ConfidenceInterval
    volatile_cells: ConfidenceInterval
    violent_days: ConfidenceInterval
    width: float


def coverage(
    panel: Panel, rows: slice, said: Predictions, *, horizon: int, resamples: int = RESAMPLES, seed: int = 0
) -> Coverage:
    """How often the intervals of `said` held on `rows` (of one fold, or of all).

    Raises
    ------
    HistoryError
        No cell counts.
    DataError
        `said` has no interval in a cell that counts.
    """
    days, realised = cells.realised(panel, rows, horizon=horizon)
    counts = np.isfinite(realised)
    lower, upper = (_bound(panel, said, bound, days, counts, horizon) for bound in ("lower", "upper"))
    inside = counts & (realised >= lower) & (realised <= upper)
    volatility = np.where(counts, panel.volatility[days], np.nan)
    expected, moved = np.nanmean(volatility, axis=1), np.nanmean(np.abs(realised), axis=1)
    drawn, block = drawn_days(len(days), horizon=horizon, resamples=resamples, seed=seed)

    def held(chosen: Bool) -> ConfidenceInterval:
        return share(
            (inside & chosen).sum(axis=1, dtype="float64"),
            (counts & chosen).sum(axis=1, dtype="float64"),
            drawn,
            block=block,
        )

    years = panel.sessions[days].year.to_numpy()
    return Coverage(
        overall=held(counts),
        by_year={str(year): held((years == year)[:, None]) for year in np.unique(years)},
        volatile_days=held((expected >= np.quantile(expected, 0.9))[:, None]),
        volatile_cells=held(counts & (volatility >= np.nanquantile(volatility, 0.9))),
        violent_days=held((moved >= np.quantile(moved, 0.9))[:, None]),
        width=float((upper - lower)[counts].mean()),
    )


def _bound(panel: Panel, said: Predictions, name: str, days: NDArray[np.intp], counts: Bool, horizon: int) -> Float64:
    values: Float32 | None = getattr(said, name)
    if values is None:
        raise DataError(f"predictions of {said.model} have no interval: give them one with conformal.adapt first.")
    bound = values[days, :, panel.horizon_index(horizon)].astype("float64")
    missing = counts & ~np.isfinite(bound)
    if missing.any():
        day, symbol = np.argwhere(missing)[0]
        raise DataError(
            f"{said.model} gives no {name} bound for {panel.symbols[symbol]} on {panel.sessions[days[day]]:%Y-%m-%d}: "
            "run conformal.adapt over the rows that are judged."
        )
    return bound
