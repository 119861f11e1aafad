"""Our model on a benchmark: the attention LSTM, trained on the labelled samples, epoch chosen by validation MCC.

Training is that of `tenor.training`, with two differences that the protocols ask for: only labelled cells carry a
loss, and a seed keeps the epoch with the best MCC on the validation samples. No label of the test part is read here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from tenor import metrics
from tenor.benchmarks.keeping import Kept, kept_in
from tenor.benchmarks.protocol import Samples
from tenor.config import FeatureConfig, ModelConfig, TrainConfig, to_mapping
from tenor.errors import ConfigError
from tenor.features import Scaler
from tenor.inference.cells import usable
from tenor.schema import Float32, Panel
from tenor.training.forecaster import outputs
from tenor.training.parallel import end_idle_processes
from tenor.training.sequences import Sequences
from tenor.training.trainer import Task, Trainer, reproducible

Told = Callable[[int, int, int, float, float], None]
"""seed, epoch, epochs, training loss, validation MCC."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of our model on one benchmark.

    Attributes
    ----------
    features, model, training
        As everywhere. Of `training`, `seeds` are replaced and `patience` is not used: all epochs are run.
    market_means
        The cross-stock mean of every own feature beside it.
    trailing
        P(up) is said against the network's own usual level: the daily median over symbols of its logit, in the mean
        over so many sessions up to the present one, is taken off. No label takes part. None: it is not.
    train_from
        First session of the training part where it is not the protocol's, as YYYY-MM-DD.
    """

    features: FeatureConfig
    model: ModelConfig
    training: TrainConfig
    market_means: bool = False
    trailing: int | None = None
    train_from: str | None = None


@dataclass(frozen=True, eq=False)
class SeedResult:
    """One trained seed at the epoch that validation chose.

    Attributes
    ----------
    p_up
        [session, symbol] float32; P(up), NaN where the network says nothing.
    curve
        Validation MCC of each epoch.
    epoch
        The one kept, counted from 1.
    """

    seed: int
    p_up: Float32
    curve: tuple[float, ...]
    epoch: int


@dataclass(frozen=True, eq=False)
class Run:
    """One seed over all epochs: `logit` [epoch, session, symbol] float32, NaN where nothing is said."""

    seed: int
    logit: Float32
    curve: tuple[float, ...]


def train(
    panel: Panel,
    samples: Samples,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    workers: int,
    progress: Told | None = None,
    kept: Path | None = None,
) -> list[SeedResult]:
    """Train a network a seed, choose the epoch by validation, and let each say P(up) in every cell of `panel`.

    `progress` hears of a seed's epochs as they come with one worker, and when the seed is done with more. `kept` is a
    folder in which each seed is kept when it is done, so that the same call, after a kill, trains the others alone.
    """
    scaler = Scaler.fit(panel.between(0, samples.valid.stop), samples.train)
    scaled = scaler.transform(panel)
    learned = labelled_only(scaled, samples).between(0, samples.valid.stop)
    data = Sequences.of(learned, lookback=recipe.model.lookback, clip=recipe.training.target_clip)
    label = samples.label[samples.valid].copy()
    _check(data, samples)

    def task(seed: int) -> Task:
        training = replace(recipe.training, seeds=(seed,), patience=recipe.training.epochs)
        return Task(data, samples.train, samples.valid, recipe.model, training, seed)

    place = None
    if kept is not None:
        settings = to_mapping(replace(recipe, training=replace(recipe.training, seeds=(0,))))
        place = kept_in(kept, panel, samples.label, (samples.train, samples.valid, samples.test), settings)
    missing = [seed for seed in seeds if place is None or place.of(seed) is None]
    if min(workers, len(missing)) <= 1:
        return choose([_train_seed(task(seed), scaled, label, recipe.trailing, progress, place) for seed in seeds])
    done = []
    end_idle_processes()
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator")
    train_seed = joblib.delayed(_train_seed)
    for run in parallel(train_seed(task(seed), scaled, label, recipe.trailing, None, place) for seed in seeds):
        if progress is not None:
            progress(run.seed, len(run.curve), len(run.curve), math.nan, max(run.curve))
        done.append(run)
    return choose(done)


def choose(trained: Sequence[Run]) -> list[SeedResult]:
    """All seeds at the epoch whose validation MCC is best in the mean over the seeds.

    One epoch for all, because the best epoch of one seed on two months of validation is mostly luck.
    """
    epoch = int(np.argmax(np.mean([run.curve for run in trained], axis=0)))
    chosen = []
    for run in trained:
        p_up = 1.0 / (1.0 + np.exp(-run.logit[epoch].astype("float64")))
        chosen.append(SeedResult(run.seed, p_up.astype("float32"), run.curve, epoch + 1))
    return chosen


def _train_seed(
    task: Task, scaled: Panel, label: Float32, trailing: int | None, progress: Told | None, kept: Kept | None
) -> Run:
    if kept is not None and (found := kept.of(task.seed)) is not None:
        if progress is not None:
            progress(task.seed, len(found[1]), len(found[1]), math.nan, found[1][-1])
        return Run(task.seed, *found)
    said_where = usable(scaled, task.model.lookback)
    epochs = task.training.epochs
    logit: Float32 = np.empty((epochs, *said_where.shape), dtype="float32")
    curve = []
    with reproducible():
        trainer = Trainer(task)
        for epoch in range(epochs):
            trainer.run_epoch()
            trainer.net.eval()
            said = np.where(said_where, outputs(trainer.net, scaled)["up_logit"][:, :, 0], np.float32(np.nan))
            logit[epoch] = said if trailing is None else centred(said, trailing)
            curve.append(valid_mcc(logit[epoch, task.valid], label))
            if progress is not None:
                progress(task.seed, epoch + 1, epochs, trainer.history.train[-1], curve[-1])
            if kept is not None and kept.orphaned():  # nobody waits for this any more
                os._exit(1)
    if kept is not None:
        kept.keep(task.seed, logit, curve)
    return Run(task.seed, logit, tuple(curve))


def centred(logit: Float32, sessions: int) -> Float32:
    """`logit` [session, symbol] less the mean of its daily medians over the last `sessions`, the present one included.

    In the first sessions there are fewer to take the mean over; a session in which nothing is said counts for nothing.
    """
    level = pd.DataFrame(logit).median(axis=1).rolling(sessions, min_periods=1).mean().to_numpy("float32")
    return np.asarray(logit - level[:, None], dtype="float32")


def valid_mcc(logit: Float32, label: Float32) -> float:
    """MCC of `logit` > 0 against `label` (1 up, 0 down, NaN no sample), both [session, symbol]."""
    known = np.isfinite(label)
    said, rose = known & (logit > 0), known & (label > 0.5)
    counts = ((said & rose).sum(), (said & ~rose).sum(), (known & ~said & ~rose).sum(), (rose & ~said).sum())
    return float(metrics.mcc_of_counts(*counts))


def labelled_only(panel: Panel, samples: Samples) -> Panel:
    """`panel` with targets only where a sample of the training or validation part stands."""
    keep = np.zeros(samples.label.shape, dtype=bool)
    for rows in (samples.train, samples.valid):
        keep[rows] = np.isfinite(samples.label[rows])
    return replace(panel, targets=np.where(keep[:, :, None], panel.targets, np.float32(np.nan)))


def _check(data: Sequences, samples: Samples) -> None:
    for name, rows in (("training", samples.train), ("validation", samples.valid)):
        if not data.known[:, rows].any():
            raise ConfigError(
                f"benchmark: no {name} sample has the history that the model reads: the folder needs bars from well "
                "before the first training session."
            )
