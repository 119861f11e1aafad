"""Settings of torch with which the same call always gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Run with one thread: sums are added in a fixed order, and small inputs do not wait for a second core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def reproducible() -> Iterator[None]:
    """Run with one thread and a separate random generator: the caller's random numbers are not affected."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        yield
