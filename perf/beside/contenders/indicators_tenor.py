"""tenor's panel: beside the indicators it holds the targets, the mask and the checks of every symbol's sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from worker import Run, serve


def prepare(arguments: dict[str, Any]) -> Run:
    """Read the bars."""
    import numpy as np
    import pandas as pd

    import tenor
    from tenor.config import FeatureConfig
    from tenor.features import build_panel

    bars = tenor.bars_of(pd.DataFrame(dict(np.load(Path(arguments["folder"]) / "bars.npz"))))
    config = FeatureConfig(groups=tuple(arguments["groups"]), sentiment=False, horizons=(1,))

    def run() -> dict[str, Any]:
        panel = build_panel(bars, config)
        read = sum(bars.frame[name].to_numpy().nbytes for name in ("open", "high", "low", "close", "volume"))
        return {"work": panel.mask.size, "bytes": read + panel.values.nbytes + panel.variance.nbytes}

    return run


if __name__ == "__main__":
    serve(prepare)
