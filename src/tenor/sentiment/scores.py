"""The classes, the scores of many texts, and the cache of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from tenor.kinds import KINDS, StoredKinds

if TYPE_CHECKING:  # its package loads pandas
    from tenor.schema.arrays import Float16, Float32

LABELS = ("positive", "neutral", "negative")
"""The classes, in the order of every probability array of this package."""

Probabilities = tuple[float, float, float]
"""P(positive), P(neutral), P(negative) of one text."""


class ScoreCache(Protocol):
    """Stores scores between runs, so that a model scores a text once."""

    def get(self, text_hashes: Sequence[str], model_id: str) -> Mapping[str, Probabilities]:
        """The stored scores of `text_hashes`, by hash; texts that are not stored are left out."""

    def put(self, scores: Mapping[str, Probabilities], model_id: str) -> None:
        """Store `scores`, by hash; a text that is stored already keeps its score."""

    def get_kinds(self, text_hashes: Sequence[str], model_id: str, *, embeddings: bool) -> StoredKinds:
        """The stored kinds of `text_hashes`; with `embeddings`, only for texts whose embedding is stored too."""

    def put_kinds(self, kinds: StoredKinds, model_id: str) -> None:
        """Store `kinds` and their embeddings; a text that is stored already stays as it is."""


@dataclass(frozen=True)
class Scores:
    """Scores of n texts, in the order they were given.

    Attributes
    ----------
    probabilities
        Float32 ``[n, 3]``, columns as in `LABELS`. An empty text has NaN: it is not the same as a neutral one.
    language_ok
        Bool ``[n]``, False where the text does not look English; its score should not be trusted.
    empty
        Bool ``[n]``, True where the cleaned text is empty.
    model_id
        Name of the model that scored them.
    kinds
        Float32 ``[n, 9]``, the probability that the text is of each of `tenor.kinds.KINDS`: earnings, analyst, merger,
        product, legal, payout, macro, management, price. A text may be of several kinds or of none; it counts as one of
        a kind if the probability is at least `tenor.kinds.PRESENT`. NaN for a text that is empty or does not look
        English. None if the kinds were not asked for.
    embeddings
        Float16 ``[n, 64]``, the encoder's embedding projected to 64 numbers (`tenor.sentiment.kinds`); NaN where
        `kinds` is. None if they were not asked for.
    """

    probabilities: Float32
    language_ok: npt.NDArray[np.bool_]
    empty: npt.NDArray[np.bool_]
    model_id: str
    kinds: Float32 | None = None
    embeddings: Float16 | None = None

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def positive(self) -> npt.NDArray[np.float32]:
        """P(positive), ``[n]``."""
        return self.probabilities[:, 0]

    @property
    def neutral(self) -> npt.NDArray[np.float32]:
        """P(neutral), ``[n]``."""
        return self.probabilities[:, 1]

    @property
    def negative(self) -> npt.NDArray[np.float32]:
        """P(negative), ``[n]``."""
        return self.probabilities[:, 2]

    @property
    def score(self) -> npt.NDArray[np.float32]:
        """P(positive) - P(negative), in -1..1, ``[n]``."""
        return self.probabilities[:, 0] - self.probabilities[:, 2]

    def rows(self) -> list[dict[str, Any]]:
        """A dict of JSON types for each text; an empty text has None in place of numbers.

        If kinds were asked for, ``kinds`` maps each kind to its probability; it is None for an unreadable text.
        """
        numbers = np.column_stack([self.probabilities, self.score]).astype(float).round(6)
        rows: list[dict[str, Any]] = [
            {
                **{name: None if empty else value for name, value in zip((*LABELS, "score"), row, strict=True)},
                "language_ok": bool(ok),
                "empty": bool(empty),
            }
            for row, ok, empty in zip(numbers.tolist(), self.language_ok, self.empty, strict=True)
        ]
        if self.kinds is not None:
            rounded = self.kinds.astype(float).round(6).tolist()
            for row, kinds, ok in zip(rows, rounded, self.language_ok, strict=True):
                row["kinds"] = dict(zip(KINDS, kinds, strict=True)) if ok else None
        return rows
