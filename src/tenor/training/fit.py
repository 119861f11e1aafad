"""From a panel and its split to a Forecaster."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from tenor.config import FeatureConfig, ModelConfig, SentimentConfig, TrainConfig
from tenor.engines import Workers, engine_of
from tenor.errors import ConfigError, HistoryError
from tenor.features import Scaler
from tenor.features.own import Own
from tenor.heads import TARGETS, Calibration, Head, Outcomes, Outputs
from tenor.inference.news_effect import NewsEffect, read_by_network
from tenor.inference.recipe import Recipe, Regressions, estimated_effect
from tenor.model.admission import admit
from tenor.model.reproducible import reproducible
from tenor.schema import Panel
from tenor.training import checkpoint
from tenor.training.device import settled
from tenor.training.forecaster import Forecaster, build, mean_outputs, outputs
from tenor.training.parallel import Progress, train_seeds
from tenor.training.scratch import zeros_beside
from tenor.training.sequences import Sequences, scaled_targets
from tenor.training.split import Split
from tenor.training.trainer import Task


def fit(
    panel: Panel,
    split: Split,
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    sentiment: SentimentConfig | None = None,
    own: Own | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    workers: Workers = None,
) -> Forecaster:
    """Train one network for each seed on the training part; stop and calibrate on the validation part.

    No row after the validation part is used. On one machine the same call always gives the same weights, bit by bit,
    with any number of workers, and also if it was killed and called again with the same `checkpoints`.

    Parameters
    ----------
    panel
        The panel, unscaled, built with `features`.
    split
        The parts of the panel's sessions; its purge must be at least the longest horizon.
    features, model, training
        The settings.
    sentiment
        Settings of the panel's daily sentiment. They are saved in the model's recipe, so that forecasts use sentiment
        that is made in the same way.
    own
        The own features of the panel, saved for the same reason.
    checkpoints
        A folder for the state of unfinished seeds; the files of this call are removed when it succeeds.
    progress
        Called after every epoch.
    workers
        Processes that train seeds at the same time; None means one for each core.

    Raises
    ------
    ConfigError
        The split or the feature config does not fit the panel, the user's network can't be used, or there is no card.
    TrainingError
        The training diverged, or one of its processes was killed.
    HistoryError
        A part has no cell to train or validate on.
    """
    _check(panel, split, features)
    engine = engine_of(workers)
    training = settled(training, model, engine, cells=panel.mask.size, networks=len(training.seeds))
    width = len(read_by_network(panel, model).features)
    admit(model, width, len(panel.horizons), sessions=len(panel.sessions))
    scaler, scaled, tasks = prepare(panel, split, model, training)
    data = tasks[0].data
    _check_cells(panel, split, data, model)
    fingerprint = data.fingerprint()
    with tempfile.TemporaryDirectory(prefix="tenor-") as passing:
        root = Path(passing) if checkpoints is None else checkpoints
        folders = [root / checkpoint.folder_name(task, fingerprint) for task in tasks]
        trained = train_seeds(tasks, folders, engine=engine, progress=progress)
        with reproducible():
            weights = [{name: torch.from_numpy(value) for name, value in one.weights.items()} for one in trained]
            networks = build(weights, model, width, len(panel.horizons))
            predicted = mean_outputs(outputs(network, scaled) for network in networks)
            regressions = Regressions.of(scaled, split.valid.start, model)
            effect = estimated_effect(panel.between(0, split.valid.stop), predicted, split.valid.start, model)
            calibration = calibrate(predicted, scaled, split, data, regressions=regressions, effect=effect)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    return Forecaster(
        networks=networks,
        recipe=Recipe(
            features=features,
            # the device that scored the news is not saved with a model, which may be served on another machine
            sentiment=replace(sentiment or SentimentConfig(), device="auto"),
            model=model,
            scaler=scaler,
            calibration=calibration,
            symbols=panel.symbols,
            split=split.dates(panel.sessions),
            own=(own or Own()).carried(),
        ),
        training=training,
        history=tuple(one.history for one in trained),
        fingerprint=fingerprint,
    )


class Prepared(NamedTuple):
    """The inputs of a training.

    Attributes
    ----------
    scaler
        The scaler, fitted on the training part.
    scaled
        The panel up to the end of validation, scaled.
    tasks
        One task for each seed, all on the same data.
    """

    scaler: Scaler
    scaled: Panel
    tasks: list[Task]


def prepare(panel: Panel, split: Split, model: ModelConfig, training: TrainConfig) -> Prepared:
    """Scale `panel` up to the end of validation, and make a task for each seed; nothing is trained."""
    rows = read_by_network(panel, model).between(0, split.valid.stop)  # from here on there is no later row
    scaler = Scaler.fit(rows, split.train)
    zeros = zeros_beside(panel)
    scaled = scaler.transform(rows, zeros)
    data = Sequences.of(scaled, lookback=model.lookback, clip=training.target_clip, zeros=zeros)
    tasks = [Task(data, split.train, split.valid, model, training, seed) for seed in training.seeds]
    return Prepared(scaler, scaled, tasks)


def calibrate(
    predicted: Outputs,
    scaled: Panel,
    split: Split,
    data: Sequences,
    *,
    regressions: Regressions,
    effect: NewsEffect | None,
) -> Calibration:
    """Calibrate, on the validation part, the mean outputs `predicted` of networks that were trained on `data`.

    Parameters
    ----------
    predicted
        Mean outputs of the networks over `scaled`.
    scaled
        The panel up to the end of validation.
    split, data
        The split and the data of the training.
    regressions, effect
        Forecasts of log variance by regressions on bars, and the effect of news, over `scaled`.
    """
    news = np.zeros(scaled.log_variance.shape) if effect is None else effect.log_variance
    # not clipped, because a distribution includes the tails
    targets = dict(zip(TARGETS, (scaled_targets(scaled), scaled.log_variance), strict=True))
    known = data.known.transpose(1, 0, 2) > 0

    def outcomes(head: Head, k: int) -> Outcomes:
        place = TARGETS.index(head.target) * len(scaled.horizons) + k
        train, valid = known[split.train, :, place], known[split.valid, :, place]
        target = targets[head.target][:, :, k].astype(np.float64)
        return Outcomes(
            output=predicted[head.name][split.valid, :, k].astype(np.float64)[valid],
            linear=regressions.linear[split.valid, :, k][valid],
            target=target[split.valid][valid],
            train_target=target[split.train][train],
            returns=scaled.targets[split.valid, :, k].astype(np.float64)[valid],
            days=valid.any(axis=1).sum() / scaled.horizons[k],
            horizon=scaled.horizons[k],
            news=news[split.valid, :, k][valid],
            season=regressions.season[split.valid, :, k][valid],
        )

    return Calibration.fit(outcomes, len(scaled.horizons))


def _check(panel: Panel, split: Split, features: FeatureConfig) -> None:
    if panel.horizons != features.horizons:
        raise ConfigError(
            f"features.horizons is {list(features.horizons)} and the panel has {list(panel.horizons)}: "
            "build the panel with the config that is handed to fit."
        )
    longest = max(panel.horizons)
    gap = min(split.valid.start - split.train.stop, split.test.start - split.valid.stop)
    if gap < longest:
        raise ConfigError(
            f"the split drops {gap} sessions between its parts and the longest horizon is {longest}: targets would "
            f"reach into the next part. Cut it with purge={longest} or more."
        )
    if split.test.stop > len(panel.sessions):
        raise ConfigError(
            f"the split ends at session {split.test.stop} and the panel at {len(panel.sessions)}: cut the panel's own "
            "sessions."
        )


def _check_cells(panel: Panel, split: Split, data: Sequences, model: ModelConfig) -> None:
    dates = split.dates(panel.sessions)
    for name, rows in (("train", split.train), ("validation", split.valid)):
        cells = data.known[:, rows, : len(panel.horizons)].sum(axis=(0, 1))
        for horizon, count in zip(panel.horizons, cells, strict=True):
            if count == 0:
                first, last = dates[name]
                raise HistoryError(
                    f"too little history: the {name} part {first} … {last} has no session with all features and "
                    f"{model.lookback - 1} such sessions before it (model.lookback {model.lookback}) whose return over "
                    f"{horizon} sessions is known. Import earlier bars, move split.{name[:5]}_end, "
                    "or lower model.lookback."
                )
