"""Grid search: scikit-learn's GridSearchCV over walk-forward folds that end before the test part begins."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import joblib
import numpy as np
import pandas as pd
from joblib.externals.loky.process_executor import BrokenProcessPool
from numpy.typing import ArrayLike
from sklearn.model_selection import GridSearchCV

from tenor.config import FeatureConfig, FoldConfig, ModelConfig, SplitConfig, TrainConfig, to_mapping
from tenor.errors import ConfigError, TenorError
from tenor.features.axis import Axis
from tenor.inference.cells import usable
from tenor.schema import Bars, Bool, DailySentiment, Float64
from tenor.storage.files import json_values
from tenor.training.estimator import PanelForecaster, Rows, fit_key, score_key
from tenor.training.folds import walk_forward
from tenor.training.grid import Grid, candidates, configs_of, to_text
from tenor.training.panel_source import Market
from tenor.training.parallel import available_cores, end_idle_processes
from tenor.training.results import FAILED, Results
from tenor.training.scoring import SCORINGS
from tenor.training.split import chronological
from tenor.training.toml_text import toml_text

POLL = 0.5
"""Seconds between two looks at what is done."""

IDLE = 30
"""Seconds after which a process without work ends."""


class SearchProgress(Protocol):
    """Told how far a search is, from a thread of its own."""

    def __call__(self, done: int, total: int, seconds_left: float | None) -> None:
        """`done` of `total` fits are scored; None until the first of this run is."""


@dataclass(frozen=True)
class Trial:
    """One point of the grid.

    Attributes
    ----------
    values
        Full config key to value. rank : 1 is the best.
    scores
        Scoring to its values by fold; NaN where one is undefined or its fit failed.
    seconds
        Of one core, fits and scores of all folds. failed : why a fit failed, if one did.
    """

    values: dict[str, Any]
    rank: int
    scores: dict[str, tuple[float, ...]]
    seconds: float
    failed: str | None = None

    def mean(self, scoring: str) -> float:
        """Mean over the folds; NaN if one has no score."""
        return float(np.mean(self.scores[scoring]))

    def sd(self, scoring: str) -> float:
        """Standard deviation over the folds (of the folds at hand, as scikit-learn's)."""
        return float(np.std(self.scores[scoring]))

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        shown = {s: {"mean": self.mean(s), "sd": self.sd(s), "folds": list(found)} for s, found in self.scores.items()}
        plain: dict[str, Any] = json_values(
            {"rank": self.rank, "values": self.values, **shown, "seconds": self.seconds, "failed": self.failed}
        )
        return plain


@dataclass(frozen=True)
class HeatMap:
    """The best mean score for each pair of values of two keys, over all values of the others.

    Attributes
    ----------
    x, y
        The keys. x_values, y_values : their values as text.
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
    """What a search found.

    Attributes
    ----------
    grid
        What was tried. trials : the best first.
    scoring
        What they are ranked by.
    folds
        First and last day of training and of scoring, fold by fold.
    base
        The configs that the grid was laid over, by room.
    """

    grid: Grid
    trials: tuple[Trial, ...]
    scoring: str
    folds: tuple[dict[str, tuple[str, str]], ...]
    base: dict[str, Any]

    @property
    def best(self) -> Trial:
        """The trial with the highest mean score. Being the best of many, it will score lower on new sessions."""
        return self.trials[0]

    def configs(self) -> dict[str, Any]:
        """The best `FeatureConfig`, `ModelConfig` and `TrainConfig`, by room."""
        return configs_of(self.best.values, self.base)

    def best_toml(self, around: Mapping[str, Any] | None = None) -> str:
        """The best config as TOML that ``tenor train --config`` takes; `around` holds its other tables and keys."""
        best = self.best
        comment = (
            f"The best of {len(self.trials)} by mean {self.scoring} over {len(self.folds)} folds, "
            f"{self.folds[0]['score'][0]} to {self.folds[-1]['score'][1]}: "
            f"{best.mean(self.scoring):.4f}, sd {best.sd(self.scoring):.4f}.\n"
            + ", ".join(f"{key} {to_text(value)}" for key, value in best.values.items())
        )
        rooms = {room: to_mapping(config) for room, config in self.configs().items()}
        return toml_text({**(around or {}), **rooms}, comment=comment)

    def heat_map(self, x: str, y: str) -> HeatMap:
        """The scores over the keys `x` and `y` of the grid; raises ConfigError where it has no such two."""
        for key in (x, y):
            if key not in self.grid or x == y:
                raise ConfigError(f"a heat map takes two keys of the grid ({', '.join(self.grid)}), not {x!r}, {y!r}.")
        scores = np.full((len(self.grid[y]), len(self.grid[x])), np.nan)
        for trial in self.trials:
            place = self.grid[y].index(trial.values[y]), self.grid[x].index(trial.values[x])
            scores[place] = np.fmax(scores[place], trial.mean(self.scoring))
        x_values, y_values = (tuple(map(to_text, self.grid[key])) for key in (x, y))
        return HeatMap(x, y, x_values, y_values, self.scoring, scores)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "scoring": self.scoring,
            "folds": [{part: list(days) for part, days in fold.items()} for fold in self.folds],
            "trials": [trial.to_json() for trial in self.trials],
        }


def tune(
    bars: Bars,
    grid: Grid,
    *,
    cache: Path,
    sentiment: DailySentiment | None = None,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    split: SplitConfig,
    folds: FoldConfig,
    horizon: int = 1,
    scoring: str = SCORINGS[0],
    workers: int | None = None,
    progress: SearchProgress | None = None,
) -> Search:
    """Try every combination of `grid`, laid over the configs, on walk-forward folds before the test part.

    Bars and sentiment after validation's last day are cut off before anything else is done. Each fit is stopped early
    on the last sessions before those it is scored on, `folds.valid_sessions` of them. All are scored on the same
    cells. Each score is kept in `cache`: the same call, after a kill, goes on where it was, and gives the same to the
    bit.

    Parameters
    ----------
    grid
        Of `tenor.training.grid.read_grid`.
    split
        Whose test part is out of bounds.
    horizon
        The one that is scored.
    scoring
        What to rank by, of `tenor.training.scoring.SCORINGS`; all of them are computed.
    workers
        Processes side by side, each with one thread; None is one a core.

    Raises
    ------
    ConfigError
        A combination is impossible, or all fits failed.
    HistoryError
        Too few sessions for the folds.
    """
    base: dict[str, Any] = {"features": features, "model": model, "training": training}
    points = candidates(grid)
    configs = [configs_of(values, base) for values in points]
    _check(points, configs, horizon=horizon, scoring=scoring, sentiment=sentiment)
    purge = max(max(config["features"].horizons) for config in configs)

    every = Axis.of(bars, features.calendar).sessions
    end = every[chronological(every, split, purge=purge).test.start - 1]
    past = Market(bars.until(end), None if sentiment is None else sentiment.until(end))
    cells = _common(past, configs)
    market = replace(past, cells=cells)
    sessions = past.panel(features).sessions
    parts = walk_forward(sessions, folds, purge=purge)
    for part in parts:
        if not cells[part.test].any():
            raise ConfigError(
                f"there is no cell that all candidates forecast between {' and '.join(_days(sessions, part.test))}: "
                "lower the longest model.lookback of the grid, or import more history."
            )
    # the estimator keeps its own distance from the end of its rows, so that these may reach up to the scored ones
    rows = [(np.arange(p.train.start, p.test.start), np.arange(p.test.start, p.test.stop)) for p in parts]

    results = Results(cache, os.getpid())
    for config in configs:
        results.remember({room: to_mapping(one) for room, one in config.items()})
    estimator = Candidate(
        market,
        **base,
        horizon=horizon,
        early_stopping=folds.valid_sessions,
        scoring=scoring,
        results=results,
    )
    search = GridSearchCV(
        estimator,
        {key.replace(".", "__", 1): list(values) for key, values in grid.items()},
        scoring=all_scores,
        n_jobs=workers or available_cores(),
        cv=rows,
        refit=False,
        error_score="raise",
    )
    keys = {i: [_names(estimator, config, *fold) for fold in rows] for i, config in enumerate(configs)}
    with _told(results, [name for names in keys.values() for name in names], progress):
        _run(search, np.arange(len(sessions)).reshape(-1, 1))
    table = search.cv_results_
    trials = []
    for at, params in enumerate(table["params"]):
        values = {key: params[key.replace(".", "__", 1)] for key in grid}
        kept = [results.of(*name) or results.of(name[0], FAILED) or {} for name in keys[points.index(values)]]
        scores = {s: tuple(float(table[f"split{i}_test_{s}"][at]) for i in range(len(rows))) for s in SCORINGS}
        why = next((one["why"] for one in kept if "why" in one), None)
        trials.append(Trial(values, 0, scores, sum(float(one.get("seconds", 0.0)) for one in kept), why))
    spans = tuple({"fit": _days(sessions, fitted), "score": _days(sessions, scored)} for fitted, scored in rows)
    return Search(grid, _ranked(trials, scoring), scoring, spans, base)


class Candidate(PanelForecaster):
    """A forecaster whose training may fail (a learning rate too high, a lookback too long): it has no score then."""

    def fit(self, X: ArrayLike, y: object = None) -> Candidate:
        """Train, or keep why that failed among the results."""
        try:
            super().fit(X, y)
        except TenorError:
            if self.results is None or self.results.of(self.key_, FAILED) is None:
                raise
        return self

    def scores(self, X: ArrayLike) -> dict[str, float]:
        """All scores, NaN after a failure."""
        if self.results is not None and self.results.of(self.key_, FAILED) is not None:
            return dict.fromkeys(SCORINGS, float("nan"))
        return super().scores(X)


def all_scores(estimator: Candidate, X: Rows, y: object = None) -> dict[str, float]:  # noqa: ARG001
    """scikit-learn's hook: all scores at once."""
    return estimator.scores(X)


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
                f"horizon {horizon} is to be scored, and features.horizons {list(config['features'].horizons)} is to "
                "be tried, which has it not: name it in each, or score another."
            )
    if sentiment is None and any(values.get("features.sentiment") for values in points):
        raise ConfigError("grid key 'features.sentiment' needs a sentiment, and there is none: collect news first.")


def _common(market: Market, configs: list[dict[str, Any]]) -> Bool:
    """[session, symbol]; the cells that every candidate forecasts."""
    recipes = dict.fromkeys((config["features"], config["model"].lookback) for config in configs)
    on = None
    for features, lookback in recipes:
        mine = usable(market.panel(features), lookback)
        on = mine if on is None else on & mine
    assert on is not None
    return on


def _names(estimator: PanelForecaster, config: dict[str, Any], fitted: Rows, scored: Rows) -> tuple[str, str]:
    """Where the result of one fit lies."""
    one = PanelForecaster(estimator.market, **config, early_stopping=estimator.early_stopping)
    return fit_key(one, (int(fitted[0]), int(fitted[-1]) + 1)), score_key(scored, estimator.horizon)


def _run(search: GridSearchCV, X: Rows) -> None:
    end_idle_processes()
    try:
        # idle processes end soon: should this one be killed, nobody else would end them
        backend = joblib.parallel_config("loky", inner_max_num_threads=1, idle_worker_timeout=IDLE)
        with warnings.catch_warnings(), backend:
            warnings.filterwarnings("ignore", "One or more of the test scores are non-finite", UserWarning)
            search.fit(X)
    except BrokenProcessPool:
        raise TenorError(
            "a process of the search was killed, most likely because memory ran out. Run the same command again: it "
            "goes on where it was; with fewer workers it takes less memory."
        ) from None


def _ranked(trials: list[Trial], scoring: str) -> tuple[Trial, ...]:
    means = np.array([trial.mean(scoring) for trial in trials])
    if not np.isfinite(means).any():
        why = next((trial.failed for trial in trials if trial.failed), None)
        raise ConfigError(why or f"no trial has a {scoring} in every fold: score by another, or take longer folds.")
    order = np.argsort(-means, kind="stable")  # NaN last
    return tuple(
        replace(
            trials[i],
            rank=1 + int((means > means[i]).sum()) if np.isfinite(means[i]) else 1 + int(np.isfinite(means).sum()),
        )
        for i in order
    )


def _days(sessions: pd.DatetimeIndex, rows: slice | Rows) -> tuple[str, str]:
    days = sessions[rows]
    return f"{days[0]:%Y-%m-%d}", f"{days[-1]:%Y-%m-%d}"


@contextmanager
def _told(results: Results, names: list[tuple[str, str]], progress: SearchProgress | None) -> Iterator[None]:
    """Tell `progress` how many of `names` are there, while the block runs and once after it."""
    if progress is None:
        yield
        return
    over = threading.Event()
    begun, before, last = time.monotonic(), _done(results, names), -1

    def tell() -> None:
        nonlocal last
        done = _done(results, names)
        if done != last:
            last, fresh = done, done - before
            left = (time.monotonic() - begun) / fresh * (len(names) - done) if fresh else None
            progress(done, len(names), left)

    def watch() -> None:
        tell()
        while not over.wait(POLL):
            tell()

    thread = threading.Thread(target=watch, name="tenor-search", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    tell()


def _done(results: Results, names: list[tuple[str, str]]) -> int:
    return sum(results.of(*name) is not None or results.of(name[0], FAILED) is not None for name in names)
