"""Train anew for every fold, forecast the fold's test part, and judge all test parts together.

Folds and seeds are independent of each other, so that all their networks train side by side. A fitted fold is kept in
a folder named by a hash of all it depends on: a run that was killed goes on where it stopped, and one with another
config, other dates or other data never finds it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from tenor.config import FeatureConfig, ModelConfig, TrainConfig, to_mapping
from tenor.errors import ConfigError, HistoryError, ModelError
from tenor.evaluation import conformal
from tenor.evaluation.baselines import fit_baselines
from tenor.features import Scaler
from tenor.inference.cells import usable
from tenor.schema import Bool, Panel, Predictions
from tenor.training import Forecaster, Split, checkpoint, fit
from tenor.training.folds import fold_table
from tenor.training.parallel import available_cores, train_seeds
from tenor.training.sequences import Sequences
from tenor.training.trainer import Task

FORMAT = 1

Rival = Callable[[Panel, Split], Mapping[str, Predictions]]
"""Fits other models on a split of a panel that ends with its test part, and lets them predict that part."""


class FoldProgress(Protocol):
    """Told of every network that is done, in the caller's own process and thread."""

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` networks (folds times seeds) are trained; those kept by an earlier run count at once."""


@dataclass(frozen=True)
class Fold:
    """One fold and the forecaster fitted on its training and validation parts."""

    split: Split
    forecaster: Forecaster


@dataclass(frozen=True)
class WalkForward:
    """Forecasts of the test parts of all folds, each by the model that was trained before its part.

    Judge them with ``evaluate(walk.judged(panel), walk.rows, walk.predictions)``.

    Attributes
    ----------
    folds
        In order of time.
    predictions
        The model first, then the baselines, over the whole panel; NaN outside the test parts.
    seeds
        Seed -> what its networks alone say; likewise.
    adaptive
        The model's own, with intervals by `conformal.adapt` in each fold; None where they were not asked for, or
        where a fold's validation part is too short for them.
    rows
        All test parts, which follow each other without a gap.
    mask
        [session, symbol]; the cells of the test parts that the model forecasts.
    table
        The folds as a table of dates.
    """

    folds: tuple[Fold, ...]
    predictions: dict[str, Predictions]
    seeds: dict[int, Predictions]
    adaptive: Predictions | None
    rows: slice
    mask: Bool
    table: str

    @property
    def name(self) -> str:
        """The model's name in `predictions`."""
        return next(iter(self.predictions))

    def judged(self, panel: Panel) -> Panel:
        """`panel` with only the cells that count."""
        return replace(panel, mask=self.mask)


def walk(
    panel: Panel,
    splits: Sequence[Split],
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    baselines: Sequence[str] | None = None,
    rivals: Sequence[Rival] = (),
    adaptive: bool = False,
    kept: Path | None = None,
    workers: int | None = None,
    progress: FoldProgress | None = None,
) -> WalkForward:
    """Fit every fold of `splits`, and the baselines with it, and pool what they say of the test parts.

    Nothing after a fold's test part is looked at for it, and nothing after its validation part in fitting.

    Parameters
    ----------
    panel
        Unscaled, built with `features`.
    splits
        As `tenor.training.folds.walk_forward` cuts them: test parts follow each other without a gap.
    baselines
        Names as in `fit_baselines`; all of them if None.
    rivals
        Others that are fitted for every fold.
    adaptive
        Also give the model adaptive intervals, warmed up on each fold's validation part.
    kept
        A folder for fitted folds and unfinished networks, so that a killed run resumes; None keeps nothing.
    workers
        Processes that train networks side by side; None is one a core.

    Raises
    ------
    ConfigError
        No fold, or test parts that overlap or leave a gap.
    HistoryError
        A fold's part has no cell to train, validate or fit a baseline on.
    """
    _check(panel, splits)
    with tempfile.TemporaryDirectory(prefix="tenor-") as passing:
        root = Path(passing) if kept is None else kept
        forecasters = _fit_all(panel, splits, features, model, training, root, workers, progress)
    pooled = _Pool(panel)
    for split, forecaster in zip(splits, forecasters, strict=True):
        seen = panel.between(0, split.test.stop)
        said = {forecaster.name: forecaster.predict(seen)} | fit_baselines(seen, split, names=baselines)
        if adaptive:
            cells = replace(seen, mask=usable(seen, model.lookback))
            try:
                said[_ADAPTIVE] = conformal.adapt(cells, said[forecaster.name], valid=split.valid, rows=split.test)
            except HistoryError:  # one fold's validation part has too few cells to warm up on: nothing to pool
                adaptive = False
        for rival in rivals:
            said |= rival(seen, split)
        each = zip(training.seeds, forecaster.predict_each(seen), strict=True)
        pooled.take(split.test, said | {f"seed {seed}": one for seed, one in each})
    rows = slice(splits[0].test.start, splits[-1].test.stop)
    mask = np.zeros_like(panel.mask)
    mask[rows] = usable(panel, model.lookback)[rows]
    predictions = pooled.predictions()
    adapted = predictions.pop(_ADAPTIVE, None)
    return WalkForward(
        folds=tuple(Fold(split, one) for split, one in zip(splits, forecasters, strict=True)),
        seeds={seed: predictions.pop(f"seed {seed}") for seed in training.seeds},
        adaptive=adapted if adaptive else None,
        predictions=predictions,
        rows=rows,
        mask=mask,
        table=fold_table(panel.sessions, splits),
    )


_ADAPTIVE = "with adaptive intervals"


class _Pool:
    """Puts predictions of one part after another in place; NaN elsewhere."""

    def __init__(self, panel: Panel) -> None:
        self._shape = panel.targets.shape
        self._models: dict[str, Predictions] = {}

    def take(self, rows: slice, said: dict[str, Predictions]) -> None:
        for name, one in said.items():
            whole = self._models.setdefault(name, self._blank(one))
            for ours, theirs in zip(_arrays(whole), _arrays(one), strict=True):
                if ours is not None and theirs is not None:
                    ours[rows] = theirs[rows]

    def predictions(self) -> dict[str, Predictions]:
        return dict(self._models)

    def _blank(self, like: Predictions) -> Predictions:
        mean, p_up, lower, upper = (
            None if a is None else np.full(self._shape, np.nan, dtype=np.float32) for a in _arrays(like)
        )
        assert mean is not None
        assert p_up is not None
        return Predictions(like.model, mean, p_up, lower, upper)


def _arrays(said: Predictions) -> tuple[np.ndarray | None, ...]:
    return said.mean, said.p_up, said.lower, said.upper


def _check(panel: Panel, splits: Sequence[Split]) -> None:
    if not splits:
        raise ConfigError("no fold to walk: cut the sessions with walk_forward first.")
    for before, after in itertools.pairwise(splits):
        if after.test.start != before.test.stop:
            first, last = (f"{panel.sessions[row]:%Y-%m-%d}" for row in (before.test.stop - 1, after.test.start))
            raise ConfigError(
                f"the test part of a fold ends on {first} and that of the next starts on {last}: test parts must "
                "follow each other without gap or overlap; cut them with walk_forward."
            )


def _fit_all(
    panel: Panel,
    splits: Sequence[Split],
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    root: Path,
    workers: int | None,
    progress: FoldProgress | None,
) -> list[Forecaster]:
    folders = [root / "folds" / key(panel, split, features, model, training) for split in splits]
    fitted = [_kept(folder) for folder in folders]
    missing = [split for split, one in zip(splits, fitted, strict=True) if one is None]
    counter = _Counter(progress, total=len(splits) * len(training.seeds), left=len(missing) * len(training.seeds))
    checkpoints = root / "checkpoints"
    # All networks of all folds train side by side up to their last checkpoint; `fit` then finds them finished, so
    # that cores do not wait for the last seed of each fold.
    tasks = [task for split in missing for task in _tasks(panel, split, model, training)]
    prints = {id(task.data): task.data.fingerprint() for task in tasks}
    places = [checkpoints / checkpoint.folder_name(task, prints[id(task.data)]) for task in tasks]
    if tasks:
        train_seeds(tasks, places, workers=workers or available_cores(), progress=counter)
    done: list[Forecaster] = []
    for split, folder, one in zip(splits, folders, fitted, strict=True):
        if one is None:
            one = fit(
                panel,
                split,
                features=features,
                model=model,
                training=training,
                checkpoints=checkpoints,
                workers=1,
            )
            one.save(folder)
        done.append(one)
    return done


def _tasks(panel: Panel, split: Split, model: ModelConfig, training: TrainConfig) -> list[Task]:
    """What `fit` will train; if it ever prepares data differently, it finds no checkpoint and trains by itself."""
    rows = panel.between(0, split.valid.stop)
    scaled = Scaler.fit(rows, split.train).transform(rows)
    data = Sequences.of(scaled, lookback=model.lookback, clip=training.target_clip)
    return [Task(data, split.train, split.valid, model, training, seed) for seed in training.seeds]


def _kept(folder: Path) -> Forecaster | None:
    """The forecaster saved in `folder`; None where there is none that is whole."""
    try:
        return Forecaster.load(folder)
    except ModelError:
        return None


def key(panel: Panel, split: Split, features: FeatureConfig, model: ModelConfig, training: TrainConfig) -> str:
    """A hash of all that the fitted forecaster of a fold depends on: configs, dates, versions and data."""
    seen = panel.between(0, split.valid.stop)
    digest = hashlib.sha256()
    for array in (seen.values, seen.mask, seen.targets, seen.volatility):
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    about = {
        "format": FORMAT,
        "versions": [version("tenor"), torch.__version__],
        "features": to_mapping(features),
        "model": to_mapping(model),
        "training": to_mapping(training),
        "split": {name: list(days) for name, days in split.dates(panel.sessions).items()},
        "columns": list(panel.features),
        "symbols": list(panel.symbols),
        "data": digest.hexdigest(),
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


class _Counter:
    """Turns word of epochs into a count of networks that are done."""

    def __init__(self, progress: FoldProgress | None, *, total: int, left: int) -> None:
        self._progress, self._total, self._done = progress, total, total - left
        self._tell()

    def __call__(self, seed: int, epoch: int, epochs: int, train_loss: float, valid_loss: float) -> None:
        del seed, train_loss, valid_loss
        if epoch == epochs:
            self._done += 1
            self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total)
