"""Bars and sentiment, from which any feature config's panel is built, for estimators that are sent to processes."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import Any

from tenor.config import FeatureConfig
from tenor.features import build_panel
from tenor.schema import Bars, Bool, DailySentiment, Panel

KEPT = 4
"""Panels that a process keeps."""


@dataclass(frozen=True, eq=False)
class Market:
    """What there is to know, before features are chosen. Two of the same content are equal; copies are the original.

    Attributes
    ----------
    bars, sentiment
        As `tenor.features.build_panel` takes them.
    cells
        [session, symbol] of the panel; where scores count, or None for wherever something is forecast. It lets models
        of different lookbacks and features be judged on the same cells.
    """

    bars: Bars
    sentiment: DailySentiment | None = None
    cells: Bool | None = None

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all of it."""
        digest = hashlib.sha256(self._source.encode())
        if self.cells is not None:
            digest.update(repr(self.cells.shape).encode() + self.cells.tobytes())
        return digest.hexdigest()

    @functools.cached_property
    def _source(self) -> str:
        return self.bars.fingerprint() + ("-" if self.sentiment is None else self.sentiment.fingerprint())

    def panel(self, features: FeatureConfig) -> Panel:
        """The unscaled panel of `features`; the last few are kept."""
        return _panel(_Source(self), features)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Market) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __deepcopy__(self, memo: dict[int, Any]) -> Market:
        return self  # nothing in it changes, and scikit-learn copies it for every fit

    def __repr__(self) -> str:
        return f"Market({len(self.bars.symbols)} symbols, {self.fingerprint[:12]})"


class _Source:
    """Bars and sentiment of a market as the key of its panels: which cells count makes no other panel."""

    def __init__(self, market: Market) -> None:
        self.market = market

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Source) and self.market._source == other.market._source

    def __hash__(self) -> int:
        return hash(self.market._source)


@functools.lru_cache(maxsize=KEPT)
def _panel(source: _Source, features: FeatureConfig) -> Panel:
    return build_panel(source.market.bars, features, sentiment=source.market.sentiment)
