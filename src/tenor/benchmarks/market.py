"""Cross-stock means: what the market as a whole did, feature by feature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tenor.features.catalogue import FEATURES
from tenor.schema import Panel

OWN = tuple(feature.name for feature in FEATURES if feature.group not in ("context", "sentiment"))


def with_market_means(panel: Panel, names: tuple[str, ...] = OWN) -> Panel:
    """`panel` with, for each of its features among `names`, the session's mean over the symbols masked in.

    A session's means are computed from that session alone. They are called ``market_mean_…``.
    """
    taken = [i for i, name in enumerate(panel.features) if name in names]
    here = panel.mask[:, :, None]
    total = np.where(here, panel.values[:, :, taken], 0.0).astype("float64").sum(axis=1)
    mean = (total / np.maximum(here.sum(axis=1), 1)).astype("float32")  # [session, feature]
    values = np.where(here, mean[:, None, :], np.float32(0.0))
    return replace(
        panel,
        values=np.concatenate([panel.values, values], axis=2),
        features=panel.features + tuple(f"market_mean_{panel.features[i]}" for i in taken),
    )
