"""The sentiment for one company in a text about several: a classifier that reads the text and the company's clause."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tenor.errors import ModelError
from tenor.sentiment.encoder import SHIPPED, Encoder
from tenor.sentiment.scorer import softmax
from tenor.sentiment.scores import LABELS, Probabilities, ScoreCache, Scores
from tenor.sentiment.text import clean, text_hash
from tenor.storage.files import content_key, read_json
from tenor.symbols import short_name

if TYPE_CHECKING:  # its package loads pandas
    from tenor.schema.arrays import Float32

FILE = "entities.npz"
"""Name of the classifier's file, in the folder of an encoder's weights."""
_FORMAT = 1
_ARRAYS = ("mean", "scale", "weights", "bias")
_TOKENS_A_BATCH = 640
_SHORTEST_NAME = 3
_ITEM = ["text", "published_at"]  # what makes rows of several symbols one item
_CUT = re.compile(r"\s*(?:[;:,]|\s-\s|\s(?:but|while|as|after|on|vs|versus|and|despite|amid|over)\s)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class EntityHead:
    """A logistic regression on the probabilities and embeddings of a text and of one of its clauses.

    Attributes
    ----------
    encoder
        The `model_id` of the encoder whose numbers it was trained on.
    columns
        How many of the encoder's embedding columns it reads: the last ones.
    mean, scale
        Float32 ``[features]``, of the numbers it was trained on.
    weights, bias
        Float32 ``[features, 3]`` and ``[3]``, columns as in `LABELS`.
    digest
        The first 12 hex digits of the file's SHA-256.
    """

    encoder: str
    columns: int
    mean: Float32
    scale: Float32
    weights: Float32
    bias: Float32
    digest: str

    @classmethod
    def load(cls, path: Path = SHIPPED / FILE) -> EntityHead:
        """Read the file `path`, as `head_bytes` made it.

        Raises
        ------
        ModelError
            It is missing or damaged.
        """
        try:
            content = path.read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                about = read_json(file["about"].tobytes())
                arrays = {name: np.asarray(file[name], np.float32) for name in _ARRAYS}
            features = 2 * (len(LABELS) + about["columns"])
            fits = about["format"] == _FORMAT and [arrays[name].shape for name in _ARRAYS] == [
                (features,), (features,), (features, len(LABELS)), (len(LABELS),),
            ]  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            fits = False
        if not fits:
            raise ModelError(f"{path} is missing, damaged or of another version: reinstall tenor.")
        return cls(about["encoder"], about["columns"], digest=hashlib.sha256(content).hexdigest()[:12], **arrays)

    @property
    def model_id(self) -> str:
        """Name of encoder and head together, under which its probabilities are stored."""
        return f"{self.encoder}+{self.digest}"

    def probabilities(self, features: Float32) -> Float32:
        """Probabilities ``[n, 3]`` of `features_of` n pairs of text and clause."""
        return softmax(np.asarray((features - self.mean) / self.scale @ self.weights + self.bias, np.float32))


def head_bytes(encoder: str, columns: int, arrays: Mapping[str, Any]) -> bytes:
    """The file of an `EntityHead`: the same bytes for the same numbers."""
    about = json.dumps({"format": _FORMAT, "encoder": encoder, "columns": columns}, sort_keys=True)
    small = {name: np.asarray(arrays[name], np.float16 if name == "weights" else np.float32) for name in _ARRAYS}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, about=np.frombuffer(about.encode(), dtype=np.uint8), **small)
    return buffer.getvalue()


def clause_of(text: str, start: int, end: int) -> str:
    """The part of `text` around the characters `start` to `end`, up to commas and words that join clauses.

    >>> clause_of("Acme gains 5% while Globex slides on weak sales", 20, 26)
    'Globex slides'
    """
    begin, stop = 0, len(text)
    for cut in _CUT.finditer(text):
        if cut.end() <= start:
            begin = cut.end()
        elif cut.start() >= end:
            stop = cut.start()
            break
    return text[begin:stop]


def mentions(text: str, names: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Where `text` names the companies in `names`: the first and the end character of each mention, by symbol.

    `names` maps symbols to company names. The legal form at the end of a name (Inc., AG) is ignored; otherwise the
    name must be spelled as the company spells it.
    """
    places = {}
    for symbol, name in names.items():
        short = short_name(name)
        if len(short) >= _SHORTEST_NAME:
            place = re.search(rf"(?<!\w){re.escape(short)}(?!\w)", text)
            if place:
                places[symbol] = place.span()
    return places


def features_of(encoder: Encoder, texts: Sequence[str], columns: int) -> Float32:
    """The head's inputs for cleaned `texts`: three probabilities, and the last `columns` numbers of the embedding."""
    features = np.zeros((len(texts), len(LABELS) + columns), np.float32)
    rows_of_length: dict[int, list[int]] = defaultdict(list)
    ids = encoder.tokenise(list(texts))
    for row, tokens in enumerate(ids):
        rows_of_length[len(tokens)].append(row)
    for length, rows in sorted(rows_of_length.items()):
        size = max(1, _TOKENS_A_BATCH // length)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            logits, embeddings = encoder.outputs(np.array([ids[row] for row in part], dtype=np.int64))
            features[part] = np.hstack([softmax(logits / encoder.temperature), embeddings[:, -columns:]])
    return features


@dataclass(frozen=True)
class Companies:
    """Gives each company in an item about several companies its own sentiment.

    Attributes
    ----------
    names
        The company name of each symbol, as far as it is known.
    head
        Trained for the encoder that scores the items.
    """

    names: Mapping[str, str]
    head: EntityHead

    def fingerprint(self) -> str:
        """A hash of the names and the head: it changes when one of them does."""
        return content_key(dict(self.names), self.head.model_id)

    def told_apart(
        self, frame: pd.DataFrame, scores: Scores, encoder: Encoder, cache: ScoreCache | None = None
    ) -> Scores:
        """`scores`, where each company in an item that names two or more of them gets its own sentiment.

        Only items that the news holds for several symbols at the same moment, and that name at least two of these
        companies, are changed.

        Parameters
        ----------
        frame
            The news, as `News.frame`; its rows are those of `scores`.
        scores
            The scores of the whole texts.
        encoder
            The encoder that made these scores.
        cache
            Stores the head's results, under the head's own `model_id`.

        Raises
        ------
        ModelError
            The head was trained for another encoder.
        """
        if self.head.encoder != encoder.model_id:
            raise ModelError(
                f"the head for companies was trained for the encoder {self.head.encoder}, not for {encoder.model_id}: "
                "reinstall tenor, or set sentiment.entities to false."
            )
        known = frame["symbol"].isin(list(self.names)).to_numpy() & scores.language_ok & ~scores.empty
        rows = np.flatnonzero(known)
        several = frame.iloc[rows].groupby(_ITEM)["symbol"].transform("nunique").to_numpy() > 1
        pairs: dict[int, tuple[str, str]] = {}
        for of_item in frame.iloc[rows[several]].groupby(_ITEM, sort=False).indices.values():
            places = rows[several][of_item]
            cleaned = clean(str(frame["text"].iloc[places[0]]))
            symbols = frame["symbol"].iloc[places].tolist()
            where = mentions(cleaned, {symbol: self.names[symbol] for symbol in symbols})
            if len(where) < 2:
                continue
            for row, symbol in zip(places.tolist(), symbols, strict=True):
                if symbol in where:
                    clause = clause_of(cleaned, *where[symbol])
                    if clause != cleaned:
                        pairs[row] = (cleaned, clause)
        if not pairs:
            return scores
        key_of = {pair: text_hash("\n".join(pair)) for pair in pairs.values()}
        stored = dict(cache.get(list(key_of.values()), self.head.model_id)) if cache is not None else {}
        missing = [pair for pair, key in key_of.items() if key not in stored]
        if missing:
            features = [features_of(encoder, [pair[i] for pair in missing], self.head.columns) for i in (0, 1)]
            numbers = self.head.probabilities(np.hstack(features)).astype(float).tolist()
            fresh: dict[str, Probabilities] = {
                key_of[pair]: (p[0], p[1], p[2]) for pair, p in zip(missing, numbers, strict=True)
            }
            if cache is not None:
                cache.put(fresh, self.head.model_id)
            stored |= fresh
        probabilities = scores.probabilities.copy()
        for row, pair in pairs.items():
            probabilities[row] = stored[key_of[pair]]
        return replace(scores, probabilities=probabilities)
