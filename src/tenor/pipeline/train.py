"""Train: the lake's bars and daily sentiment -> panel -> forecaster -> a new version of the registry."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenor.config import Config, to_mapping
from tenor.errors import TenorError
from tenor.features.catalogue import check_groups
from tenor.inference import usable
from tenor.pipeline.promote import Contest, challenge
from tenor.registry import Registry
from tenor.schema import Bars, DailySentiment, Panel
from tenor.storage.files import json_values
from tenor.training import Forecaster, Progress, Split, chronological, fit
from tenor.training.scoring import scores
from tenor.workspace import ScoringProgress, Workspace


@dataclass(frozen=True)
class TrainResult:
    """A new version.

    Attributes
    ----------
    forecaster
        The fitted model.
    folder
        Where its files lie.
    parts
        Train, validation and test, as dates.
    champion
        The version in use now.
    contest
        The comparison with the champion before, if there was another.
    """

    forecaster: Forecaster
    folder: str
    parts: str
    champion: str
    contest: Contest | None

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
        }


def train(
    store: str,
    config: Config,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    scoring: ScoringProgress | None = None,
) -> TrainResult:
    """Train on the lake's bars and daily sentiment and register the forecaster as a new version, the ``latest``.

    It becomes the champion where there is none, or where it beats the one there is (`promote.challenge`).

    Raises
    ------
    ConfigError
        A setting can't be used.
    StoreError
        The lake can't be read, or the version not written.
    HistoryError
        The lake has too little history.
    TrainingError
        The training diverged, or a process of it was killed.
    """
    check_groups(config.features.groups)
    workspace = Workspace(store)
    calendar = config.features.calendar
    bars = workspace.lake.bars(config.symbols or None, calendar=calendar)
    sentiment, made_by = None, config.sentiment
    if config.features.sentiment:
        made_by = workspace.resolve_sentiment(config.sentiment, calendar=calendar)
        sentiment = workspace.daily_sentiment(made_by, calendar=calendar, progress=scoring, save=True)
    panel = config_panel(config, bars, sentiment)
    split = chronological(panel.sessions, config.split, purge=max(panel.horizons))
    forecaster = fit(
        panel,
        split,
        features=config.features,
        model=config.model,
        training=config.training,
        sentiment=made_by,
        checkpoints=workspace.work / "checkpoints",
        progress=progress,
        workers=workers,
    )
    registry = workspace.registry
    version = registry.add(forecaster, _card(forecaster, bars, sentiment, panel, split))
    now, contest = challenge(workspace, version)
    if now.champion is not None:
        # so that the first prediction need not compute what is known by now; the version stands, whatever fails here
        with contextlib.suppress(TenorError):
            lake = workspace.forecasts(workspace.predictor(now.champion))
            if now.champion == version:
                lake.sentiment = sentiment
            lake.save()
    return TrainResult(
        forecaster, registry.where(version), split.describe(panel.sessions), now.champion or version, contest
    )


def config_panel(config: Config, bars: Bars, sentiment: DailySentiment | None) -> Panel:
    """The panel that `config` describes; without `sentiment`, or where it is switched off, it has no such features."""
    from tenor.features import build_panel

    return build_panel(bars, config.features, sentiment=sentiment, half_life=config.sentiment.half_life)


def describe_config(config: Config, symbols: Sequence[str]) -> dict[str, str]:
    """What reports say of the settings of a study."""
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
            **json_values(scores(panel, predictions, known, horizon=horizon)),
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
