"""What is asked of the forecaster beside its training: the grid search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenor.config import Config
from tenor.errors import ConfigError
from tenor.options import to_mapping
from tenor.pipeline import Scoring, registry_of, score
from tenor.store import Lake
from tenor.training.grid import read_grid
from tenor.training.search import Search, SearchProgress
from tenor.training.search import tune as search


@dataclass(frozen=True)
class Tuned:
    """A finished search, and the TOML file with its best config."""

    search: Search
    best: Path

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {"best": str(self.best), **self.search.to_json()}


def tune(
    store: str,
    config: Config,
    *,
    grid: Sequence[str],
    grid_file: Path | None,
    out: Path,
    horizon: int,
    scoring: str,
    workers: int | None = None,
    progress: SearchProgress | None = None,
    texts: Scoring | None = None,
) -> Tuned:
    """Search the grid on walk-forward folds before the test part, and write the best config to `out`.

    Raises
    ------
    ConfigError : an impossible grid, or `out` is there already.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already: name another file with --out, or remove it.")
    wanted = read_grid(grid_file, grid)
    lake = Lake(store)
    bars = lake.bars(config.symbols or None)
    # a grid may switch sentiment on even where the config has it off
    mood = score(lake, config.mood, calendar=config.features.calendar, progress=texts)
    found = search(
        bars,
        wanted,
        cache=registry_of(store).folder / "tuning",
        mood=mood,
        features=config.features,
        model=config.model,
        training=config.training,
        split=config.split,
        folds=config.folds,
        horizon=horizon,
        scoring=scoring,
        workers=workers,
        progress=progress,
    )
    fresh = out.with_name(f".{out.name}.new")
    fresh.write_text(found.best_toml(around=to_mapping(config)), encoding="utf-8")
    fresh.replace(out)
    return Tuned(found, out)
