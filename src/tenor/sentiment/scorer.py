"""Texts to scores: cleaned, each scored once, in batches of the same token count, stored in a cache."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tenor.errors import DataError, ModelError
from tenor.sentiment.encoder import CONFIG, SHIPPED, Encoder, OnnxEncoder
from tenor.sentiment.scores import LABELS, ScoreCache, Scores
from tenor.sentiment.text import clean, looks_english, text_hash

_TOKENS_A_BATCH = 640  # measured: 475 texts of 20 tokens a second on a core; 389 at 5,120, 241 one by one


class Scorer:
    """Scores texts with one encoder; `Scorer.load` picks it.

    A text's score depends on the text alone: batches hold texts of one token count, so there is no padding, and
    activations are float32 (what is left is float noise below 1e-5).

    Parameters
    ----------
    encoder
        Gives the logits.
    round_size
        Texts scored between two writes to the cache: the most that a killed run loses.
    """

    def __init__(self, encoder: Encoder, *, round_size: int = 8192) -> None:
        self._encoder = encoder
        self._round_size = round_size

    @classmethod
    def load(cls, model: str | Path | None = None, *, threads: int = 1) -> Scorer:
        """The scorer of a model.

        Parameters
        ----------
        model
            None for the one in this package; a folder of weights written by tenor; a Hugging Face folder or id.
        threads
            Cores to use (the encoder of tenor only).

        Raises
        ------
        ModelError
            The model is missing, changed, or not one of three classes.
        """
        if model is None or model == "default":
            return cls(OnnxEncoder(SHIPPED, threads=threads))
        folder = Path(model)
        if (folder / "model.onnx").exists() and (folder / CONFIG).exists():
            return cls(OnnxEncoder(folder, threads=threads))
        from tenor.sentiment.transformer import TransformersEncoder

        return cls(TransformersEncoder(model))

    @property
    def model_id(self) -> str:
        """Names the weights: two models never share it."""
        return self._encoder.model_id

    @property
    def has_kinds(self) -> bool:
        """Whether there is a classifier of the kinds of news for the encoder."""
        return False

    def score(
        self,
        texts: Sequence[str],
        *,
        cache: ScoreCache | None = None,
        progress: Callable[[int, int], None] | None = None,
        kinds: bool = False,
    ) -> Scores:
        """Score `texts`.

        Parameters
        ----------
        texts
            Any text; empty ones and repeated ones too.
        cache
            Scores in it are not computed again, new ones are added round by round, so that a killed run resumes.
        progress
            Called with the number of distinct texts done and of all distinct texts.
        kinds
            Also what the texts are about, where `has_kinds`.

        Raises
        ------
        DataError
            An item is not a text; the message names its position.
        """
        if kinds and not self.has_kinds:
            raise ModelError(f"no classifier of the kinds of news came with {self.model_id}: leave the kinds out.")
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"text {position} is {text!r}, not a text: drop it or fill it in.")
        # the hash of each text in order ("" for an empty one), and each distinct text by its hash
        hashes: list[str] = []
        distinct: dict[str, str] = {}
        for text in texts:
            cleaned = clean(text)
            # by what is read, so that a cache holds no score from before the encoder read it so
            name = text_hash(self._encoder.reading(cleaned)) if cleaned else ""
            hashes.append(name)
            if cleaned:
                distinct[name] = cleaned
        known = self._known(distinct, cache, progress)
        english = {name: looks_english(text) for name, text in distinct.items()}
        unscored = (np.nan,) * len(LABELS)
        return Scores(
            probabilities=np.array([known.get(name, unscored) for name in hashes], np.float32).reshape(-1, len(LABELS)),
            language_ok=np.array([english.get(name, False) for name in hashes], dtype=np.bool_),
            empty=np.array([not name for name in hashes], dtype=np.bool_),
            model_id=self.model_id,
        )

    def _known(
        self,
        distinct: dict[str, str],
        cache: ScoreCache | None,
        progress: Callable[[int, int], None] | None,
    ) -> dict[str, tuple[float, float, float]]:
        known = dict(cache.get(list(distinct), self.model_id)) if cache is not None else {}
        names = [name for name in distinct if name not in known]
        if progress is not None:
            progress(len(known), len(distinct))
        for start in range(0, len(names), self._round_size):
            part = names[start : start + self._round_size]
            fresh: dict[str, tuple[float, float, float]] = {}
            for rows, probabilities in self._batches([distinct[name] for name in part]):
                for row, (positive, neutral, negative) in zip(rows, probabilities.tolist(), strict=True):
                    fresh[part[row]] = (positive, neutral, negative)
                if progress is not None:
                    progress(len(known) + len(fresh), len(distinct))
            if cache is not None:
                cache.put(fresh, self.model_id)
            known |= fresh
        return known

    def _batches(self, texts: list[str]) -> Iterator[tuple[list[int], npt.NDArray[np.float32]]]:
        """(positions in `texts`, their probabilities), texts of the same token count together."""
        rows_of_length: dict[int, list[int]] = defaultdict(list)
        ids = self._encoder.tokenise(texts)
        for row, tokens in enumerate(ids):
            rows_of_length[len(tokens)].append(row)
        for length, rows in sorted(rows_of_length.items()):
            size = max(1, _TOKENS_A_BATCH // length)
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                logits = self._encoder.logits(np.array([ids[row] for row in part], dtype=np.int64))
                yield part, softmax(logits / self._encoder.temperature)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities ``[n, 3]`` of logits ``[n, 3]``."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)
