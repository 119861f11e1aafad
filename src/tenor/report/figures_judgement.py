"""Figures of the judgement: differences from baselines, skill by year and by symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.report import style

DIFFERENCES = {
    "return_rmse": ("RMSE of returns", "difference, bps", 1e4, "lower is better", -1),
    "direction": ("Direction accuracy", "difference, % points", 1e2, "higher is better", 1),
    "rank_ic": ("Rank IC", "difference", 1.0, "higher is better", 1),
}
"""metric -> (title, unit, scale to it, what is better, sign of better)."""
MOST_SYMBOLS = 100
UNDEFINED = ConfidenceInterval(np.nan, np.nan, np.nan)


@style.styled
def figure_differences(against: Mapping[str, Mapping[str, ConfidenceInterval]]) -> Figure:
    """Forest plot: our model less each baseline, metric by metric, with 95 % intervals against a zero line."""
    names = list(against)
    figure = style.canvas(1.35 + 0.34 * len(names))
    panels = figure.subplots(1, len(DIFFERENCES), sharey=True)
    for axes, (metric, (title, unit, scale, better, sign)) in zip(panels, DIFFERENCES.items(), strict=True):
        _forest(axes, [against[n].get(metric, UNDEFINED) for n in names], sign)
        axes.set_title(title)
        axes.set_xlabel(f"{unit} ({better})")
        style.plain_axis(axes.xaxis, scale)
    _rows(panels, names)
    return figure


@style.styled
def figure_by_year(by_year: Mapping[str, Mapping[str, ConfidenceInterval]]) -> Figure:
    """Skill, direction accuracy and rank IC of our model year by year, with 95 % intervals."""
    years = list(by_year)
    figure = style.canvas(1.35 + 0.34 * len(years))
    panels = figure.subplots(1, 3, sharey=True)
    shown = (
        ("skill", "Skill against persistence", 0.0),
        ("direction", "Direction accuracy", 0.5),
        ("rank_ic", "Rank IC", 0.0),
    )
    for axes, (metric, title, nothing) in zip(panels, shown, strict=True):
        _forest(axes, [by_year[y].get(metric, UNDEFINED) for y in years], 1, nothing)
        axes.set_title(title)
        if metric == "rank_ic":
            style.plain_axis(axes.xaxis)
        else:
            style.percent_axis(axes.xaxis)
    _rows(panels, years)
    return figure


def _forest(axes: Axes, rows: Sequence[ConfidenceInterval], sign: int, nothing: float = 0.0) -> None:
    axes.axvline(nothing, color=style.MUTED, lw=1)
    for place, found in enumerate(rows):
        good, bad = (
            (found.low > nothing, found.high < nothing) if sign > 0 else (found.high < nothing, found.low > nothing)
        )
        colour = style.OURS if good else style.AGAINST if bad else style.CALM
        axes.plot([found.low, found.high], [place, place], color=colour, lw=2)
        axes.plot([found.value], [place], "o", color=colour, ms=6)
        if not np.isfinite(found.value):
            axes.annotate(
                "undefined",
                (nothing, place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=style.MUTED,
                size=9,
            )
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=4)


def _rows(panels: Sequence[Axes], names: Sequence[str]) -> None:
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    for axes in panels:
        axes.tick_params(axis="y", length=0, labelcolor=style.INK)


@style.styled
def figure_by_symbol(by_symbol: Mapping[str, float]) -> Figure:
    """Skill of every symbol, sorted, read down the columns; past `MOST_SYMBOLS` only the ends of the list."""
    ranked = sorted(by_symbol.items(), key=lambda item: -item[1])
    if len(ranked) > MOST_SYMBOLS:
        ranked = [*ranked[: MOST_SYMBOLS // 2], *ranked[-(MOST_SYMBOLS // 2) :]]
    columns = min(4, max(1, -(-len(ranked) // 12)))
    height = -(-len(ranked) // columns)
    figure = style.canvas(0.7 + 0.19 * height)
    panels = figure.subplots(1, columns, sharex=True, squeeze=False)[0]
    panels[0].set_title("Skill against persistence")
    for column, axes in enumerate(panels):
        part = ranked[column * height : (column + 1) * height]
        axes.axvline(0, color=style.MUTED, lw=1)
        for place, (_, value) in enumerate(part):
            axes.plot([0, value], [place, place], color=style.GRID, lw=1.2)
        for colour, keep in ((style.OURS, True), (style.AGAINST, False)):
            chosen = [(v, i) for i, (_, v) in enumerate(part) if (v >= 0) is keep]
            axes.plot([v for v, _ in chosen], [i for _, i in chosen], "o", color=colour, ms=4.5)
        axes.set_yticks(range(len(part)), [name for name, _ in part])
        axes.set_ylim(height - 0.4, -0.6)
        axes.tick_params(axis="y", length=0, labelcolor=style.INK, labelsize=8.5)
        axes.tick_params(axis="x", labelsize=8.5)
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=4)
        style.percent_axis(axes.xaxis)
    return figure
