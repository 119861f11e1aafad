"""The section on trading: equity at each cost, the falls, and what is left of the Sharpe ratios."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from tenor.evaluation.backtest import FILLS, RULES
from tenor.evaluation.trading import HOLD, Run, Trading
from tenor.report import style
from tenor.report.page import Paragraph, Picture, Section, Table
from tenor.report.style import format_number, format_percent, join_names, sessions_ahead

SURE = 0.95
"""A deflated Sharpe ratio above it counts as shown."""

COLUMNS = ("rule and cost", "gain", "a year", "Sharpe ratio", "deflated", "worst fall", "turnover a session")


def trading_section(found: Trading) -> Section:
    """What the forecasts would have earned, cost by cost."""
    before = Paragraph(_said(found))
    rules: list[str] = [rule for rule in RULES if found.of(rule)]
    idle = [rule for rule in rules if not any(run.backtest.turnover.any() for run in found.of(rule))]
    caption = (
        f"What the forecasts {sessions_ahead(found.horizon)} would have earned, filled at the next session's open: a line for "
        "each cost of trading, in bps of what is traded. Grey is buy and hold of the same stocks. Dividends are "
        "reinvested; there is no interest, no borrowing fee and no market impact."
    )
    if idle:
        caption += f" Never traded: {join_names(idle)}."
    picture = Picture(
        figure_costs(found), caption, f"Gain and drawdown of {join_names(rules)} at each cost, beside buy and hold."
    )
    after = Paragraph(
        "Below each Sharpe ratio stands its standard error, which allows for fat tails and dependent days "
        "(Lo 2002). The deflated ratio (Bailey and López de Prado 2014) is the probability that the true ratio "
        "lies above the one that the best of so many trials without any skill is expected to reach; that of buy and "
        "hold, a single trial, is the probability that it lies above zero. Long/short holds the tenth of the stocks "
        "with the highest forecast and sells the lowest tenth short (a fifth each of fewer than 20 stocks; of fewer "
        "than 10, every stock by the sign of its forecast). Turnover of 100 % is selling everything."
    )
    return Section("Trading", (before, picture, *(_table(found, fill) for fill in FILLS), after))


def _said(found: Trading) -> str:
    """What the Sharpe ratios allow to say."""
    judged = [run for run in found.runs if run.rule != HOLD and run.fill == "open" and run.cost == _usual(found)]
    known = [run for run in judged if np.isfinite(run.sharpe.deflated)]
    cost = f"at {format_number(_usual(found), 0)} bps, filled at the next open"
    if not known:
        return f"Too few sessions, or none with a position, to judge the Sharpe ratio of a rule {cost}."
    shown = [run for run in known if run.sharpe.deflated > SURE]
    best = max(known, key=lambda run: run.sharpe.deflated)
    trials = (
        f"{best.sharpe.trials} trials ({found.tried} configuration{'s' if found.tried > 1 else ''} times "
        f"{best.sharpe.trials // found.tried} rules)"
    )
    figures = (
        f"Sharpe ratio {format_number(best.sharpe.value)} ± {format_number(best.sharpe.error)}, where the best of {trials} without "
        "skill "
        f"is expected to reach {format_number(best.sharpe.hurdle)}: deflated {format_percent(best.sharpe.deflated, 1)}, of which "
        "95 % is asked"
    )
    held = next((run for run in found.of(HOLD) if run.cost == _usual(found)), None)
    if held is not None and np.isfinite(held.sharpe.value):
        figures += f". Buy and hold of the same stocks has {format_number(held.sharpe.value)}"
    if not shown:
        return f"No rule is shown to earn anything {cost}. The nearest is {best.rule}: {figures}."
    return f"{join_names([run.rule for run in shown]).capitalize()} earned more {cost} than luck explains. {figures}."


def _usual(found: Trading) -> float:
    costs = sorted({run.cost for run in found.runs})
    return min(costs, key=lambda cost: abs(cost - 10.0))


def _table(found: Trading, fill: str) -> Table:
    shown = (run for run in found.runs if run.rule != HOLD or run.cost == _usual(found))
    rows = tuple(_row(run) for run in shown if run.fill == fill)
    return Table(COLUMNS, rows, f"Filled at the next session's {fill}, net of costs")


def _row(run: Run) -> tuple[str, ...]:
    kept, ratio = run.backtest, run.sharpe
    error = f"\n± {format_number(ratio.error)}" if np.isfinite(ratio.error) else ""
    return (
        f"{run.rule}, {format_number(run.cost, 0)} bps",
        format_percent(float(kept.equity[-1]) - 1, 1),
        format_percent(kept.annual_return, 1),
        format_number(ratio.value) + error,
        format_percent(ratio.deflated, 1),
        format_percent(-kept.max_drawdown, 1),
        format_percent(kept.mean_turnover, 1),
    )


@style.styled
def figure_costs(found: Trading) -> Figure:
    """Gain of each rule at each cost, filled at the next open, and its fall from the last peak; grey: buy and hold."""
    rules = [rule for rule in RULES if found.of(rule)]
    figure = style.canvas(5.2)
    panels = figure.subplots(2, len(rules), sharex=True, sharey="row", height_ratios=(2.2, 1), squeeze=False)
    for column, rule in enumerate(rules):
        above, below = panels[:, column]
        colours = iter(style.SERIES)
        lines = [(run, next(colours, style.INK), f"{format_number(run.cost, 0)} bps") for run in found.of(rule)]
        held = [run for run in found.of(HOLD) if run.cost == _usual(found)]
        for run, colour, name in [*((run, style.CALM, HOLD) for run in held), *lines]:
            equity = run.backtest.equity
            above.plot(run.backtest.sessions, equity - 1.0, color=colour, lw=1.4, label=name)
            below.plot(run.backtest.sessions, equity / np.maximum.accumulate(equity) - 1.0, color=colour, lw=1.1)
        above.set_title(f"{rule}: gain net of costs".capitalize())
        below.set_title("Below the last peak")
        for axes in (above, below):
            axes.axhline(0, color=style.MUTED, lw=0.8)
            style.percent_axis(axes.yaxis)
            axes.margins(x=0.0)
        style.date_ticks(below, found.of(rule)[0].backtest.sessions)
    style_key = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        *style_key,
        loc="outside upper right",
        ncols=len(style_key[1]),
        frameon=False,
        fontsize=9,
        labelcolor=style.MUTED,
    )
    return figure
