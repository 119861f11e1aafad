from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from carrying_engine import CarryingEngine
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone

from tenor.config import FeatureConfig, FoldConfig, ModelConfig, SplitConfig, TrainConfig, from_mapping
from tenor.engines.local import orphaned
from tenor.errors import ConfigError, HistoryError, TrainingError
from tenor.schema import SENTIMENT_COLUMNS, Bars, DailySentiment
from tenor.training.candidate import Candidate, tried
from tenor.training.estimator import PanelForecaster
from tenor.training.grid import read_grid
from tenor.training.panel_source import PanelSource
from tenor.training.scoring import SCORINGS
from tenor.training.search import Search, grid_search

BASE = {
    "features": FeatureConfig(groups=("returns",), horizons=(1, 5)),
    "model": ModelConfig(hidden=4, attention_size=3, lookback=5),
    "training": TrainConfig(seeds=(0,), epochs=2, segment=24, burn_in=4, learning_rate=1e-2),
    "split": SplitConfig(valid_end="2014-12-31"),
    "folds": FoldConfig(folds=2, valid_sessions=40, test_sessions=40),
}
FIRST = SCORINGS[0]  # by which a search ranks unless it is told otherwise
GRID = read_grid(words=["hidden=3,5", "lr=1e-2,1e-3"])


@pytest.fixture(scope="module")
def market_bars(bars_of) -> Bars:
    return bars_of(symbols=6, sessions=330)


@pytest.fixture(scope="module")
def search(market_bars: Bars, tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, Path, list[tuple]]:
    reports: list[tuple] = []
    cache = tmp_path_factory.mktemp("search")
    result = grid_search(market_bars, GRID, cache=cache, workers=1, progress=lambda *s: reports.append(s), **BASE)
    return result, cache, reports


def comparable(search: Search) -> list[tuple]:
    return [(t.values, t.rank, t.scores) for t in search.trials]


def test_every_point_is_tried_on_every_fold_and_the_best_comes_first(search) -> None:
    result, cache, reports = search
    assert len(result.trials) == 4
    means = [t.mean(FIRST) for t in result.trials]
    assert means == sorted(means, reverse=True)
    assert [t.rank for t in result.trials] == [1, 2, 3, 4]
    assert all(len(t.scores[s]) == 2 for t in result.trials for s in SCORINGS)
    assert all(t.seconds > 0 and t.failed is None for t in result.trials)
    assert len({t.scores["error_reduction"] for t in result.trials}) == 4
    assert len(list(cache.glob("*.json"))) == 8
    assert reports[0] == (0, 8, None)
    assert reports[-1][:2] == (8, 8)
    assert reports[-1][2] == 0
    assert [t[0] for t in reports] == sorted({t[0] for t in reports})


def test_folds_end_where_the_test_part_begins(search) -> None:
    result, *_ = search
    assert result.folds[-1]["score"][1] == "2014-12-31"
    first, second = result.folds
    assert first["fit"][1] < first["score"][0] <= first["score"][1] < second["score"][0]
    assert second["fit"][1] == first["score"][1]


def test_nothing_of_the_test_part_has_a_say(search, market_bars: Bars, tmp_path: Path) -> None:
    frame = market_bars.frame.copy()
    later = (frame["session"] > pd.Timestamp("2014-12-31")).to_numpy()
    assert later.any()
    frame.loc[later, ["open", "high", "low", "close", "adj_close"]] *= 9.0
    result = grid_search(Bars(frame), GRID, cache=tmp_path, workers=1, **BASE)
    assert comparable(result) == comparable(search[0])
    earlier = frame.copy()
    day = (earlier["session"] == pd.Timestamp("2014-12-30")).to_numpy()
    earlier.loc[day, ["open", "high", "low", "close", "adj_close"]] *= 1.1
    other = grid_search(Bars(earlier), GRID, cache=tmp_path, workers=1, **BASE)  # the last scored days do have one
    assert comparable(other) != comparable(result)


def test_another_scoring_and_a_larger_grid_train_nothing_again(search, market_bars: Bars, monkeypatch) -> None:
    _, cache, _ = search
    trained = []

    def count(*args: object, **options: object) -> object:
        trained.append(options["model"].hidden)
        return fit(*args, **options)

    from tenor.training import fit

    monkeypatch.setattr("tenor.training.estimator.train", count)
    by_rank = grid_search(market_bars, GRID, cache=cache, workers=1, scoring="rank_ic", **BASE)
    means = [t.mean("rank_ic") for t in by_rank.trials]
    assert means == sorted(means, reverse=True)
    assert not trained
    more = grid_search(market_bars, read_grid(words=["hidden=3,5,6", "lr=1e-2"]), cache=cache, workers=1, **BASE)
    assert trained == [6, 6]
    assert len(more.trials) == 3


SCRIPT = """
import os, signal, sys
from pathlib import Path
import pandas as pd
from tenor.config import FeatureConfig, FoldConfig, ModelConfig, SplitConfig, TrainConfig
from tenor.schema import Bars
from tenor.storage.files import write_json
from tenor.training import candidate
from tenor.training.search import grid_search

def write_three(file, result):
    if len(list(file.parent.glob("*.json"))) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    write_json(file, result)

candidate.write_json = write_three
bars = Bars(pd.read_parquet(sys.argv[1]))
grid_search(bars, {grid!r}, cache=Path(sys.argv[2]), workers=1, **{base!r})
"""


def test_a_search_killed_midway_goes_on_side_by_side_and_ends_the_same_to_the_bit(
    search, market_bars: Bars, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    market_bars.frame.to_parquet(tmp_path / "bars.parquet")
    script = SCRIPT.format(grid=GRID, base=BASE)
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "bars.parquet"), str(cache)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in cache.glob("*.json")}
    assert len(before) == 3
    reports: list[tuple] = []
    result = grid_search(market_bars, GRID, cache=cache, workers=2, progress=lambda *s: reports.append(s), **BASE)
    assert {path: path.stat().st_mtime_ns for path in before} == before  # none was trained again
    assert reports[0] == (3, 8, None)
    assert reports[-1] == (8, 8, 0.0)
    assert comparable(result) == comparable(search[0])


def test_a_search_does_not_mind_the_processes_that_trainings_left(search, market_bars: Bars) -> None:
    assert get_reusable_executor(max_workers=2, timeout=300).submit(int, "7").result() == 7  # as train_seeds does
    result = grid_search(market_bars, GRID, cache=search[1], workers=2, **BASE)
    assert comparable(result) == comparable(search[0])


def test_machines_that_see_no_file_of_this_one_give_the_same_to_the_bit(
    search, market_bars: Bars, tmp_path: Path
) -> None:
    away, reports = CarryingEngine(), []
    result = grid_search(market_bars, GRID, cache=tmp_path, workers=away, progress=lambda *s: reports.append(s), **BASE)
    assert comparable(result) == comparable(search[0])
    assert len(away.ran) == 8
    assert reports[-1][:2] == (8, 8)
    (kept, *lost) = sorted(tmp_path.glob("*.json"))
    for file in lost:
        file.unlink()
    again = CarryingEngine()
    assert comparable(grid_search(market_bars, GRID, cache=tmp_path, workers=again, **BASE)) == comparable(result)
    assert len(again.ran) == 7  # the one whose scores lay on disk was not tried again
    assert kept.exists()


def test_all_that_was_tried_is_counted_once(market_bars: Bars, tmp_path: Path) -> None:
    assert tried(tmp_path) == 0
    quick = {**BASE, "training": TrainConfig(seeds=(0,), epochs=1, segment=24, burn_in=4)}
    for words in (["hidden=3,5"], ["hidden=3"], ["hidden=5,6"]):
        grid_search(market_bars, read_grid(words=words), cache=tmp_path, workers=1, **quick)
    assert tried(tmp_path) == 3


def test_a_process_knows_that_nobody_waits_for_it() -> None:
    assert not orphaned(os.getpid())
    assert not orphaned(os.getppid())
    assert orphaned(-1)


@pytest.fixture
def candidate(market_bars: Bars, tmp_path: Path) -> Candidate:
    forecaster = PanelForecaster(PanelSource(market_bars), BASE["features"], BASE["model"], BASE["training"])
    return Candidate(forecaster, np.ones((330, 6), dtype=bool), tmp_path, os.getpid())


def test_a_saved_score_needs_no_training(candidate: Candidate, tmp_path: Path, monkeypatch) -> None:
    X = np.arange(200).reshape(-1, 1)
    first = candidate.fit(X[:150]).scores(X[150:200])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("tenor.training.estimator.train", refuse)
    assert clone(candidate).fit(X[:150]).scores(X[150:200]) == first
    fewer = candidate.cells.copy()
    fewer[160, 2] = False
    for params, rows in (
        ({"forecaster__model__hidden": 5}, 150),
        ({}, 149),
        ({"forecaster__early_stopping": 0.3}, 150),
        ({"cells": fewer}, 150),
    ):
        with pytest.raises(AssertionError, match="trained again"):
            clone(candidate).set_params(**params).fit(X[:rows]).scores(X[150:200])
    with pytest.raises(AssertionError, match="trained again"):
        clone(candidate).fit(X[:150]).scores(X[150:199])
    (saved,) = tmp_path.glob("*.json")
    saved.write_text('{"scores": 0.')  # a damaged result is none
    monkeypatch.undo()
    assert clone(candidate).fit(X[:150]).scores(X[150:200]) == first


def test_the_best_config_is_toml_that_gives_it_back(search) -> None:
    result, *_ = search
    text = result.best_toml({"symbols": ["S00"], "split": {"valid_end": "2014-12-31", "train_end": None}})
    first, second = text.splitlines()[:2]
    assert first.startswith(f"# The best of 4 by mean {FIRST} over 2 folds, ")
    assert second.startswith("# model.hidden ")
    read = tomllib.loads(text)
    best = result.configs()
    assert best["model"].hidden == result.best.values["model.hidden"]
    assert best["training"].learning_rate == result.best.values["training.learning_rate"]
    assert {room: from_mapping(type(best[room]), read[room]) for room in best} == best
    assert read["symbols"] == ["S00"]
    assert read["split"] == {"valid_end": "2014-12-31"}


def test_a_heat_map_of_two_keys(search) -> None:
    result, *_ = search
    chart = result.heat_map("model.hidden", "training.learning_rate")
    assert (chart.x_values, chart.y_values) == (("3", "5"), ("0.01", "0.001"))
    place = np.unravel_index(chart.scores.argmax(), (2, 2))
    assert chart.scores[place] == result.best.mean(FIRST)
    assert chart.x_values[place[1]] == str(result.best.values["model.hidden"])
    for pair in (("model.hidden", "model.hidden"), ("model.hidden", "model.layers")):
        with pytest.raises(ConfigError, match="two keys of the grid"):
            result.heat_map(*pair)


def test_it_is_json(search) -> None:
    plain = json.loads(json.dumps(search[0].to_json(), allow_nan=False))
    assert plain["trials"][0]["rank"] == 1
    assert set(plain["trials"][0]["error_reduction"]) == {"mean", "sd", "folds"}


def a_sentiment(bars: Bars) -> DailySentiment:
    rows = bars.frame[["symbol", "session"]].iloc[::3]
    rng = np.random.default_rng(0)
    numbers = {c: rng.uniform(0, 1, len(rows)) for c in SENTIMENT_COLUMNS[2:]}
    return DailySentiment(rows.assign(**{**numbers, "n": 1.0, "market_n": 3.0}))


def test_features_lookback_horizons_and_sentiment_are_searched_on_the_same_cells(
    market_bars: Bars, tmp_path: Path, monkeypatch
) -> None:
    judged = []
    from tenor.training.estimator import scores

    def note(panel, predictions, cells, *, horizon):
        forecast = cells & np.isfinite(predictions.mean[:, :, 0])
        judged.append((len(panel.sessions), int(forecast.sum()), int(cells.sum())))
        return scores(panel, predictions, cells, horizon=horizon)

    monkeypatch.setattr("tenor.training.estimator.scores", note)
    late = market_bars.frame[
        ~((market_bars.frame["symbol"] == "S05") & (market_bars.frame["session"] < pd.Timestamp("2014-08-20")))
    ]
    bars = Bars(late)
    grid = read_grid(words=["groups=returns,returns+trend", "lookback=5,20", "horizons=1,1+3", "sentiment=true,false"])
    base = {**BASE, "training": TrainConfig(seeds=(0,), epochs=1, segment=24, burn_in=4)}
    result = grid_search(bars, grid, cache=tmp_path, sentiment=a_sentiment(bars), workers=1, **base)
    assert len(result.trials) == 16
    assert len({t.scores["error_reduction"] for t in result.trials}) == 16
    assert len(set(judged)) == 2  # one a fold, the same for all
    assert all(forecast == on for _, forecast, on in judged)


def test_a_fit_that_fails_has_no_score_and_the_rest_go_on(market_bars: Bars, tmp_path: Path) -> None:
    grid = read_grid(words=["lr=1e-2,1e30"])
    for _ in range(2):  # the second time from what was saved
        result = grid_search(market_bars, grid, cache=tmp_path, workers=1, **BASE)
        best, worst = result.trials
        assert (best.rank, best.failed) == (1, None)
        assert worst.rank == 2
        assert worst.failed is not None
        assert "lower training.learning_rate" in worst.failed
        assert result.to_json()["trials"][1]["error_reduction"]["mean"] is None
    with pytest.raises(TrainingError, match="diverged in epoch"):
        grid_search(market_bars, read_grid(words=["lr=1e30"]), cache=tmp_path, workers=1, **BASE)


@pytest.mark.parametrize(
    ("words", "changed", "error", "message"),
    [
        (["horizons=1,5"], {}, ConfigError, r"the grid tries features.horizons \[5\] without it"),
        (
            ["hidden=3"],
            {"scoring": "r2"},
            ConfigError,
            f"scoring is 'r2'; it takes one of {', '.join(SCORINGS)}",
        ),
        (["sentiment=true,false"], {}, ConfigError, "needs daily sentiment"),
        (["hidden=3"], {"folds": FoldConfig(folds=9)}, HistoryError, "9 folds of 126 test"),
        (["lookback=2,900"], {}, ConfigError, "no cell that all"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_is_trained(
    market_bars: Bars, tmp_path: Path, words: list[str], changed: dict, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        grid_search(market_bars, read_grid(words=words), cache=tmp_path, workers=1, **{**BASE, **changed})
    assert not list(tmp_path.iterdir())
