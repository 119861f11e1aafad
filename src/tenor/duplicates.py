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
_ROWS = 4  # a band; 16 bands of 4 rows find pairs of resemblance .7 with 98.8 %, of .3 with 12 %
_SHINGLE = 5
_NOISE = re.compile(r"(^\s*(rt\s+@\w+\s*:?\s*)+)|https?://\S+|www\.\S+|\bvia\s+@\w+|[\W_]+", re.IGNORECASE)
_RANDOM = np.random.default_rng(20_250_101)
_FACTORS, _MIXERS = (_RANDOM.integers(1, 1 << 63, (2, _HASHES), dtype=np.uint64) << np.uint64(1)) | np.uint64(1)


def repeats(
    texts: Sequence[str], *, groups: Sequence[str] | None = None, resemblance: float = 0.7
) -> NDArray[np.bool_]:
    """Which of `texts` say nearly what an earlier one says: [n]; the first of its kind is False.

    Whether a text is a repeat depends on those before it alone: in order of publication nothing leaks back.

    Parameters
    ----------
    groups
        Only texts of the same group are compared (a symbol, say); without it, all.
    resemblance
        Share of shingles in common (estimated by `_HASHES` hashes, so within about .06) from which two texts say the
        same, 0 .. 1.
    """
    keys = first_of_kind(texts, groups=groups, resemblance=resemblance)
    again: NDArray[np.bool_] = keys != np.arange(len(texts))
    return again


def first_of_kind(
    texts: Sequence[str], *, groups: Sequence[str] | None = None, resemblance: float = 0.7
) -> NDArray[np.int64]:
    """For each of `texts` the place of the first that says nearly the same: its own where there is none, [n]."""
    found = np.arange(len(texts))
    buckets: dict[tuple[str, int, bytes], list[int]] = {}
    signatures: dict[int, NDArray[np.uint64]] = {}
    for place, text in enumerate(texts):
        group = groups[place] if groups is not None else ""
        plain = _NOISE.sub(" ", text).casefold().strip()
        signature = _signature(plain)
        bands = [(group, b, signature[b : b + _ROWS].tobytes()) for b in range(0, _HASHES, _ROWS)]
        near = {other for band in bands for other in buckets.get(band, ())}
        for other in sorted(near):
            if float((signatures[other] == signature).mean()) >= resemblance:
                found[place] = other
                break
        else:
            # only the first of a kind is looked up: a chain of small changes does not join what is far apart
            signatures[place] = signature
            for band in bands:
                buckets.setdefault(band, []).append(place)
    return found


def _signature(text: str) -> NDArray[np.uint64]:
    raw = text.encode()
    pieces = {raw[i : i + _SHINGLE] for i in range(max(len(raw) - _SHINGLE + 1, 1))}
    hashed = np.array([zlib.crc32(piece) for piece in pieces], dtype=np.uint64)
    mixed = hashed[:, None] * _FACTORS[None, :]  # 64 bits, wrapping
    mixed ^= mixed >> np.uint64(32)
    mixed *= _MIXERS
    least: NDArray[np.uint64] = (mixed >> np.uint64(32)).min(axis=0)
    return least
