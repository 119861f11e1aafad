"""Train a forecaster on the lake's bars and daily sentiment, and register it as a new version."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenor.config import Config, to_mapping
from tenor.distribution import calibrated
from tenor.engines import Engine, Workers, engine_of
from tenor.engines.device import card_name
from tenor.errors import TenorError
from tenor.evaluation.risk_metrics import qlike
from tenor.features.own.bundle import Given
from tenor.inference import usable
from tenor.lake_forecasts import LakeForecasts
from tenor.news_scoring import ScoringProgress
from tenor.pipeline.inputs import training_inputs
from tenor.pipeline.keep import keep, lake_parts
from tenor.pipeline.promote import Contest, challenge
from tenor.registry import Registry
from tenor.schema import Bars, Bool, DailySentiment, Float64, Panel, Predictions
from tenor.storage.files import json_values
from tenor.training import Forecaster, Progress, Split, chronological, fit
from tenor.training.scoring import scores
from tenor.workspace import Workspace


@dataclass(frozen=True, repr=False)
class TrainResult:
    """The result of a training: a new version.

    Attributes
    ----------
    forecaster
        The fitted model.
    folder
        The folder of its files.
    parts
        First and last day of the training, validation and test parts.
    champion
        The version in use now.
    contest
        The comparison with the previous champion, if there was one.
    left_out
        From each symbol without a session in the training part to the reason.
    verdict
        One sentence on its forecasts of the validation part, at the shortest horizon.
    """

    forecaster: Forecaster
    folder: str
    parts: str
    champion: str
    contest: Contest | None
    left_out: dict[str, str]
    verdict: str

    def __repr__(self) -> str:
        return f"TrainResult({self.forecaster!r}, champion {self.champion}: {self.parts})"

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        recipe = self.forecaster.recipe
        return {
            "version": recipe.version,
            "folder": self.folder,
            "symbols": list(recipe.symbols),
            "features": list(recipe.scaler.features),
            "split": {name: list(days) for name, days in recipe.split.items()},
            "seeds": self.forecaster.curves(),
            "champion": self.champion,
            "contest": None if self.contest is None else self.contest.to_json(),
            "left_out": self.left_out,
            "verdict": self.verdict,
        }


def train(
    store: str,
    config: Config,
    *,
    workers: Workers = None,
    progress: Progress | None = None,
    scoring: ScoringProgress | None = None,
    own: Sequence[Given] = (),
    allow_leak: bool = False,
) -> TrainResult:
    """Train on the lake's bars and daily sentiment, and register the forecaster as a new version, the ``latest``.

    It becomes the champion, the version in use, if there is none or if it beats the present one
    (`tenor.pipeline.promote.challenge`).

    Parameters
    ----------
    store
        The store, with the lake and the registry: a folder, or ``s3://bucket/prefix``.
    config
        All settings.
    workers
        How many processes train seeds at the same time (None means one for each core), or an engine, which also scores
        the news.
    progress
        Called after every epoch.
    scoring
        Called while texts are scored.
    own
        The user's own features in addition to those of ``features.own``: functions, or pairs of a name and a frame.
    allow_leak
        Train even where the leak check finds something in an own feature; the model's card records it.

    Raises
    ------
    ConfigError
        A setting can't be used.
    StoreError
        The lake can't be read, or the version can't be written.
    HistoryError
        The lake has too little history.
    LeakError
        An own feature sees the future.
    TrainingError
        The training diverged, or one of its processes was killed.
    """
    # texts are scored on a cluster if there is one; on this machine one process scores them
    workspace = Workspace(store, None if workers is None or isinstance(workers, int) else workers)
    before = lake_parts(store)
    inputs = training_inputs(workspace, config, given=own, scoring=scoring, allow_leak=allow_leak)
    config, bars, sentiment, panel = inputs.config, inputs.bars, inputs.sentiment, inputs.panel
    split = chronological(panel.sessions, config.split, purge=max(panel.horizons))
    forecaster = fit(
        panel,
        split,
        features=config.features,
        model=config.model,
        training=config.training,
        sentiment=config.sentiment,
        own=inputs.prepared.own,
        checkpoints=workspace.work / "checkpoints",
        progress=progress,
        workers=workers,
    )
    registry = workspace.registry
    card = {
        **_card(forecaster, bars, sentiment, panel, split),
        "trained_on": _trained_on(forecaster, engine_of(workers)),
    }
    version = registry.add(forecaster, {**card, **inputs.prepared.card()})
    now, contest = challenge(workspace, version)
    if now.champion is not None:
        # saves time in the first prediction; if it fails, the version is still valid
        with contextlib.suppress(TenorError):
            lake = LakeForecasts(workspace, workspace.predictor(now.champion))
            if now.champion == version:
                lake.sentiment = sentiment
            keep(workspace, lake, before)
    return TrainResult(
        forecaster,
        registry.where(version),
        split.describe(panel.sessions),
        now.champion or version,
        contest,
        _left_out(panel, split, config.model.lookback),
        card["validation"][str(panel.horizons[0])]["verdict"],
    )


def _left_out(panel: Panel, split: Split, lookback: int) -> dict[str, str]:
    """Symbols without a cell in the training part, and why."""
    trained = usable(panel, lookback)[split.train].any(axis=0)
    reasons = {}
    for i in np.flatnonzero(~trained):
        close = panel.close[split.train, i]
        close = close[np.isfinite(close)]
        if len(close) > lookback and np.ptp(close) == 0:
            reasons[panel.symbols[i]] = "its price never moved in the training part (suspended)"
        else:
            reasons[panel.symbols[i]] = f"it has too few sessions in the training part ({len(close)})"
    return reasons


def describe_config(config: Config, symbols: Sequence[str]) -> dict[str, str]:
    """The lines of a report about the settings of a study."""
    return {
        "Symbols": str(len(symbols)),
        "Network": ", ".join(f"{key} {value}" for key, value in to_mapping(config.model).items()),
        "Training": ", ".join(f"{key} {value}" for key, value in to_mapping(config.training).items()),
    }


def load(registry: Registry, version: str | None = None) -> Forecaster:
    """The forecaster of `version`, or of ``champion`` (by default), ``previous`` or ``latest``."""
    opened = registry.open(version)
    return Forecaster.from_files(opened.model(), opened.location)


def _card(
    forecaster: Forecaster, bars: Bars, sentiment: DailySentiment | None, panel: Panel, split: Split
) -> dict[str, Any]:
    """What people are shown of a model: its data, its parts, its settings, and its validation metrics."""
    recipe = forecaster.recipe
    predictions = forecaster.predict(panel)
    cells = usable(panel, recipe.lookback)
    cells[: split.valid.start] = cells[split.valid.stop :] = False
    validation = {}
    for k, horizon in enumerate(panel.horizons):
        known = cells & np.isfinite(panel.targets[:, :, k])
        validation[str(horizon)] = {
            "forecasts": int(known.sum()),
            **json_values(scored := scores(panel, predictions, known, horizon=horizon)),
            "verdict": _verdict(panel, predictions, known, split.valid, horizon, scored["mcc"]),
        }
    return {
        "name": recipe.name,
        "symbols": list(recipe.symbols),
        "horizons": list(recipe.horizons),
        "features": list(recipe.scaler.features),
        "split": {name: list(days) for name, days in recipe.split.items()},
        "validation": validation,
        "settings": {
            "features": to_mapping(recipe.features),
            "sentiment": to_mapping(recipe.sentiment),
            "model": to_mapping(recipe.model),
            "training": to_mapping(forecaster.training),
        },
        "fingerprint": forecaster.fingerprint,
        "bars": bars.fingerprint(),
        "sentiment": sentiment.fingerprint() if sentiment is not None else None,
    }


def _trained_on(forecaster: Forecaster, engine: Engine) -> dict[str, str]:
    """Where the networks were trained: the last digits of a model are those of one kind of processor or card."""
    if forecaster.training.device == "cuda":
        return {"device": "cuda", "name": card_name()}
    return {"device": "cpu", "name": engine.processor}


def _verdict(panel: Panel, predictions: Predictions, known: Bool, rows: slice, horizon: int, mcc: float) -> str:
    """One sentence on the forecasts of the validation part, `known`, [session, symbol]; shown with every forecast.

    The level of the EWMA's variance is set on the same sessions as that of the model's, so that both are right on
    average, and the loss compares how they change.
    """
    k = panel.horizon_index(horizon)
    moved = np.where(panel.volatility > 0, panel.volatility, np.nan)
    ewma = np.repeat(2 * np.log(moved)[:, :, None], len(panel.horizons), axis=2).astype("float32")
    baseline = calibrated(ewma, panel.log_variance, panel.targets, rows, panel.horizons)
    realised = np.where(known, np.exp(panel.log_variance[:, :, k].astype("float64")), np.nan)
    assert predictions.risk is not None
    losses = [
        _mean(qlike(risk.volatility[:, :, k].astype("float64") ** 2, realised)) for risk in (predictions.risk, baseline)
    ]
    if not all(map(math.isfinite, losses)):
        return "Too few sessions of the validation part are known to judge such forecasts."
    side = "lower than" if losses[0] < losses[1] else "not lower than"
    return (
        f"On the validation part ({int(known.sum()):,} forecasts) the loss of the forecast variance (QLIKE), "
        f"{losses[0]:.3f}, is {side} that of an EWMA, {losses[1]:.3f}; the correlation of forecast and realised "
        f"direction (MCC) is {mcc:+.3f}, where 0 is chance."
    ).replace("-", "−")


def _mean(values: Float64) -> float:
    """The mean of the finite `values`; NaN without any."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
