"""From bars and daily sentiment to a panel: indicators that use only the past, features across stocks, and scaling."""

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
