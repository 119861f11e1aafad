"""The walk-forward: its folds, the tests against every other model, and how well its uncertainty is calibrated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.abstention import Spoken
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.metrics import Bin
from tenor.evaluation.significance import Difference
from tenor.evaluation.uncertainty import ADAPTIVE, FIXED, Uncertainty
from tenor.evaluation.walkforward_summary import FoldRow, Walked
from tenor.report import style
from tenor.report.page import Paragraph, Picture, Section, Table
from tenor.report.results import figure_by_year, figure_differences, results_section
from tenor.report.style import format_number, format_percent, join_names, sessions_ahead

METRICS = {
    "skill": ("skill", 2, True),
    "direction": ("direction right", 2, True),
    "mcc": ("MCC", 3, False),
    "rank_ic": ("rank IC", 3, False),
    "return_rmse": ("RMSE of returns", 4, True),
}
"""metric -> (heading, digits, whether it is told in percent)."""
LEVEL = 0.9
COLOURS = {FIXED: style.CALM, ADAPTIVE: style.OURS}


def walk_sections(walked: Walked) -> list[Section]:
    """The sections, in the order in which they are read."""
    return [_folds(walked), _tests(walked), _doubts(walked)]


def _folds(walked: Walked) -> Section:
    first = next(iter(walked.folds.values()))
    before = Paragraph(
        f"The model's settings, trained anew in each of {len(first)} {walked.scheme} folds with {walked.seeds} "
        f"seed{'s' if walked.seeds > 1 else ''} each; every fold is tested only on sessions after its training and "
        f"validation, {walked.purge} sessions dropped between the parts, so that no target reaches into the next. "
        "All test parts together, day by day, are what is judged. What follows after the uncertainty, from the results "
        "on, is about one version, the one named above, on its own test part."
    )
    dates = Table(
        ("fold", "train", "validation", "test"),
        tuple((str(row.fold), *(f"{a}\n… {b}" for a, b in row.dates.values())) for row in first),
        "The folds",
    )
    blocks: list[Paragraph | Table | Picture] = [before, dates]
    for horizon, rows in walked.folds.items():
        heads = (
            "fold",
            "days",
            "forecasts",
            *(METRICS[m][0] for m in rows[0].metrics),
            "p against persistence, unadjusted",
        )
        pooled = walked.evaluations[horizon]
        ours = next(iter(pooled.table))
        all_rows = (
            *(_fold(row) for row in rows),
            (
                "all",
                str(pooled.days),
                f"{pooled.samples:,}",
                *(_told(pooled.table[ours][metric], metric) for metric in rows[0].metrics),
                _p(pooled.tests[0].squared_error.p if not _versus(pooled) else _versus(pooled)[0]),
            ),
        )
        caption = f"{sessions_ahead(horizon).capitalize()}: the model by fold, and over all; 95 % intervals from resampled days"
        blocks.append(Table(heads, all_rows, caption, marked=len(rows)))
    horizon, rows = next(iter(walked.folds.items()))
    if len(rows) > 1:
        figure = figure_by_year({f"fold {row.fold}": row.metrics for row in rows})
        caption = (
            f"{sessions_ahead(horizon).capitalize()}, by fold: blue above the line of no skill, orange below, grey if the "
            "interval holds it."
        )
        blocks.append(Picture(figure, caption, "Skill, direction accuracy and rank IC by fold, with intervals."))
    return Section("Walk-forward", tuple(blocks))


def _versus(found: Evaluation) -> list[float]:
    return [test.squared_error.p for test in found.tests if test.other == "persistence"]


def _fold(row: FoldRow) -> tuple[str, ...]:
    told = (_told(found, metric) for metric, found in row.metrics.items())
    return (str(row.fold), str(row.days), f"{row.samples:,}", *told, _p(row.p))


def _tests(walked: Walked) -> Section:
    before = Paragraph(
        "Diebold-Mariano asks whether two models have the same expected squared error, from one number a day, with a "
        "variance that lets days depend on each other: below zero, ours is better. Holm's correction keeps the chance "
        "of one false verdict in a table below 5 %. Differences are ours less the other's on the same resampled days. "
        "Pesaran-Timmermann (PT) asks whether a model's direction goes with the market's beyond what always saying the "
        "same would give."
    )
    blocks: list[Paragraph | Table | Picture] = [before]
    for horizon, found in walked.evaluations.items():
        if not found.tests:
            continue
        paired = tuple(found.tests[0].differences)
        heads = ("less", "its skill", "DM", "p", "Holm", *(METRICS[metric][0] for metric in paired), "PT p")
        ours = found.tests[0]
        rows = (
            (
                ours.model,
                _told(found.table[ours.model]["skill"], "skill"),
                *("–",) * (3 + len(paired)),
                _p(ours.direction.by_day.p),
            ),
            *(
                (
                    test.other,
                    _told(found.table[test.other]["skill"], "skill"),
                    format_number(test.squared_error.statistic),
                    _p(test.squared_error.p),
                    _p(test.holm),
                    *(_told(test.differences[metric], metric) for metric in paired),
                    _p(test.other_direction.by_day.p),
                )
                for test in found.tests
            ),
        )
        blocks.append(Paragraph(f"{sessions_ahead(horizon).capitalize()}: {found.verdict}"))
        blocks.append(
            Table(heads, rows, f"{sessions_ahead(horizon).capitalize()}: ours less each other model", marked=0)
        )
        alt = f"Forest plot of differences in RMSE, direction accuracy and rank IC from {join_names(list(found.against))}."
        caption = (
            f"{sessions_ahead(horizon).capitalize()}: our model less each other, on the same days, with 95 % intervals. Grey "
            "crosses zero; blue is in our favour, orange against."
        )
        blocks.append(Picture(figure_differences(found.against), caption, alt))
    name = next(iter(next(iter(walked.evaluations.values())).table))
    pooled = [block for block in results_section(walked.evaluations, name).blocks if isinstance(block, Table)]
    return Section("Tests against the others", (*blocks, *pooled))


def _doubts(walked: Walked) -> Section:
    found = walked.uncertainty
    blocks: list[Paragraph | Table | Picture] = []
    bins = {h: e.reliability for h, e in walked.evaluations.items() if e.reliability}
    if bins:
        said = " ".join(
            f"{sessions_ahead(h).capitalize()}: Brier score {format_number(d.brier, 4)} against {format_number(d.brier_constant, 4)} for "
            f"always saying the share of rises, calibration error (ECE) {format_number(100 * d.ece, 2)} points."
            for h, d in found.items()
        )
        caption = (
            "P(up), calibrated on each fold's validation part, against what came: on the orange line what is said "
            f"comes true; level with the dashed line it makes no difference. {said}"
        )
        blocks.append(Picture(figure_probabilities(bins), caption, "Share that went up against P(up) said."))
    caption = (
        "A 90 % interval should hold 90 % of what comes (dashed line). Grey is the interval with one width from "
        "validation, blue the adaptive one, whose level learns every day from the outcomes known by then. Volatile: "
        "the tenth of days, or cells, whose volatility was highest as known when the forecast was made."
    )
    alt = "Share of returns inside the 90 % interval, overall, in the volatile tenths, and by fold."
    blocks.append(Picture(figure_intervals(found), caption, alt))
    blocks += [_coverage(horizon, one) for horizon, one in found.items()]
    spoken = {h: d.abstention for h, d in found.items() if d.abstention}
    if spoken:
        caption = (
            "How often the direction is right if the model speaks only where its P(up) is farthest from one half. It "
            "should rise to the left, and stand above always-up on the same forecasts: where it only follows that "
            "line, it is sure merely in a market that rises. Below, it speaks of all stocks of a day or of none. "
            "The band is the 95 % interval."
        )
        alt = "Share of right directions against the share of forecasts on which the model speaks."
        whole = {h: d.abstention_days for h, d in found.items() if d.abstention}
        blocks.append(Picture(figure_abstention(spoken, whole), caption, alt))
    else:
        blocks.append(Paragraph("The model names no direction, so that there is none on which it could be silent."))
    return Section("Uncertainty", tuple(blocks))


def _coverage(horizon: int, found: Uncertainty) -> Table:
    kinds = tuple(found.coverage)
    rows = tuple((where, *(_told(held[kind], "direction") for kind in kinds)) for where, held in coverage_rows(found))
    widths = ("mean width", *(format_percent(found.coverage[kind].width) for kind in kinds))
    return Table(("share inside", *kinds), (*rows, widths), f"{sessions_ahead(horizon).capitalize()}: 90 % intervals")


def _told(found: ConfidenceInterval | Difference, metric: str) -> str:
    _, digits, as_percent = METRICS[metric]
    if not math.isfinite(found.value):
        return "–"
    shown = format_percent(found.value, digits) if as_percent else format_number(found.value, digits)
    if not math.isfinite(found.low + found.high):
        return shown
    scale = 100 if as_percent else 1
    return f"{shown}\n[{format_number(found.low * scale, digits)}, {format_number(found.high * scale, digits)}]"


def _p(p: float) -> str:
    return "–" if not math.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


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
        axes.set_title(f"Share that went up, {sessions_ahead(horizon)}")
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
        axes.set_title(f"Inside, {sessions_ahead(horizon)}")
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
    for count, fold in enumerate(doubts.by_fold, start=1):
        rows.append((f"fold {count}", {kind: c.overall for kind, c in fold.items()}))
        rows.append((f"fold {count}, volatile days", {kind: c.volatile_days for kind, c in fold.items()}))
    return rows


def _dot(axes: Axes, found: ConfidenceInterval, place: float, colour: str, label: str | None) -> None:
    axes.plot([found.low, found.high], [place, place], color=colour, lw=2)
    axes.plot([found.value], [place], "o", color=colour, ms=6, label=label)


@style.styled
def figure_abstention(cells: Mapping[int, Sequence[Spoken]], days: Mapping[int, Sequence[Spoken]]) -> Figure:
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
            axes.set_title(sessions_ahead(horizon).capitalize())
            for axis in (axes.xaxis, axes.yaxis):
                style.percent_axis(axis)
            style.legend(axes, columns=2)
    return figure
