"""Forecasts and realised values, cell by cell: coverage of intervals over time and by volatility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.significance import bins_by_day
from tenor.report import style
from tenor.report.page import Picture
from tenor.report.style import format_percent
from tenor.schema import Bool, Float64, Panel, Predictions

INTERVAL_LEVEL = 0.9
WINDOW = 21
"""Sessions in the rolling window of the coverage."""


@dataclass(frozen=True)
class ForecastCells:
    """Forecasts and realised values, [session, symbol], NaN where a cell does not count.

    A cell counts where the panel's mask is True and its return is known: the same rule as in `tenor.evaluation`.
    Returns are natural logs over `horizon` sessions. `lower` and `upper` are all NaN for a model without intervals.
    `start` is the index of the first session on the panel's axis.
    """

    horizon: int
    start: int
    sessions: pd.DatetimeIndex
    realised: Float64
    mean: Float64
    p_up: Float64
    lower: Float64
    upper: Float64
    volatility: Float64

    @property
    def inside(self) -> Float64:
        """1 where the realised return lies in the 90 % interval, 0 where not, NaN where a cell does not count."""
        within = (self.realised >= self.lower) & (self.realised <= self.upper)
        return np.where(np.isfinite(self.realised + self.lower + self.upper), within.astype("float64"), np.nan)


def forecast_cells(panel: Panel, rows: slice, predictions: Predictions, horizon: int) -> ForecastCells:
    """The cells of `rows` that count at `horizon`."""
    h = panel.horizon_index(horizon)
    target = panel.targets[rows, :, h].astype("float64")
    counts: Bool = panel.mask[rows] & np.isfinite(target)
    undefined = np.full(target.shape, np.nan)

    def cut(values: np.ndarray | None) -> Float64:
        return undefined if values is None else np.where(counts, values[rows, :, h].astype("float64"), np.nan)

    def bound(values: np.ndarray | None, level: float) -> Float64:
        if values is not None or predictions.risk is None:
            return cut(values)
        return np.where(counts, predictions.risk.quantile(level, h)[rows].astype("float64"), np.nan)

    return ForecastCells(
        horizon=horizon,
        start=rows.indices(len(panel.sessions))[0],
        sessions=panel.sessions[rows],
        realised=np.where(counts, target, np.nan),
        mean=cut(predictions.mean),
        p_up=cut(predictions.p_up),
        lower=bound(predictions.lower, 0.05),
        upper=bound(predictions.upper, 0.95),
        volatility=np.where(counts, panel.volatility[rows].astype("float64"), np.nan),
    )


def coverage_picture(cells: ForecastCells) -> Picture | None:
    """The coverage of the 90 % intervals over time, and by volatility; None for a model without intervals."""
    inside = cells.inside
    if not np.isfinite(inside).any():
        return None
    caption = "Inside the 90 % interval over time: above the dashed line it is too wide."
    _, means = bins_by_day(inside, cells.volatility, cells.horizon, bins=5)
    listed = ", ".join(format_percent(mean.value, 1) for mean in means)
    overall = format_percent(float(np.nanmean(inside)), 1)
    alt = f"Share inside over time, {overall} overall; by fifth of volatility, calmest first: {listed or 'unknown'}."
    return Picture(figure_coverage(cells), caption, alt)


@style.styled
def figure_coverage(cells: ForecastCells) -> Figure:
    """Share of realised returns inside the 90 % interval: over time, and by the stock's volatility on the day."""
    figure = style.canvas(3.2)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.5, 1))
    inside = cells.inside
    known = np.isfinite(inside)
    by_day = pd.DataFrame({"hits": np.where(known, inside, 0.0).sum(axis=1), "cells": known.sum(axis=1)})
    rolled = by_day.rolling(WINDOW, min_periods=WINDOW).sum()
    share = (rolled["hits"] / rolled["cells"].where(rolled["cells"] > 0)).to_numpy()
    left.plot(cells.sessions, share, color=style.OURS)
    _, means = bins_by_day(inside, cells.volatility, cells.horizon, bins=5)
    _whiskers(right, list(range(len(means))), means)
    left.set_title(f"Share inside, {WINDOW} sessions rolling")
    right.set_title("The same by fifth of volatility")
    right.set_xticks(range(5), ["calmest", "2", "3", "4", "wildest"])
    right.tick_params(axis="y", length=0)
    for axes in (left, right):
        axes.axhline(INTERVAL_LEVEL, color=style.MUTED, lw=0.9, ls="--")
        style.percent_axis(axes.yaxis)
    style.date_ticks(left, cells.sessions)
    return figure


def _whiskers(axes: Axes, at: Sequence[float], means: Sequence[ConfidenceInterval], colour: str = style.OURS) -> None:
    for x, mean in zip(at, means, strict=True):
        axes.plot([x, x], [mean.low, mean.high], color=colour, lw=1.4)
    axes.plot(at, [m.value for m in means], "o", color=colour, ms=5)
