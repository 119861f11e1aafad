"""The walk-forward: folds, tests against all other models, and calibration of probabilities and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.baselines import PERSISTENCE
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.significance import format_p
from tenor.evaluation.titles import TITLES
from tenor.evaluation.uncertainty import ADAPTIVE, FIXED, CoverageAccuracy, Uncertainty
from tenor.evaluation.walkforward_summary import FoldRow, WalkForwardSummary
from tenor.metrics import Bin
from tenor.report import style
from tenor.report.forecast import INTERVAL_LEVEL
from tenor.report.page import Block, Fold, PageSection, Paragraph, Picture, TextTable
from tenor.report.results import (
    DIRECTION_METRICS,
    count_sides,
    differences_alt,
    figure_differences,
    metric_cell,
    metrics_table,
)
from tenor.report.style import format_number, format_percent, sentence_case, sessions_ahead

INTERVAL_COLOURS = {FIXED: style.CALM, ADAPTIVE: style.OURS}


def direction_section(walked: WalkForwardSummary) -> PageSection:
    """The section on which way: details in one fold per horizon."""
    before = Paragraph(
        "Diebold-Mariano tests by day whether a model has tenor's squared error (p after Holm, over a table's rows), "
        "Pesaran-Timmermann (PT) whether directions are better than independent ones. Differences are tenor minus the "
        "other model on the same days, with 95 % intervals from resampled days. A dash: undefined."
    )
    explained = Paragraph(
        "Grey: the interval includes zero; blue: tenor is better; orange: worse. P(up), calibrated on validation, "
        "agrees with the share that rose on the orange line, and is uninformative along the dashed one. With "
        "abstention, the accuracy should rise to the left, above always-up."
    )
    folds = [Fold(_fold_title(e), _horizon_blocks(e, walked.uncertainty.get(h))) for h, e in walked.evaluations.items()]
    return PageSection("Which way", (before, explained, *folds))


def _fold_title(evaluation: Evaluation) -> str:
    skill = next(iter(evaluation.table.values()))["skill"]
    return f"{sentence_case(sessions_ahead(evaluation.horizon))}: skill {metric_cell(skill, 'skill')}".replace(
        "\n", " "
    )


def _horizon_blocks(evaluation: Evaluation, uncertainty: Uncertainty | None) -> tuple[Block, ...]:
    blocks: list[Block] = [_models_table(evaluation)]
    if evaluation.tests:
        caption = f"tenor minus each other model. {count_sides(evaluation)}"
        blocks.append(Picture(figure_differences(evaluation.against), caption, differences_alt(evaluation)))
    if evaluation.reliability:
        scores = "." if uncertainty is None else f": {_probability_scores(uncertainty)}"
        caption = f"P(up) against the share that rose{scores}"
        alt = _reliability_alt(evaluation.reliability)
        blocks.append(Picture(figure_probabilities({evaluation.horizon: evaluation.reliability}), caption, alt))
    if uncertainty is not None and uncertainty.abstention:
        caption = "Direction accuracy where it abstains near P(up) one half."
        figure = figure_abstention(
            {uncertainty.horizon: uncertainty.abstention}, {uncertainty.horizon: uncertainty.abstention_days}
        )
        blocks.append(Picture(figure, caption, _abstention_alt(uncertainty.abstention)))
    elif uncertainty is not None:
        blocks.append(Paragraph("The model forecasts no direction, so that it can't abstain from any."))
    return tuple(blocks)


def _reliability_alt(bins: Sequence[Bin]) -> str:
    low, high = bins[0], bins[-1]
    return (
        f"Share that rose against P(up). Lowest group: P(up) {format_percent(low.p_up, 1)}, "
        f"{format_percent(low.share_up, 1)} rose; highest: {format_percent(high.p_up, 1)}, "
        f"{format_percent(high.share_up, 1)} rose."
    )


def _abstention_alt(steps: Sequence[CoverageAccuracy]) -> str:
    few, many = min(steps, key=lambda step: step.cells), max(steps, key=lambda step: step.cells)
    return (
        f"Direction accuracy {format_percent(many.accuracy.value, 1)} on {format_percent(many.cells, 0)} of forecasts, "
        f"{format_percent(few.accuracy.value, 1)} on {format_percent(few.cells, 0)}."
    )


def folds_blocks(walked: WalkForwardSummary) -> tuple[Block, ...]:
    """The dates and the results of each fold."""
    first = next(iter(walked.folds.values()))
    before = Paragraph(
        f"The settings are trained anew in each of {len(first)} {walked.scheme} folds, with {walked.seeds} "
        f"seed{'s' if walked.seeds > 1 else ''} each; {walked.purge} sessions are dropped between the parts, so that "
        "no target reaches into the next."
    )
    dates = TextTable(
        ("fold", "train", "validation", "test"),
        tuple((str(row.fold), *(f"{start}\n… {end}" for start, end in row.dates.values())) for row in first),
        "The folds",
    )
    blocks: list[Block] = [before, dates]
    blocks += [_folds_table(walked.evaluations[horizon], rows) for horizon, rows in walked.folds.items()]
    caption = (
        "Returns inside the 90 % interval. Grey is one width, set on validation; blue is adapted every day. Volatile: "
        "the tenth of days, or forecasts, with most volatility."
    )
    shares = [
        f"{sessions_ahead(h)} {format_percent(of_kind.overall.value, 1)} ({kind})"
        for h, uncertainty in walked.uncertainty.items()
        for kind, of_kind in uncertainty.coverage.items()
    ]
    alt = f"Share inside the 90 % interval, overall, where volatile, and by fold. Overall: {', '.join(shares)}."
    blocks.append(Picture(figure_intervals(walked.uncertainty), caption, alt))
    return tuple(blocks)


def _folds_table(pooled: Evaluation, rows: Sequence[FoldRow]) -> TextTable:
    metrics = tuple(rows[0].metrics)
    columns = (
        "fold",
        "days",
        "forecasts",
        *(TITLES[metric].title for metric in metrics),
        "p, uncorrected",
    )
    ours = next(iter(pooled.table))
    of_persistence = [test for test in pooled.tests if test.other == PERSISTENCE] or pooled.tests
    all_days = (
        "all",
        str(pooled.days),
        f"{pooled.samples:,}",
        *(metric_cell(pooled.table[ours][metric], metric) for metric in metrics),
        format_p(of_persistence[0].squared_error.p),
    )
    caption = f"By fold, {sessions_ahead(pooled.horizon)}; p is against persistence"
    return TextTable(columns, (*(_fold_cells(row) for row in rows), all_days), caption, marked=len(rows))


def _fold_cells(row: FoldRow) -> tuple[str, ...]:
    values = (metric_cell(interval, metric) for metric, interval in row.metrics.items())
    return (str(row.fold), str(row.days), f"{row.samples:,}", *values, format_p(row.p))


def _models_table(evaluation: Evaluation) -> TextTable:
    """Skill, direction and ranking of every model, its test against ours, and the test of its directions."""
    ours = next(iter(evaluation.table))
    plain = metrics_table(evaluation, ours, "tenor and the other models", ("skill", *DIRECTION_METRICS))
    if not evaluation.tests:
        return plain
    same_error = {test.other: format_p(test.holm) for test in evaluation.tests}
    direction = {test.other: format_p(test.other_direction.by_day.p) for test in evaluation.tests}
    direction[ours] = format_p(evaluation.tests[0].direction.by_day.p)
    rows = tuple(
        (name, skill, same_error.get(name, "–"), *rest, direction.get(name, "–")) for name, skill, *rest in plain.rows
    )
    model, skill, *rest = plain.columns
    return TextTable((model, skill, "p, Holm", *rest, "p, PT"), rows, plain.caption, plain.marked)


def _probability_scores(uncertainty: Uncertainty) -> str:
    return (
        f"Brier score {format_number(uncertainty.brier, 4)} "
        f"({format_number(uncertainty.brier_constant, 4)} by always the share of rises), "
        f"calibration error {format_number(100 * uncertainty.ece, 2)} % points."
    )


def coverage_rows(uncertainty: Uncertainty) -> list[tuple[str, dict[str, ConfidenceInterval]]]:
    """Coverage by subset and kind of interval: overall, the volatile tenths, each fold and its volatile days."""
    kinds = uncertainty.coverage
    rows = [
        ("all", {kind: c.overall for kind, c in kinds.items()}),
        ("volatile tenth of days", {kind: c.volatile_days for kind, c in kinds.items()}),
        ("volatile tenth of cells", {kind: c.volatile_cells for kind, c in kinds.items()}),
    ]
    for count, fold in enumerate(uncertainty.by_fold, start=1):
        rows.append((f"fold {count}", {kind: c.overall for kind, c in fold.items()}))
        rows.append((f"fold {count}, volatile days", {kind: c.volatile_days for kind, c in fold.items()}))
    return rows


@style.styled
def figure_probabilities(bins: Mapping[int, Sequence[Bin]]) -> Figure:
    """Share that rose against the forecast P(up), one panel per horizon; the area of a dot shows how many forecasts."""
    figure = style.canvas(3.4)
    panels = figure.subplots(1, len(bins), squeeze=False)[0]
    for axes, (horizon, groups) in zip(panels, bins.items(), strict=True):
        forecast = np.array([b.p_up for b in groups])
        realised = np.array([b.share_up for b in groups])
        count = np.array([b.count for b in groups], dtype="float64")
        low, high = min(forecast.min(), realised.min()) - 0.01, max(forecast.max(), realised.max()) + 0.01
        axes.plot([low, high], [low, high], color=style.AGAINST, lw=1)
        mean = float((realised * count).sum() / count.sum())
        axes.axhline(mean, color=style.MUTED, lw=0.9, ls="--")
        axes.scatter(forecast, realised, s=20 + 60 * count / count.max(), color=style.OURS, zorder=3, linewidths=0)
        axes.set(xlim=(low, high), ylim=(low, high), xlabel="forecast P(up)")
        axes.set_title(f"Share that rose, {sessions_ahead(horizon)}")
        axes.locator_params(nbins=6)
        for axis in (axes.xaxis, axes.yaxis):
            style.percent_axis(axis)
    return figure


@style.styled
def figure_intervals(by_horizon: Mapping[int, Uncertainty]) -> Figure:
    """Coverage of the 90 % intervals: overall, on volatile days and cells, and by fold; one panel per horizon."""
    labels = [where for where, _ in coverage_rows(next(iter(by_horizon.values())))]
    figure = style.canvas(1.3 + 0.42 * len(labels))
    panels = figure.subplots(1, len(by_horizon), sharey=True, squeeze=False)[0]
    for axes, (horizon, uncertainty) in zip(panels, by_horizon.items(), strict=True):
        kinds = list(uncertainty.coverage)
        shift = np.linspace(-0.14, 0.14, len(kinds)) if len(kinds) > 1 else [0.0]
        axes.axvline(INTERVAL_LEVEL, color=style.MUTED, lw=1, ls="--")
        for kind, offset in zip(kinds, shift, strict=True):
            for place, (_, shares) in enumerate(coverage_rows(uncertainty)):
                _dot(axes, shares[kind], place + offset, INTERVAL_COLOURS[kind], kind if place == 0 else None)
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


def _dot(axes: Axes, interval: ConfidenceInterval, place: float, colour: str, label: str | None) -> None:
    axes.plot([interval.low, interval.high], [place, place], color=colour, lw=2)
    axes.plot([interval.value], [place], "o", color=colour, ms=6, label=label)


@style.styled
def figure_abstention(
    cells: Mapping[int, Sequence[CoverageAccuracy]], days: Mapping[int, Sequence[CoverageAccuracy]]
) -> Figure:
    """Direction accuracy against the share for which the model gives a direction, and always-up on the same ones.

    One column per horizon; in the upper row it abstains from single forecasts, in the lower from whole days.
    """
    figure = style.canvas(5.6)
    panels = figure.subplots(2, len(cells), squeeze=False, sharex=True)
    rows = ((panels[0], cells, "forecasts", "cells"), (panels[1], days, "days", "days"))
    for row, by_horizon, label, share in rows:
        for axes, (horizon, steps) in zip(row, by_horizon.items(), strict=True):
            ordered = sorted(steps, key=lambda step: step.cells)
            at = np.array([getattr(step, share) for step in ordered])
            right = np.array([step.accuracy.value for step in ordered])
            low = np.array([step.accuracy.low for step in ordered])
            high = np.array([step.accuracy.high for step in ordered])
            # `edge` is the accuracy minus that of always-up on the same forecasts
            always_up = right - np.array([step.edge.value for step in ordered])
            axes.fill_between(at, low, high, color=style.OURS, alpha=0.16, lw=0)
            axes.plot(at, right, "o-", color=style.OURS, ms=6, label="model")
            axes.plot(at, always_up, "s--", color=style.CALM, ms=3, lw=1.2, label="always-up on the same")
            axes.set(xlim=(0, 1.03), xlabel=f"share of {label} on which it forecasts")
            axes.set_title(sentence_case(sessions_ahead(horizon)))
            for axis in (axes.xaxis, axes.yaxis):
                style.percent_axis(axis)
            style.legend(axes, columns=2)
    return figure
