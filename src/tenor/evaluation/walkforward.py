"""Retrain for every fold, predict the fold's test part, and pool the predictions of all test parts.

Folds and seeds are independent of each other, so that all their networks train in parallel. A fitted fold is saved in a
folder named by a hash of everything that it depends on: a killed run resumes, and a run with another config, other
dates or other data never uses it.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from tenor.config import FeatureConfig, ModelConfig, TrainConfig, to_mapping
from tenor.distribution import Risk
from tenor.engines import Workers, engine_of
from tenor.errors import ConfigError, HistoryError, ModelError
from tenor.evaluation.baselines import fit_baselines
from tenor.inference.cells import usable
from tenor.inference.conformal import adapt
from tenor.inference.news_effect import read_by_network
from tenor.model.admission import admit
from tenor.schema import Bool, Float32, Panel, Predictions
from tenor.storage.files import content_key
from tenor.training import Forecaster, Split, checkpoint, fit
from tenor.training.device import settled
from tenor.training.fit import prepare
from tenor.training.folds import fold_table
from tenor.training.parallel import train_seeds
from tenor.training.trainer import Task

FOLD_FORMAT = 5
"""Version of the format of saved folds; after a change, earlier ones are not used."""

Comparator = Callable[[Panel, Split], Mapping[str, Predictions]]
"""Fits other models on a split of a panel that ends with its test part, and predicts that part."""


class FoldProgress(Protocol):
    """Called for every finished network, in the process and thread of the caller."""

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` networks (folds times seeds) are trained, including those of an earlier run."""


@dataclass(frozen=True)
class Fold:
    """One fold and the forecaster fitted on its training and validation parts."""

    split: Split
    forecaster: Forecaster


@dataclass(frozen=True)
class WalkForward:
    """Predictions of the test parts of all folds, each by the model that was trained on earlier sessions.

    Evaluate them with ``evaluate(walk.counted(panel), walk.rows, walk.predictions)``.

    Attributes
    ----------
    folds
        The folds, in order of time.
    predictions
        Predictions over the whole panel, by name, the model first, then the baselines; NaN outside of the test parts.
    seeds
        Predictions of the networks of a single seed, by seed, likewise.
    adaptive
        Predictions of the model, with adaptive intervals by `tenor.inference.conformal.adapt` in each fold; None if
        they were not requested, or if a fold's validation part is too short for them.
    rows
        All test parts, as one slice: they follow each other without a gap.
    mask
        [session, symbol]; the cells of the test parts that the model predicts.
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

    def counted(self, panel: Panel) -> Panel:
        """`panel` with only the cells that count in its mask."""
        return replace(panel, mask=self.mask)


def walk(
    panel: Panel,
    splits: Sequence[Split],
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    baselines: Sequence[str] | None = None,
    comparators: Sequence[Comparator] = (),
    adaptive: bool = False,
    cache: Path | None = None,
    workers: Workers = None,
    progress: FoldProgress | None = None,
) -> WalkForward:
    """Fit the model and the baselines in every fold of `splits`, and pool their predictions of the test parts.

    Data after a fold's test part are never used for the fold, and data after its validation part never for fitting.

    Parameters
    ----------
    panel
        The unscaled panel, built with `features`.
    splits
        The folds, as from `tenor.training.folds.walk_forward`: test parts follow each other without a gap.
    features, model, training
        Settings of the model.
    baselines
        Names as in `fit_baselines`; all of them if None.
    comparators
        Other models that are fitted for every fold.
    adaptive
        Whether to compute adaptive intervals of the model, warmed up on each fold's validation part.
    cache
        Folder for fitted folds and unfinished networks, so that a killed run resumes; None saves nothing.
    workers
        Number of processes that train networks in parallel; None means one for each CPU core.
    progress
        Called for every finished network.

    Returns
    -------
    WalkForward
        The pooled predictions, and the folds.

    Raises
    ------
    ConfigError
        There is no fold, test parts overlap or leave a gap, or the user's network can't be used.
    HistoryError
        A fold's part has no cell to train, validate or fit a baseline on.
    """
    _check(panel, splits)
    networks = len(splits) * len(training.seeds)
    training = settled(training, model, engine_of(workers), cells=panel.mask.size, networks=networks)
    with tempfile.TemporaryDirectory(prefix="tenor-") as temporary:
        root = Path(temporary) if cache is None else cache
        forecasters = _fit_all(panel, splits, features, model, training, root, workers, progress)
    pooled = Pool(panel)
    for split, forecaster in zip(splits, forecasters, strict=True):
        past = panel.between(0, split.test.stop)  # rows after the test part are not available from here on
        together, alone = forecaster.predict_with_each(past)
        of_fold = {forecaster.name: together} | fit_baselines(past, split, names=baselines, workers=workers)
        if adaptive:
            cells = replace(past, mask=usable(past, model.lookback))
            try:
                of_fold[_ADAPTIVE] = adapt(cells, of_fold[forecaster.name], valid=split.valid, rows=split.test)
            except HistoryError:  # one fold's validation part has too few cells to warm up on: nothing to pool
                adaptive = False
        for comparator in comparators:
            of_fold |= comparator(past, split)
        for seed, of_seed in zip(training.seeds, alone, strict=True):
            of_fold[_seed_name(seed)] = of_seed
        pooled.add(split.test, of_fold)
    rows = slice(splits[0].test.start, splits[-1].test.stop)
    mask = np.zeros_like(panel.mask)
    mask[rows] = usable(panel, model.lookback)[rows]
    predictions = pooled.predictions()
    adapted = predictions.pop(_ADAPTIVE, None)
    return WalkForward(
        folds=tuple(Fold(split, forecaster) for split, forecaster in zip(splits, forecasters, strict=True)),
        seeds={seed: predictions.pop(_seed_name(seed)) for seed in training.seeds},
        adaptive=adapted if adaptive else None,
        predictions=predictions,
        rows=rows,
        mask=mask,
        table=fold_table(panel.sessions, splits),
    )


_ADAPTIVE = "with adaptive intervals"
"""The name under which a fold's predictions with adaptive intervals are pooled."""


def _seed_name(seed: int) -> str:
    return f"seed {seed}"


class Pool:
    """Collects the predictions of one part after another; NaN elsewhere."""

    def __init__(self, panel: Panel) -> None:
        self._shape = panel.targets.shape
        self._models: dict[str, Predictions] = {}

    def add(self, rows: slice, predictions: Mapping[str, Predictions]) -> None:
        """Copy `rows` of each model's predictions."""
        for name, part in predictions.items():
            whole = self._models.setdefault(name, self._blank(part))
            whole.mean[rows] = part.mean[rows]
            whole.p_up[rows] = part.p_up[rows]
            if whole.lower is not None and part.lower is not None:
                whole.lower[rows] = part.lower[rows]
            if whole.upper is not None and part.upper is not None:
                whole.upper[rows] = part.upper[rows]
            if whole.risk is not None and part.risk is not None:
                whole.risk.fill(rows, part.risk)

    def predictions(self) -> dict[str, Predictions]:
        """Model -> its predictions over the whole panel."""
        return dict(self._models)

    def _blank(self, like: Predictions) -> Predictions:
        """Predictions that are NaN everywhere, with bounds if `like` has them."""
        return Predictions(
            like.model,
            self._nans(),
            self._nans(),
            None if like.lower is None else self._nans(),
            None if like.upper is None else self._nans(),
            None if like.risk is None else Risk.blank(self._shape),
        )

    def _nans(self) -> Float32:
        return np.full(self._shape, np.nan, dtype=np.float32)


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
    workers: Workers,
    progress: FoldProgress | None,
) -> list[Forecaster]:
    admit(model, len(read_by_network(panel, model).features), len(panel.horizons), sessions=len(panel.sessions))
    folders = [root / "folds" / fold_key(panel, split, features, model, training) for split in splits]
    saved = [_load(folder) for folder in folders]
    missing = [split for split, forecaster in zip(splits, saved, strict=True) if forecaster is None]
    counter = _Counter(progress, total=len(splits) * len(training.seeds), left=len(missing) * len(training.seeds))
    checkpoints = root / "checkpoints"
    # All networks of all folds train in parallel up to their last checkpoint; `fit` then finds them finished, so
    # that cores do not wait for the last seed of each fold.
    tasks: list[Task] = []
    places: list[Path] = []
    for split in missing:
        of_fold = prepare(panel, split, model, training).tasks
        fingerprint = of_fold[0].data.fingerprint()  # all seeds of a fold share their data, which is slow to hash
        tasks += of_fold
        places += [checkpoints / checkpoint.folder_name(task, fingerprint) for task in of_fold]
    if tasks:
        train_seeds(tasks, places, engine=engine_of(workers), progress=counter)
    forecasters: list[Forecaster] = []
    for split, folder, forecaster in zip(splits, folders, saved, strict=True):
        if forecaster is None:
            forecaster = fit(
                panel,
                split,
                features=features,
                model=model,
                training=training,
                checkpoints=checkpoints,
                workers=1,
            )
            forecaster.save(folder)
        forecasters.append(forecaster)
    return forecasters


def _load(folder: Path) -> Forecaster | None:
    """The forecaster saved in `folder`; None if there is none, or it is incomplete."""
    try:
        return Forecaster.load(folder)
    except ModelError:
        return None


def fold_key(panel: Panel, split: Split, features: FeatureConfig, model: ModelConfig, training: TrainConfig) -> str:
    """A hash of everything that the fitted forecaster of a fold depends on: configs, dates, versions and data."""
    past = panel.between(0, split.valid.stop)
    parts = (past.values, past.mask, past.targets, past.volatility, past.variance, past.log_variance)
    arrays = [np.ascontiguousarray(array) for array in parts]
    settings = {
        "format": FOLD_FORMAT,
        "versions": [version("tenor"), torch.__version__],
        "features": to_mapping(features),
        "model": to_mapping(model),
        "training": to_mapping(training),
        "split": {name: list(days) for name, days in split.dates(panel.sessions).items()},
        "columns": list(panel.features),
        "symbols": list(panel.symbols),
        # the bytes alone would not distinguish a matrix from a reshaped one
        "arrays": [[list(array.shape), array.dtype.str] for array in arrays],
    }
    return content_key(settings, *arrays)


class _Counter:
    """Converts the progress of epochs into the number of finished networks."""

    def __init__(self, progress: FoldProgress | None, *, total: int, left: int) -> None:
        self._progress, self._total, self._done = progress, total, total - left
        self._report()

    def __call__(self, seed: int, epoch: int, epochs: int, train_loss: float, valid_loss: float) -> None:
        del seed, train_loss, valid_loss
        if epoch == epochs:
            self._done += 1
            self._report()

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total)
