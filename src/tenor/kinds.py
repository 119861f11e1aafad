"""The kinds of news: what an item may be about, and how kinds are stored."""

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
"""An item is of a kind from this probability on: training moves each kind's threshold of best F1 here."""


@dataclass(frozen=True)
class StoredKinds:
    """Kinds of texts, and their embeddings, as a cache holds them.

    Attributes
    ----------
    text_hashes
        Of n texts.
    kinds
        Float32 ``[n, 9]``, columns as in `KINDS`.
    embeddings
        Float16 ``[n, 64]``; None where they were not asked for.
    """

    text_hashes: Sequence[str]
    kinds: npt.NDArray[np.float32]
    embeddings: npt.NDArray[np.float16] | None
