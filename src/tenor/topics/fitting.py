"""Finds topics in embeddings with spherical k-means (scikit-learn) and names them with class-based TF-IDF."""

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
"""Most distinct items used in a fit. Of more, those with the smallest hashes are taken, which is as good as random."""
LEAST_ITEMS = 10
"""Least number of distinct items for each topic, on average, that a fit needs."""
SAME = 0.5
"""Two topics are the same if they share more than this part of the items of either; at most one pair can."""
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
    """Find the topics of some items. Only these items are used, so each fold can fit topics on its own past.

    Items that differ only in case, punctuation or links count once. The same items give the same topics, in any order.

    Parameters
    ----------
    embeddings
        ``[n, width]``, as `Scores.embeddings`; rows with a NaN (empty, not English) are left out.
    texts
        The texts of the items.
    k
        Number of topics.
    seed
        Seed of the random starting points.
    encoder
        Name of the encoder that made the embeddings.
    previous
        Topics fitted earlier with the same encoder: a topic that is found again keeps its number and the name that the
        user gave it.
    without
        Words in lower case that must not name a topic, such as names of companies.
    settings
        Further settings to store with the model.

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
            f"{len(texts)} texts came with embeddings of shape {list(array.shape)}: give one row for each text."
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
    """Match the topics of a new model with those of an earlier one: they share more than `SAME` of their items.

    Parameters
    ----------
    topics
        The topic of each item in the new model.
    before
        The topic of each item in the earlier model.
    k
        Number of topics in the new model.
    k_before
        Number of topics in the earlier model.
    """
    both = (topics != NO_TOPIC) & (before != NO_TOPIC)
    shared = np.zeros((k, k_before), np.int64)
    np.add.at(shared, (topics[both], before[both]), 1)
    union = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    new, old = np.nonzero(shared > SAME * union)
    return dict(zip(new.tolist(), old.tolist(), strict=True))


def sample_rank(text: str) -> bytes:
    """A hash that orders texts for sampling: as good as random, and the same on every machine."""
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
