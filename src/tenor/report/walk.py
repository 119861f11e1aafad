"""Sections of the walk-forward: its folds, the tests against every other model, and how its doubts held."""

from __future__ import annotations

import math

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.significance import Difference
from tenor.evaluation.uncertainty import Uncertainty
from tenor.evaluation.walkforward_summary import FoldRow, WalkForwardSummary
from tenor.report import figures_judgement, figures_walk
from tenor.report.page import Paragraph, Picture, Section, Table
from tenor.report.results import results
from tenor.report.style import ahead, listed, number, percent

METRICS = {
    "skill": ("skill", 2, True),
    "direction": ("direction right", 2, True),
    "mcc": ("MCC", 3, False),
    "rank_ic": ("rank IC", 3, False),
    "return_rmse": ("RMSE of returns", 4, True),
}
"""metric -> (heading, digits, whether it is told in percent)."""


def walk_sections(walked: WalkForwardSummary) -> list[Section]:
    """The sections, in the order in which they are read."""
    return [_folds(walked), _tests(walked), _doubts(walked)]


def _folds(walked: WalkForwardSummary) -> Section:
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
        caption = f"{ahead(horizon).capitalize()}: the model by fold, and over all; 95 % intervals from resampled days"
        blocks.append(Table(heads, all_rows, caption, marked=len(rows)))
    horizon, rows = next(iter(walked.folds.items()))
    if len(rows) > 1:
        figure = figures_judgement.figure_by_year({f"fold {row.fold}": row.metrics for row in rows})
        caption = (
            f"{ahead(horizon).capitalize()}, by fold: blue above the line of no skill, orange below, grey if the "
            "interval holds it."
        )
        blocks.append(Picture(figure, caption, "Skill, direction accuracy and rank IC by fold, with intervals."))
    return Section("Walk-forward", tuple(blocks))


def _versus(found: Evaluation) -> list[float]:
    return [test.squared_error.p for test in found.tests if test.other == "persistence"]


def _fold(row: FoldRow) -> tuple[str, ...]:
    told = (_told(found, metric) for metric, found in row.metrics.items())
    return (str(row.fold), str(row.days), f"{row.samples:,}", *told, _p(row.p))


def _tests(walked: WalkForwardSummary) -> Section:
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
                    number(test.squared_error.statistic),
                    _p(test.squared_error.p),
                    _p(test.holm),
                    *(_told(test.differences[metric], metric) for metric in paired),
                    _p(test.other_direction.by_day.p),
                )
                for test in found.tests
            ),
        )
        blocks.append(Paragraph(f"{ahead(horizon).capitalize()}: {found.verdict}"))
        blocks.append(Table(heads, rows, f"{ahead(horizon).capitalize()}: ours less each other model", marked=0))
        alt = f"Forest plot of differences in RMSE, direction accuracy and rank IC from {listed(list(found.against))}."
        caption = (
            f"{ahead(horizon).capitalize()}: our model less each other, on the same days, with 95 % intervals. Grey "
            "crosses zero; blue is in our favour, orange against."
        )
        blocks.append(Picture(figures_judgement.figure_differences(found.against), caption, alt))
    name = next(iter(next(iter(walked.evaluations.values())).table))
    pooled = [block for block in results(walked.evaluations, name).blocks if isinstance(block, Table)]
    return Section("Tests against the others", (*blocks, *pooled))


def _doubts(walked: WalkForwardSummary) -> Section:
    found = walked.uncertainty
    blocks: list[Paragraph | Table | Picture] = []
    bins = {h: e.reliability for h, e in walked.evaluations.items() if e.reliability}
    if bins:
        said = " ".join(
            f"{ahead(h).capitalize()}: Brier score {number(d.brier, 4)} against {number(d.brier_constant, 4)} for "
            f"always saying the share of rises, calibration error (ECE) {number(100 * d.ece, 2)} points."
            for h, d in found.items()
        )
        caption = (
            "P(up), calibrated on each fold's validation part, against what came: on the orange line what is said "
            f"comes true; level with the dashed line it makes no difference. {said}"
        )
        blocks.append(
            Picture(figures_walk.figure_probabilities(bins), caption, "Share that went up against P(up) said.")
        )
    caption = (
        "A 90 % interval should hold 90 % of what comes (dashed line). Grey is the interval with one width from "
        "validation, blue the adaptive one, whose level learns every day from the outcomes known by then. Volatile: "
        "the tenth of days, or cells, whose volatility was highest as known when the forecast was made."
    )
    alt = "Share of returns inside the 90 % interval, overall, in the volatile tenths, and by fold."
    blocks.append(Picture(figures_walk.figure_intervals(found), caption, alt))
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
        blocks.append(Picture(figures_walk.figure_abstention(spoken, whole), caption, alt))
    else:
        blocks.append(Paragraph("The model names no direction, so that there is none on which it could be silent."))
    return Section("Uncertainty", tuple(blocks))


def _coverage(horizon: int, found: Uncertainty) -> Table:
    kinds = tuple(found.coverage)
    rows = tuple(
        (where, *(_told(held[kind], "direction") for kind in kinds))
        for where, held in figures_walk.coverage_rows(found)
    )
    widths = ("mean width", *(percent(found.coverage[kind].width) for kind in kinds))
    return Table(("share inside", *kinds), (*rows, widths), f"{ahead(horizon).capitalize()}: 90 % intervals")


def _told(found: ConfidenceInterval | Difference, metric: str) -> str:
    _, digits, as_percent = METRICS[metric]
    if not math.isfinite(found.value):
        return "–"
    shown = percent(found.value, digits) if as_percent else number(found.value, digits)
    if not math.isfinite(found.low + found.high):
        return shown
    scale = 100 if as_percent else 1
    return f"{shown}\n[{number(found.low * scale, digits)}, {number(found.high * scale, digits)}]"


def _p(p: float) -> str:
    return "–" if not math.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
