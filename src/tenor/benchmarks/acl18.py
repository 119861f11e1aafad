"""ACL18: 87 US stocks of the StockNet dataset, test from October to December 2015 (Xu and Cohen, ACL 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tenor.benchmarks.protocol import PartDates
from tenor.benchmarks.result import ACL18, BenchmarkResult
from tenor.benchmarks.running import Benchmark, run_bars
from tenor.benchmarks.training import BenchmarkProgress, BenchmarkSettings, direction_training
from tenor.config import FeatureConfig, ModelConfig
from tenor.errors import DataError
from tenor.ingest.files import read_stocknet_bars
from tenor.schema import Bars, DailySentiment

DATES = PartDates(
    train=("2014-01-01", "2015-07-31"), valid=("2015-08-01", "2015-09-30"), test=("2015-10-01", "2015-12-31")
)
COUNTS = {"train": "20,315-20,345", "valid": "2,555", "test": "3,720"}
LEFT_OUT = "GMRE"
"""The 88th ticker, left out: its bars begin after the test."""

SETTINGS = BenchmarkSettings(
    features=FeatureConfig(groups=("returns", "trend"), sentiment=False, horizons=(1,)),
    model=ModelConfig(hidden=32, lookback=5),
    training=direction_training(epochs=8),
    market_means=True,
    trailing=60,
)
"""Settings chosen by validation MCC alone, then frozen."""

NOTES = (
    "The test is 64 days and stocks move together: read the interval, which resamples days.",
    "Not reported: the 1,008 test samples with text on each of 5 days. No reading of that rule gave 1,008.",
)
BENCHMARK = Benchmark(name="ACL18", dates=DATES, settings=SETTINGS, counts=COUNTS, published=ACL18, notes=NOTES)


def acl18(
    folder: str | Path,
    *,
    seeds: Sequence[int] = tuple(range(10)),
    workers: int = 1,
    progress: BenchmarkProgress | None = None,
    text: DailySentiment | None = None,
    cache: Path | None = None,
) -> BenchmarkResult:
    """Run the ACL18 protocol on the published StockNet folder.

    Parameters
    ----------
    folder
        Folder with ``price/raw``, one file per ticker.
    seeds
        Seeds of the networks to train; the protocol requires ten.
    workers, progress
        As in `tenor.benchmarks.training.train_benchmark`.
    text
        The sentiment of its tweets up to each session's close, or None for prices alone.
    cache
        Folder for finished seeds, from which a killed run resumes; None saves nothing.

    Returns
    -------
    BenchmarkResult
        The scores, with the published ones.

    Raises
    ------
    DataError
        `folder` holds no bars in ``price/raw``.
    """
    bars = acl18_bars(folder)
    return run_bars(BENCHMARK, bars, seeds=seeds, workers=workers, progress=progress, text=text, cache=cache)


def acl18_bars(folder: str | Path) -> Bars:
    """The bars of the 87 tickers, up to the last test session."""
    bars = read_stocknet_bars(Path(folder)).bars
    if bars is None:
        raise DataError(f"{folder}: no bar in price/raw: check the path.")
    frame = bars.frame
    return Bars(frame[(frame["symbol"] != LEFT_OUT) & (frame["session"] <= DATES.test[1])])
