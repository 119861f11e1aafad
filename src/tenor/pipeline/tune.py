"""Grid search: find the best settings on folds before the test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenor.config import Config, FoldConfig, to_mapping
from tenor.engines import Workers
from tenor.errors import ConfigError
from tenor.features.axis import Axis
from tenor.news_scoring import ScoringProgress
from tenor.pipeline.inputs import train_end
from tenor.pipeline.own import end_of_first_training, prepare_own
from tenor.pipeline.topic_features import with_topics
from tenor.pipeline.train import describe_config
from tenor.report.tuning import write_tuning
from tenor.schema import Bars
from tenor.storage.files import write_text
from tenor.training import chronological
from tenor.training.folds import that_fit
from tenor.training.grid import Grid, read_grid
from tenor.training.search import Search, SearchProgress, grid_search
from tenor.workspace import Workspace


@dataclass(frozen=True)
class TuneResult:
    """A finished search.

    Attributes
    ----------
    search
        The search with its trials.
    best
        The TOML file with the best config.
    note
        What was done differently from the config; empty if nothing was.
    """

    search: Search
    best: Path
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {"best": str(self.best), "note": self.note, **self.search.to_json()}


def tune(
    store: str,
    config: Config,
    *,
    grid: Sequence[str],
    grid_file: Path | None,
    out: Path,
    horizon: int,
    scoring: str,
    workers: Workers = None,
    progress: SearchProgress | None = None,
    texts: ScoringProgress | None = None,
    report: Path | None = None,
    allow_leak: bool = False,
) -> TuneResult:
    """Search the grid on walk-forward folds before the test part, and write the best config to `out`.

    Parameters
    ----------
    store
        The lake.
    config
        The settings that the grid varies.
    grid, grid_file
        As in `tenor.training.grid.read_grid`.
    out
        The TOML file for the best config.
    horizon, scoring
        The horizon whose forecasts are scored, and the score by which settings are ranked.
    workers
        Processes that train at the same time; None means one for each core.
    progress
        Called as fits are done.
    texts
        Called as texts are scored.
    report
        The HTML file to write, if any.
    allow_leak
        Go on where the leak check finds something in an own feature.

    Raises
    ------
    ConfigError
        The grid is impossible, or `out` exists already.
    LeakError
        An own feature sees the future.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already: name another file with --out, or remove it.")
    workspace = Workspace(store)
    calendar = config.features.calendar
    bars = workspace.bars(config.symbols or None, calendar=calendar)
    points = read_grid(grid_file, grid)
    for key in ("features.own", "features.events"):
        if key in points:
            raise ConfigError(
                f"grid key {key!r}: own features can't be tried one by one: 'tenor ablate --without' asks for each."
            )
    folds, note = _folds(config, bars, points)
    for key in ("features.kinds", "features.topics", "features.as_of"):
        if key in points:
            raise ConfigError(f"grid key {key!r}: news can't be tried one by one: 'tenor ablate' compares them.")
    prepared = prepare_own(workspace, config, bars, train_end=train_end(config, bars), allow_leak=allow_leak)
    # the folds also test sessions of the training part, so topics are fitted only on news before the first of them
    until = end_of_first_training(bars, config, folds) if config.features.topics else None
    ready = prepared.config if until is None else with_topics(workspace, prepared.config, until, texts)
    # a grid may switch sentiment on even where the config has it off
    resolved, sentiment = workspace.training_news(ready, until=until, progress=texts, save=True, always=True)
    search = grid_search(
        bars,
        points,
        cache=workspace.work / "tuning",
        sentiment=sentiment,
        half_life=config.sentiment.half_life,
        own=prepared.own,
        features=resolved.features,
        model=config.model,
        training=config.training,
        split=config.split,
        folds=folds,
        horizon=horizon,
        scoring=scoring,
        workers=workers,
        progress=progress,
    )
    best = search.best_toml(around=to_mapping(config))
    write_text(out, best)
    if report is not None:
        write_tuning(report, search, toml=best, about=describe_config(config, tuple(bars.frame["symbol"].unique())))
    return TuneResult(search, out, note)


def _folds(config: Config, bars: Bars, points: Grid) -> tuple[FoldConfig, str]:
    """The folds of the search, which end before the test part that those of `config` may be laid out for."""
    purge = max(map(max, [config.features.horizons, *points.get("features.horizons", ())]))
    sessions = Axis.of(bars, config.features.calendar).sessions
    count = chronological(sessions, config.split, purge=purge).test.start
    folds = that_fit(count, config.folds, purge=purge)
    if folds == config.folds:
        return folds, ""
    return folds, (
        f"folds of {folds.test_sessions} test and {folds.valid_sessions} validation sessions: the "
        f"{config.folds.test_sessions} and {config.folds.valid_sessions} of [folds] do not fit before the test part"
    )
