"""Trains tenor's model for a benchmark: the attention LSTM, on labelled samples, with the epoch of best validation MCC.

Training is that of `tenor.training`, with two differences required by the protocols: only labelled cells enter the
loss, and the epoch is the one with the best mean MCC on the validation samples. Test labels are not used here.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch

from tenor import metrics
from tenor.benchmarks.protocol import Samples, confusion
from tenor.config import FeatureConfig, ModelConfig, TrainConfig, to_mapping
from tenor.engines.local import end_idle_processes
from tenor.errors import ConfigError
from tenor.features import Scaler
from tenor.inference.cells import usable
from tenor.model.reproducible import reproducible
from tenor.schema import Bool, Float32, Panel
from tenor.storage.files import content_key, write_whole
from tenor.training.forecaster import outputs
from tenor.training.sequences import Sequences
from tenor.training.trainer import Task, Trainer

BenchmarkProgress = Callable[[int, int, int, float, float], None]
"""Called with seed, epoch, number of epochs, training loss and validation MCC."""

CACHE_FORMAT = 2


def direction_training(*, epochs: int) -> TrainConfig:
    """Training settings of tenor's model for the published benchmarks, which score only the direction."""
    return TrainConfig(
        epochs=epochs,
        learning_rate=1e-3,
        burn_in=30,
        segments_per_step=16,
        risk_weight=0.0,
        return_weight=1.0,
        direction_weight=2.0,
    )


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings:
    """All settings of tenor's model on one benchmark.

    Attributes
    ----------
    features, model, training
        The usual settings. In `training`, `seeds` are replaced and `patience` is not used: all epochs are run.
    market_means
        Whether to add the cross-sectional mean of each feature that is computed from a symbol's own bars.
    trailing
        Rolling window, in sessions: the mean over it, up to the present session, of the daily median logit over symbols
        is subtracted from the logits. No label is used. None subtracts nothing.
    train_from
        First session of the training part, YYYY-MM-DD, if it is not that of the protocol.
    """

    features: FeatureConfig
    model: ModelConfig
    training: TrainConfig
    market_means: bool = False
    trailing: int | None = None
    train_from: str | None = None


@dataclass(frozen=True, eq=False)
class SeedLogits:
    """The logits of one seed in all epochs.

    Attributes
    ----------
    seed
        Seed of the random generator.
    logit
        [epoch, session, symbol] float32; NaN where there is no prediction.
    curve
        Validation MCC of each epoch.
    """

    seed: int
    logit: Float32
    curve: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class BenchmarkSeed:
    """One seed at the epoch chosen by validation.

    Attributes
    ----------
    seed
        Seed of the random generator.
    p_up
        [session, symbol] float32; P(up), NaN where there is no prediction.
    curve
        Validation MCC of each epoch.
    epoch
        The chosen epoch, counted from 1.
    """

    seed: int
    p_up: Float32
    curve: tuple[float, ...]
    epoch: int


@dataclass(frozen=True)
class SeedCache:
    """Cache of trained seeds, one file each: ``FOLDER/SEED.npz``. Files are written atomically.

    Attributes
    ----------
    folder
        Folder of one configuration on one data set.
    owner
        Id of the process that started the run.
    """

    folder: Path
    owner: int

    @classmethod
    def of(cls, root: Path, panel: Panel, samples: Samples, settings: dict[str, Any]) -> SeedCache:
        """The cache, below `root`, of `settings` on this data; other data, parts or versions have another folder."""
        arrays = (panel.values, panel.mask, panel.targets, panel.volatility, samples.label)
        description = {
            "format": CACHE_FORMAT,
            "versions": [version("tenor"), torch.__version__],
            "parts": [[part.start, part.stop] for part in (samples.train, samples.valid, samples.test)],
            "settings": settings,
            "arrays": [[list(array.shape), array.dtype.str] for array in arrays],
        }
        return cls(root / content_key(description, *(np.ascontiguousarray(array) for array in arrays)), os.getpid())

    def load(self, seed: int) -> SeedLogits | None:
        """The saved `seed`; None if there is none, or it can't be read."""
        try:
            with np.load(self.folder / f"{seed}.npz", allow_pickle=False) as arrays:
                return SeedLogits(seed, arrays["logit"], tuple(map(float, arrays["curve"])))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, trained: SeedLogits) -> None:
        """Save a seed."""
        data = io.BytesIO()
        np.savez(data, logit=trained.logit, curve=np.asarray(trained.curve))
        write_whole(self.folder / f"{trained.seed}.npz", data.getvalue())

    def orphaned(self) -> bool:
        """Whether this process trains for an owner process that has ended."""
        return os.getpid() != self.owner and os.getppid() != self.owner


def train_benchmark(
    panel: Panel,
    samples: Samples,
    settings: BenchmarkSettings,
    *,
    seeds: Sequence[int],
    workers: int,
    progress: BenchmarkProgress | None = None,
    cache: Path | None = None,
) -> list[BenchmarkSeed]:
    """Train one network per seed, choose the epoch by validation, and predict every cell of `panel` with each network.

    Parameters
    ----------
    panel, samples
        Unscaled features, and the labelled cells of the same grid.
    settings, seeds
        Settings of the model, and seeds to train.
    workers
        Number of processes.
    progress
        Called after each epoch with one worker, and after each seed with several.
    cache
        Folder in which each finished seed is saved: after a killed run, the same call trains only the others.

    Returns
    -------
    list of BenchmarkSeed
        One entry per seed, in the order of `seeds`.

    Raises
    ------
    ConfigError
        No training or validation sample has the history that the model reads.
    """
    scaler = Scaler.fit(panel.between(0, samples.valid.stop), samples.train)
    scaled = scaler.transform(panel)
    learned = labelled_only(scaled, samples).between(0, samples.valid.stop)
    data = Sequences.of(learned, lookback=settings.model.lookback, clip=settings.training.target_clip)
    label = samples.label[samples.valid].copy()
    _require_history(data, samples)

    def task(seed: int) -> Task:
        # patience is never reached, so that all epochs are candidates
        training = replace(settings.training, seeds=(seed,), patience=settings.training.epochs)
        return Task(data, samples.train, samples.valid, settings.model, training, seed)

    store = None
    if cache is not None:
        # seeds are the file names; the other seeds of a run do not affect a seed
        plain = to_mapping(replace(settings, training=replace(settings.training, seeds=(0,))))
        store = SeedCache.of(cache, panel, samples, plain)
    missing = [seed for seed in seeds if store is None or store.load(seed) is None]
    if min(workers, len(missing)) <= 1:
        return choose_epoch([_train_or_load(task(s), scaled, label, settings.trailing, progress, store) for s in seeds])
    trained = []
    end_idle_processes()
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator")
    calls = (joblib.delayed(_train_or_load)(task(s), scaled, label, settings.trailing, None, store) for s in seeds)
    for one in parallel(calls):
        if progress is not None:
            progress(one.seed, len(one.curve), len(one.curve), math.nan, max(one.curve))
        trained.append(one)
    return choose_epoch(trained)


def choose_epoch(trained: Sequence[SeedLogits]) -> list[BenchmarkSeed]:
    """All seeds at the epoch with the best validation MCC, averaged over the seeds.

    One epoch for all, because the best epoch of one seed on two months of validation is mostly luck.
    """
    epoch = int(np.argmax(np.mean([seed.curve for seed in trained], axis=0)))
    chosen = []
    for seed in trained:
        p_up = 1.0 / (1.0 + np.exp(-seed.logit[epoch].astype("float64")))
        chosen.append(BenchmarkSeed(seed.seed, p_up.astype("float32"), seed.curve, epoch + 1))
    return chosen


def _train_or_load(
    task: Task,
    scaled: Panel,
    label: Float32,
    trailing: int | None,
    progress: BenchmarkProgress | None,
    cache: SeedCache | None,
) -> SeedLogits:
    """The seed of `task`, from `cache` or trained; `label` is that of the validation rows."""
    if cache is not None and (saved := cache.load(task.seed)) is not None:
        if progress is not None:
            progress(task.seed, len(saved.curve), len(saved.curve), math.nan, saved.curve[-1])
        return saved
    predictable: Bool = usable(scaled, task.model.lookback)
    epochs = task.training.epochs
    logit: Float32 = np.empty((epochs, *predictable.shape), dtype="float32")
    curve: list[float] = []
    with reproducible():
        trainer = Trainer(task)
        for epoch in range(epochs):
            trainer.run_epoch()
            trainer.net.eval()
            raw = np.where(predictable, outputs(trainer.net, scaled)["up_logit"][:, :, 0], np.float32(np.nan))
            logit[epoch] = raw if trailing is None else centred(raw, trailing)
            curve.append(valid_mcc(logit[epoch, task.valid], label))
            if progress is not None:
                progress(task.seed, epoch + 1, epochs, trainer.history.train[-1], curve[-1])
            if cache is not None and cache.orphaned():  # the result is not needed any more
                os._exit(1)
    trained = SeedLogits(task.seed, logit, tuple(curve))
    if cache is not None:
        cache.save(trained)
    return trained


def centred(logit: Float32, sessions: int) -> Float32:
    """`logit` [session, symbol] minus the mean of its daily medians over the last `sessions`, the present included.

    In the first sessions the window is shorter; a session without a prediction is left out of the mean.
    """
    level = pd.DataFrame(logit).median(axis=1).rolling(sessions, min_periods=1).mean().to_numpy("float32")
    return np.asarray(logit - level[:, None], dtype="float32")


def valid_mcc(logit: Float32, label: Float32) -> float:
    """MCC of `logit` > 0 against `label` (1 up, 0 down, NaN no sample), both [session, symbol]."""
    tp, fp, tn, fn = confusion(logit > 0, label)
    return float(metrics.mcc_of_counts(tp.sum(), fp.sum(), tn.sum(), fn.sum()))


def labelled_only(panel: Panel, samples: Samples) -> Panel:
    """`panel` with targets only in the cells of training and validation samples."""
    labelled: Bool = np.zeros(samples.label.shape, dtype=bool)
    for rows in (samples.train, samples.valid):
        labelled[rows] = np.isfinite(samples.label[rows])
    return replace(panel, targets=np.where(labelled[:, :, None], panel.targets, np.float32(np.nan)))


def _require_history(data: Sequences, samples: Samples) -> None:
    for name, rows in (("training", samples.train), ("validation", samples.valid)):
        if not data.known[:, rows].any():
            raise ConfigError(
                f"benchmark: no {name} sample has the history that the model reads: the folder needs bars from well "
                "before the first training session."
            )
