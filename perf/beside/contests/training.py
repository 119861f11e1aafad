"""Training: predictions a CPU-second, and CPU time to one validation loss, of 88 stocks over five years.

Everyone learns the log variance of the next session from the same scaled features of the same cells, one at a time on
one thread, with Adam at the same rate and networks of the same width and depth. The stocks are the embedded bars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from contest import Contender, Contest, Goal

HIDDEN, LAYERS, DROPOUT, RATE = 64, 1, 0.1, 1e-3
BATCH = 256
"""Windows a step of those who train by windows."""
STEPS = {30: 16, 120: 8}
"""Lookback -> steps a round of theirs: about a CPU-second."""
SERIES = 4
"""Stocks a step of neuralforecast, which copies all windows of each: its default of 32 is three times slower."""
LOSS = 0.666
"""The validation loss to reach: 95 % of the way from the constant forecast's, 1.364, to the lowest of the Dataset loop
in the first epoch of its first seed at lookback 30, 0.629. Chosen after curves of tenor and the loop had been seen."""
LIMIT = 20.0
"""CPU seconds of training after which a contender is taken for one that does not reach the loss."""

TENOR = Contender("tenor", "tenor", "training_tenor.py", {"steps": 2, "segments": 64, "every": 1})
LEAN = Contender("Dataset loop, attention at the last session alone", "tenor", "training_windows.py", {"last": True})
USUAL = Contender("Dataset loop", "tenor", "training_windows.py", {"last": False})
LIBRARIES = (
    Contender("pyqlib 0.9.7 ALSTM", "qlib", "training_qlib.py"),
    Contender("neuralforecast 3.3.0 LSTM", "neuralforecast", "training_neuralforecast.py", {"series": SERIES}),
    Contender("darts 0.48.1 BlockRNN", "darts", "training_darts.py"),
)


def throughput(folder: Path, lookback: int) -> Contest:
    """Predictions that a gradient went through, by CPU time."""
    return Contest(
        name=f"training-{lookback}",
        title=f"training, lookback {lookback}",
        contenders=(TENOR, USUAL, LEAN, *LIBRARIES),
        goals=(Goal(15), Goal(15, beside=USUAL.name)),
        arguments=_arguments(folder, lookback) | {"every": 4},
        unit="prediction",
    )


def to_loss(folder: Path, lookback: int) -> Contest:
    """CPU time until the validation loss is first at or below that of `LOSS`; another seed each round."""
    small = Contender("tenor, 16 segments a step", TENOR.environment, TENOR.script, {"segments": 16, "every": 1})
    return Contest(
        name=f"loss-{lookback}",
        title=f"training to one validation loss, lookback {lookback}",
        contenders=(small, LEAN, *LIBRARIES),
        goals=(Goal(10, measure="to_loss"),),
        arguments=_arguments(folder, lookback) | {"loss": LOSS, "limit": LIMIT, "every": 480 // lookback},
        unit="prediction",
        rounds=3,
        warm_up=False,
    )


CONTESTS: Mapping[str, Callable[[Path], Contest]] = {
    "training-30": partial(throughput, lookback=30),
    "training-120": partial(throughput, lookback=120),
    "loss-30": partial(to_loss, lookback=30),
    "loss-120": partial(to_loss, lookback=120),
}


def _arguments(folder: Path, lookback: int) -> dict[str, Any]:
    return {
        "cells": str(write_cells(folder / "cells.npz", lookback)), "lookback": lookback, "hidden": HIDDEN,
        "layers": LAYERS, "dropout": DROPOUT, "rate": RATE, "batch": BATCH, "steps": STEPS[lookback],
    }  # fmt: skip


def write_cells(path: Path, lookback: int) -> Path:
    """The embedded bars as tenor prepares them at its default features, for contenders that know NumPy alone."""
    from tenor.config import FeatureConfig, SplitConfig
    from tenor.data import embedded_bars
    from tenor.features import Scaler, build_panel
    from tenor.inference.cells import symbol_first, usable
    from tenor.training import chronological

    panel = build_panel(embedded_bars(), FeatureConfig(horizons=(1,)))
    split = chronological(panel.sessions, SplitConfig(), purge=1)
    scaled = Scaler.fit(panel, split.train).transform(panel.between(0, split.valid.stop))
    known = (usable(scaled, lookback) & np.isfinite(scaled.log_variance[:, :, 0])).T
    parts = {}
    for name, rows in (("train", split.train), ("valid", split.valid)):
        parts[name] = np.zeros_like(known)
        parts[name][:, rows] = known[:, rows]
    np.savez(
        path,
        features=symbol_first(scaled.values),
        variance=symbol_first(np.nan_to_num(scaled.variance)[..., None])[..., 0],
        target=symbol_first(np.nan_to_num(scaled.log_variance))[..., 0],
        **parts,
    )
    return path
