"""Near-duplicates among texts (reprints, retweets, a headline with a word changed), by MinHash over character shingles.

Broder, On the resemblance and containment of documents, 1997; bands of signatures as in Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, chapter 3.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_HASHES = 64
_ROWS = 4  # a band; 16 bands of 4 rows find pairs of resemblance 0.7 with 98.8 %, of 0.3 with 12 %
_SHINGLE = 5
_NOISE = re.compile(r"(^\s*(rt\s+@\w+\s*:?\s*)+)|https?://\S+|www\.\S+|\bvia\s+@\w+|[\W_]+", re.IGNORECASE)
_RANDOM = np.random.default_rng(20_250_101)
# odd multipliers: a product with one permutes the 64-bit numbers, so that each column is a hash function of its own
_FACTORS, _MIXERS = (_RANDOM.integers(1, 1 << 63, (2, _HASHES), dtype=np.uint64) << np.uint64(1)) | np.uint64(1)


def near_duplicates(
    texts: Sequence[str], *, groups: Sequence[str] | None = None, resemblance: float = 0.7
) -> NDArray[np.bool_]:
    """[n]; whether each text is a near-duplicate of an earlier one. The first of several is not.

    The result for a text depends only on earlier texts, so in order of publication it uses nothing from the future.

    Parameters
    ----------
    texts
        In order of publication.
    groups
        The group of each text, such as its symbol; only texts of the same group are compared. By default all are.
    resemblance
        The share of common shingles, 0 to 1, from which two texts are near-duplicates. It is estimated by `_HASHES`
        hashes, so it is right within about 0.06.
    """
    first = first_occurrences(texts, groups=groups, resemblance=resemblance)
    duplicated: NDArray[np.bool_] = first != np.arange(len(texts))
    return duplicated


def first_occurrences(
    texts: Sequence[str], *, groups: Sequence[str] | None = None, resemblance: float = 0.7
) -> NDArray[np.int64]:
    """[n]; for each text the place of the first text that it is a near-duplicate of; its own place if there is none.

    Parameters
    ----------
    texts, groups, resemblance
        As in `near_duplicates`.
    """
    first = np.arange(len(texts))
    buckets: dict[tuple[str, int, bytes], list[int]] = {}
    signatures: dict[int, NDArray[np.uint64]] = {}
    for position, text in enumerate(texts):
        group = groups[position] if groups is not None else ""
        plain = _NOISE.sub(" ", text).casefold().strip()
        signature = _signature(plain)
        # two texts are compared if at least one band of their signatures is equal
        bands = [(group, b, signature[b : b + _ROWS].tobytes()) for b in range(0, _HASHES, _ROWS)]
        candidates = {other for band in bands for other in buckets.get(band, ())}
        for other in sorted(candidates):
            # the share of equal hashes estimates the share of shingles in common (Jaccard)
            if float((signatures[other] == signature).mean()) >= resemblance:
                first[position] = other
                break
        else:
            # only first occurrences are looked up, so a chain of small changes does not join very different texts
            signatures[position] = signature
            for band in bands:
                buckets.setdefault(band, []).append(position)
    return first


def _signature(text: str) -> NDArray[np.uint64]:
    """The least of each hash over all shingles of `text`, ``[_HASHES]``."""
    raw = text.encode()
    shingles = {raw[i : i + _SHINGLE] for i in range(max(len(raw) - _SHINGLE + 1, 1))}
    hashed = np.array([zlib.crc32(shingle) for shingle in shingles], dtype=np.uint64)
    mixed = hashed[:, None] * _FACTORS[None, :]  # [shingle, hash], 64 bits, wrapping
    mixed ^= mixed >> np.uint64(32)
    mixed *= _MIXERS
    least: NDArray[np.uint64] = (mixed >> np.uint64(32)).min(axis=0)
    return least
