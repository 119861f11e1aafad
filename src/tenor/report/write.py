"""From an evaluation to the report's file: answers first, details folded, a glossary last."""

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
    """Settings walked forward: the one population of the report."""

    @property
    def walked(self) -> WalkForwardSummary:
        """Which way, by horizon."""

    @property
    def risk(self) -> Mapping[int, RiskEvaluation]:
        """How far, by horizon."""

    @property
    def use(self) -> RiskUse:
        """What the forecasts of risk are worth."""

    @property
    def replaced(self) -> Mapping[str, tuple[str, ...]]:
        """Rival -> symbols for which it could not be estimated."""

    @property
    def panel(self) -> Panel:
        """Unscaled; only the cells that count in its mask."""

    @property
    def rows(self) -> slice:
        """All test parts, on the panel's session axis."""

    @property
    def forecasts(self) -> Predictions:
        """Those that would have been served: with adaptive intervals where there are any."""


@dataclass(frozen=True)
class NewsDetails:
    """What reading the news changed, and the details.

    Attributes
    ----------
    risk, returns
        Horizon -> evaluation of the model beside itself without the news, on the sessions that have news.
    without
        The name of the model without the news.
    blocks
        Texts, tables and figures on the news, folded.
    arms
        What the last ablation of the same store found; None where there was none.
    """

    risk: Mapping[int, RiskEvaluation]
    returns: Mapping[int, Evaluation]
    without: str
    blocks: tuple[Block | Fold, ...]
    arms: NewsValue | None = None


@dataclass(frozen=True)
class ReportExtras:
    """What a report can show beside the walk.

    Attributes
    ----------
    news
        None for a model that reads no news, of a store where no ablation asked about it.
    trading
        What the walked forecasts would have earned; None where nothing was traded.
    folds
        About the model itself, put into the section on the test.
    symbols
        Those shown one by one; chosen by coverage if none is named.
    """

    news: NewsDetails | None = None
    trading: CostSweep | None = None
    folds: Sequence[Fold] = ()
    symbols: Sequence[str] = field(default=())


def write_report(path: Path, walk: WalkLike, *, about: Mapping[str, str], extras: ReportExtras | None = None) -> Path:
    """Write the report as one self-contained HTML file; an earlier one at `path` stays as it was if this fails.

    Parameters
    ----------
    path
        The file.
    walk
        What is reported.
    about
        Model version, data, split dates, settings …, shown in this order.
    extras
        News, trading, the model itself.

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
