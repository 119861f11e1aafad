"""Topics from embeddings, by k-means on directions (scikit-learn), named by class-based tf-idf."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tenor.errors import ConfigError, HistoryError, ModelError
from tenor.sentiment.text import clean, duplicate_key
from tenor.topics.model import NO_TOPIC, TINY, Float32, Topic, TopicModel
from tenor.topics.words import stop_words, telling_words, words_of

MOST_ITEMS = 100_000
"""Distinct items that a fit looks at; of more it takes those with the smallest hashes, which is a fair sample."""
LEAST_ITEMS = 10
"""Distinct items a topic, on average, that a fit needs."""
SAME = 0.5
"""Two topics are the same where more than this share of the items of either belongs to both: at most one can be."""
_STARTS = 5


def fit_topics(
    embeddings: npt.NDArray[np.floating[Any]],
    texts: Sequence[str],
    k: int = 20,
    seed: int = 0,
    *,
    encoder: str = "",
    previous: TopicModel | None = None,
    without: Collection[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> TopicModel:
    """Topics of items; nothing but these items is looked at, so that a fold fits them on its own past.

    Items that differ in case, punctuation and links alone count once. The same items give the same topics, in whatever
    order they come.

    Parameters
    ----------
    embeddings
        ``[n, width]``, as `Scores.embeddings`; rows with a NaN (empty, not English) are left out.
    texts
        Of the items.
    k
        Number of topics.
    seed
        Of the random starts.
    encoder
        Names what made the embeddings.
    previous
        Topics fitted before, of the same encoder: those that come again keep their places and the names that the user
        gave them.
    without
        Words, in lower case, that must not name a topic: names of companies, say.
    settings
        More that made the model, to be stored with it.

    Raises
    ------
    ConfigError
        `k` is below 2, or `seed` is negative.
    HistoryError
        There are too few distinct readable items.
    ModelError
        scikit-learn is not installed.
    """
    if k < 2:
        raise ConfigError(f"k is {k}; it must be at least 2.")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed is {seed}: give a whole number from 0 to {2**32 - 1}.")
    array = np.asarray(embeddings)
    if array.ndim != 2 or len(array) != len(texts):
        raise ConfigError(
            f"{len(texts)} texts came with embeddings of shape {list(array.shape)}: give one row of numbers a text."
        )
    rows = _distinct(array, texts)
    if len(rows) < LEAST_ITEMS * k:
        raise HistoryError(
            f"{len(rows)} distinct readable items of {len(texts)} are too few for {k} topics, which need "
            f"{LEAST_ITEMS * k}: bring more news, or fit {max(2, len(rows) // LEAST_ITEMS)} topics at most."
        )
    vectors = array[rows].astype(np.float64)
    centre = vectors.mean(axis=0).astype(np.float32)
    offsets = vectors - centre
    lengths = np.sqrt((offsets**2).sum(axis=1, keepdims=True))
    points = offsets / np.maximum(lengths, float(TINY))
    if len(np.unique(points.round(6), axis=0)) < k:
        raise HistoryError(
            f"the {len(rows)} distinct items have fewer than {k} different embeddings: fit fewer topics, "
            "or bring other news."
        )
    directions = _cluster(points, k, seed)
    model = TopicModel(tuple(Topic((), 0) for _ in range(k)), centre, directions, encoder)
    topics = model.assign(array[rows])
    blocked = stop_words() | set(without)
    words = telling_words((words_of(clean(texts[row]), blocked) for row in rows), topics.tolist(), k)
    sizes = np.bincount(topics, minlength=k)
    fitted = [Topic(words[number], int(sizes[number])) for number in range(k)]
    by_size = sorted(range(k), key=lambda number: (-int(sizes[number]), words[number], number))
    order = by_size
    if previous is not None and previous.encoder == encoder and len(previous.centre) == len(centre):
        same = matched(topics, previous.assign(array[rows]), k, len(previous))
        for number, before in same.items():
            fitted[number] = replace(fitted[number], given=previous.topics[before].given)
        order = _places(by_size, same)
    return TopicModel(
        topics=tuple(fitted[number] for number in order),
        centre=centre,
        directions=directions[order],
        encoder=encoder,
        settings={"k": k, "seed": seed, "items": len(rows), **(settings or {})},
    )


def matched(topics: npt.NDArray[np.int64], before: npt.NDArray[np.int64], k: int, k_before: int) -> dict[int, int]:
    """Which topic is which of an earlier model, by the items they share: more than `SAME` of the items of either.

    Parameters
    ----------
    topics
        The topic of each item by the new model.
    before
        The topic of each by the earlier one.
    k
        Topics of the new model.
    k_before
        Topics of the earlier one.
    """
    both = (topics != NO_TOPIC) & (before != NO_TOPIC)
    shared = np.zeros((k, k_before), np.int64)
    np.add.at(shared, (topics[both], before[both]), 1)
    union = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    new, old = np.nonzero(shared > SAME * union)
    return dict(zip(new.tolist(), old.tolist(), strict=True))


def sample_rank(text: str) -> bytes:
    """What orders texts for a sample: as good as chance, and the same on every machine."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _distinct(array: npt.NDArray[Any], texts: Sequence[str]) -> list[int]:
    """The rows to fit on, in an order that does not depend on that of the items: of each text one, `MOST_ITEMS`."""
    row_of: dict[str, int] = {}
    for row in np.flatnonzero(np.isfinite(array).all(axis=1)).tolist():
        key = duplicate_key(texts[row])
        if key and (key not in row_of or texts[row] < texts[row_of[key]]):
            row_of[key] = row
    keys = sorted(row_of, key=sample_rank)[:MOST_ITEMS]
    return [row_of[key] for key in keys]


def _cluster(points: npt.NDArray[np.float64], k: int, seed: int) -> Float32:
    try:
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        raise ModelError("scikit-learn is not installed: pip install 'tenor[train]'.") from None
    with threadpool_limits(1):  # sums of several threads come in any order, and with them the last bits
        centres = KMeans(k, n_init=_STARTS, random_state=seed).fit(points).cluster_centers_
    lengths = np.sqrt((centres**2).sum(axis=1, keepdims=True))
    return np.asarray(centres / np.maximum(lengths, float(TINY)), np.float32)


def _places(by_size: Sequence[int], same: Mapping[int, int]) -> list[int]:
    """The topics in their order: matched ones where they were, the others by size in the places left."""
    k = len(by_size)
    placed = {place: number for number, place in same.items() if place < k}
    others = iter([number for number in by_size if number not in placed.values()])
    return [placed[place] if place in placed else next(others) for place in range(k)]
