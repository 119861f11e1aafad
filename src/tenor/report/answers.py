"""The first page: four questions (how far, which way, news, trading), each answered by a sentence and a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.baselines import ALWAYS_UP, PERSISTENCE
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.cost_sweep import HOLD, CostSweep, SweepRun
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.garch import GJR
from tenor.evaluation.news_value import NewsValue, best_arm
from tenor.evaluation.risk import ADAPTED, LOSSES, Comparison, RiskEvaluation
from tenor.evaluation.significance import format_p, side_of_zero
from tenor.evaluation.titles import RISK_TITLES
from tenor.evaluation.volatility_rivals import EWMA, HAR_X_REFITTED
from tenor.report import style
from tenor.report.backtest import beats_holding, usual_cost
from tenor.report.page import Answer, Picture
from tenor.report.style import format_number, format_percent, format_signed, join_names, sessions_ahead

RIVALS = (GJR, HAR_X_REFITTED, EWMA)
"""The answer on how far names the first two of these with a comparison."""
CAPITAL = 100


def how_far_answer(evaluations: Mapping[int, RiskEvaluation], picture: Picture | None) -> Answer:
    """The coverage of the interval, and whether the volatility forecast is better than those of common rivals."""
    horizon, evaluation = next(iter(evaluations.items()))
    name = f"{evaluation.name} {ADAPTED}"
    width = evaluation.table[name if name in evaluation.table else evaluation.name]["width_90"].value
    sentence = (
        f"{sessions_ahead(horizon)}, the 90 % interval (±{format_percent(width / 2, 1)} of the price on average) held "
        f"{format_percent(evaluation.coverage, 1)} of returns"
    )
    sides: dict[str, list[str]] = {}
    for rival in [name for name in RIVALS if name in evaluation.comparisons][:2]:
        comparison = evaluation.comparisons[rival][LOSSES[0]]
        words = {
            1: "better than",
            -1: "worse than",
            0: "not shown to differ from",
            None: "on too few days to compare with",
        }
        sides.setdefault(words[comparison.side], []).append(
            f"{rival} ({format_signed(100 * comparison.change, 1)} % error)"
        )
    if sides:
        listed = ", and ".join(f"{words} {join_names(rivals)}" for words, rivals in sides.items())
        sentence += f"; its forecasts of volatility were {listed}"
    return Answer("How far?", f"{style.sentence_case(sentence)}.", picture, "How far")


def which_way_answer(evaluations: Mapping[int, Evaluation]) -> Answer:
    """Whether, at the first horizon, the direction beats always-up, and the squared error that of persistence."""
    horizon, evaluation = next(iter(evaluations.items()))
    ours = next(iter(evaluation.table.values()))
    right, up = ours["direction"], evaluation.table.get(ALWAYS_UP, {}).get("direction")
    error = next((test.side for test in evaluation.tests if test.other == PERSISTENCE), side_of_zero(ours["skill"]))
    difference = evaluation.against.get(ALWAYS_UP, {}).get("direction")
    side = None if difference is None else side_of_zero(difference)
    opening = "No evidence of skill"
    if error == side == 1:
        opening = "Better than chance"
    elif 1 in (error, side):
        opening = "Better than chance in part"
    elif -1 in (error, side):
        opening = "Worse than saying nothing"
    elif error is None and side is None:
        opening = "Too few days to say"
    if math.isfinite(right.value):
        share = format_percent(right.value, 1)
        sentence = f"{opening}: {sessions_ahead(horizon)}, the direction was right in {share} of cases"
        if difference is not None and difference.low == difference.high == 0:
            sentence += ", because it always says 'up'"
        elif up is not None and math.isfinite(up.value):
            sentence += f", where always saying 'up' was right in {format_percent(up.value, 1)}"
    else:
        sentence = f"{opening}: {sessions_ahead(horizon)}, the model names no direction"
    words = {1: "lower than", -1: "higher than", 0: "not shown to differ from", None: "not testable against"}
    sentence += f", and the squared error is {words[error]} that of persistence."
    return Answer("Which way?", sentence, _which_way_picture(evaluations), "Which way")


def _which_way_picture(evaluations: Mapping[int, Evaluation]) -> Picture:
    skill = {h: next(iter(e.table.values()))["skill"] for h, e in evaluations.items()}
    direction = {h: e.against[ALWAYS_UP]["direction"] for h, e in evaluations.items() if ALWAYS_UP in e.against}
    panels = {
        "Skill against\npersistence, %": skill,
        **({"Direction less\nalways-up, points": direction} if direction else {}),
    }
    listed = "; ".join(
        f"{title}: ".replace("\n", " ") + ", ".join(f"{_points(i)} {sessions_ahead(h)}" for h, i in values.items())
        for title, values in panels.items()
    )
    caption = "With 95 % intervals, above zero is better; grey holds zero."
    return Picture(_figure_dots(panels), caption, f"{listed}.")


def _points(interval: ConfidenceInterval) -> str:
    value, low, high = (format_signed(100 * x) for x in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]" if math.isfinite(interval.low) else value


def news_answer(
    risk: Mapping[int, RiskEvaluation],
    returns: Mapping[int, Evaluation],
    without: str,
    section: str | None,
    arms: NewsValue | None = None,
) -> Answer:
    """The effect of the news on sessions that have news; there is no picture if nothing was compared.

    `arms` is the result of the last ablation of the same store.
    """
    question = "Does the news help?"
    if not risk or not returns:
        sentence = (
            "This model reads no news, so that there is nothing to compare"
            + ("; 'tenor ablate' asks whether it would help." if arms is None else ".")
            if section is None or arms is not None
            else "Unknown: no session of the test has news that the model reads."
        )
        return Answer(question, sentence + _best_arm(arms), None, section)
    horizon, evaluation = next(iter(risk.items()))
    comparison = evaluation.comparisons[without][LOSSES[0]]
    direction = returns[horizon].against[without]["direction"]
    sides = (comparison.side, side_of_zero(direction))
    unmoved = direction.low == direction.high == 0
    opening = "Too few days to say" if set(sides) == {None} else "Not shown"
    if 1 in sides:
        opening = "Yes, in part" if -1 in sides else "Yes"
    elif -1 in sides:
        opening = "No, it hurts"
    sentence = (
        f"{opening}: {sessions_ahead(horizon)}, on {evaluation.days:,} sessions with news, reading it changed the "
        f"error of volatility by {format_signed(100 * comparison.change, 1)} % and "
        + ("no direction." if unmoved else f"the share of right directions by {_points(direction)} points.")
    )
    return Answer(question, sentence + _best_arm(arms), _news_picture(risk, without), section)


def _best_arm(arms: NewsValue | None) -> str:
    """A sentence on the arm of the ablation that reduced the error of volatility most; empty if there is none."""
    horizon = next(iter(arms.levels)) if arms is not None and arms.levels else None
    best = None if arms is None or horizon is None else best_arm(arms.comparisons, horizon=horizon)
    if best is None or not math.isfinite(best.holm):  # too few days, or no change at all
        return ""
    shown = "helps" if best.helps else "is not shown to help"
    when = "at the close" if best.moment == "close" else "before the next open"
    low, high = (format_signed(100 * bound, 1) for bound in (best.change.low, best.change.high))
    return (
        f" Walked forward with more or less of it, what helps most {shown}: {best.arm}, {when}, "
        f"{format_signed(100 * best.change.value, 1)} % [{low}, {high}] error of volatility, p {format_p(best.holm)} "
        "after Holm."
    )


def _news_picture(risk: Mapping[int, RiskEvaluation], without: str) -> Picture:
    changes = {loss: {h: e.comparisons[without][loss] for h, e in risk.items()} for loss in LOSSES}
    listed = "; ".join(
        f"{RISK_TITLES[loss].title}: "
        + ", ".join(f"{format_signed(100 * c.change, 1)} % {sessions_ahead(h)}" for h, c in by_horizon.items())
        for loss, by_horizon in changes.items()
    )
    caption = "Change of the loss by reading the news; below zero helps. Blue: better at 5 %, orange: worse."
    return Picture(_figure_changes(changes), caption, f"{listed}.")


def trading_answer(trading: CostSweep, currency: str) -> Answer | None:
    """Return and drawdown of trading on the forecasts, compared with buy and hold; None if nothing was traded."""
    usual = usual_cost(trading)
    runs = [run for run in trading.of("long/flat") if run.cost == usual]
    hold = next((run for run in trading.of(HOLD) if run.cost == usual), None)
    if not runs or hold is None:
        return None
    run = runs[0]
    if run.holding is None or not np.isfinite(run.holding.sharpe.low):
        verdict = "too few days to say whether that differs"
    elif beats_holding(run):
        verdict = "better for its risk than chance explains"
    else:
        verdict = "no better for its risk than chance explains"
    sentence = (
        f"At {format_number(usual, 0)} bps a trade, holding the stocks with a forecast rise (long/flat) made "
        f"{format_percent(run.backtest.annual_return, 1)} a year and fell by at most "
        f"{format_percent(abs(run.backtest.max_drawdown), 1)}; holding all made "
        f"{format_percent(hold.backtest.annual_return, 1)} and fell by "
        f"{format_percent(abs(hold.backtest.max_drawdown), 1)}: {verdict}."
    )
    return Answer("What would it have earned and lost?", sentence, _equity_picture((run, hold), currency), "Trading")


def _equity_picture(runs: Sequence[SweepRun], currency: str) -> Picture:
    unit = f"{CAPITAL} {currency}".strip()
    ends = [
        f"{run.rule} {format_number(CAPITAL * float(run.backtest.equity[-1]), 0)}, lowest "
        f"{format_number(CAPITAL * float(run.backtest.equity.min()), 0)}"
        for run in runs
    ]
    first, last = runs[0].backtest.sessions[[0, -1]]
    span = f"{style.format_day(first)} – {style.format_day(last)}"
    caption = f"What {unit} became, net of costs, {span}: {'; '.join(ends)}."
    return Picture(_figure_equity(runs, unit), caption, f"Line chart. {caption}")


@style.styled
def _figure_dots(panels: Mapping[str, Mapping[int, ConfidenceInterval]]) -> Figure:
    """One panel per measure, one row per horizon: value and 95 % interval, in per cent, with a line at zero."""
    figure = style.small_canvas(1.2 + 0.32 * len(next(iter(panels.values()))))
    for axes, (title, values) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
    ):
        axes.axvline(0, color=style.MUTED, lw=1)
        for place, interval in enumerate(values.values()):
            colour = {1: style.OURS, -1: style.AGAINST}.get(side_of_zero(interval) or 0, style.CALM)
            axes.plot([100 * interval.low, 100 * interval.high], [place, place], color=colour, lw=2)
            axes.plot([100 * interval.value], [place], "o", color=colour, ms=6)
        _rows(axes, title, list(values))
    return figure


@style.styled
def _figure_changes(changes: Mapping[str, Mapping[int, Comparison]]) -> Figure:
    """One panel per loss, one row per horizon: change in per cent, with a line at zero."""
    figure = style.small_canvas(1.2 + 0.32 * len(next(iter(changes.values()))))
    titles = {"log_variance_mse": "Log variance, %", "qlike": "QLIKE, %", "crps": "CRPS, %"}
    for axes, (loss, values) in zip(figure.subplots(1, len(changes), sharey=True), changes.items(), strict=True):
        axes.axvline(0, color=style.MUTED, lw=1)
        for place, comparison in enumerate(values.values()):
            colour = {1: style.OURS, -1: style.AGAINST}.get(comparison.side or 0, style.CALM)
            axes.plot([0, 100 * comparison.change], [place, place], color=colour, lw=1.2)
            axes.plot([100 * comparison.change], [place], "o", color=colour, ms=6)
        _rows(axes, titles[loss], list(values), ticks=3)
    return figure


def _rows(axes: Axes, title: str, horizons: Sequence[int], *, ticks: int = 4) -> None:
    axes.set_title(title)
    axes.set_yticks(range(len(horizons)), [f"{h} ahead" for h in horizons])
    axes.set_ylim(len(horizons) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=ticks)
    style.plain_axis(axes.xaxis)


@style.styled
def _figure_equity(runs: Sequence[SweepRun], unit: str) -> Figure:
    figure = style.small_canvas()
    axes = figure.subplots()
    for run, colour in zip(runs, (style.OURS, style.CALM), strict=True):
        axes.plot(run.backtest.sessions, CAPITAL * run.backtest.equity, color=colour, lw=1.4, label=run.rule)
    axes.axhline(CAPITAL, color=style.MUTED, lw=0.8)
    axes.set_title(f"What {unit} became")
    style.plain_axis(axes.yaxis)
    axes.margins(x=0.0)
    style.date_ticks(axes, runs[0].backtest.sessions)
    style.legend(axes, columns=2)
    return figure
