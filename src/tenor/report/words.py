"""The contribution of each word to the score of a text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from tenor.report import style
from tenor.report.page import Paragraph, Picture
from tenor.report.style import format_number

MOST_WORDS = 20
"""Number of words shown of one text, those with the largest contributions."""
LONGEST_WORD = 24
"""Number of characters shown of a word: a long link would leave no room for the bars."""


class WhyLike(Protocol):
    """A text, its score, and its words in order, each with its contribution to the score."""

    @property
    def text(self) -> str:
        """The scored text."""

    @property
    def score(self) -> float:
        """P(positive) - P(negative), -1..1."""

    @property
    def words(self) -> Sequence[tuple[str, float]]:
        """Pairs (word, contribution): by how much the score is lower without the word."""


def words_block(why: WhyLike) -> Picture | Paragraph:
    """The text, its score, and a bar chart of the contributions of its words."""
    opening = f"'{why.text}' scores {format_number(why.score)}."
    if not why.words:
        return Paragraph(f"{opening} It has no words to weigh.")
    caption = (
        f"{opening} A bar is how much lower the score is when that word is left out; words with the same meaning share "
        "it."
    )
    if len(why.words) > MOST_WORDS:
        caption += f" Of {len(why.words)} words the {MOST_WORDS} that contribute most are shown."
    strongest, contribution = max(why.words, key=lambda word: abs(word[1]))
    alt = f"Bars of what each word adds to the score; the largest is '{strongest}' ({format_number(contribution)})."
    return Picture(figure_words(why.words), caption, alt)


@style.styled
def figure_words(words: Sequence[tuple[str, float]]) -> Figure:
    """Bar chart of the words' contributions to the score, in the order of the text; at most the `MOST_WORDS` largest.

    Parameters
    ----------
    words
        Pairs of a word and how much lower the score is without it.

    Returns
    -------
    Figure
        The figure.
    """
    contributions = np.array([contribution for _, contribution in words], dtype="float64")
    # the largest ones, sorted by their order in the text
    chosen = np.sort(np.argsort(-np.abs(contributions), kind="stable")[:MOST_WORDS])
    figure = style.canvas(0.75 + 0.24 * len(chosen))
    axes = figure.subplots()
    by = contributions[chosen]
    axes.barh(range(len(chosen)), by, height=0.7, color=[style.OURS if v > 0 else style.AGAINST for v in by])
    axes.axvline(0, color=style.MUTED, lw=0.8)
    reach = 1.25 * max(0.05, float(np.abs(by).max()))
    axes.set_xlim(-reach, reach)
    for place, value in enumerate(by):
        side = 1 if value >= 0 else -1
        axes.annotate(
            style.format_number(float(value)), (value, place), xytext=(4 * side, 0), textcoords="offset points",
            ha="left" if side > 0 else "right", va="center", color=style.MUTED, size=9,
        )  # fmt: skip
    axes.set_yticks(range(len(chosen)), [_drawable(words[i][0]) for i in chosen])
    axes.set_ylim(len(chosen) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    axes.grid(visible=False, axis="y")
    axes.set_title("What each word adds to the score")
    style.plain_axis(axes.xaxis)
    return figure


def _drawable(word: str) -> str:
    """`word`, shortened, with characters that the figure's font lacks replaced."""
    cut = word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD - 1]}…"
    return "".join(c if _in_font(c) else "\N{REPLACEMENT CHARACTER}" for c in cut)


@cache
def _in_font(character: str) -> bool:
    return character.isprintable() and _font().get_char_index(ord(character)) != 0


@cache
def _font() -> FT2Font:
    return FT2Font(Path(font_manager.findfont("DejaVu Sans")))
