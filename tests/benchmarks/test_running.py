from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tenor.benchmarks import acl18, kdd17
from tenor.benchmarks.protocol import PartDates
from tenor.benchmarks.result import KDD17, BenchmarkResult
from tenor.benchmarks.running import Benchmark, run_bars
from tenor.benchmarks.training import BenchmarkSettings
from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.errors import DataError
from tenor.schema import Bars

SETTINGS = BenchmarkSettings(
    features=FeatureConfig(groups=("returns",), sentiment=False, horizons=(1,)),
    model=ModelConfig(hidden=4, attention_size=4, lookback=5),
    training=TrainConfig(epochs=2, segment=40, burn_in=5, segments_per_step=4),
    market_means=True,
    trailing=20,
)
DATES = PartDates(
    train=("2014-04-01", "2014-09-30"), valid=("2014-10-01", "2014-11-28"), test=("2014-12-01", "2015-02-27")
)


def benchmark_of(settings: BenchmarkSettings) -> Benchmark:
    return Benchmark(name="made", dates=DATES, settings=settings, published=KDD17)


def result(bars: Bars, settings: BenchmarkSettings) -> BenchmarkResult:
    return run_bars(benchmark_of(settings), bars, seeds=(0,), workers=1)


@pytest.fixture(scope="module")
def bars(bars_of: Callable[..., Bars]) -> Bars:
    return bars_of(symbols=5, sessions=290)


def test_a_longer_training_part_is_noted_and_changes_no_count(bars: Bars) -> None:
    plain, longer = result(bars, SETTINGS), result(bars, replace(SETTINGS, train_from="2014-03-03"))
    assert plain.counts == longer.counts
    assert not any("trained from" in note for note in plain.notes)
    assert any("trained from 2014-03-03" in note for note in longer.notes)
    assert plain.models.scores["always up"] == longer.models.scores["always up"]


def test_bars_after_the_validation_do_not_touch_its_choice(bars: Bars) -> None:
    frame = bars.frame.copy()
    later = frame["session"] > pd.Timestamp("2014-12-01")
    shaken = np.exp(np.random.default_rng(5).normal(0, 0.02, int(later.sum())))
    for column in ("open", "high", "low", "close", "adj_close"):
        frame.loc[later, column] *= shaken
    plain, other = result(bars, SETTINGS), result(Bars(frame), SETTINGS)
    assert [(s["valid_mcc"], s["epoch"]) for s in plain.seeds] == [(s["valid_mcc"], s["epoch"]) for s in other.seeds]
    assert plain.models.scores["always up"] != other.models.scores["always up"]


def test_a_folder_that_is_not_the_published_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(DataError, match="price/raw"):
        acl18(empty)
    with pytest.raises(DataError):
        kdd17(empty)


SCRIPT = """
import sys
from pathlib import Path
import pandas as pd
from tenor.schema import Bars
sys.path.insert(0, sys.argv[3])
from test_running import SETTINGS, resumed_result
resumed_result(Bars(pd.read_parquet(sys.argv[1])), Path(sys.argv[2]), epochs=8)
"""


def resumed_result(bars: Bars, cache: Path, *, epochs: int = 8) -> BenchmarkResult:
    settings = replace(SETTINGS, training=replace(SETTINGS.training, epochs=epochs))
    return run_bars(benchmark_of(settings), bars, seeds=range(4), workers=1, cache=cache)


def test_a_run_killed_midway_goes_on_with_the_seeds_that_are_left(bars: Bars, tmp_path: Path) -> None:
    bars.frame.to_parquet(tmp_path / "bars.parquet")
    cache = tmp_path / "cache"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "bars.parquet"), str(cache), str(Path(__file__).parent)]
    )
    deadline = time.monotonic() + 120
    while not list(cache.glob("*/*.npz")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in cache.glob("*/*.npz")}
    assert 0 < len(before) < 4
    resumed = resumed_result(bars, cache)
    assert {path: path.stat().st_mtime_ns for path in before} == before  # none was trained again
    assert len(list(cache.glob("*/*.npz"))) == 4
    assert not list(cache.glob("*/.*"))
    assert resumed.to_json() == resumed_result(bars, tmp_path / "other").to_json()


def test_a_damaged_seed_is_trained_again_and_other_settings_find_nothing(bars: Bars, tmp_path: Path) -> None:
    first = resumed_result(bars, tmp_path, epochs=1)
    (folder,) = tmp_path.iterdir()
    (folder / "2.npz").write_bytes(b"half a file")
    assert resumed_result(bars, tmp_path, epochs=1).to_json() == first.to_json()
    resumed_result(bars, tmp_path, epochs=2)
    assert len(list(tmp_path.iterdir())) == 2
