"""The results: the metrics of all models, differences to the baselines, years and stocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.significance import PAIRED, Difference, side_of_zero
from tenor.evaluation.titles import TITLES
from tenor.report import style
from tenor.report.page import Picture, TextTable
from tenor.report.style import format_number, format_percent, format_signed, join_names, sentence_case, sessions_ahead

DIRECTION_METRICS = ("direction", "mcc", "auc", "brier", "rank_ic", "icir")
ERROR_METRICS = ("return_rmse", "return_mae", "price_rmse", "price_mae", "skill", "mase")
SYMBOL_METRICS = ("price_rmse", "price_mae", "skill", "direction", "brier")
YEAR_METRICS = ("skill", "direction", "rank_ic")
DIFFERENCE_AXES = {"return_rmse": ("bps", 1e4), "direction": ("% points", 1e2), "rank_ic": ("", 1.0)}
"""Metric -> unit of a difference on a figure's axis, and the scale to it: differences in RMSE are far below 1 %."""
RANKED_SYMBOLS = 100
UNDEFINED = ConfidenceInterval(np.nan, np.nan, np.nan)


def results_tables(evaluations: Mapping[int, Evaluation], ours: str) -> list[TextTable]:
    """Two tables per horizon: one for direction and ranking, one for errors."""
    return [
        metrics_table(evaluation, ours, topic, metrics)
        for evaluation in evaluations.values()
        for topic, metrics in (("direction and ranking", DIRECTION_METRICS), ("size of the errors", ERROR_METRICS))
    ]


def metrics_table(evaluation: Evaluation, ours: str, topic: str, metrics: Sequence[str]) -> TextTable:
    """Every model's `metrics` with their intervals; the row of `ours` is marked."""
    caption = f"{sentence_case(sessions_ahead(evaluation.horizon))}: {topic}"
    models = list(evaluation.table)
    rows = tuple(
        (model, *(metric_cell(evaluation.table[model].get(metric, UNDEFINED), metric) for metric in metrics))
        for model in models
    )
    columns = ("model", *(TITLES[metric].title for metric in metrics))
    return TextTable(columns, rows, caption, models.index(ours) if ours in models else None)


def metric_cell(interval: ConfidenceInterval | Difference, metric: str, *, difference: bool = False) -> str:
    """A value of `metric`, or a difference in it, and its interval on the next line; a dash if it is undefined."""
    title = TITLES[metric]
    digits = title.difference_digits if difference else title.digits
    return interval_cell(interval, digits, as_percent=title.unit == "%")


def interval_cell(interval: ConfidenceInterval | Difference, digits: int, *, as_percent: bool) -> str:
    """A value and its interval on the next line; a dash if it is undefined."""
    if not np.isfinite(interval.value):
        return "–"
    text = format_percent(interval.value, digits) if as_percent else format_number(interval.value, digits)
    if not np.isfinite(interval.low + interval.high):
        return text
    scale = 100 if as_percent else 1
    return f"{text}\n[{format_number(interval.low * scale, digits)}, {format_number(interval.high * scale, digits)}]"


def count_sides(evaluation: Evaluation) -> str:
    """A sentence on how many differences are significant, and how many would be by chance."""
    sides = [
        side_of_zero(differences[metric], higher_is_better=TITLES[metric].higher_is_better)
        for metric in PAIRED
        for differences in evaluation.against.values()
        if metric in differences
    ]
    tested = [side for side in sides if side is not None]
    if not tested:
        return "The test has too few sessions to tell any difference from chance."
    by_chance = max(1, round(0.05 * len(tested)))
    return (
        f"Of {len(tested)} differences {tested.count(1)} are significantly better and {tested.count(-1)} worse; about "
        f"{by_chance} would be by chance."
    )


def differences_alt(evaluation: Evaluation) -> str:
    """Alternative text for `figure_differences`."""
    metrics = join_names([TITLES[metric].title for metric in PAIRED])
    direction = [
        f"{name} {format_signed(100 * differences['direction'].value)}"
        for name, differences in evaluation.against.items()
        if "direction" in differences
    ]
    return (
        f"Forest plot of differences in {metrics}. Direction accuracy, in % points, less that of "
        f"{join_names(direction, most=len(direction))}."
    )


def years_picture(evaluation: Evaluation) -> list[Picture]:
    """Skill, direction and rank IC by year; an empty list if the test is too short to be divided."""
    if not evaluation.by_year:
        return []
    caption = (
        f"{sentence_case(sessions_ahead(evaluation.horizon))}, by year, with 95 % intervals: blue above no skill, "
        "orange below. Where most stocks rise, a direction accuracy above 50 % is no achievement."
    )
    skill = [f"{year} {metric_cell(row['skill'], 'skill')}" for year, row in evaluation.by_year.items()]
    alt = f"Skill, direction accuracy and rank IC by year. Skill: {', '.join(skill)}.".replace("\n", " ")
    return [Picture(figure_by_year(evaluation.by_year), caption, alt)]


def stocks_table(evaluation: Evaluation, held: Mapping[str, float]) -> TextTable:
    """Coverage, errors and Brier score of each stock; at most the first `RANKED_SYMBOLS`, in alphabetical order.

    Parameters
    ----------
    evaluation
        The evaluation of returns and directions.
    held
        Coverage of the 90 % interval, by symbol.

    Returns
    -------
    TextTable
        One row per stock.
    """
    symbols = sorted(evaluation.by_symbol)
    rows = tuple(
        (
            symbol,
            f"{evaluation.by_symbol[symbol]['samples']:,.0f}",
            format_percent(held.get(symbol, np.nan), 1),
            *(_symbol_cell(evaluation.by_symbol[symbol], metric) for metric in (*SYMBOL_METRICS, "brier_constant")),
        )
        for symbol in symbols[:RANKED_SYMBOLS]
    )
    caption = (
        f"{sentence_case(sessions_ahead(evaluation.horizon))}: errors of prices are in % of the last close; the last "
        "column always forecasts the stock's own share of rises."
    )
    if len(symbols) > RANKED_SYMBOLS:
        caption += f" The first {RANKED_SYMBOLS} of {len(symbols)} stocks; the others are in the JSON file."
    titles = (TITLES[metric].title for metric in SYMBOL_METRICS)
    columns = ("stock", "forecasts", "inside 90 %", *titles, "Brier score of the share of rises")
    return TextTable(columns, rows, caption)


def _symbol_cell(values: Mapping[str, float], metric: str) -> str:
    title = TITLES.get(metric, TITLES["brier"])
    value = values.get(metric, np.nan)
    if not np.isfinite(value):
        return "–"
    return format_percent(value, title.digits) if title.unit == "%" else format_number(value, title.digits)


@style.styled
def figure_differences(against: Mapping[str, Mapping[str, ConfidenceInterval]]) -> Figure:
    """Forest plot: our model minus each baseline, metric by metric, with 95 % intervals against a zero line."""
    names = list(against)
    figure = style.canvas(1.35 + 0.34 * len(names))
    panels = figure.subplots(1, len(DIFFERENCE_AXES), sharey=True)
    for axes, (metric, (unit, scale)) in zip(panels, DIFFERENCE_AXES.items(), strict=True):
        title = TITLES[metric]
        intervals = [against[name].get(metric, UNDEFINED) for name in names]
        _forest(axes, intervals, higher_is_better=title.higher_is_better)
        axes.set_title(sentence_case(title.title))
        axes.set_xlabel(f"difference{f', {unit}' if unit else ''} ({title.direction})")
        style.plain_axis(axes.xaxis, scale)
    _label_rows(panels, names)
    return figure


@style.styled
def figure_by_year(by_year: Mapping[str, Mapping[str, ConfidenceInterval]]) -> Figure:
    """Skill, direction accuracy and rank IC of our model year by year (or fold by fold), with 95 % intervals."""
    years = list(by_year)
    figure = style.canvas(1.35 + 0.34 * len(years))
    panels = figure.subplots(1, len(YEAR_METRICS), sharey=True)
    for axes, metric in zip(panels, YEAR_METRICS, strict=True):
        title = TITLES[metric]
        intervals = [by_year[year].get(metric, UNDEFINED) for year in years]
        _forest(axes, intervals, higher_is_better=title.higher_is_better, no_skill=title.no_skill or 0.0)
        axes.set_title(sentence_case(title.title))
        if title.unit == "%":
            style.percent_axis(axes.xaxis)
        else:
            style.plain_axis(axes.xaxis)
    _label_rows(panels, years)
    return figure


def _forest(
    axes: Axes, intervals: Sequence[ConfidenceInterval], *, higher_is_better: bool, no_skill: float = 0.0
) -> None:
    axes.axvline(no_skill, color=style.MUTED, lw=1)
    for place, interval in enumerate(intervals):
        # like side_of_zero, but relative to `no_skill`; NaN bounds are on neither side
        above, below = interval.low > no_skill, interval.high < no_skill
        better, worse = (above, below) if higher_is_better else (below, above)
        colour = style.OURS if better else style.AGAINST if worse else style.CALM
        axes.plot([interval.low, interval.high], [place, place], color=colour, lw=2)
        axes.plot([interval.value], [place], "o", color=colour, ms=6)
        if not np.isfinite(interval.value):
            axes.annotate(
                "undefined",
                (no_skill, place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=style.MUTED,
                size=9,
            )
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=4)


def _label_rows(panels: Sequence[Axes], names: Sequence[str]) -> None:
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    for axes in panels:
        axes.tick_params(axis="y", length=0, labelcolor=style.INK)


@style.styled
def figure_by_symbol(by_symbol: Mapping[str, float], title: str = TITLES["skill"].title) -> Figure:
    """Skill of every symbol, sorted, column by column; beyond `RANKED_SYMBOLS`, only the best and the worst."""
    ranked = sorted(by_symbol.items(), key=lambda item: -item[1])
    if len(ranked) > RANKED_SYMBOLS:
        ranked = [*ranked[: RANKED_SYMBOLS // 2], *ranked[-(RANKED_SYMBOLS // 2) :]]
    columns = min(4, max(1, -(-len(ranked) // 12)))
    height = -(-len(ranked) // columns)
    figure = style.canvas(0.7 + 0.19 * height)
    panels = figure.subplots(1, columns, sharex=True, squeeze=False)[0]
    panels[0].set_title(sentence_case(title))
    for column, axes in enumerate(panels):
        part = ranked[column * height : (column + 1) * height]
        axes.axvline(0, color=style.MUTED, lw=1)
        for place, (_, value) in enumerate(part):
            axes.plot([0, value], [place, place], color=style.GRID, lw=1.2)
        for colour, above in ((style.OURS, True), (style.AGAINST, False)):
            chosen = [(value, place) for place, (_, value) in enumerate(part) if (value >= 0) is above]
            axes.plot([value for value, _ in chosen], [place for _, place in chosen], "o", color=colour, ms=4.5)
        axes.set_yticks(range(len(part)), [name for name, _ in part])
        axes.set_ylim(height - 0.4, -0.6)
        axes.tick_params(axis="y", length=0, labelcolor=style.INK, labelsize=8.5)
        axes.tick_params(axis="x", labelsize=8.5)
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=4)
        style.percent_axis(axes.xaxis)
    return figure
