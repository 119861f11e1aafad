"""The page of trading agents: the verdict, returns compared with the rivals, positions, and learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib.figure import Figure

from tenor.evaluation.backtest import Backtest
from tenor.evaluation.significance import Difference, format_p
from tenor.report import style
from tenor.report.page import Fold, PageSection, Paragraph, Picture, TextTable, render_page, write_page
from tenor.report.style import format_number, format_percent, format_signed
from tenor.schema import Float64

AGENT = "agent"
COLUMNS = (
    "account",
    "return a year",
    "Sharpe ratio",
    "volatility",
    "deepest fall",
    "turnover a session",
    "agent's Sharpe ratio less this",
    "p after Holm",
    "agent's fall less this, % points",
)


class AgainstLike(Protocol):
    """The agent compared with one rival; differences are the agent's value minus the rival's."""

    @property
    def sharpe(self) -> Difference:
        """Difference of the annualised Sharpe ratios."""

    @property
    def drawdown(self) -> Difference:
        """Difference of the maximum drawdowns."""

    @property
    def holm(self) -> float:
        """P-value of `sharpe` after Holm's correction."""


class VerdictLike(Protocol):
    """The evaluation of an agent."""

    @property
    def agent(self) -> Backtest:
        """The backtest of the agent."""

    @property
    def rivals(self) -> Mapping[str, Backtest]:
        """The backtest of each rival, by name."""

    @property
    def against(self) -> Mapping[str, AgainstLike]:
        """The comparison with each rival, by name."""

    @property
    def seeds(self) -> Sequence[float]:
        """The Sharpe ratio of each seed by itself."""

    @property
    def checks(self) -> Sequence[str]:
        """Whether it can learn at all, and whether it uses the forecasts."""

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""


def write_agents(
    path: Path,
    verdict: VerdictLike,
    *,
    weights: Float64,
    symbols: Sequence[str],
    curves: Sequence[Mapping[str, Sequence[Mapping[str, Sequence[float]]]]],
    notes: Sequence[str],
    about: Mapping[str, str],
) -> Path:
    """Write the page as one self-contained HTML file; if this fails, an earlier file at `path` is unchanged.

    Parameters
    ----------
    path
        Path of the file.
    verdict
        The evaluation of the agent.
    weights
        [session, symbol]; target weights, as shares of the equity.
    symbols
        Names of the symbols, in the order of the columns of `weights`.
    curves
        For each fold, by algorithm: the validation rewards of each seed (``own``) after ``steps`` training steps.
    notes
        Caveats that the reader should know.
    about
        Model, data and settings.

    Returns
    -------
    Path
        `path`.
    """
    sections = [
        PageSection("What it earned", (_accounts_picture(verdict), _accounts_table(verdict), _how_to_read())),
        PageSection(
            "Can it be believed?",
            tuple(Paragraph(line) for line in (*verdict.checks, _seeds_line(verdict), *notes) if line),
        ),
        PageSection("What it held", (_weights_picture(verdict, weights, symbols),)),
        PageSection(
            "How it learned",
            tuple(
                Fold(f"Fold {number}", (_curves_picture(fold, number),)) for number, fold in enumerate(curves, start=1)
            ),
        ),
    ]
    sessions = verdict.agent.sessions
    text = render_page(
        title="Agents that trade on forecasts",
        subtitle=f"{len(sessions) - 1:,} sessions {sessions[0]:%Y-%m-%d} … {sessions[-1]:%Y-%m-%d} that neither the "
        f"forecasts nor the agents have seen, net of {format_number(verdict.agent.cost, 0)} bps",
        verdicts=[("Agents", verdict.sentence)],
        about=about,
        sections=sections,
    )
    write_page(path, text)
    return path


def _accounts_table(verdict: VerdictLike) -> TextTable:
    rows = []
    for name, account in {AGENT: verdict.agent, **verdict.rivals}.items():
        against = verdict.against.get(name)
        compared = ("–", "–", "–")
        if against is not None:
            compared = (
                _interval(against.sharpe),
                format_p(against.holm),
                _interval(against.drawdown, scale=100, digits=1),
            )
        turnover = format_percent(account.mean_turnover, 1) if account.turnover.any() else "–"
        rows.append(
            (
                name,
                format_percent(account.annual_return, 1),
                format_number(account.sharpe),
                format_percent(account.volatility, 1),
                format_percent(-account.max_drawdown, 1),
                turnover,
                *compared,
            )
        )
    return TextTable(COLUMNS, tuple(rows), "The agent and its rivals, all booked alike", marked=0)


def _interval(difference: Difference, *, scale: float = 1.0, digits: int = 2) -> str:
    value, low, high = (
        format_signed(scale * number, digits) for number in (difference.value, difference.low, difference.high)
    )
    return f"{value}\n[{low}, {high}]" if np.isfinite(difference.low) else value


def _how_to_read() -> Paragraph:
    return Paragraph(
        "In brackets are 95 % intervals from resampled days, the same for both accounts. Of a hundred random agents "
        "with the agent's turnover and exposure the median one is shown. The agent that sees the future is no rival: "
        "it shows whether anything can be learned here at all."
    )


def _seeds_line(verdict: VerdictLike) -> str:
    known = [seed for seed in verdict.seeds if np.isfinite(seed)]
    if not known:
        return "No seed traded by itself."
    each = ", ".join(format_number(seed) for seed in verdict.seeds)
    return f"Sharpe ratios of the seeds, each alone: {each}. The agent holds the mean of their positions."


@style.styled
def _figure_accounts(verdict: VerdictLike) -> Figure:
    figure = style.canvas(4.8)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    shown = [name for name in verdict.rivals if not name.startswith("agent that")]
    colours = iter(style.SERIES)
    for name in shown:
        equity = verdict.rivals[name].equity
        strong = name in shown[:4]
        colour = next(colours, style.CALM) if strong else style.CALM
        above.plot(verdict.agent.sessions, equity - 1, lw=1.1, color=colour, label=name if strong else None)
        below.plot(verdict.agent.sessions, equity / np.maximum.accumulate(equity) - 1, lw=0.9, color=colour)
    equity = verdict.agent.equity
    above.plot(verdict.agent.sessions, equity - 1, lw=2.0, color=style.INK, label=AGENT)
    below.plot(verdict.agent.sessions, equity / np.maximum.accumulate(equity) - 1, lw=1.6, color=style.INK)
    above.set_title("Gain net of costs")
    below.set_title("Drawdown from the last peak")
    for axes in (above, below):
        axes.axhline(0, color=style.MUTED, lw=0.8)
        style.percent_axis(axes.yaxis)
        axes.margins(x=0.0)
    style.date_ticks(below, verdict.agent.sessions)
    handles, labels = above.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper right", ncols=len(labels), frameon=False, fontsize=9, labelcolor=style.MUTED
    )
    return figure


def _accounts_picture(verdict: VerdictLike) -> Picture:
    ends = ", ".join(
        f"{name} {format_percent(float(account.equity[-1]) - 1, 1)}"
        for name, account in {AGENT: verdict.agent, **verdict.rivals}.items()
    )
    caption = "Black is the agent; grey, without a name, the other rivals of the table."
    return Picture(_figure_accounts(verdict), caption, f"Gain at the end: {ends}.")


@style.styled
def _figure_weights(verdict: VerdictLike, weights: Float64, symbols: Sequence[str]) -> Figure:
    figure = style.canvas(3.4)
    axes = figure.subplots()
    order = np.argsort(-np.abs(weights).mean(axis=0), kind="stable")
    colours = iter(style.SERIES)
    for place in order[:5]:
        axes.plot(
            verdict.agent.sessions, weights[:, place], lw=1.0, color=next(colours, style.CALM), label=symbols[place]
        )
    axes.plot(verdict.agent.sessions, np.abs(weights).sum(axis=1), lw=1.6, color=style.INK, label="all")
    axes.set_title("Shares of the equity aimed at")
    axes.axhline(0, color=style.MUTED, lw=0.8)
    axes.margins(x=0.0)
    style.percent_axis(axes.yaxis)
    style.date_ticks(axes, verdict.agent.sessions)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper right", ncols=len(labels), frameon=False, fontsize=9, labelcolor=style.MUTED
    )
    return figure


def _weights_picture(verdict: VerdictLike, weights: Float64, symbols: Sequence[str]) -> Picture:
    mean = np.abs(weights).mean(axis=0)
    alt = ", ".join(f"{name} {format_percent(float(share), 1)}" for name, share in zip(symbols, mean, strict=True))
    caption = "The five symbols that it held most, and the sum of all positions, short ones included."
    return Picture(_figure_weights(verdict, weights, symbols), caption, f"Mean shares of the equity: {alt}.")


@style.styled
def _figure_curves(fold: Mapping[str, Sequence[Mapping[str, Sequence[float]]]]) -> Figure:
    figure = style.canvas(2.8)
    panels = figure.subplots(1, len(fold), squeeze=False)[0]
    for axes, (algorithm, seeds) in zip(panels, fold.items(), strict=True):
        for history, colour in zip(seeds, [*style.SERIES] * len(seeds), strict=False):
            axes.plot(history["steps"], 1e4 * np.asarray(history["own"]), lw=1.1, color=colour)
        axes.set_title(f"{algorithm}: validation reward a session, bps")
        axes.axhline(0, color=style.MUTED, lw=0.8)
        axes.set_xlabel("steps")
    return figure


def _curves_picture(fold: Mapping[str, Sequence[Mapping[str, Sequence[float]]]], number: int) -> Picture:
    best = "; ".join(
        f"{name} {', '.join(format_signed(1e4 * max(history['own'])) for history in seeds)}"
        for name, seeds in fold.items()
    )
    caption = (
        "A line a seed; of each, the look with the highest reward counts, the first one being an untrained network."
    )
    return Picture(_figure_curves(fold), caption, f"Fold {number}, best validation reward of each seed in bps: {best}.")
