"""A computation that is recorded once on a CUDA card and then replayed without the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class Replayed:
    """A function of tensors with fixed places in memory; on a card it is recorded once and then replayed.

    Parameters
    ----------
    function
        The function; the tensors that it reads and writes must never be replaced by others.
    written
        The tensors that it writes; trial runs before the recording leave them unchanged.
    """

    def __init__(self, function: Callable[[], None], written: Sequence[Tensor]) -> None:
        self._function, self._written = function, written
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        """Compute it once."""
        if self._written[0].device.type != "cuda":
            self._function()
            return
        if self._graph is None:
            self._graph = self._recorded()
        self._graph.replay()

    def _recorded(self) -> torch.cuda.CUDAGraph:
        before = [tensor.clone() for tensor in self._written]
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # the first call initialises libraries, which can't be recorded
            for _ in range(2):
                self._function()
        torch.cuda.current_stream().wait_stream(aside)
        for tensor, value in zip(self._written, before, strict=True):
            tensor.copy_(value)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._function()
        return graph
