"""Sections of the judgement: results, differences from baselines, years and stocks, trading."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.report import figures_judgement as figures
from tenor.report.page import Paragraph, Picture, Section, Table
from tenor.report.style import ahead, listed, number, percent

DIRECTION = {
    "direction": ("direction right", "percent", 2),
    "mcc": ("MCC", "number", 3),
    "auc": ("AUC", "number", 3),
    "rank_ic": ("rank IC", "number", 3),
    "icir": ("ICIR", "number", 2),
}
ERRORS = {
    "return_rmse": ("RMSE of returns", "percent", 3),
    "return_mae": ("MAE of returns", "percent", 3),
    "price_rmse": ("RMSE of prices", "number", 2),
    "price_mae": ("MAE of prices", "number", 2),
    "skill": ("skill", "percent", 2),
    "mase": ("MASE", "number", 3),
}
"""metric -> (heading, form, digits)."""


def results(evaluations: Mapping[int, Evaluation], ours: str) -> Section:
    """Every model's metrics with their intervals, two tables a horizon; the row of `ours` is marked."""
    tables = [
        _table(found, ours, f"{ahead(horizon).capitalize()}: {what}", metrics)
        for horizon, found in evaluations.items()
        for what, metrics in (("direction and ranking", DIRECTION), ("size of the errors", ERRORS))
    ]
    before = Paragraph(
        "Every model is judged on the same sessions, which none of them saw in training. Below each value stands its "
        "95 % interval from resampling days. The marked row is our model; no value is set in bold, because intervals "
        "that overlap name no winner. A dash means undefined: a model that says the same for all has no rank IC."
    )
    after = Paragraph(
        "Skill is 1 − RMSE / RMSE of persistence, which says that the price stays: above zero is better than doing "
        "nothing. MASE is the mean price error over that of persistence: below 1 is better. Rank IC is the mean rank "
        "correlation of forecast and return across stocks on one session, ICIR that mean over its standard deviation. "
        "Price errors are in quote currency and so belong mostly to the stocks with the highest quotes."
    )
    return Section("Results", (before, *tables, after))


def _table(found: Evaluation, ours: str, caption: str, metrics: Mapping[str, tuple[str, str, int]]) -> Table:
    models = list(found.table)
    rows = tuple(
        (model, *(_cell(found.table[model].get(metric), form, digits) for metric, (_, form, digits) in metrics.items()))
        for model in models
    )
    columns = ("model", *(heading for heading, _, _ in metrics.values()))
    return Table(columns, rows, caption, models.index(ours) if ours in models else None)


def _cell(found: ConfidenceInterval | None, form: str, digits: int) -> str:
    if found is None or not np.isfinite(found.value):
        return "–"
    shown = percent(found.value, digits) if form == "percent" else number(found.value, digits)
    if not np.isfinite(found.low + found.high):
        return shown
    scale = 100 if form == "percent" else 1
    return f"{shown}\n[{number(found.low * scale, digits)}, {number(found.high * scale, digits)}]"


def differences(evaluations: Mapping[int, Evaluation]) -> Section:
    """Forest plots of our model less each baseline."""
    blocks = []
    for horizon, found in evaluations.items():
        if not found.against:
            continue
        sides = [
            _side(row[metric], sign)
            for metric, (*_, sign) in figures.DIFFERENCES.items()
            for row in found.against.values()
            if metric in row
        ]
        told = [side for side in sides if side is not None]
        said = (
            f"Of {len(told)} differences {told.count(1) or 'none'} are clearly in our favour, "
            f"{told.count(-1) or 'none'} clearly against; among so many, about {max(1, round(0.05 * len(told)))} "
            "would look clear by luck alone."
            if told
            else "The test has too few sessions to tell any difference from chance."
        )
        caption = (
            f"{ahead(horizon).capitalize()}: our model less each baseline, on the same days. A line that crosses zero "
            "(grey) is no difference that this test can tell from chance; blue is in our favour, orange against. "
            f"{said}"
        )
        alt = f"Forest plot of differences in RMSE, direction accuracy and rank IC from {listed(list(found.against))}."
        blocks.append(Picture(figures.figure_differences(found.against), caption, alt))
    return Section("Against the baselines", tuple(blocks) or (Paragraph("There is no baseline to compare with."),))


def _side(found: ConfidenceInterval, sign: int) -> int | None:
    """1 for an interval on the better side of zero, -1 on the worse, 0 across; None where there is none."""
    if not np.isfinite(found.low + found.high):
        return None
    return sign * (int(found.low > 0) - int(found.high < 0))


def years_and_stocks(found: Evaluation) -> Section:
    """Skill by year and by symbol."""
    blocks: list[Picture | Paragraph] = []
    if found.by_year:
        caption = (
            f"{ahead(found.horizon).capitalize()}, our model by year of the test, with 95 % intervals: blue above the "
            "line of no skill, orange below, grey if the interval holds it. In a year in which most stocks rise, 50 % "
            "is no bar to clear: compare with always-up in the table above."
        )
        alt = "Skill, direction accuracy and rank IC by year, with intervals."
        blocks.append(Picture(figures.figure_by_year(found.by_year), caption, alt))
    skill = {s: row["skill"] for s, row in found.by_symbol.items() if np.isfinite(row.get("skill", np.nan))}
    if skill:
        better = sum(value > 0 for value in skill.values())
        caption = (
            f"Skill of each stock, best first, down the columns: above zero for {better} of {len(skill)}. Noise would "
            "mostly lie below zero; in a rising market, whatever leans up lies above."
        )
        if len(skill) > figures.MOST_SYMBOLS:
            caption += f" Only the first and the last {figures.MOST_SYMBOLS // 2} are shown."
        if len(skill) > 10:
            caption += " The ends of so long a list owe much to luck: they are no advice on what to pick."
        blocks.append(Picture(figures.figure_by_symbol(skill), caption, "Dot plot of skill by stock, sorted."))
    return Section("Years and stocks", tuple(blocks) or (Paragraph("The test is too short to part it."),))
