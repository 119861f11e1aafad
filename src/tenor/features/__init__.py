"""Bars and daily sentiment to a panel: causal indicators, cross-stock context; the scaler, fitted on train alone."""

from tenor.features.blocks import open_panel, panel_in_blocks
from tenor.features.catalogue import FEATURES, GROUPS, feature_names, warmup
from tenor.features.feature import Feature
from tenor.features.panel import build_panel
from tenor.features.scaling import Scaler

__all__ = [
    "FEATURES",
    "GROUPS",
    "Feature",
    "Scaler",
    "build_panel",
    "feature_names",
    "open_panel",
    "panel_in_blocks",
    "warmup",
]
