"""The section on sentiment: sentiment and price, the largest surprises, and whether sentiment helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tenor.errors import DataError
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.risk import RiskEvaluation
from tenor.evaluation.significance import PAIRED, drawn_days, format_p, resampled, side_of_zero
from tenor.evaluation.titles import TITLES
from tenor.metrics import ratio
from tenor.report import style
from tenor.report.page import Fold, Paragraph, Picture, TextTable
from tenor.report.results import UNDEFINED, figure_differences
from tenor.report.style import (
    format_day,
    format_number,
    format_percent,
    join_names,
    sentence_case,
    sessions_ahead,
)
from tenor.report.words import WhyLike, words_block
from tenor.schema import DailySentiment, Float64, Panel

SYMBOLS_SHOWN = 3
SESSIONS_SHOWN = 120
DAYS_SHOWN = 8
FEWEST_ITEMS = 5
"""A session with fewer items is not among the largest surprises: one extreme post is not the general sentiment."""


def sentiment_blocks(
    panel: Panel,
    sentiment: DailySentiment,
    rows: slice,
    symbols: Sequence[str],
    *,
    ablation: Mapping[int, Evaluation],
    ours: str,
    without: str,
    whys: Sequence[WhyLike] = (),
    risk: Mapping[int, RiskEvaluation] | None = None,
) -> tuple[Paragraph | Fold, ...]:
    """Blocks on the sentiment of the news about the stocks, and on its effect: a paragraph, and folds.

    Parameters
    ----------
    panel
        The panel whose closes are shown.
    sentiment
        Daily sentiment by symbol and session.
    rows
        The test, on the panel's session axis.
    symbols
        Symbols; the first `SYMBOLS_SHOWN` of them are shown one by one.
    ablation
        Evaluations of the model with sentiment on test sessions that have sentiment, by horizon;
        `against` has the differences from the model `without` sentiment.
    ours, without
        The names of the two models.
    whys
        Texts to show, with the contribution of each word to the score.
    risk
        Evaluations of both models' forecasts of risk on the same sessions, by horizon; None if there are none.

    Returns
    -------
    tuple of Paragraph or Fold
        The blocks of the section.

    Raises
    ------
    UnknownSymbolError
        A symbol that the panel does not have.
    DataError
        An evaluation is about another model than `ours`, or has no differences from `without`.
    """
    grid = _SentimentGrid.of(panel, sentiment)
    before = Paragraph(
        "Sentiment is the mean score of what was published about a stock, from −1 (bad) to 1 (good). No news is not "
        "neutral news: a session without items stays blank. What it changes is measured on the version named below "
        "beside the same without it, on test sessions with news. Lines average all items so far, older ones less."
    )
    effect: list[Picture | Paragraph] = [_effect_of_sentiment(ablation, ours, without)]
    effect += [Paragraph(_effect_on_risk(risk, without))] if risk else []
    return (
        before,
        Fold("What reading the news changes, by horizon", tuple(effect)),
        Fold(
            "Sentiment beside the price",
            tuple(_beside_price(panel, grid, rows, symbol) for symbol in symbols[:SYMBOLS_SHOWN]),
        ),
        Fold("The largest surprises", (_largest_surprises(panel, grid),)),
        *([Fold("What single words do to a score", tuple(map(words_block, whys)))] if whys else []),
    )


@dataclass(frozen=True)
class _SentimentGrid:
    """Daily sentiment on a panel's axes, [session, symbol]; NaN on a session without news."""

    n: Float64
    mean: Float64
    recent: Float64
    surprise: Float64

    @classmethod
    def of(cls, panel: Panel, sentiment: DailySentiment) -> _SentimentGrid:
        session = panel.sessions.get_indexer(pd.DatetimeIndex(sentiment.frame["session"]))
        symbol = pd.Index(panel.symbols).get_indexer(pd.Index(sentiment.frame["symbol"]))
        in_panel = (session >= 0) & (symbol >= 0)

        def grid(column: str) -> Float64:
            values = np.full(panel.close.shape, np.nan)
            values[session[in_panel], symbol[in_panel]] = sentiment.frame[column].to_numpy()[in_panel]
            return values

        return cls(n=grid("n"), mean=grid("mean"), recent=grid("recent"), surprise=grid("surprise"))


def _beside_price(panel: Panel, grid: _SentimentGrid, rows: slice, symbol: str) -> Picture | Paragraph:
    """The last sessions of the test up to the last one with news; sessions before the test if it has no news."""
    i = panel.symbol_index(symbol)
    first, stop, _ = rows.indices(len(panel.sessions))
    with_news = np.flatnonzero(np.isfinite(grid.n[:, i]))
    with_news = with_news[with_news < stop]
    if not len(with_news):
        return Paragraph(f"{symbol} has no news up to the end of the test.")
    last = int(with_news[-1])
    start = max(0, last + 1 - SESSIONS_SHOWN)
    cut = slice(start, last + 1)
    items = grid.n[cut, i]
    known = np.isfinite(items)
    # filled forward from the first session on, not from the first one shown, where it may have no news
    recent = np.asarray(pd.Series(grid.recent[: last + 1, i]).ffill(), dtype="float64")[cut]
    mean = grid.mean[cut, i]
    caption = (
        f"{symbol}, {format_day(panel.sessions[start])} – {format_day(panel.sessions[last])}: "
        f"{_count(float(np.nansum(items)), 'item')} on {int(known.sum())} of {_count(len(items), 'session')}, "
        f"{int((mean > 0).sum())} of them above zero, {int((mean < 0).sum())} below."
    )
    if last < first:
        caption += " It has no news in the test: these sessions are before it."
    figure = figure_sentiment(
        symbol,
        panel.sessions[cut],
        panel.close[cut, i],
        mean,
        recent,
        items,
        begins=panel.sessions[first] if start < first <= last else None,
    )
    alt = (
        f"Adjusted close of {symbol}, below it the sentiment of {_count(int(known.sum()), 'session')}, mean "
        f"{format_number(float(np.nanmean(mean)))}, and the number of items."
    )
    return Picture(figure, caption, alt)


def _largest_surprises(panel: Panel, grid: _SentimentGrid) -> TextTable | Paragraph:
    same, following = _returns(panel.close)
    size = np.where(grid.n >= FEWEST_ITEMS, np.abs(grid.surprise) * np.sqrt(grid.n), np.nan)
    places = np.argwhere(size > 0)
    if not len(places):
        return Paragraph(f"No stock has news that differs from before on a session with {FEWEST_ITEMS} items or more.")
    order = np.argsort(-size[tuple(places.T)], kind="stable")[:DAYS_SHOWN]
    lines = tuple(
        (
            panel.symbols[s],
            format_day(panel.sessions[t]),
            format_number(float(grid.n[t, s]), 0),
            format_number(float(grid.mean[t, s])),
            format_number(float(grid.surprise[t, s])),
            format_percent(float(same[t, s])),
            format_percent(float(following[t, s])),
        )
        for t, s in places[order]
    )
    columns = ("stock", "session", "items", "sentiment", "surprise", "return of that session", "return of the next")
    cells = np.isfinite(grid.mean) & np.isfinite(panel.close)
    caption = (
        f"Largest surprise times the square root of the items, of days with {FEWEST_ITEMS} items or more. Over all "
        f"{_count(int(cells.sum()), 'stock-session')} with news, the rank correlation of sentiment with the return of "
        "the same session is "
        f"{_lead_or_lag(grid.mean, same, following)}"
    )
    return TextTable(columns, lines, caption)


def _returns(close: Float64) -> tuple[Float64, Float64]:
    """Log returns of each session and of the next one, [session, symbol]; NaN where either close is missing."""
    change = np.diff(np.log(close), axis=0)
    gap = np.full((1, close.shape[1]), np.nan)
    return np.concatenate([gap, change]), np.concatenate([change, gap])


def _lead_or_lag(mean: Float64, same: Float64, following: Float64) -> str:
    with_same, with_following = _rank_correlation(mean, same), _rank_correlation(mean, following)
    text = f"{_correlation_text(with_same)}; with that of the next, {_correlation_text(with_following)}."
    leads = side_of_zero(with_following)
    if side_of_zero(with_same) == 1 and leads == 0:
        text += " So the news agrees with what the price has just done, and is not shown to lead it."
    elif leads:
        text += f" So sentiment is followed by returns {'of the same' if leads == 1 else 'of the opposite'} sign."
    return text


def _correlation_text(interval: ConfidenceInterval) -> str:
    if not np.isfinite(interval.value):
        return "undefined"
    sides = {
        1: "above zero at 5 %",
        0: "not distinguishable from zero",
        -1: "below zero at 5 %",
        None: "too few sessions",
    }
    text = format_number(interval.value, 3)
    if np.isfinite(interval.low):
        text += f" [{format_number(interval.low, 3)}, {format_number(interval.high, 3)}]"
    return f"{text} ({sides[side_of_zero(interval)]})"


def _rank_correlation(x: Float64, y: Float64) -> ConfidenceInterval:
    """Spearman's correlation over the cells [session, symbol] in which both are known, and its 95 % interval.

    Days are resampled; the ranks are those of the whole sample, so that each resample needs only a few sums by day.
    """
    known = np.isfinite(x) & np.isfinite(y)
    days = known.any(axis=1)
    a, b = np.zeros(x.shape), np.zeros(x.shape)
    for ranks, values in ((a, x), (b, y)):
        ranks[known] = pd.Series(values[known]).rank(pct=True).to_numpy() - 0.5
    sums = np.stack([known * part for part in (np.ones(x.shape), a, b, a * a, b * b, a * b)], axis=2).sum(axis=1)[days]

    # Spearman's rho is Pearson's of the ranks, which needs n, Σa, Σb, Σa², Σb², Σab alone: a resample adds up days
    def correlation(drawn: Float64) -> Float64:
        n, sa, sb, saa, sbb, sab = (drawn @ sums).T
        spread = np.maximum(saa - ratio(sa * sa, n), 0.0) * np.maximum(sbb - ratio(sb * sb, n), 0.0)
        return ratio(sab - ratio(sa * sb, n), np.sqrt(np.where(spread > 1e-12, spread, 0.0)))

    value = float(correlation(np.ones((1, len(sums))))[0])
    drawn, block = drawn_days(len(sums), horizon=1)
    return resampled(value, correlation(drawn), days=len(sums), block=block).interval


def _effect_of_sentiment(ablation: Mapping[int, Evaluation], ours: str, without: str) -> Picture | Paragraph:
    if not ablation:
        return Paragraph(
            "No model without sentiment was trained to compare with, so that it is unknown what sentiment adds."
        )
    rows: dict[str, Mapping[str, ConfidenceInterval]] = {}
    sentences = []
    for horizon, evaluation in ablation.items():
        model = next(iter(evaluation.table), None)
        if model != ours or without not in evaluation.against:
            raise DataError(
                f"the ablation {sessions_ahead(horizon)} compares {model!r} with "
                f"{', '.join(evaluation.against) or 'nothing'}, not {ours!r} with {without!r}: "
                f"evaluate these two, {ours!r} first."
            )
        rows[sessions_ahead(horizon)] = evaluation.against[without]
        sentences.append(_effect_sentence(evaluation, evaluation.against[without]))
    caption = (
        f"What sentiment adds to returns and directions: '{ours}' less '{without}'. {' '.join(sentences)} Each is "
        "tested by itself: by chance, one of twenty looks significant."
    )
    metrics = join_names([TITLES[metric].title for metric in PAIRED])
    alt = f"Forest plot of what sentiment adds to {metrics}. {' '.join(sentences)}"
    return Picture(figure_differences(rows), caption, alt)


def _effect_on_risk(risk: Mapping[int, RiskEvaluation], without: str) -> str:
    """What sentiment adds to the forecast of risk, a sentence for each horizon."""
    words: dict[int | None, str] = {
        1: "lower at 5 %",
        -1: "higher at 5 %",
        0: "no difference at 5 %",
        None: "too few sessions to tell",
    }
    sentences = []
    for horizon, evaluation in risk.items():
        comparison = evaluation.comparisons[without]["log_variance_mse"]
        size = _count(evaluation.days, "session")
        p = f"p {format_p(comparison.holm)} after Holm"
        sentences.append(
            f"{sentence_case(sessions_ahead(horizon))} ({size}): {format_percent(comparison.change)}, "
            f"{words[comparison.side]} ({p})."
        )
    opening = "The squared error of log variance, with sentiment:"
    return f"{opening} {' '.join(sentences)}"


def _effect_sentence(evaluation: Evaluation, differences: Mapping[str, ConfidenceInterval]) -> str:
    sides: dict[int | None, list[str]] = {}
    for metric in PAIRED:
        title, difference = TITLES[metric], differences.get(metric, UNDEFINED)
        if np.isfinite(difference.value):
            side = side_of_zero(difference, higher_is_better=title.higher_is_better)
            sides.setdefault(side, []).append(title.title)
    words = {
        1: "sentiment helps ({}, at 5 %)",
        -1: "sentiment hurts ({}, at 5 %)",
        0: "no difference at 5 % ({})",
        None: "too few sessions to tell ({})",
    }
    if len(sides) == 1:  # the same result for all metrics: they are not named one by one
        words = {side: text.replace(" ({})", "").replace("({}, at 5 %)", "at 5 %") for side, text in words.items()}
    parts = [text.format(join_names(sides[side])) for side, text in words.items() if side in sides]
    size = _count(evaluation.days, "session")
    return f"{sentence_case(sessions_ahead(evaluation.horizon))} ({size}): {'; '.join(parts) or 'undefined'}."


def _count(number: float, what: str) -> str:
    return f"{number:,.0f} {what}{'' if number == 1 else 's'}"


@style.styled
def figure_sentiment(
    symbol: str,
    sessions: pd.DatetimeIndex,
    close: Float64,
    mean: Float64,
    recent: Float64,
    items: Float64,
    *,
    begins: pd.Timestamp | None = None,
) -> Figure:
    """The adjusted close of one symbol, the sentiment of its news, and the number of items, one below the other.

    Parameters
    ----------
    symbol
        Name of the symbol.
    sessions
        The sessions shown.
    close
        [session]; NaN where the symbol did not trade.
    mean, items
        [session]; mean score (-1..1) and number of items; NaN on a session without news, where nothing is drawn.
    recent
        [session]; the decayed mean of all items so far, constant over sessions without news.
    begins
        The session at which the test begins, to be marked; None for no mark.

    Returns
    -------
    Figure
        Three panels with a common time axis.
    """
    figure = style.canvas(5.2)
    price, sentiment, count = figure.subplots(3, 1, sharex=True, height_ratios=(2.0, 1.7, 0.8))
    price.plot(sessions, close, color=style.INK, lw=1.2)
    price.set_title(f"{symbol}: adjusted close")
    style.plain_axis(price.yaxis)
    sides = ((mean > 0, style.OURS, "positive"), (mean < 0, style.AGAINST, "negative"), (mean == 0, style.CALM, None))
    for here, colour, label in sides:
        sentiment.vlines(sessions[here], 0, mean[here], color=colour, lw=1.8)
        # the dot shows a sentiment of nearly zero, which as a bar would look like a session without news
        sentiment.plot(sessions[here], mean[here], "o", color=colour, ms=2.8, label=label)
    sentiment.plot(sessions, recent, color=style.INK, lw=1.1, drawstyle="steps-post", label="recent sessions")
    sentiment.axhline(0, color=style.MUTED, lw=0.8)
    reach = 1.12 * max(0.1, *(float(np.nanmax(np.abs(v))) for v in (mean, recent) if np.isfinite(v).any()))
    sentiment.set_ylim(-reach, reach)
    sentiment.set_title("Sentiment: mean score of a session's items")
    sentiment.locator_params(axis="y", nbins=5)
    style.plain_axis(sentiment.yaxis)
    style.legend(sentiment, columns=3)
    count.vlines(sessions, 0, items, color=style.CALM, lw=3)
    count.set_title("Items")
    count.set_ylim(bottom=0)
    count.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    style.plain_axis(count.yaxis)
    for axes in (price, sentiment, count):
        axes.margins(x=0.01)
    for axes in (sentiment, count):
        axes.grid(visible=False, axis="x")
    if begins is not None:
        _mark(price, (price, sentiment, count), begins)
    style.date_ticks(count, sessions)
    return figure


def _mark(labelled: Axes, panels: Sequence[Axes], begins: pd.Timestamp) -> None:
    at: Any = begins  # matplotlib's type hints do not include dates
    for axes in panels:
        axes.axvline(at, color=style.MUTED, lw=0.9, ls="--")
    low, high = labelled.get_ylim()
    labelled.set_ylim(low, high + 0.15 * (high - low))  # room for the label above the line of prices
    labelled.annotate(
        "test begins", (begins, 1.0), xycoords=("data", "axes fraction"), xytext=(4, -2), textcoords="offset points",
        va="top", color=style.MUTED, size=9,
    )  # fmt: skip
