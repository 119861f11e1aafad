"""Figures of the sentiment: beside the price, and word by word."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import MaxNLocator

from tenor.report import style
from tenor.schema import Float64

MOST_WORDS = 20
"""Words shown of one text, those that moved its score most."""
LONGEST_WORD = 24
"""Characters of a word that are shown: a link must not push the bars off the figure."""


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
    """One symbol's adjusted close, below it what was said of it, and how many items said it.

    Parameters
    ----------
    close
        [session]; NaN where the symbol did not trade.
    mean, items
        [session]; mean score (-1..1) and number of items; NaN on a session without news, where nothing is drawn.
    recent
        [session]; the decayed mean of all items so far, held over sessions without news.
    begins
        The session at which the test begins, marked where it is given.
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
    style.key(sentiment, columns=3)
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
    at: Any = begins  # matplotlib's types know no dates
    for axes in panels:
        axes.axvline(at, color=style.MUTED, lw=0.9, ls="--")
    low, high = labelled.get_ylim()
    labelled.set_ylim(low, high + 0.15 * (high - low))  # room for the label above the line of prices
    labelled.annotate(
        "test begins", (begins, 1.0), xycoords=("data", "axes fraction"), xytext=(4, -2), textcoords="offset points",
        va="top", color=style.MUTED, size=9,
    )  # fmt: skip


@style.styled
def figure_words(words: Sequence[tuple[str, float]]) -> Figure:
    """How much of a text's score each word carries, in the order of the text; of many words the strongest.

    Parameters
    ----------
    words
        A word and how much of the score goes when it is left out.
    """
    moved = np.array([by for _, by in words], dtype="float64")
    kept = np.sort(np.argsort(-np.abs(moved), kind="stable")[:MOST_WORDS])
    figure = style.canvas(0.75 + 0.24 * len(kept))
    axes = figure.subplots()
    by = moved[kept]
    axes.barh(range(len(kept)), by, height=0.7, color=[style.OURS if v > 0 else style.AGAINST for v in by])
    axes.axvline(0, color=style.MUTED, lw=0.8)
    reach = 1.25 * max(0.05, float(np.abs(by).max()))
    axes.set_xlim(-reach, reach)
    for place, value in enumerate(by):
        side = 1 if value >= 0 else -1
        axes.annotate(
            style.number(float(value)), (value, place), xytext=(4 * side, 0), textcoords="offset points",
            ha="left" if side > 0 else "right", va="center", color=style.MUTED, size=9,
        )  # fmt: skip
    axes.set_yticks(range(len(kept)), [_shown(words[i][0]) for i in kept])
    axes.set_ylim(len(kept) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    axes.grid(visible=False, axis="y")
    axes.set_title("What each word adds to the score")
    style.plain_axis(axes.xaxis)
    return figure


def _shown(word: str) -> str:
    """`word`, cut, and in characters that the figure's font can measure."""
    cut = word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD - 1]}…"
    return "".join(c if _has(c) else "\N{REPLACEMENT CHARACTER}" for c in cut)


@cache
def _has(character: str) -> bool:
    return character.isprintable() and _font().get_char_index(ord(character)) != 0


@cache
def _font() -> FT2Font:
    return FT2Font(Path(font_manager.findfont("DejaVu Sans")))
