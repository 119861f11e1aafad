"""Bars and sentiment from which panels are built, for estimators that are sent to other processes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from tenor.config import FeatureConfig, SentimentConfig
from tenor.features import build_panel
from tenor.features.own import Own
from tenor.schema import Bars, DailySentiment, Panel
from tenor.storage.files import content_key

CACHED_PANELS = 4
"""How many panels a process keeps."""


@dataclass(frozen=True, eq=False)
class PanelSource:
    """The data from which panels are built, before features are chosen. Two objects with the same content are equal.

    Attributes
    ----------
    bars, sentiment, half_life, own
        As in `tenor.features.build_panel`.
    """

    bars: Bars
    sentiment: DailySentiment | None = None
    half_life: float = SentimentConfig.half_life
    own: Own | None = None

    @functools.cached_property
    def fingerprint(self) -> str:
        """A key of its whole content."""
        return content_key(
            self.bars.fingerprint(),
            None if self.sentiment is None else self.sentiment.fingerprint(),
            self.half_life,
            *([self.own.fingerprint()] if self.own else []),
            length=64,
        )

    def panel(self, features: FeatureConfig) -> Panel:
        """The unscaled panel with `features`; the last `CACHED_PANELS` panels are kept."""
        return _panel(self, features)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PanelSource) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __deepcopy__(self, memo: dict[int, Any]) -> PanelSource:
        return self  # it never changes, and scikit-learn would copy it for every fit

    def __repr__(self) -> str:
        return f"PanelSource({len(self.bars.symbols)} symbols, {self.fingerprint[:12]})"


# by content, not by identity, since every task that is sent to a process brings its own copy
@functools.lru_cache(maxsize=CACHED_PANELS)
def _panel(source: PanelSource, features: FeatureConfig) -> Panel:
    return build_panel(source.bars, features, sentiment=source.sentiment, half_life=source.half_life, own=source.own)
