"""Which words moved the score: each word is left out in turn (occlusion) and the text is scored again."""

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
    """A word of the text and how far the score falls when it is left out; positive if the word raised the score."""

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
    """Explain the score of `text`: each of its first `MAX_WORDS` words is left out in turn.

    Contributions need not add up to the score: if two words mean the same, leaving out either one changes little.

    Raises
    ------
    DataError
        The text is empty after cleaning.
    """
    words = clean(text).split(" ")
    if words == [""]:
        raise DataError("the text is empty without mark-up and control characters: give a text with words.")
    explained = min(len(words), MAX_WORDS)
    shortened = [" ".join(words[:i] + words[i + 1 :]) for i in range(explained)]
    scores = scorer.score([" ".join(words), *shortened])
    score = float(scores.score[0])
    # a text of one word is empty without it, so the whole score is due to that word
    rest = np.where(scores.empty[1:], 0.0, scores.score[1:].astype(float))
    return Explanation(
        score=score,
        probabilities={label: float(scores.probabilities[0, i]) for i, label in enumerate(LABELS)},
        words=tuple(
            Word(word, score - float(without_it)) for word, without_it in zip(words[:explained], rest, strict=True)
        ),
        language_ok=bool(scores.language_ok[0]),
    )
