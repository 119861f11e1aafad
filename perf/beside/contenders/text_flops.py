"""What scoring needs at least: the multiplications and additions of the shipped encoder's products of matrices."""

from __future__ import annotations

from collections.abc import Iterable

LAYERS, UNITS, INNER = 6, 384, 1_536
MATRICES = LAYERS * (4 * UNITS**2 + 2 * UNITS * INNER)


def flops(tokens: Iterable[int]) -> float:
    """Of texts with so many tokens: the weights' products, and each token's with all others in the attention."""
    return float(sum(2 * MATRICES * count + LAYERS * 4 * count**2 * UNITS for count in tokens))
