"""Grid search: scikit-learn's GridSearchCV over walk-forward folds that end before the test part begins.

scikit-learn provides the combinations, the processes and the ranks. This module adds folds of sessions, scores on the
cells that all candidates forecast, and progress. `tenor.training.candidate` saves scores, which survive a killed
search, and the reasons of failed trainings.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import joblib
import numpy as np
import pandas as pd
import tomli_w
from joblib.externals.loky.process_executor import BrokenProcessPool
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from tenor.config import FeatureConfig, FoldConfig, ModelConfig, SentimentConfig, SplitConfig, TrainConfig, to_mapping
from tenor.engines import Engine, Workers, engine_of
from tenor.engines.local import end_idle_processes
from tenor.errors import ConfigError, TrainingError
from tenor.features.axis import Axis
from tenor.features.own import Own
from tenor.inference.cells import usable
from tenor.schema import Bars, Bool, DailySentiment, Float64
from tenor.storage.files import json_values, write_json
from tenor.training.candidate import Candidate, read_result, try_out
from tenor.training.device import settled
from tenor.training.estimator import PanelForecaster, Rows
from tenor.training.folds import walk_forward
from tenor.training.grid import Grid, candidates, configs_of, to_text
from tenor.training.panel_source import PanelSource
from tenor.training.scoring import SCORINGS
from tenor.training.split import chronological

POLL_SECONDS = 0.5
"""Seconds between two checks of how many fits are done."""

IDLE_SECONDS = 30
"""Seconds after which a process without work ends."""


class SearchProgress(Protocol):
    """A function that is called with the progress of a search, from a separate thread."""

    def __call__(self, done: int, total: int, seconds_left: float | None) -> None:
        """`done` of `total` fits are scored; `seconds_left` is None until the first fit of this run is scored."""


@dataclass(frozen=True)
class Trial:
    """One point of the grid.

    Attributes
    ----------
    values
        From each full config key to its value.
    rank
        1 is the best.
    scores
        From the name of each score to its values by fold; NaN where it is undefined or the fit failed.
    seconds
        Time of one core for the fits and scores of all folds.
    failed
        Why a fit failed, if one did.
    """

    values: dict[str, Any]
    rank: int
    scores: dict[str, tuple[float, ...]]
    seconds: float
    failed: str | None = None

    def mean(self, scoring: str) -> float:
        """Mean of the score over the folds; NaN if a fold has no score."""
        return float(np.mean(self.scores[scoring]))

    def sd(self, scoring: str) -> float:
        """Standard deviation of the score over the folds (divided by the number of folds, as in scikit-learn)."""
        return float(np.std(self.scores[scoring]))

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        by_scoring = {
            scoring: {"mean": self.mean(scoring), "sd": self.sd(scoring), "folds": list(folds)}
            for scoring, folds in self.scores.items()
        }
        values: dict[str, Any] = json_values(
            {"rank": self.rank, "values": self.values, **by_scoring, "seconds": self.seconds, "failed": self.failed}
        )
        return values


@dataclass(frozen=True)
class HeatMap:
    """The best mean score for each pair of values of two keys, over all values of the other keys.

    Attributes
    ----------
    x, y
        The keys.
    x_values, y_values
        Their values as text.
    scoring
        The name of the score.
    scores
        [y, x]; NaN where every fit failed.
    """

    x: str
    y: str
    x_values: tuple[str, ...]
    y_values: tuple[str, ...]
    scoring: str
    scores: Float64


@dataclass(frozen=True)
class Search:
    """The result of a search.

    Attributes
    ----------
    grid
        The values that were tried.
    trials
        The trials, the best first.
    scoring
        The score by which they are ranked.
    folds
        First and last day of training (``fit``) and of scoring (``score``) for each fold.
    base
        The configs that the grid varies, by section.
    """

    grid: Grid
    trials: tuple[Trial, ...]
    scoring: str
    folds: tuple[dict[str, tuple[str, str]], ...]
    base: dict[str, Any]

    @property
    def best(self) -> Trial:
        """The trial with the highest mean score. As the best of many, it will have a lower score on new sessions."""
        return self.trials[0]

    def configs(self) -> dict[str, Any]:
        """The best `FeatureConfig`, `ModelConfig` and `TrainConfig`, by section."""
        return configs_of(self.best.values, self.base)

    def best_toml(self, around: Mapping[str, Any] | None = None) -> str:
        """The best config as TOML for ``tenor train --config``; `around` has its other tables and keys."""
        best = self.best
        settings = ", ".join(f"{key} {to_text(value)}" for key, value in best.values.items())
        comment = (
            f"# The best of {len(self.trials)} by mean {self.scoring} over {len(self.folds)} folds, "
            f"{self.folds[0]['score'][0]} to {self.folds[-1]['score'][1]}: "
            f"{best.mean(self.scoring):.4f}, sd {best.sd(self.scoring):.4f}.\n"
            f"# {settings}\n\n"
        )
        sections = {section: to_mapping(config) for section, config in self.configs().items()}
        if sections["model"].get("network"):
            sections["model"]["network"] = self.configs()["model"].network_file  # for the next command
        return comment + tomli_w.dumps(_without_none({**(around or {}), **sections}))

    def heat_map(self, x: str, y: str) -> HeatMap:
        """The best scores by the keys `x` and `y`; raises ConfigError if these are not two keys of the grid."""
        for key in (x, y):
            if key not in self.grid or x == y:
                raise ConfigError(f"a heat map takes two keys of the grid ({', '.join(self.grid)}), not {x!r}, {y!r}.")
        scores = np.full((len(self.grid[y]), len(self.grid[x])), np.nan)
        for trial in self.trials:
            place = self.grid[y].index(trial.values[y]), self.grid[x].index(trial.values[x])
            scores[place] = np.fmax(scores[place], trial.mean(self.scoring))
        x_values = tuple(map(to_text, self.grid[x]))
        y_values = tuple(map(to_text, self.grid[y]))
        return HeatMap(x, y, x_values, y_values, self.scoring, scores)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "scoring": self.scoring,
            "folds": [{part: list(days) for part, days in fold.items()} for fold in self.folds],
            "trials": [trial.to_json() for trial in self.trials],
        }


def grid_search(
    bars: Bars,
    grid: Grid,
    *,
    cache: Path,
    sentiment: DailySentiment | None = None,
    half_life: float = SentimentConfig.half_life,
    own: Own | None = None,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    split: SplitConfig,
    folds: FoldConfig,
    horizon: int = 1,
    scoring: str = SCORINGS[0],
    workers: Workers = None,
    progress: SearchProgress | None = None,
) -> Search:
    """Try every combination of `grid` on walk-forward folds before the test part.

    Bars and sentiment after the last day of validation are removed first. Early stopping of each fit uses the last
    `folds.valid_sessions` sessions before those on which it is scored. All candidates are scored on the same cells.
    Each score is saved in `cache`: after a kill, the same call continues, and its result is the same in every bit.

    Parameters
    ----------
    bars
        All bars, including those of the test part.
    grid
        The grid, from `tenor.training.grid.read_grid`.
    cache
        The folder of scores.
    sentiment, half_life, own
        Data of the same symbols, as in `tenor.features.build_panel`.
    features, model, training
        The configs that the grid varies.
    split
        The split of the sessions; its test part is not used.
    folds
        The number of folds and their lengths.
    horizon
        The horizon whose forecasts are scored.
    scoring
        The score to rank by, one of `tenor.training.scoring.SCORINGS`; all of them are computed.
    workers
        Processes that train at the same time, each with one thread; None means one for each core.
    progress
        Called as fits are done.

    Raises
    ------
    ConfigError
        A combination is impossible.
    TrainingError
        All fits failed, or a process was killed.
    HistoryError
        Too few sessions for the folds.
    """
    engine = engine_of(workers)
    # one candidate at a time, which trains its own seeds together
    training = settled(training, model, engine, cells=len(bars.frame), networks=len(training.seeds))
    base: dict[str, Any] = {"features": features, "model": model, "training": training}
    points = candidates(grid)
    configs = [configs_of(values, base) for values in points]
    _check(points, configs, horizon=horizon, scoring=scoring, sentiment=sentiment)
    purge = max(max(config["features"].horizons) for config in configs)

    every = Axis.of(bars, features.calendar).sessions
    end = every[chronological(every, split, purge=purge).test.start - 1]
    source = PanelSource(bars.until(end), None if sentiment is None else sentiment.until(end), half_life, own)
    cells = _common_cells(source, configs)
    sessions = source.panel(features).sessions
    parts = walk_forward(sessions, folds, purge=purge)
    for part in parts:
        if not cells[part.test].any():
            raise ConfigError(
                f"there is no cell that all candidates forecast between {' and '.join(_days(sessions, part.test))}: "
                "lower the longest model.lookback of the grid, or import more history."
            )
    # the estimator uses no target beyond its rows, so its rows may reach up to the scored ones
    rows = [(np.arange(p.train.start, p.test.start), np.arange(p.test.start, p.test.stop)) for p in parts]

    forecaster = PanelForecaster(source, **base, horizon=horizon, early_stopping=folds.valid_sessions)
    candidate = Candidate(forecaster, cells, cache, os.getpid())
    search = GridSearchCV(
        candidate,
        {_parameter(key): list(values) for key, values in grid.items()},
        scoring=_all_scores,
        # one at a time if others would wait for the card, or if machines of a cluster try candidates
        n_jobs=engine.cores if engine.shares_files and training.device == "cpu" else 1,
        cv=rows,
        refit=False,
        error_score="raise",
    )
    files = []
    of_file: dict[Path, _Trial] = {}
    for values in points:
        parameters = {_parameter(key): value for key, value in values.items()}
        same = clone(candidate).set_params(**parameters)
        files.append([same.file(*fold) for fold in rows])
        of_file |= {same.file(*fold): _Trial(parameters, *fold) for fold in rows}
    with _reporting(progress, [file for of_candidate in files for file in of_candidate]):
        if not engine.shares_files:
            _try_far_away(engine, candidate, of_file)
        _run(search, np.arange(len(sessions)).reshape(-1, 1))

    table = search.cv_results_
    trials = []
    for i, params in enumerate(table["params"]):
        values = {key: params[_parameter(key)] for key in grid}
        results = [read_result(file) or {} for file in files[points.index(values)]]
        trials.append(
            Trial(
                values,
                int(table[f"rank_test_{scoring}"][i]),
                {name: tuple(float(table[f"split{k}_test_{name}"][i]) for k in range(len(rows))) for name in SCORINGS},
                sum(float(result.get("seconds", 0.0)) for result in results),
                next((result["failed"] for result in results if "failed" in result), None),
            )
        )
    if not any(np.isfinite(trial.mean(scoring)) for trial in trials):
        if reason := next((trial.failed for trial in trials if trial.failed), None):
            raise TrainingError(reason)
        raise ConfigError(f"no trial has a {scoring} in every fold: score by another, or take longer folds.")
    spans = tuple({"fit": _days(sessions, fitted), "score": _days(sessions, scored)} for fitted, scored in rows)
    return Search(grid, tuple(sorted(trials, key=lambda trial: trial.rank)), scoring, spans, base)


@dataclass(frozen=True)
class _Trial:
    """One point of the grid, as parameters of a candidate, on one fold."""

    parameters: dict[str, Any]
    fitted: Rows
    scored: Rows


def _try_far_away(engine: Engine, candidate: Candidate, of_file: Mapping[Path, _Trial]) -> None:
    """Write each missing file of `of_file`, tried on machines that do not see them, for the search to read."""
    missing = [file for file in of_file if read_result(file) is None]
    tasks = [of_file[file] for file in missing]
    for _ in engine.map(
        _try_on_a_node, tasks, shared=candidate, done=lambda place, result: write_json(missing[place], result)
    ):
        pass


def _try_on_a_node(candidate: Candidate, task: _Trial) -> dict[str, Any]:
    same = clone(candidate).set_params(**task.parameters)
    return try_out(same.forecaster, same.cells, task.fitted, task.scored.reshape(-1, 1))


def _all_scores(candidate: Candidate, X: Rows, y: object = None) -> dict[str, float]:  # noqa: ARG001
    """scikit-learn's hook: all scores at once."""
    return candidate.scores(X)


def _parameter(key: str) -> str:
    """``model.hidden`` as the parameter of a candidate: ``forecaster__model__hidden``."""
    return f"forecaster__{key.replace('.', '__', 1)}"


def _check(
    points: list[dict[str, Any]],
    configs: list[dict[str, Any]],
    *,
    horizon: int,
    scoring: str,
    sentiment: DailySentiment | None,
) -> None:
    if scoring not in SCORINGS:
        raise ConfigError(f"scoring is {scoring!r}; it takes one of {', '.join(SCORINGS)}.")
    for config in configs:
        if horizon not in config["features"].horizons:
            raise ConfigError(
                f"horizon {horizon} is to be scored, and the grid tries features.horizons "
                f"{list(config['features'].horizons)} without it: name it in each, or score another."
            )
    if sentiment is None and any(values.get("features.sentiment") for values in points):
        raise ConfigError("grid key 'features.sentiment' needs daily sentiment, and there is none: collect news first.")


def _common_cells(source: PanelSource, configs: list[dict[str, Any]]) -> Bool:
    """[session, symbol]; the cells that every candidate forecasts."""
    settings = dict.fromkeys((config["features"], config["model"].lookback) for config in configs)
    return np.asarray(
        np.logical_and.reduce([usable(source.panel(features), lookback) for features, lookback in settings])
    )


def _run(search: GridSearchCV, X: Rows) -> None:
    end_idle_processes()
    try:
        # idle processes end soon, because nobody would end them if this process were killed
        backend = joblib.parallel_config("loky", inner_max_num_threads=1, idle_worker_timeout=IDLE_SECONDS)
        with warnings.catch_warnings(), backend:
            warnings.filterwarnings("ignore", "One or more of the test scores are non-finite", UserWarning)
            search.fit(X)
    except BrokenProcessPool:
        raise TrainingError(
            "a process of the search was killed, most likely because memory ran out. Run the same command again: it "
            "goes on where it was; with fewer workers it takes less memory."
        ) from None


@contextmanager
def _reporting(progress: SearchProgress | None, files: list[Path]) -> Iterator[None]:
    """Report to `progress` how many of `files` are there, while the block runs and once after it."""
    if progress is None:
        yield
        return
    over = threading.Event()
    begun = time.monotonic()
    before, reported = sum(file.exists() for file in files), -1

    def report() -> None:
        nonlocal reported
        done = sum(file.exists() for file in files)
        if done != reported:
            reported, fresh = done, done - before
            left = (time.monotonic() - begun) / fresh * (len(files) - done) if fresh else None
            progress(done, len(files), left)

    def watch() -> None:
        report()
        while not over.wait(POLL_SECONDS):
            report()

    thread = threading.Thread(target=watch, name="tenor-search", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    report()


def _days(sessions: pd.DatetimeIndex, rows: slice | Rows) -> tuple[str, str]:
    days = sessions[rows]
    return f"{days[0]:%Y-%m-%d}", f"{days[-1]:%Y-%m-%d}"


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` without keys that are None: TOML has no word for it, and a key that is left out has its default."""
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None
    }
