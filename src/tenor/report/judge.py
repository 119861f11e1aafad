"""The page of a judgement: the verdicts, the baselines, possible doubts, and the figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.significance import format_p
from tenor.evaluation.titles import loss_title
from tenor.referee.result import HorizonResult, LossTable, ModelResult, Pairwise
from tenor.referee.words import (
    ANSWERS,
    KIND_WORDS,
    MEASURE_WORDS,
    REFERENCE_WORDS,
    SHORT_WORDS,
    answer,
    leading,
    pairwise_sentence,
)
from tenor.report import style
from tenor.report.backtest import trading_section
from tenor.report.page import Fold, PageSection, Paragraph, Picture, TextTable, render_page, write_page
from tenor.report.results import figure_by_symbol, interval_cell, results_tables
from tenor.report.style import (
    format_number,
    format_signed,
    join_names,
    sentence_case,
    sessions_ahead,
)
from tenor.report.walk import figure_probabilities

Block = Picture | TextTable | Paragraph | Fold
FINDING_WORDS = {
    "late": "made too late",
    "hindsight": "computed in hindsight",
    "training": "overlaps the training",
    "leak": "knows the future, it seems",
    "units": "other units",
    "dates": "dates of the target",
}


def write_judgement(
    path: Path, models: Sequence[ModelResult], pairs: Sequence[Pairwise], about: Mapping[str, str]
) -> Path:
    """Write a judgement as one self-contained HTML file.

    Parameters
    ----------
    path
        Path of the file; if this fails, an earlier file there is unchanged.
    models
        The judged models, at least one.
    pairs
        Comparisons between the models.
    about
        Bars, baselines and days, shown in this order.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    UsageError
        The file can't be written there.
    """
    names = [model.name for model in models]
    days = max((outcome.days for model in models for outcome in model.outcomes), default=0)
    forecasts = sum(model.counted for model in models)
    text = render_page(
        title=f"Forecasts of {join_names(names)}, judged",
        subtitle=f"{forecasts:,} forecasts on up to {days:,} days, beside baselines that knew no more than they did",
        verdicts=[(model.name, _verdict(model)) for model in models],
        about=about,
        sections=[
            _summary_section(models),
            _doubts_section(models),
            *([_pairs_section(pairs)] if pairs else []),
            *(_model_section(model) for model in models if model.horizons),
            _method_section(),
        ],
    )
    write_page(path, text)
    return path


def _verdict(model: ModelResult) -> str:
    """The answer, and the verdicts that it is based on; the others are in the table below."""
    return f"{sentence_case(answer(model))}. " + " ".join(f"{sentence_case(o.sentence)}." for o in leading(model))


def _summary_section(models: Sequence[ModelResult]) -> PageSection:
    before = Paragraph(
        "Each line is one kind of forecast at one horizon, against the baseline that decides: 'the price stays' for "
        "returns, the usual share of rises for directions, and the HAR-X regression refitted every month for "
        "volatility and for the distribution. Change is the model's loss over the baseline's, less 1: below zero, "
        "the model is better. The first p-value is that of a Diebold-Mariano test on days, corrected (Holm) for the "
        "number of baselines; the second is corrected for the number of lines of the model, which is what the "
        "headline goes by."
    )
    rows = tuple(
        (
            f"{model.name}\n{KIND_WORDS[outcome.kind]}",
            str(outcome.horizon),
            ANSWERS[outcome.side],
            SHORT_WORDS.get(outcome.reference, outcome.reference),
            f"{format_signed(100 * outcome.change, 1)} %\n{MEASURE_WORDS[outcome.measure]}",
            format_p(outcome.p),
            format_p(outcome.overall_p),
            f"{outcome.samples:,}\n{outcome.days:,} days",
        )
        for model in models
        for outcome in model.outcomes
    )
    columns = (
        "model",
        "sessions ahead",
        "answer",
        "against",
        "change of the loss",
        "p, Holm",
        "p, all lines",
        "forecasts",
    )
    table: Block = TextTable(columns, rows, "The verdicts") if rows else Paragraph("Nothing could be judged.")
    return PageSection("In short", (before, table))


def _doubts_section(models: Sequence[ModelResult]) -> PageSection:
    blocks: list[Block] = []
    for model in models:
        judged = f"{model.name}: {model.judged:,} of {model.rows:,} forecasts could be judged"
        sentences = [f"{judged}, and the verdict rests on {model.counted:,}."]
        if model.marked:
            sentences.append(f"They are no evidence: {model.marked}.")
        elif not model.findings:
            sentences.append(
                "None is dated after what it claims to know, none overlaps a stated training period, and none matches "
                "the outcome better than a forecast can."
            )
        blocks.append(Paragraph(" ".join(sentences)))
        for finding in model.findings:
            used = "left out of the verdict" if finding.excluded else "counted"
            blocks.append(Paragraph(f"{sentence_case(FINDING_WORDS[finding.kind])} ({used}): {finding.text}."))
        blocks += [Paragraph(f"Not judged: {each.describe()}.") for each in model.unjudged]
        if model.notes:
            blocks.append(Paragraph(f"Assumed: {'; '.join(model.notes)}."))
    return PageSection("What to doubt", tuple(blocks))


def _pairs_section(pairs: Sequence[Pairwise]) -> PageSection:
    blocks: list[Block] = [
        Paragraph(
            "The models on the forecasts that all of them made. The model confidence set (Hansen, Lunde and Nason "
            "2011) holds the best one with a probability of 90 %; the baseline that decides is a candidate too. "
            "Pairs are tested by Diebold-Mariano on days, corrected by Holm over all pairs."
        )
    ]
    for pair in pairs:
        title = loss_title(pair.measure)
        blocks.append(Paragraph(sentence_case(pairwise_sentence(pair))))
        blocks.append(
            TextTable(
                ("model", title.heading, "among the best"),
                tuple(
                    (
                        name,
                        _loss_cell(value, pair.measure),
                        _best_cell(pair.confidence_set.get(name, math.nan)),
                    )
                    for name, value in pair.values.items()
                ),
                f"{sentence_case(title.title)}, {sessions_ahead(pair.horizon)}",
            )
        )
        blocks.append(
            TextTable(
                ("model", "against", "change of its loss", "p, Holm"),
                tuple(
                    (model, other, f"{format_signed(100 * test.change, 1)} %", format_p(test.holm))
                    for (model, other), test in pair.tests.items()
                ),
                "Each pair",
            )
        )
    return PageSection("Beside each other", tuple(blocks))


def _model_section(model: ModelResult) -> PageSection:
    blocks: list[Block] = [*_loss_blocks(model), *_course_blocks(model), *_calibration_blocks(model)]
    evaluations = {h: result.evaluation for h, result in model.horizons.items() if result.evaluation is not None}
    if evaluations:
        blocks.append(
            Paragraph(
                "The usual metrics of returns and directions; below each value its 95 % interval from resampled days. "
                "Where the file has no probability of a rise, the sign of the forecast return is its direction; where "
                "it has no return, errors are those of 'the price stays'."
            )
        )
        blocks += results_tables(evaluations, model.name)
    if model.trading is not None:
        blocks += trading_section(model.trading).blocks
    return PageSection(f"Figures of {model.name}", tuple(blocks))


def _loss_blocks(model: ModelResult) -> list[Block]:
    blocks: list[Block] = [
        Picture(figure_losses(model), _changes_caption(), "Change of the loss against each baseline.")
    ]
    for horizon, result in model.horizons.items():
        blocks += [_loss_table(table, model.name, horizon) for table in result.losses.values()]
    return blocks


def _changes_caption() -> str:
    return (
        "The model's loss over each baseline's, less 1, in per cent: below zero it is better. Blue: better at 5 % "
        "after Holm, orange: worse, grey: no difference shown."
    )


def _loss_table(table: LossTable, name: str, horizon: int) -> TextTable:
    title = loss_title(table.measure)
    rows = []
    for other, value in table.values.items():
        comparison = table.comparisons.get(other)
        rows.append(
            (
                other,
                _loss_cell(value, table.measure),
                "–" if comparison is None else f"{format_signed(100 * comparison.change, 1)} %",
                "–" if comparison is None else format_p(comparison.holm),
                _best_cell(table.confidence_set.get(other, math.nan)),
            )
        )
    caption = (
        f"{sentence_case(title.title)}, {sessions_ahead(horizon)}: {table.samples:,} forecasts on {table.days:,} "
        f"days. {_explained(table)}"
    )
    columns = ("model", title.heading, f"change of {name}", "p, Holm", "among the best")
    return TextTable(columns, tuple(rows), caption, marked=0)


def _explained(table: LossTable) -> str:
    if not table.levels or len(table.levels) == 19:
        return loss_title(table.measure).explanation
    levels = ", ".join(f"{level:g}" for level in table.levels)
    return f"Twice the mean pinball loss of the quantiles {levels}, for all models alike."


def _loss_cell(value: ConfidenceInterval, measure: str) -> str:
    title = loss_title(measure)
    scaled = ConfidenceInterval(*(x * title.scale for x in (value.value, value.low, value.high)))
    return interval_cell(scaled, title.digits, as_percent=False)


def _best_cell(p: float) -> str:
    return "–" if math.isnan(p) else f"{'yes' if p >= 0.1 else 'no'}\np {format_p(p)}"


def _course_blocks(model: ModelResult) -> list[Block]:
    caption = (
        "The model's loss less that of the baseline that decides, summed from the first day on, in units of that "
        "baseline's mean loss: a line that falls is a model that is better, one that rises is worse. A line that "
        "falls at once and then is level was better for a while only."
    )
    blocks: list[Block] = [Picture(figure_course(model), caption, "Loss less that of the baseline, summed over days.")]
    first = next(iter(model.horizons.values()))
    for kind in first.outcomes:
        table = first.losses[first.outcomes[kind].measure]
        skill = {symbol: value for symbol, value in table.by_symbol.items() if math.isfinite(value)}
        if len(skill) < 2:
            continue
        better = sum(value > 0 for value in skill.values())
        against = REFERENCE_WORDS.get(table.reference, table.reference)
        caption = (
            f"{sentence_case(KIND_WORDS[kind])} {sessions_ahead(first.horizon)}: 1 less the loss "
            f"({MEASURE_WORDS[table.measure]}) over that of {against}, by symbol. Above zero is better: {better} of "
            f"{len(skill)}."
        )
        figure = figure_by_symbol(skill, title=f"skill against {against}")
        blocks.append(Picture(figure, caption, f"Skill of {KIND_WORDS[kind]} by symbol, sorted."))
    return blocks


def _calibration_blocks(model: ModelResult) -> list[Block]:
    blocks: list[Block] = []
    below = {h: result for h, result in model.horizons.items() if result.below}
    if below:
        caption = (
            "The share of returns below each forecast quantile against its level, with 95 % intervals: calibrated "
            "quantiles lie on the orange line. Above it at low levels and below it at high ones, the distribution is "
            "too narrow."
        )
        blocks.append(Picture(figure_quantiles(below), caption, "Share of returns below each quantile."))
        rows = [
            (sessions_ahead(h), *(interval_cell(share, 1, as_percent=True) for share in result.coverage.values()))
            for h, result in below.items()
            if result.coverage
        ]
        if rows:
            percents = tuple(
                f"{percent} % interval" for percent in next(r for r in below.values() if r.coverage).coverage
            )
            if all(len(row) == 1 + len(percents) for row in rows):
                blocks.append(TextTable(("horizon", *percents), tuple(rows), "Returns inside each interval"))
    bins = {h: result.probabilities for h, result in model.horizons.items() if len(result.probabilities) > 1}
    if bins:
        caption = (
            "Forecast probability of a rise against the share that rose: on the orange line the two agree; level with "
            "the dashed line, the probability makes no difference."
        )
        blocks.append(Picture(figure_probabilities(bins), caption, "Share that rose against the forecast probability."))
    levels = {h: result.level for h, result in model.horizons.items() if math.isfinite(result.level)}
    if levels:
        listed = "; ".join(f"{sessions_ahead(h)}: {format_number(level, 2)}" for h, level in levels.items())
        blocks.append(
            Paragraph(
                f"Realised over forecast variance, mean: {listed}. Above 1 the forecast volatility is too low, below "
                "1 too high."
            )
        )
    return blocks


def _method_section() -> PageSection:
    return PageSection(
        "How it was judged",
        (
            Paragraph(
                "Nothing of the forecasts was trained or calibrated. The baselines were fitted on bars before the "
                "first forecast and again every 252 sessions, their settings chosen on the sessions before; the "
                "refitted HAR-X learns on, every 21 sessions, from what was known by then. All models are compared "
                "on the same symbols and days. Tests and intervals take days, not single forecasts, as independent; "
                "with fewer than 30 days nothing is tested."
            ),
            Paragraph(
                "What is realised of volatility is the squared gap from close to open plus the variance that the "
                "range shows (Garman-Klass). A forecast standard deviation of returns is compared with it after "
                "dividing by the ratio of the two that the bars before the forecasts show, the same for every model. "
                "The distribution is scored over the levels that the file has; the baselines' quantiles at those "
                "levels beside it."
            ),
            Paragraph(
                "A verdict on the past is no promise. Whether a model saw these days in its training can't be seen "
                "from its forecasts: it rests on what the file states. Nothing here is investment advice."
            ),
        ),
    )


@style.styled
def figure_losses(model: ModelResult) -> Figure:
    """The model's loss over each baseline's, minus 1: one panel per kind of forecast, one marker per horizon."""
    measures = list(dict.fromkeys(outcome.measure for outcome in model.outcomes))
    heights = [0.9 + 0.3 * len(_baselines(model, measure)) for measure in measures]
    figure = style.canvas(sum(heights) + 0.3)
    panels = figure.subplots(len(measures), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, measure in zip(panels, measures, strict=True):
        _draw_losses(axes, model, measure)
    return figure


def draw_losses(model: ModelResult, measure: str, *, ax: Axes | None = None) -> Axes:
    """Draw one panel of `figure_losses`, on `ax` or on new axes for a notebook."""
    axes = style.notebook_axes(8, 1.4 + 0.34 * len(_baselines(model, measure))) if ax is None else ax
    _draw_losses(axes, model, measure)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"change of the loss, % (below zero {model.name} is better)")
    return axes


def _baselines(model: ModelResult, measure: str) -> list[str]:
    """The baselines that the model is compared with by `measure`, at any horizon."""
    tables = [result.losses[measure] for result in model.horizons.values() if measure in result.losses]
    return list(dict.fromkeys(other for table in tables for other in table.comparisons))


def _draw_losses(axes: Axes, model: ModelResult, measure: str) -> None:
    names = _baselines(model, measure)
    colours = {1: style.OURS, -1: style.AGAINST}
    axes.axvline(0, color=style.MUTED, lw=1)
    at = [result for result in model.horizons.values() if measure in result.losses]
    for i, result in enumerate(at):
        shift = 0.18 * (i - (len(at) - 1) / 2)
        for place, name in enumerate(names):
            comparison = result.losses[measure].comparisons.get(name)
            if comparison is not None:
                colour = colours.get(comparison.side or 0, style.CALM)
                axes.plot(100 * comparison.change, place + shift, "os^Dv"[i % 5], color=colour, ms=5.5)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    axes.grid(visible=False, axis="y")
    shapes = ", ".join(f"{word} {result.horizon}" for word, result in zip(_SHAPES, at, strict=False))
    axes.set_title(f"{sentence_case(MEASURE_WORDS[measure])}" + (f" ({shapes} ahead)" if len(at) > 1 else ""))
    axes.set_xlabel("change of the loss, %")
    style.plain_axis(axes.xaxis)


_SHAPES = ("circle", "square", "triangle", "diamond", "wedge")


@style.styled
def figure_course(model: ModelResult) -> Figure:
    """Loss minus that of the deciding baseline, summed over days; one panel per kind, one line per horizon."""
    kinds = list(dict.fromkeys(outcome.kind for outcome in model.outcomes))
    figure = style.canvas(2.3 * len(kinds) + 0.2)
    panels = figure.subplots(len(kinds), 1, squeeze=False)[:, 0]
    for axes, kind in zip(panels, kinds, strict=True):
        axes.axhline(0, color=style.MUTED, lw=1, ls="--")
        lines = [result for result in model.horizons.values() if kind in result.outcomes]
        for result, colour in zip(lines, style.SERIES * (1 + len(lines) // len(style.SERIES)), strict=False):
            table = result.losses[result.outcomes[kind].measure]
            size = table.values[table.reference].value
            excess = np.cumsum(table.excess) / size if size > 0 else np.zeros(len(table.excess))
            label = sessions_ahead(result.horizon)
            axes.plot(table.sessions, excess, color=colour, label=label, marker="o" if len(excess) == 1 else "")
        first = lines[0]
        style.date_ticks(axes, first.losses[first.outcomes[kind].measure].sessions)
        axes.set_title(f"{sentence_case(KIND_WORDS[kind])}: {MEASURE_WORDS[first.outcomes[kind].measure]}, summed")
        if len(lines) > 1:
            style.legend(axes, columns=len(lines))
        style.plain_axis(axes.yaxis)
    return figure


@style.styled
def figure_quantiles(by_horizon: Mapping[int, HorizonResult]) -> Figure:
    """Share of returns below each forecast quantile against its level; one panel per horizon."""
    figure = style.canvas(3.4)
    panels = figure.subplots(1, len(by_horizon), squeeze=False)[0]
    for axes, (horizon, result) in zip(panels, by_horizon.items(), strict=True):
        levels = np.array([float(level) for level in result.below])
        shares = np.array([share.value for share in result.below.values()])
        axes.plot([0, 1], [0, 1], color=style.AGAINST, lw=1)
        for level, share in zip(levels, result.below.values(), strict=True):
            axes.plot([level, level], [share.low, share.high], color=style.OURS, lw=2)
        axes.plot(levels, shares, "o", color=style.OURS, ms=5)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="level of the quantile")
        axes.set_title(f"Returns below, {sessions_ahead(horizon)}")
        for axis in (axes.xaxis, axes.yaxis):
            style.percent_axis(axis)
    return figure
