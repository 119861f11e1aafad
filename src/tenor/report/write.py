"""Writes the report of an evaluation: answers first, then folded details, and a glossary at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tenor.errors import UsageError
from tenor.evaluation.cost_sweep import CostSweep
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.news_value import NewsValue
from tenor.evaluation.risk import RiskEvaluation
from tenor.evaluation.risk_walk import RiskUse
from tenor.evaluation.walkforward_summary import WalkForwardSummary
from tenor.report.answers import how_far_answer, news_answer, trading_answer, which_way_answer
from tenor.report.backtest import trading_section
from tenor.report.forecast import coverage_picture, forecast_cells
from tenor.report.page import Block, Fold, PageSection, TextTable, render_page, write_page
from tenor.report.results import stocks_table, years_picture
from tenor.report.risk import risk_section
from tenor.report.style import format_day
from tenor.report.symbols import MEDIAN, currency_of, interval_picture, symbols_by_coverage, symbols_section
from tenor.report.walk import direction_section, folds_blocks
from tenor.schema import Panel, Predictions


class WalkLike(Protocol):
    """The walk-forward of a configuration: all figures of the report are based on it."""

    @property
    def walked(self) -> WalkForwardSummary:
        """Evaluations of direction and return, by horizon."""

    @property
    def risk(self) -> Mapping[int, RiskEvaluation]:
        """Evaluations of risk, by horizon."""

    @property
    def use(self) -> RiskUse:
        """The economic value of the forecasts of risk."""

    @property
    def replaced(self) -> Mapping[str, tuple[str, ...]]:
        """The symbols for which a rival could not be estimated, by rival."""

    @property
    def panel(self) -> Panel:
        """The unscaled panel; its mask has only the cells that count."""

    @property
    def rows(self) -> slice:
        """All test parts, as a slice of the panel's session axis."""

    @property
    def forecasts(self) -> Predictions:
        """The forecasts as they would be served: with adaptive intervals if there are any."""


@dataclass(frozen=True)
class NewsDetails:
    """The effect of reading the news, and the details.

    Attributes
    ----------
    risk, returns
        Evaluations of the model and of the same model without the news, on sessions with news, by horizon.
    without
        The name of the model without the news.
    blocks
        Folds with texts, tables and figures on the news.
    arms
        The result of the last ablation of the same store; None if there was none.
    """

    risk: Mapping[int, RiskEvaluation]
    returns: Mapping[int, Evaluation]
    without: str
    blocks: tuple[Block | Fold, ...]
    arms: NewsValue | None = None


@dataclass(frozen=True)
class ReportExtras:
    """What a report can show besides the walk-forward.

    Attributes
    ----------
    news
        Details of the news; None for a model that reads no news, if no ablation of the store measured its value.
    trading
        Backtests of trading on the walk-forward forecasts; None if nothing was traded.
    folds
        Folds about the model itself, shown in the section on the test.
    symbols
        Symbols to show one by one; if empty, they are chosen by coverage.
    """

    news: NewsDetails | None = None
    trading: CostSweep | None = None
    folds: Sequence[Fold] = ()
    symbols: Sequence[str] = field(default=())


def write_report(path: Path, walk: WalkLike, *, about: Mapping[str, str], extras: ReportExtras | None = None) -> Path:
    """Write the report as one self-contained HTML file; if this fails, an earlier file at `path` is unchanged.

    Parameters
    ----------
    path
        The file.
    walk
        The walk-forward to report.
    about
        Model version, data, split dates, settings and so on, shown in this order.
    extras
        Details on news, trading and the model itself; None for none.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    UnknownSymbolError
        A symbol that the panel does not have.
    UsageError
        `path` can't be written, or nothing was evaluated.
    """
    extras = extras or ReportExtras()
    if not walk.risk or not walk.walked.evaluations:
        raise UsageError("a report needs at least one evaluation and its predictions: evaluate first.")
    panel, evaluations = walk.panel, walk.walked.evaluations
    first = next(iter(evaluations.values()))
    held = {symbol: row["coverage_90"] for symbol, row in walk.risk[first.horizon].by_symbol.items()}
    chosen = symbols_by_coverage(held)
    median = next((s for s, why in chosen.items() if why == MEDIAN), next(iter(chosen), None))
    shown = dict.fromkeys(extras.symbols, "named") or chosen
    cells = {h: forecast_cells(panel, walk.rows, walk.forecasts, h) for h in evaluations}
    currency = currency_of(panel.symbols)
    news = extras.news
    answers = [
        how_far_answer(
            walk.risk,
            None
            if median is None
            else interval_picture(panel, cells[first.horizon], median, chosen.get(median, ""), small=True),
        ),
        which_way_answer(evaluations),
        news_answer(*((news.risk, news.returns, news.without, "News", news.arms) if news else ({}, {}, "", None))),
        *([trading_answer(extras.trading, currency)] if extras.trading is not None else []),
    ]
    sections = [
        risk_section(walk.risk, walk.use, walk.replaced, {h: coverage_picture(c) for h, c in cells.items()}),
        direction_section(walk.walked),
        *([PageSection("News", news.blocks)] if news else []),
        *([trading_section(extras.trading)] if extras.trading is not None else []),
        symbols_section(panel, cells[first.horizon], shown, held),
        PageSection(
            "How it was tested",
            (
                Fold("Folds, and the results of each", folds_blocks(walk.walked)),
                Fold("Years and stocks", (*years_picture(first), stocks_table(first, held))),
                *extras.folds,
                Fold("Data and settings", (TextTable(("setting", "value"), tuple(about.items()), "Of this run"),)),
            ),
        ),
    ]
    count = len(panel.symbols)
    of = f"prices in {currency}" if currency else "prices in the currency of each exchange"
    text = render_page(
        title=f"Forecasts of {panel.symbols[0] if count == 1 else f'{count} stocks'}",
        subtitle=(
            f"All figures are of the same {first.days:,} sessions, {format_day(first.first)} – "
            f"{format_day(first.last)}, walked forward: every forecast comes from networks trained on earlier sessions "
            f"only ({first.samples:,} forecasts of {count} stocks; {of}). Where less is counted, the text says so."
        ),
        answers=[answer for answer in answers if answer is not None],
        about={},
        sections=sections,
    )
    write_page(path, text)
    return path
