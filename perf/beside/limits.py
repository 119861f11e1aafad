"""What this machine can do at most, measured in the same run: the physical limit beside which a share is stated."""

from __future__ import annotations

import statistics
import time

import numpy as np

SIZE, ROUNDS = 1_500, 5


def flops_a_second() -> float:
    """Multiplications and additions a second of one core: a product of two large float32 matrices."""
    left = np.random.default_rng(0).standard_normal((SIZE, SIZE), dtype=np.float32)
    rates = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        left @ left
        rates.append(2 * SIZE**3 / (time.process_time() - begun))
    return statistics.median(rates)


def bytes_a_second() -> float:
    """Bytes read and written a second of one core: a copy of an array larger than the caches."""
    source = np.ones(40_000_000, dtype=np.float32)
    target = np.empty_like(source)
    rates = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        np.copyto(target, source)
        rates.append(2 * source.nbytes / (time.process_time() - begun))
    return statistics.median(rates)
