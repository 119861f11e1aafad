"""Which words moved the score: each word is left out in turn (occlusion), which needs only the scorer."""

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
    """A word of the text and how much the score falls without it (positive: it raised the score)."""

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

    Contributions need not add up to the score: of two words that mean the same, neither is
    missed much.

    Raises
    ------
    DataError
        The text is empty once cleaned.
    """
    words = clean(text).split(" ")
    if words == [""]:
        raise DataError("the text is empty without mark-up and control characters: there is nothing to explain.")
    explained = min(len(words), MAX_WORDS)
    shortened = [" ".join(words[:i] + words[i + 1 :]) for i in range(explained)]
    scores = scorer.score([" ".join(words), *shortened])
    score = float(scores.score[0])
    # without its only word a text is empty: the whole score is that word's
    rest = np.where(scores.empty[1:], 0.0, scores.score[1:].astype(float))
    return Explanation(
        score=score,
        probabilities={label: float(scores.probabilities[0, i]) for i, label in enumerate(LABELS)},
        words=tuple(
            Word(word, score - float(without_it)) for word, without_it in zip(words[:explained], rest, strict=True)
        ),
        language_ok=bool(scores.language_ok[0]),
    )
