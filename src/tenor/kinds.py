"""The kinds of news, that is, what an item may be about, and how kinds are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the names of the kinds alone must not load NumPy
    import numpy as np
    import numpy.typing as npt

KINDS = ("earnings", "analyst", "merger", "product", "legal", "payout", "macro", "management", "price")
"""The kinds, in the order of every array of their probabilities.

earnings and guidance; an analyst's rating, target or estimate; merger and acquisition; product; legal and regulatory;
dividend and buyback; the economy, its policy and its prices; management and board; talk of the share price.
"""

PRESENT = 0.5
"""The probability from which an item is of a kind; training moves each kind's best threshold (by F1) to this value."""


@dataclass(frozen=True)
class StoredKinds:
    """Kinds of texts, and their embeddings, as a cache holds them.

    Attributes
    ----------
    text_hashes
        Hashes of n texts.
    kinds
        Float32 ``[n, 9]``; probabilities, with columns as in `KINDS`.
    embeddings
        Float16 ``[n, 64]``; None if they were not asked for.
    """

    text_hashes: Sequence[str]
    kinds: npt.NDArray[np.float32]
    embeddings: npt.NDArray[np.float16] | None
