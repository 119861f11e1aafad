"""The section on trading: gain and drawdown at each cost, and Sharpe ratios deflated for the number of trials."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from tenor.evaluation.backtest import FILLS, RULES
from tenor.evaluation.cost_sweep import HOLD, CostSweep, SweepRun
from tenor.evaluation.significance import Difference, side_of_zero
from tenor.report import style
from tenor.report.page import Fold, PageSection, Paragraph, Picture, TextTable
from tenor.report.style import format_number, format_percent, format_signed, join_names, sentence_case, sessions_ahead

DEFLATED_LEVEL = 0.95
"""A rule is reported to earn something only if its deflated Sharpe ratio is above this and it beats buy and hold."""
USUAL_COST = 10.0
"""Cost in basis points; the verdict is about the cost closest to it."""

TRADING_COLUMNS = (
    "rule and cost",
    "gain",
    "a year",
    "Sharpe ratio",
    "deflated",
    "less buy and hold",
    "maximum drawdown",
    "turnover a session",
)


def trading_section(trading: CostSweep) -> PageSection:
    """The section on what the forecasts would have earned, for each cost."""
    before = Paragraph(_sharpe_verdict(trading))
    rules: list[str] = [rule for rule in RULES if trading.of(rule)]
    idle = [rule for rule in rules if not any(run.backtest.turnover.any() for run in trading.of(rule))]
    caption = (
        f"By forecasts {sessions_ahead(trading.horizon)}, filled at the next open: a line for each cost, in bps of the "
        "amount traded; grey is buy and hold. Dividends are reinvested; interest, borrowing fees and market impact are "
        "left out."
    )
    if idle:
        caption += f" Never traded: {join_names(idle)}."
    picture = Picture(figure_costs(trading), caption, _costs_alt(trading))
    after = Paragraph(
        "± is the standard error (Lo 2002). Deflated (Bailey and López de Prado 2014): the probability that the true "
        "ratio exceeds what the best of so many trials without skill should reach; for holding, zero. Differences have "
        "95 % intervals from resampled days. Long/short buys the tenth of the stocks with the highest forecasts and "
        "sells the lowest short (a fifth each of fewer than 20; of fewer than 10, each by its forecast's sign)."
    )
    tables = (Fold(f"Filled at the next session's {fill}", (_table(trading, fill),)) for fill in FILLS)
    return PageSection("Trading", (before, Fold("Gain and drawdown at each cost", (picture, after)), *tables))


def _costs_alt(trading: CostSweep) -> str:
    """What `figure_costs` shows, in numbers."""
    ends = [
        f"{run.rule} at {format_number(run.cost, 0)} bps {format_percent(float(run.backtest.equity[-1]) - 1, 1)}"
        for run in trading.runs
        if run.fill == "open"
    ]
    return f"Gain and drawdown at each cost, beside buy and hold. Gain at the end: {', '.join(ends)}."


def _sharpe_verdict(trading: CostSweep) -> str:
    """The verdict on the Sharpe ratios."""
    usual = usual_cost(trading)
    runs = [run for run in trading.runs if run.rule != HOLD and run.fill == "open" and run.cost == usual]
    known = [run for run in runs if np.isfinite(run.sharpe.deflated)]
    cost = f"at {format_number(usual, 0)} bps, filled at the next open"
    if not known:
        return f"Too few sessions, or none with a position, to assess the Sharpe ratio of a rule {cost}."
    passing = [run for run in known if run.sharpe.deflated > DEFLATED_LEVEL]
    shown = [run for run in passing if beats_holding(run)]
    if shown:
        names = sentence_case(join_names([run.rule for run in shown]))
        figures = ". ".join(f"{sentence_case(run.rule)}: {_figures(run, trading)}" for run in shown)
        return f"{names} earned more {cost} than chance and holding the same stocks explain. {figures}."
    best = max(known, key=lambda run: run.sharpe.deflated)
    if passing:
        names = sentence_case(join_names([run.rule for run in passing]))
        figures = ". ".join(f"{sentence_case(run.rule)}: {_figures(run, trading)}" for run in passing)
        return (
            f"No rule is shown to earn anything {cost} that holding the same stocks does not. {names} earned more than "
            f"chance explains, which is not shown to be more than buy and hold earned. {figures}."
        )
    return f"No rule is shown to earn anything {cost}. The closest is {best.rule}: {_figures(best, trading)}."


def beats_holding(run: SweepRun) -> bool:
    """Whether its Sharpe ratio is higher than that of buy and hold, at the 5 % level."""
    return run.holding is not None and side_of_zero(run.holding.sharpe) == 1


def _figures(run: SweepRun, trading: CostSweep) -> str:
    """The Sharpe ratio of a rule, the deflated one with its threshold, and the difference to buy and hold."""
    sharpe = run.sharpe
    trials = (
        f"{sharpe.trials} trials ({trading.tried} configuration{'s' if trading.tried > 1 else ''} times "
        f"{sharpe.trials // trading.tried} rules)"
    )
    text = (
        f"Sharpe ratio {format_number(sharpe.value)} ± {format_number(sharpe.error)}, where the best of {trials} "
        f"without skill is expected to reach {format_number(sharpe.hurdle)}: deflated "
        f"{format_percent(sharpe.deflated, 1)}, of which {format_percent(DEFLATED_LEVEL, 0)} is required"
    )
    hold = next((other for other in trading.of(HOLD, run.fill) if other.cost == run.cost), None)
    if hold is None or run.holding is None or not np.isfinite(hold.sharpe.value):
        return text
    return (
        f"{text}. Buy and hold of the same stocks has {format_number(hold.sharpe.value)}: the difference is "
        f"{_difference(run.holding.sharpe, ' ')}"
    )


def _difference(difference: Difference, between: str) -> str:
    """The value and, after `between`, its 95 % interval in brackets; a dash where it is undefined."""
    value, low, high = (format_signed(number) for number in (difference.value, difference.low, difference.high))
    return f"{value}{between}[{low}, {high}]" if np.isfinite(difference.low) else value


def usual_cost(trading: CostSweep) -> float:
    """The cost closest to `USUAL_COST`."""
    costs = sorted({run.cost for run in trading.runs})
    return min(costs, key=lambda cost: abs(cost - USUAL_COST))


def _table(trading: CostSweep, fill: str) -> TextTable:
    # at the close, which is harder to trade at, only the usual cost is shown; the JSON file has all
    usual = usual_cost(trading)
    shown = (
        run
        for run in trading.runs
        if run.fill == fill and (run.cost == usual or (run.rule != HOLD and fill == FILLS[0]))
    )
    rows = tuple(map(_row, shown))
    return TextTable(TRADING_COLUMNS, rows, "Net of costs")


def _row(run: SweepRun) -> tuple[str, ...]:
    result, sharpe = run.backtest, run.sharpe
    error = f"\n± {format_number(sharpe.error)}" if np.isfinite(sharpe.error) else ""
    return (
        f"{run.rule}, {format_number(run.cost, 0)} bps",
        format_percent(float(result.equity[-1]) - 1, 1),
        format_percent(result.annual_return, 1),
        format_number(sharpe.value) + error,
        format_percent(sharpe.deflated, 1),
        "–" if run.holding is None else _difference(run.holding.sharpe, "\n"),
        format_percent(-result.max_drawdown, 1),
        format_percent(result.mean_turnover, 1),
    )


@style.styled
def figure_costs(trading: CostSweep) -> Figure:
    """Gain and drawdown of each rule at each cost, filled at the next open; grey: buy and hold."""
    rules = [rule for rule in RULES if trading.of(rule)]
    figure = style.canvas(5.2)
    panels = figure.subplots(2, len(rules), sharex=True, sharey="row", height_ratios=(2.2, 1), squeeze=False)
    for column, rule in enumerate(rules):
        above, below = panels[:, column]
        colours = iter(style.SERIES)
        lines = [(run, next(colours, style.INK), f"{format_number(run.cost, 0)} bps") for run in trading.of(rule)]
        hold = [run for run in trading.of(HOLD) if run.cost == usual_cost(trading)]
        for run, colour, name in [*((run, style.CALM, HOLD) for run in hold), *lines]:
            equity = run.backtest.equity
            above.plot(run.backtest.sessions, equity - 1.0, color=colour, lw=1.4, label=name)
            below.plot(run.backtest.sessions, equity / np.maximum.accumulate(equity) - 1.0, color=colour, lw=1.1)
        above.set_title(f"{rule}: gain net of costs".capitalize())
        below.set_title("Drawdown from the last peak")
        for axes in (above, below):
            axes.axhline(0, color=style.MUTED, lw=0.8)
            style.percent_axis(axes.yaxis)
            axes.margins(x=0.0)
        style.date_ticks(below, trading.of(rule)[0].backtest.sessions)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper right",
        ncols=len(labels),
        frameon=False,
        fontsize=9,
        labelcolor=style.MUTED,
    )
    return figure
