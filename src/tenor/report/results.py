"""The results: every model's metrics, differences from the baselines, years and stocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.report import style
from tenor.report.page import Paragraph, Picture, Section, Table
from tenor.report.style import format_number, format_percent, join_names, sessions_ahead

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
DIFFERENCES = {
    "return_rmse": ("RMSE of returns", "difference, bps", 1e4, "lower is better", -1),
    "direction": ("Direction accuracy", "difference, % points", 1e2, "higher is better", 1),
    "rank_ic": ("Rank IC", "difference", 1.0, "higher is better", 1),
}
"""metric -> (title, unit, scale to it, what is better, sign of better)."""
MOST_SYMBOLS = 100
UNDEFINED = ConfidenceInterval(np.nan, np.nan, np.nan)


def results_section(evaluations: Mapping[int, Evaluation], ours: str) -> Section:
    """Every model's metrics with their intervals, two tables a horizon; the row of `ours` is marked."""
    tables = [
        _table(found, ours, f"{sessions_ahead(horizon).capitalize()}: {what}", metrics)
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
    shown = format_percent(found.value, digits) if form == "percent" else format_number(found.value, digits)
    if not np.isfinite(found.low + found.high):
        return shown
    scale = 100 if form == "percent" else 1
    return f"{shown}\n[{format_number(found.low * scale, digits)}, {format_number(found.high * scale, digits)}]"


def differences_section(evaluations: Mapping[int, Evaluation]) -> Section:
    """Forest plots of our model less each baseline."""
    blocks = []
    for horizon, found in evaluations.items():
        if not found.against:
            continue
        sides = [
            _side(row[metric], sign)
            for metric, (*_, sign) in DIFFERENCES.items()
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
            f"{sessions_ahead(horizon).capitalize()}: our model less each baseline, on the same days. A line that crosses zero "
            "(grey) is no difference that this test can tell from chance; blue is in our favour, orange against. "
            f"{said}"
        )
        alt = f"Forest plot of differences in RMSE, direction accuracy and rank IC from {join_names(list(found.against))}."
        blocks.append(Picture(figure_differences(found.against), caption, alt))
    return Section("Against the baselines", tuple(blocks) or (Paragraph("There is no baseline to compare with."),))


def _side(found: ConfidenceInterval, sign: int) -> int | None:
    """1 for an interval on the better side of zero, -1 on the worse, 0 across; None where there is none."""
    if not np.isfinite(found.low + found.high):
        return None
    return sign * (int(found.low > 0) - int(found.high < 0))


def years_and_stocks_section(found: Evaluation) -> Section:
    """Skill by year and by symbol."""
    blocks: list[Picture | Paragraph] = []
    if found.by_year:
        caption = (
            f"{sessions_ahead(found.horizon).capitalize()}, our model by year of the test, with 95 % intervals: blue above the "
            "line of no skill, orange below, grey if the interval holds it. In a year in which most stocks rise, 50 % "
            "is no bar to clear: compare with always-up in the table above."
        )
        alt = "Skill, direction accuracy and rank IC by year, with intervals."
        blocks.append(Picture(figure_by_year(found.by_year), caption, alt))
    skill = {s: row["skill"] for s, row in found.by_symbol.items() if np.isfinite(row.get("skill", np.nan))}
    if skill:
        better = sum(value > 0 for value in skill.values())
        caption = (
            f"Skill of each stock, best first, down the columns: above zero for {better} of {len(skill)}. Noise would "
            "mostly lie below zero; in a rising market, whatever leans up lies above."
        )
        if len(skill) > MOST_SYMBOLS:
            caption += f" Only the first and the last {MOST_SYMBOLS // 2} are shown."
        if len(skill) > 10:
            caption += " The ends of so long a list owe much to luck: they are no advice on what to pick."
        blocks.append(Picture(figure_by_symbol(skill), caption, "Dot plot of skill by stock, sorted."))
    return Section("Years and stocks", tuple(blocks) or (Paragraph("The test is too short to part it."),))


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
