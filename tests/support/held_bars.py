"""A reader of bars that holds them, for processes that import it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenor.schema import Bars


@dataclass(frozen=True)
class HeldBars:
    """Reads from `bars`, as a lake does from its parts."""

    bars: Bars

    def __call__(self, symbols: Sequence[str]) -> Bars:
        return self.bars.select(symbols)
