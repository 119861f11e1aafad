"""KDD17: 50 US stocks, prices only, test in 2016 (Zhang, Aggarwal and Qi, KDD 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tenor.benchmarks.protocol import PartDates
from tenor.benchmarks.result import KDD17, BenchmarkResult
from tenor.benchmarks.running import Benchmark, run_bars
from tenor.benchmarks.training import BenchmarkProgress, BenchmarkSettings, direction_training
from tenor.config import FeatureConfig, ModelConfig
from tenor.errors import DataError
from tenor.ingest.files import read_bars
from tenor.schema import Bars

DATES = PartDates(
    train=("2007-01-01", "2014-12-31"), valid=("2015-01-01", "2015-12-31"), test=("2016-01-01", "2016-12-31")
)
COUNTS = {"train": "64,644", "valid": "8,070", "test": "7,398"}

SETTINGS = BenchmarkSettings(
    features=FeatureConfig(groups=("returns", "context"), sentiment=False, horizons=(1,)),
    model=ModelConfig(hidden=32, lookback=30),
    training=direction_training(epochs=9),
    trailing=120,
)
"""Settings chosen by validation MCC alone, then frozen."""

NOTES = ("Opens are read from Original_Open: the files' column Open is on another scale than High, Low and Close.",)
BENCHMARK = Benchmark(name="KDD17", dates=DATES, settings=SETTINGS, counts=COUNTS, published=KDD17, notes=NOTES)


def kdd17(
    folder: str | Path,
    *,
    seeds: Sequence[int] = tuple(range(10)),
    workers: int = 1,
    progress: BenchmarkProgress | None = None,
    cache: Path | None = None,
) -> BenchmarkResult:
    """Run the KDD17 protocol on the folder ``price_long_50``.

    Parameters
    ----------
    folder
        Folder with ``AAPL.csv`` and the other files.
    seeds
        Seeds of the networks to train; the protocol requires ten.
    workers, progress
        As in `tenor.benchmarks.training.train_benchmark`.
    cache
        Folder for finished seeds, from which a killed run resumes; None saves nothing.

    Returns
    -------
    BenchmarkResult
        The scores, with the published ones.

    Raises
    ------
    DataError
        `folder` holds no bars.
    """
    bars = kdd17_bars(folder)
    return run_bars(BENCHMARK, bars, seeds=seeds, workers=workers, progress=progress, cache=cache)


def kdd17_bars(folder: str | Path) -> Bars:
    """The bars of the folder."""
    bars = read_bars([Path(folder)]).bars
    if bars is None:
        raise DataError(f"{folder}: no bar in it: name the folder that holds AAPL.csv and the others.")
    return bars
