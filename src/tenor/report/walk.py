"""The walk-forward: its folds, the tests against every other model, and how well its uncertainty is calibrated."""

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
from tenor.report.page import PageSection, Paragraph, Picture, TextTable
from tenor.report.results import (
    YEAR_METRICS,
    differences_alt,
    figure_by_year,
    figure_differences,
    interval_cell,
    metric_cell,
    results_tables,
)
from tenor.report.style import format_number, format_percent, join_names, sentence_case, sessions_ahead

INTERVAL_COLOURS = {FIXED: style.CALM, ADAPTIVE: style.OURS}


def walk_sections(walked: WalkForwardSummary) -> list[PageSection]:
    """The sections, in the order in which they are read."""
    return [_folds_section(walked), _tests_section(walked), _uncertainty_section(walked)]


def _folds_section(walked: WalkForwardSummary) -> PageSection:
    first = next(iter(walked.folds.values()))
    before = Paragraph(
        f"A model with the same settings is trained anew in each of {len(first)} {walked.scheme} folds, with "
        f"{walked.seeds} seed{'s' if walked.seeds > 1 else ''} each. Every fold is tested only on sessions after its "
        f"training and validation parts; {walked.purge} sessions are dropped between the parts, so that no target "
        "reaches into the next part. The days of all test parts together are evaluated. The sections after the "
        "uncertainty, from the results on, are about one version, the one named above, on its own test part."
    )
    dates = TextTable(
        ("fold", "train", "validation", "test"),
        tuple((str(row.fold), *(f"{start}\n… {end}" for start, end in row.dates.values())) for row in first),
        "The folds",
    )
    blocks: list[Paragraph | TextTable | Picture] = [before, dates]
    blocks += [_folds_table(walked.evaluations[horizon], rows) for horizon, rows in walked.folds.items()]
    horizon, rows = next(iter(walked.folds.items()))
    if len(rows) > 1:
        figure = figure_by_year({f"fold {row.fold}": row.metrics for row in rows})
        caption = (
            f"{sentence_case(sessions_ahead(horizon))}, by fold: blue above the value of no skill, orange below, grey "
            "if the interval contains it."
        )
        metrics = join_names([TITLES[metric].title for metric in YEAR_METRICS])
        blocks.append(Picture(figure, caption, f"{sentence_case(metrics)} by fold, with intervals."))
    return PageSection("Walk-forward", tuple(blocks))


def _folds_table(pooled: Evaluation, rows: Sequence[FoldRow]) -> TextTable:
    metrics = tuple(rows[0].metrics)
    columns = (
        "fold",
        "days",
        "forecasts",
        *(TITLES[metric].title for metric in metrics),
        "p against persistence, not corrected",
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
    caption = (
        f"{sentence_case(sessions_ahead(pooled.horizon))}: the model by fold, and over all; 95 % intervals from "
        "resampled days"
    )
    return TextTable(columns, (*(_fold_cells(row) for row in rows), all_days), caption, marked=len(rows))


def _fold_cells(row: FoldRow) -> tuple[str, ...]:
    values = (metric_cell(interval, metric) for metric, interval in row.metrics.items())
    return (str(row.fold), str(row.days), f"{row.samples:,}", *values, format_p(row.p))


def _tests_section(walked: WalkForwardSummary) -> PageSection:
    before = Paragraph(
        "Diebold-Mariano tests whether two models have the same expected squared error, from one number a day, with a "
        "variance that allows for dependent days: below zero, our model is better. Holm's correction keeps the "
        "probability of one false verdict in a table below 5 %. A difference is our value minus the other model's, on "
        "the same resampled days. Pesaran-Timmermann (PT) tests whether a model's direction agrees with the market's "
        "more often than always forecasting the same direction would."
    )
    blocks: list[Paragraph | TextTable | Picture] = [before]
    for horizon, evaluation in walked.evaluations.items():
        if not evaluation.tests:
            continue
        ahead = sentence_case(sessions_ahead(horizon))
        caption = (
            f"{ahead}: our model minus each other model, on the same days, with 95 % intervals. Grey crosses zero; "
            "blue is better for our model, orange worse."
        )
        blocks.append(Paragraph(f"{ahead}: {evaluation.verdict}"))
        blocks.append(_tests_table(evaluation))
        blocks.append(Picture(figure_differences(evaluation.against), caption, differences_alt(evaluation)))
    ours = next(iter(next(iter(walked.evaluations.values())).table))
    return PageSection("Tests against the others", (*blocks, *results_tables(walked.evaluations, ours)))


def _tests_table(evaluation: Evaluation) -> TextTable:
    first = evaluation.tests[0]
    paired = tuple(first.differences)
    columns = (
        "model",
        "its skill",
        "Diebold-Mariano",
        "p",
        "p, Holm",
        *(f"difference in {TITLES[metric].title}" for metric in paired),
        "p, PT",
    )
    rows = (
        (
            first.model,
            metric_cell(evaluation.table[first.model]["skill"], "skill"),
            *("–",) * (3 + len(paired)),
            format_p(first.direction.by_day.p),
        ),
        *(
            (
                test.other,
                metric_cell(evaluation.table[test.other]["skill"], "skill"),
                format_number(test.squared_error.statistic),
                format_p(test.squared_error.p),
                format_p(test.holm),
                *(metric_cell(test.differences[metric], metric, difference=True) for metric in paired),
                format_p(test.other_direction.by_day.p),
            )
            for test in evaluation.tests
        ),
    )
    caption = f"{sentence_case(sessions_ahead(evaluation.horizon))}: our model compared with each other model"
    return TextTable(columns, rows, caption, marked=0)


def _uncertainty_section(walked: WalkForwardSummary) -> PageSection:
    blocks: list[Paragraph | TextTable | Picture] = []
    bins = {h: evaluation.reliability for h, evaluation in walked.evaluations.items() if evaluation.reliability}
    if bins:
        scores = " ".join(_probability_scores(uncertainty) for uncertainty in walked.uncertainty.values())
        caption = (
            "P(up), calibrated on each fold's validation part, against the share that rose: on the orange line the two "
            "agree; level with the dashed line, the forecast probability makes no difference. "
            f"{scores}"
        )
        blocks.append(Picture(figure_probabilities(bins), caption, "Share that rose against the forecast P(up)."))
    caption = (
        "A 90 % interval should contain 90 % of the returns (dashed line). Grey is the interval of one width, set on "
        "validation; blue is the adaptive one, whose level is updated every day from the returns known by then. "
        "Volatile: the tenth of days, or cells, whose volatility was highest as known when the forecast was made."
    )
    alt = "Share of returns inside the 90 % interval, overall, in the volatile tenths, and by fold."
    blocks.append(Picture(figure_intervals(walked.uncertainty), caption, alt))
    blocks += [_coverage_table(uncertainty) for uncertainty in walked.uncertainty.values()]
    with_direction = {h: uncertainty for h, uncertainty in walked.uncertainty.items() if uncertainty.abstention}
    if with_direction:
        caption = (
            "Direction accuracy if the model forecasts only where its P(up) is farthest from one half. It should rise "
            "to the left, and be above always-up on the same forecasts: where it only follows that line, the model is "
            "merely confident in a rising market. Below, it forecasts all stocks of a day or none. The band is the "
            "95 % interval."
        )
        alt = "Direction accuracy against the share of forecasts that the model makes."
        figure = figure_abstention(
            {h: uncertainty.abstention for h, uncertainty in with_direction.items()},
            {h: uncertainty.abstention_days for h, uncertainty in with_direction.items()},
        )
        blocks.append(Picture(figure, caption, alt))
    else:
        blocks.append(Paragraph("The model forecasts no direction, so that it can't abstain from any."))
    return PageSection("Uncertainty", tuple(blocks))


def _probability_scores(uncertainty: Uncertainty) -> str:
    return (
        f"{sentence_case(sessions_ahead(uncertainty.horizon))}: Brier score {format_number(uncertainty.brier, 4)} "
        f"against {format_number(uncertainty.brier_constant, 4)} for always forecasting the share of rises, "
        f"calibration error (ECE) {format_number(100 * uncertainty.ece, 2)} % points."
    )


def _coverage_table(uncertainty: Uncertainty) -> TextTable:
    kinds = tuple(uncertainty.coverage)
    rows = tuple(
        (where, *(interval_cell(shares[kind], 2, as_percent=True) for kind in kinds))
        for where, shares in coverage_rows(uncertainty)
    )
    widths = ("mean width", *(format_percent(uncertainty.coverage[kind].width) for kind in kinds))
    caption = f"{sentence_case(sessions_ahead(uncertainty.horizon))}: 90 % intervals"
    return TextTable(("share inside", *kinds), (*rows, widths), caption)


def coverage_rows(uncertainty: Uncertainty) -> list[tuple[str, dict[str, ConfidenceInterval]]]:
    """Where -> kind -> share inside: overall, the volatile tenths, each fold and its volatile days."""
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
    """Share that rose against the forecast P(up), a panel a horizon; a dot's area is its number of forecasts."""
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
    """Share of returns inside the 90 % intervals, overall, where it is volatile, and by fold; a panel a horizon."""
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
    """Direction accuracy against the share that the model forecasts, beside always-up on the same.

    A column a horizon; above, it abstains from single forecasts, below from whole days.
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
            # `edge` is the accuracy less that of always-up on the same forecasts
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
