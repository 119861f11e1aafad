"""Which words moved the score: each word is left out in turn (occlusion), which needs nothing but the scorer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tenor.errors import DataError
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import LABELS
from tenor.sentiment.text import clean

MAX_WORDS = 64


@dataclass(frozen=True)
class Word:
    """A word of the text and how much of the score goes when it is left out (positive: it raised the score)."""

    text: str
    contribution: float


@dataclass(frozen=True)
class Explanation:
    """A text's score (P(positive) - P(negative)), its probabilities, and its words in their order."""

    score: float
    probabilities: dict[str, float]
    words: tuple[Word, ...]
    language_ok: bool

    def to_json(self) -> dict[str, Any]:
        """The same as plain lists, dicts and numbers."""
        return {
            "score": self.score,
            **self.probabilities,
            "language_ok": self.language_ok,
            "words": [{"word": word.text, "contribution": word.contribution} for word in self.words],
        }


def why(scorer: Scorer, text: str) -> Explanation:
    """Explain the score of `text`, by leaving out one of its first `MAX_WORDS` words at a time.

    Contributions need not add up to the score: two words that say the same stand in for each other.

    Raises
    ------
    DataError
        The text is empty once cleaned.
    """
    words = clean(text).split(" ")
    if words == [""]:
        raise DataError("the text is empty once mark-up and control characters are gone: nothing to explain.")
    shown = min(len(words), MAX_WORDS)
    without = [" ".join(words[:i] + words[i + 1 :]) for i in range(shown)]
    scores = scorer.score([" ".join(words), *without])
    score = float(scores.score[0])
    # a text of one word has nothing left without it: its whole score is that word's
    left = np.where(scores.empty[1:], 0.0, scores.score[1:].astype(float))
    return Explanation(
        score=score,
        probabilities={label: float(scores.probabilities[0, i]) for i, label in enumerate(LABELS)},
        words=tuple(Word(word, score - float(rest)) for word, rest in zip(words[:shown], left, strict=True)),
        language_ok=bool(scores.language_ok[0]),
    )
