"""The section on sentiment: beside the price, its largest surprises, whether it helps, and what words weigh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from tenor.errors import DataError
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.significance import drawn_days, resampled
from tenor.metrics import ratio
from tenor.report.figures_judgement import DIFFERENCES, figure_differences
from tenor.report.figures_sentiment import MOST_WORDS, figure_sentiment, figure_words
from tenor.report.forecast import SESSIONS_SHOWN
from tenor.report.page import Paragraph, Picture, Section, Table
from tenor.report.style import ahead, day, listed, number, percent
from tenor.schema import DailySentiment, Float64, Panel

MOST_SYMBOLS = 3
DAYS_SHOWN = 12
FEWEST_ITEMS = 5
"""A session with fewer items does not count as a moving day: one loud post is no sentiment."""
NAMES = {"return_rmse": "RMSE of returns", "direction": "direction accuracy", "rank_ic": "rank IC"}
"""The metrics of `DIFFERENCES` in prose."""

Block = Picture | Table | Paragraph


class WhyLike(Protocol):
    """A text, its score, and its words in their order, each with how much of the score goes without it."""

    @property
    def text(self) -> str:
        """What was scored; it is shown."""

    @property
    def score(self) -> float:
        """P(positive) - P(negative), -1..1."""

    @property
    def words(self) -> Sequence[tuple[str, float]]:
        """(word, contribution); a positive one raised the score."""


def sentiment_section(
    panel: Panel,
    sentiment: DailySentiment,
    rows: slice,
    symbols: Sequence[str],
    *,
    ablation: Mapping[int, Evaluation],
    ours: str,
    without: str,
    whys: Sequence[WhyLike] = (),
) -> Section:
    """What was said of the stocks, beside what they did.

    Parameters
    ----------
    rows
        The test, on the panel's session axis.
    symbols
        Of these the first `MOST_SYMBOLS` are shown one by one.
    ablation
        Horizon -> evaluation of the model with sentiment on test sessions that have sentiment, beside others; its
        `against` holds the differences from the model `without` sentiment.
    ours, without
        The names of the two models.

    Raises
    ------
    UnknownSymbolError
        A symbol that the panel has not.
    DataError
        An evaluation judges another model than `ours`, or has no differences from `without`.
    """
    said = _Said.of(panel, sentiment)
    blocks: list[Block] = [
        Paragraph(
            "Sentiment is the mean score of what was published about a stock, from −1 (bad) to 1 (good), as far as "
            "it was known shortly before a session's close. No news is not neutral news: a session without items has "
            "no sentiment and stays blank."
        )
    ]
    blocks += [_beside_price(panel, said, rows, symbol) for symbol in symbols[:MOST_SYMBOLS]]
    blocks += [_most_moving(panel, said), _with_and_without(ablation, ours, without)]
    blocks += [_by_word(why) for why in whys]
    return Section("Sentiment", tuple(blocks))


@dataclass(frozen=True)
class _Said:
    """A sentiment on a panel's axes, [session, symbol]; NaN where nothing was said."""

    n: Float64
    mean: Float64
    recent: Float64
    surprise: Float64

    @classmethod
    def of(cls, panel: Panel, sentiment: DailySentiment) -> _Said:
        session = panel.sessions.get_indexer(pd.DatetimeIndex(sentiment.frame["session"]))
        symbol = pd.Index(panel.symbols).get_indexer(pd.Index(sentiment.frame["symbol"]))
        here = (session >= 0) & (symbol >= 0)

        def grid(column: str) -> Float64:
            values = np.full(panel.close.shape, np.nan)
            values[session[here], symbol[here]] = sentiment.frame[column].to_numpy()[here]
            return values

        return cls(n=grid("n"), mean=grid("mean"), recent=grid("recent"), surprise=grid("surprise"))


def _beside_price(panel: Panel, said: _Said, rows: slice, symbol: str) -> Picture | Paragraph:
    """The last sessions of the test up to the symbol's last sentiment; those before the test if it has none there."""
    i = panel.symbol_index(symbol)
    first, stop, _ = rows.indices(len(panel.sessions))
    dated = np.flatnonzero(np.isfinite(said.n[:, i]))
    dated = dated[dated < stop]
    if not len(dated):
        return Paragraph(f"{symbol} has no news up to the end of the test.")
    last = int(dated[-1])
    start = max(0, last + 1 - SESSIONS_SHOWN)
    cut = slice(start, last + 1)
    items = said.n[cut, i]
    known = np.isfinite(items)
    recent = np.asarray(pd.Series(said.recent[: last + 1, i]).ffill(), dtype="float64")[cut]
    mean = said.mean[cut, i]
    caption = (
        f"{symbol}, {day(panel.sessions[start])} – {day(panel.sessions[last])}: "
        f"{_count(float(np.nansum(items)), 'item')} on {int(known.sum())} of {_count(len(items), 'session')}, "
        f"{int((mean > 0).sum())} of them above zero, {int((mean < 0).sum())} below. The line is the mean "
        "of all items so far, older ones counting less, and holds over sessions without news."
    )
    if last < first:
        caption += " There is no news of it in the test: these sessions lie before it."
    figure = figure_sentiment(
        symbol,
        panel.sessions[cut],
        panel.close[cut, i],
        mean,
        recent,
        items,
        begins=panel.sessions[first] if start < first <= last else None,
    )
    alt = f"Adjusted close of {symbol}, below it the sentiment of each session and the number of items."
    return Picture(figure, caption, alt)


def _most_moving(panel: Panel, said: _Said) -> Table | Paragraph:
    same, following = _returns(panel.close)
    moved = np.where(said.n >= FEWEST_ITEMS, np.abs(said.surprise) * np.sqrt(said.n), np.nan)
    places = np.argwhere(moved > 0)
    if not len(places):
        return Paragraph(f"No stock has news that differs from before on a session with {FEWEST_ITEMS} items or more.")
    order = np.argsort(-moved[tuple(places.T)], kind="stable")[:DAYS_SHOWN]
    lines = tuple(
        (
            panel.symbols[s],
            day(panel.sessions[t]),
            number(float(said.n[t, s]), 0),
            number(float(said.mean[t, s])),
            number(float(said.surprise[t, s])),
            percent(float(same[t, s])),
            percent(float(following[t, s])),
        )
        for t, s in places[order]
    )
    columns = ("stock", "session", "items", "sentiment", "surprise", "return of that session", "return of the next")
    cells = np.isfinite(said.mean) & np.isfinite(panel.close)
    caption = (
        f"The days of the largest surprise (sentiment less its trailing mean) times the root of "
        f"the number of items, of which there are at least {FEWEST_ITEMS}. Over all "
        f"{_count(int(cells.sum()), 'stock-session')} with news, its rank correlation with the return of the same "
        f"session is {_compared(said.mean, same, following)}"
    )
    return Table(columns, lines, caption)


def _returns(close: Float64) -> tuple[Float64, Float64]:
    """Log returns of each session and of the next one, [session, symbol]; NaN where one of the two closes is not."""
    change = np.diff(np.log(close), axis=0)
    gap = np.full((1, close.shape[1]), np.nan)
    return np.concatenate([gap, change]), np.concatenate([change, gap])


def _compared(mean: Float64, same: Float64, following: Float64) -> str:
    now, then = _rank_correlation(mean, same), _rank_correlation(mean, following)
    text = f"{_correlated(now)}; with that of the next, {_correlated(then)}."
    if _side(now, 1) == 1 and _side(then, 1) == 0:
        text += " So what is said goes with what the price has just done, and is not seen to lead it."
    elif _side(then, 1):
        text += f" So sentiment is followed by returns {'of its own sign' if _side(then, 1) == 1 else 'against it'}."
    return text


def _correlated(found: ConfidenceInterval) -> str:
    if not np.isfinite(found.value):
        return "undefined"
    judged = {1: "above zero at 5 %", 0: "not told apart from zero", -1: "below zero at 5 %", None: "too few sessions"}
    shown = number(found.value, 3)
    if np.isfinite(found.low):
        shown += f" [{number(found.low, 3)}, {number(found.high, 3)}]"
    return f"{shown} ({judged[_side(found, 1)]})"


def _rank_correlation(x: Float64, y: Float64) -> ConfidenceInterval:
    """Spearman's correlation over the cells [session, symbol] in which both are known, and its 95 % interval.

    Days are resampled; the ranks stay those of the whole sample, so that each resample is a few sums by day.
    """
    known = np.isfinite(x) & np.isfinite(y)
    days = known.any(axis=1)
    a, b = np.zeros(x.shape), np.zeros(x.shape)
    for ranks, values in ((a, x), (b, y)):
        ranks[known] = pd.Series(values[known]).rank(pct=True).to_numpy() - 0.5
    sums = np.stack([known * part for part in (np.ones(x.shape), a, b, a * a, b * b, a * b)], axis=2).sum(axis=1)[days]

    def correlation(drawn: Float64) -> Float64:
        n, sa, sb, saa, sbb, sab = (drawn @ sums).T
        spread = np.maximum(saa - ratio(sa * sa, n), 0.0) * np.maximum(sbb - ratio(sb * sb, n), 0.0)
        return ratio(sab - ratio(sa * sb, n), np.sqrt(np.where(spread > 1e-12, spread, 0.0)))

    value = float(correlation(np.ones((1, len(sums))))[0])
    drawn, block = drawn_days(len(sums), horizon=1)
    return resampled(value, correlation(drawn), days=len(sums), block=block).interval


def _with_and_without(ablation: Mapping[int, Evaluation], ours: str, without: str) -> Picture | Paragraph:
    if not ablation:
        return Paragraph(
            "No model without sentiment was trained to compare with, so nothing is known of what sentiment adds."
        )
    rows: dict[str, Mapping[str, ConfidenceInterval]] = {}
    told = []
    for horizon, found in ablation.items():
        judged = next(iter(found.table), None)
        if judged != ours or without not in found.against:
            raise DataError(
                f"ablation {ahead(horizon)}: it judges {judged!r} against {', '.join(found.against) or 'nothing'}, "
                f"not {ours!r} against {without!r}: evaluate these two, ours first."
            )
        rows[ahead(horizon)] = found.against[without]
        told.append(_sentence(found, found.against[without]))
    caption = (
        f"What sentiment adds: '{ours}' less '{without}', the same cells, only sessions of the test with sentiment. "
        f"{' '.join(told)} Each is tested at 5 % by itself: by luck, one of twenty looks like something."
    )
    alt = f"Forest plot of what sentiment adds to {listed(list(NAMES.values()))}, {listed(list(rows))}."
    return Picture(figure_differences(rows), caption, alt)


def _sentence(found: Evaluation, less: Mapping[str, ConfidenceInterval]) -> str:
    nothing = ConfidenceInterval(np.nan, np.nan, np.nan)
    sides: dict[int | None, list[str]] = {}
    for metric, (*_, sign) in DIFFERENCES.items():
        difference = less.get(metric, nothing)
        if np.isfinite(difference.value):
            sides.setdefault(_side(difference, sign), []).append(NAMES[metric])
    words = {
        1: "sentiment helps ({}, at 5 %)",
        -1: "sentiment hurts ({}, at 5 %)",
        0: "no difference at 5 % ({})",
        None: "too few sessions to tell ({})",
    }
    parts = [text.format(listed(sides[side])) for side, text in words.items() if side in sides]
    size = f"{_count(found.days, 'session')}, {_count(found.samples, 'forecast')}"
    return f"{ahead(found.horizon).capitalize()} ({size}): {'; '.join(parts) or 'undefined'}."


def _by_word(why: WhyLike) -> Picture | Paragraph:
    told = f"'{why.text}' scores {number(why.score)}."
    if not why.words:
        return Paragraph(f"{told} It has no words to weigh.")
    caption = f"{told} A bar is what the score loses when that word is left out; words that say the same share it."
    if len(why.words) > MOST_WORDS:
        caption += f" Of {len(why.words)} words the {MOST_WORDS} that weigh most are shown."
    strongest = max(why.words, key=lambda word: abs(word[1]))
    alt = f"Bars of what each word adds to the score; the most moving is '{strongest[0]}' ({number(strongest[1])})."
    return Picture(figure_words(why.words), caption, alt)


def _side(found: ConfidenceInterval, sign: int) -> int | None:
    """1 for an interval on the better side of zero, -1 on the worse, 0 across; None where there is none."""
    if not np.isfinite(found.low + found.high):
        return None
    return sign * (int(found.low > 0) - int(found.high < 0))


def _count(number_: float, what: str) -> str:
    return f"{number_:,.0f} {what}{'' if number_ == 1 else 's'}"
