"""Figures of a walk-forward: each fold, and how its doubts held: probabilities, intervals, silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.uncertainty import ADAPTIVE, FIXED, CoverageAccuracy, Uncertainty
from tenor.metrics import Bin
from tenor.report import style
from tenor.report.style import ahead

LEVEL = 0.9
COLOURS = {FIXED: style.CALM, ADAPTIVE: style.OURS}


@style.styled
def figure_probabilities(bins: Mapping[int, Sequence[Bin]]) -> Figure:
    """Share that went up against the P(up) said, a panel a horizon; a dot's area is its number of forecasts."""
    figure = style.canvas(3.4)
    panels = figure.subplots(1, len(bins), squeeze=False)[0]
    for axes, (horizon, groups) in zip(panels, bins.items(), strict=True):
        said, came = np.array([b.p_up for b in groups]), np.array([b.share_up for b in groups])
        count = np.array([b.count for b in groups], dtype="float64")
        low, high = min(said.min(), came.min()) - 0.01, max(said.max(), came.max()) + 0.01
        axes.plot([low, high], [low, high], color=style.AGAINST, lw=1)
        mean = float((came * count).sum() / count.sum())
        axes.axhline(mean, color=style.MUTED, lw=0.9, ls="--")
        axes.scatter(said, came, s=20 + 60 * count / count.max(), color=style.OURS, zorder=3, linewidths=0)
        axes.set(xlim=(low, high), ylim=(low, high), xlabel="P(up) said")
        axes.set_title(f"Share that went up, {ahead(horizon)}")
        axes.locator_params(nbins=6)
        for axis in (axes.xaxis, axes.yaxis):
            style.percent_axis(axis)
    return figure


@style.styled
def figure_intervals(found: Mapping[int, Uncertainty]) -> Figure:
    """Share of returns inside the 90 % intervals, overall, where it is volatile, and by fold; a panel a horizon."""
    labels = [row[0] for row in coverage_rows(next(iter(found.values())))]
    figure = style.canvas(1.3 + 0.42 * len(labels))
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (horizon, doubts) in zip(panels, found.items(), strict=True):
        kinds = list(doubts.coverage)
        shift = np.linspace(-0.14, 0.14, len(kinds)) if len(kinds) > 1 else [0.0]
        axes.axvline(LEVEL, color=style.MUTED, lw=1, ls="--")
        for kind, offset in zip(kinds, shift, strict=True):
            for place, (_, held) in enumerate(coverage_rows(doubts)):
                _dot(axes, held[kind], place + offset, COLOURS[kind], kind if place == 0 else None)
        axes.set_title(f"Inside, {ahead(horizon)}")
        axes.locator_params(axis="x", nbins=5)
        axes.grid(visible=False, axis="y")
        style.percent_axis(axes.xaxis)
        axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.4, -0.6)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=2, frameon=False, labelcolor=style.MUTED, fontsize=9
    )
    return figure


def coverage_rows(doubts: Uncertainty) -> list[tuple[str, dict[str, ConfidenceInterval]]]:
    """Where -> kind -> share inside: overall, the volatile tenths, each fold and its volatile days."""
    kinds = doubts.coverage
    rows = [
        ("all", {kind: c.overall for kind, c in kinds.items()}),
        ("volatile tenth of days", {kind: c.volatile_days for kind, c in kinds.items()}),
        ("volatile tenth of cells", {kind: c.volatile_cells for kind, c in kinds.items()}),
    ]
    for number, fold in enumerate(doubts.by_fold, start=1):
        rows.append((f"fold {number}", {kind: c.overall for kind, c in fold.items()}))
        rows.append((f"fold {number}, volatile days", {kind: c.volatile_days for kind, c in fold.items()}))
    return rows


def _dot(axes: Axes, found: ConfidenceInterval, place: float, colour: str, label: str | None) -> None:
    axes.plot([found.low, found.high], [place, place], color=colour, lw=2)
    axes.plot([found.value], [place], "o", color=colour, ms=6, label=label)


@style.styled
def figure_abstention(
    cells: Mapping[int, Sequence[CoverageAccuracy]], days: Mapping[int, Sequence[CoverageAccuracy]]
) -> Figure:
    """Share of right directions against the share on which the model speaks, beside always-up there.

    A column a horizon; above it is silent on single forecasts, below on whole days.
    """
    figure = style.canvas(5.6)
    panels = figure.subplots(2, len(cells), squeeze=False, sharex=True)
    for above_below, found, what, share in ((0, cells, "forecasts", "cells"), (1, days, "days", "days")):
        for axes, (horizon, spoken) in zip(panels[above_below], found.items(), strict=True):
            ordered = sorted(spoken, key=lambda one: one.cells)
            at = np.array([getattr(one, share) for one in ordered])
            right = np.array([one.accuracy.value for one in ordered])
            low, high = (np.array([getattr(one.accuracy, end) for one in ordered]) for end in ("low", "high"))
            up = right - np.array([one.edge.value for one in ordered])
            axes.fill_between(at, low, high, color=style.OURS, alpha=0.16, lw=0)
            axes.plot(at, right, "o-", color=style.OURS, ms=6, label="right")
            axes.plot(at, up, "s--", color=style.CALM, ms=3, lw=1.2, label="always-up on the same")
            axes.set(xlim=(0, 1.03), xlabel=f"share of {what} on which it speaks")
            axes.set_title(ahead(horizon).capitalize())
            for axis in (axes.xaxis, axes.yaxis):
                style.percent_axis(axis)
            style.key(axes, columns=2)
    return figure
