"""Windows are views, and training from them stays within twice the panel's own memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from tenor.config import FeatureConfig
from tenor.errors import HistoryError
from tenor.features import build_panel
from tenor.schema import Bars, Panel

ARRAYS = ("values", "mask", "targets", "volatility", "variance", "log_variance", "open", "close")


@pytest.fixture(scope="module")
def panel(bars_of: Callable[..., Bars]) -> Panel:
    return build_panel(bars_of(symbols=88, sessions=1258), FeatureConfig(horizons=(1, 5)))


def test_a_window_is_a_view(panel: Panel) -> None:
    windows = panel.windows(60)
    assert windows.shape == (1258 - 59, 88, 60, len(panel.features))
    assert np.shares_memory(windows, panel.values)
    np.testing.assert_array_equal(windows[700, 3], panel.values[700:760, 3])
    with pytest.raises(HistoryError, match="1258 sessions are too few for a lookback of 1259"):
        panel.windows(1259)


def test_an_epoch_of_batches_fits_in_twice_the_panel(panel: Panel) -> None:
    rng = np.random.default_rng(0)
    seen = 0
    tracemalloc.start()
    try:
        windows = panel.windows(60)
        cells = rng.permutation(np.argwhere(panel.mask[59:]))
        for start in range(0, len(cells), 256):
            batch = windows[cells[start : start + 256, 0], cells[start : start + 256, 1]]
            seen += len(batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    own = sum(getattr(panel, n).nbytes for n in ARRAYS)
    assert seen == panel.mask[59:].sum()
    # the panel itself lies in memory already: what comes on top must stay below its own size
    assert peak < own, f"{peak / 2**20:.1f} MiB on top of a panel of {own / 2**20:.1f} MiB"


def test_building_keeps_to_twice_the_panel(bars_of: Callable[..., Bars]) -> None:
    bars = bars_of(symbols=88, sessions=1258)
    tracemalloc.start()
    try:
        panel = build_panel(bars, FeatureConfig(horizons=(1, 5)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    own = sum(getattr(panel, n).nbytes for n in ARRAYS)
    rows = bars.frame.memory_usage(deep=True).sum()
    assert peak < 2 * own + rows, f"{peak / 2**20:.1f} MiB for a panel of {own / 2**20:.1f} MiB"
