"""Beside training: the grid search, whether sentiment helps, published benchmarks, and whether data leak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenor.benchmarks import BenchmarkResult, acl18, glt, kdd17, read_glt_news
from tenor.benchmarks.training import Told
from tenor.config import Config, to_mapping
from tenor.errors import ConfigError, DataError, did_you_mean
from tenor.evaluation.ablation import Ablation
from tenor.evaluation.ablation import ablate as compare_with_and_without
from tenor.leakcheck import LeakReport, leakcheck_function
from tenor.pipeline.train import Scoring, build, registry_of, score
from tenor.report.ablation import write_ablation
from tenor.report.tuning import write_tuning
from tenor.schema import DailySentiment
from tenor.sentiment import Scorer
from tenor.sentiment.daily import daily_sentiment
from tenor.storage.files import write_json, write_text
from tenor.store import Lake
from tenor.training.folds import fold_table, walk_forward
from tenor.training.grid import read_grid
from tenor.training.search import Search, SearchProgress
from tenor.training.search import tune as search


@dataclass(frozen=True)
class Ablated:
    """The ablation by horizon, and the folds it was made on, as a table of dates."""

    horizons: dict[int, Ablation]
    folds: str

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {"folds": self.folds.splitlines(), "horizons": [a.to_json() for a in self.horizons.values()]}


def ablate(
    store: str,
    config: Config,
    *,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    texts: Scoring | None = None,
    report: Path | None = None,
) -> Ablated:
    """Walk forward with sentiment, without it, and with it shuffled across days: same folds, same seeds.

    Parameters
    ----------
    report
        The HTML file to write, if any.

    Raises
    ------
    DataError
        The lake has neither news nor sentiment.
    """
    lake = Lake(store)
    bars = lake.bars(config.symbols or None, calendar=config.features.calendar)
    sentiment = score(lake, config.sentiment, calendar=config.features.calendar, progress=texts)
    if sentiment is None:
        raise DataError(f"{store} has neither news nor sentiment to leave out: import some with 'tenor data import'.")
    features = replace(config.features, sentiment=True)
    panel = build(bars, sentiment, features)
    plain = build(bars, None, replace(features, sentiment=False))
    splits = walk_forward(panel.sessions, config.folds, purge=max(panel.horizons))
    found = compare_with_and_without(
        panel,
        plain,
        splits,
        features=features,
        model=config.model,
        training=config.training,
        kept=registry_of(store).folder,
        workers=workers,
        progress=progress,
    )
    table = fold_table(panel.sessions, splits)
    if report is not None:
        write_ablation(report, found, table, about=_about(config, panel.symbols))
    return Ablated(found, table)


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
    report: Path | None = None,
) -> Tuned:
    """Search the grid on walk-forward folds before the test part, and write the best config to `out`.

    Parameters
    ----------
    report
        The HTML file to write, if any.

    Raises
    ------
    ConfigError
        An impossible grid, or `out` is there already.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already: name another file with --out, or remove it.")
    wanted = read_grid(grid_file, grid)
    lake = Lake(store)
    bars = lake.bars(config.symbols or None, calendar=config.features.calendar)
    # a grid may switch sentiment on even where the config has it off
    sentiment = score(lake, config.sentiment, calendar=config.features.calendar, progress=texts)
    found = search(
        bars,
        wanted,
        cache=registry_of(store).folder / "tuning",
        sentiment=sentiment,
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
    best = found.best_toml(around=to_mapping(config))
    write_text(out, best)
    if report is not None:
        write_tuning(report, found, toml=best, about=_about(config, tuple(bars.frame["symbol"].unique())))
    return Tuned(found, out)


def _about(config: Config, symbols: Sequence[str]) -> dict[str, str]:
    return {
        "Symbols": str(len(symbols)),
        "Network": ", ".join(f"{key} {value}" for key, value in to_mapping(config.model).items()),
        "Training": ", ".join(f"{key} {value}" for key, value in to_mapping(config.training).items()),
    }


def benchmark(
    name: str,
    data: Path,
    *,
    out: Path | None,
    train_end: str | None,
    valid_end: str | None,
    test_end: str | None,
    workers: int,
    progress: Told,
    store: str,
    seeds: int = 10,
    text: bool = True,
    texts: Scoring | None = None,
) -> BenchmarkResult:
    """Run the benchmark `name` on its published folder, and write the result to `out` as JSON.

    Each seed is kept beside the models of `store` when it is done: the same call, after a kill, goes on with the rest.

    Parameters
    ----------
    seeds
        How many are trained; the protocols ask for ten.
    text
        Of glt, whether the folder's tweets are scored and used.

    Raises
    ------
    ConfigError
        An unknown benchmark, or one without the dates that it needs.
    DataError
        Not such a folder.
    """
    kept = registry_of(store).folder / "benchmark"
    if name in ("acl18", "kdd17"):
        if train_end or valid_end or test_end:
            raise ConfigError(f"{name} has the dates of its protocol: leave out --train-end, --valid-end, --test-end.")
        run = acl18 if name == "acl18" else kdd17
        result = run(data, seeds=range(seeds), workers=workers, progress=progress, kept=kept)
    elif name == "glt":
        if not (train_end and valid_end):
            raise ConfigError("glt needs --train-end and --valid-end, days as YYYY-MM-DD.")
        result = glt(
            data,
            train_end=train_end,
            valid_end=valid_end,
            test_end=test_end,
            seeds=range(seeds),
            workers=workers,
            progress=progress,
            text=_sentiment_of(data, store, texts) if text else None,
            kept=kept,
        )
    else:
        hint = did_you_mean(name, ("acl18", "kdd17", "glt")) or " There are acl18, kdd17 and glt."
        raise ConfigError(f"unknown benchmark {name!r}.{hint}")
    if out is not None:
        write_json(out, result.to_json())
    return result


def _sentiment_of(folder: Path, store: str, progress: Scoring | None) -> DailySentiment | None:
    """The sentiment of a GLT folder's tweets, each scored once and remembered in the lake; None where it has none."""
    news = read_glt_news(folder)
    if news is None:
        return None
    scores = Scorer.load().score(news.frame["text"].tolist(), cache=Lake(store).score_cache(), progress=progress)
    return daily_sentiment(news, scores)


def leakcheck(store: str, function: str, *, calendar: str) -> LeakReport:
    """Whether the feature function ``path/to/file.py:name`` sees the future of the lake's bars, sentiment or news."""
    lake = Lake(store)
    bars, sentiment = lake.bars(calendar=calendar), lake.sentiment(calendar=calendar)
    return leakcheck_function(function, bars, sentiment=sentiment, news=lake.news(), calendar=calendar)
