"""Texts for the contests of scoring: statements of tenor's own grammar, as short and as long as news are."""

from __future__ import annotations

import sys

import numpy as np
from environments import ROOT

sys.path.insert(0, str(ROOT / "scripts" / "sentiment"))
from statements import statements

MEDIAN_WORDS, SPREAD, MOST_WORDS = 14.0, 0.6, 90
"""Headlines and tweets have 8 to 25 words, and some items a summary of several sentences: a lognormal distribution."""


def news_texts(count: int, seed: int = 0) -> list[str]:
    """`count` distinct texts: whole statements, joined until a text has as many words as its length was drawn.

    They are of lines that the shipped classifier was not trained on.
    """
    rng = np.random.default_rng(seed)
    lengths = np.minimum(MEDIAN_WORDS * np.exp(SPREAD * rng.standard_normal(count)), MOST_WORDS)
    pool = iter(statements(4 * count, seed, held_out=True).texts)
    texts = []
    for length in lengths:
        text = next(pool)
        while len(text.split()) < length - MEDIAN_WORDS / 2:
            text = f"{text}. {next(pool)}"
        texts.append(text)
    return texts
