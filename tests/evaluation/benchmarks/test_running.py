from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tenor.errors import DataError
from tenor.evaluation.benchmarks import acl18, kdd17
from tenor.evaluation.benchmarks.protocol import Dates
from tenor.evaluation.benchmarks.published import KDD17
from tenor.evaluation.benchmarks.result import BenchmarkResult
from tenor.evaluation.benchmarks.running import run_bars
from tenor.evaluation.benchmarks.training import Recipe
from tenor.features import FeatureConfig
from tenor.model import ModelConfig
from tenor.schema import Bars
from tenor.training import TrainConfig

RECIPE = Recipe(
    features=FeatureConfig(groups=("returns",), sentiment=False, horizons=(1,)),
    model=ModelConfig(hidden=4, attention_size=4, lookback=5),
    training=TrainConfig(epochs=2, segment=40, burn_in=5, segments_per_step=4),
    market_means=True,
    trailing=20,
)
DATES = Dates(train=("2014-04-01", "2014-09-30"), valid=("2014-10-01", "2014-11-28"), test=("2014-12-01", "2015-02-27"))


def result(bars: Bars, recipe: Recipe) -> BenchmarkResult:
    return run_bars(
        "made", bars, DATES, recipe, published_counts={}, published=KDD17, notes=(), seeds=(0,), workers=1,
        progress=None, text=None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bars(bars_of: Callable[..., Bars]) -> Bars:
    return bars_of(symbols=5, sessions=290)


def test_a_longer_training_part_is_said_and_changes_no_count(bars: Bars) -> None:
    plain, longer = result(bars, RECIPE), result(bars, replace(RECIPE, train_from="2014-03-03"))
    assert plain.counts == longer.counts
    assert not any("trained from" in note for note in plain.notes)
    assert any("trained from 2014-03-03" in note for note in longer.notes)
    assert plain.judged.scores["always up"] == longer.judged.scores["always up"]


def test_bars_after_the_validation_do_not_touch_its_choice(bars: Bars) -> None:
    frame = bars.frame.copy()
    later = frame["session"] > pd.Timestamp("2014-12-01")
    shaken = np.exp(np.random.default_rng(5).normal(0, 0.02, int(later.sum())))
    for column in ("open", "high", "low", "close", "adj_close"):
        frame.loc[later, column] *= shaken
    plain, other = result(bars, RECIPE), result(Bars(frame), RECIPE)
    assert [(s["valid_mcc"], s["epoch"]) for s in plain.seeds] == [(s["valid_mcc"], s["epoch"]) for s in other.seeds]
    assert plain.judged.scores["always up"] != other.judged.scores["always up"]


def test_a_folder_that_is_not_the_published_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(DataError, match="price/raw"):
        acl18(empty)
    with pytest.raises(DataError):
        kdd17(empty)
