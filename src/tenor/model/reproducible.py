"""Sums in one order and numbers of one's own: what makes the same call give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread: sums are added in one order, and small inputs do not wait for a second processor."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread, and a random generator of its own: sums are added in one order, and the caller's numbers stay his."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        yield
