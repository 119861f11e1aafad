"""The story on one page, once `collect` filled the lake: score -> build -> train -> register -> predict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tenor.calendars import interval_of
from tenor.config import FeatureConfig, SentimentConfig
from tenor.errors import DataError, UnknownSymbolError
from tenor.features import build_panel
from tenor.inference.predictor import Predictor
from tenor.inference.recipe import Recipe
from tenor.registry import Registry, registry_of
from tenor.schema import BarInterval, Bars, DailySentiment, Forecast, Panel
from tenor.sentiment import Scorer
from tenor.sentiment.daily import daily_sentiment
from tenor.storage.files import json_values
from tenor.store import Lake

if TYPE_CHECKING:  # a forecast must not wait for torch
    from tenor.config import Config, SplitConfig
    from tenor.pipeline.promote import Contest
    from tenor.training import Forecaster, Progress, Split

__all__ = [
    "Scoring",
    "Trained",
    "build",
    "interval_of_version",
    "load",
    "predict",
    "registry_of",
    "score",
    "split_of",
    "train",
]

Scoring = Callable[[int, int], None]
"""Told of the distinct texts scored, and of how many there are."""


# score: news -> sentiment -------------------------------------------------------------------------------------------


def score(
    lake: Lake, config: SentimentConfig, *, calendar: str, progress: Scoring | None = None
) -> DailySentiment | None:
    """The sentiment of the lake's news, each text scored once; where there is no news, what the lake holds.

    Raises
    ------
    ModelError
        The scoring model is missing or damaged.
    """
    news = lake.news()
    if news.frame.empty:
        held = lake.sentiment(calendar=calendar)
        return None if held is None else replace(held, half_life=config.half_life)
    scorer = Scorer.load(config.model)
    scores = scorer.score(news.frame["text"].tolist(), cache=lake.score_cache(), progress=progress)
    sentiment = daily_sentiment(news, scores, config, calendar=calendar)
    lake.append_sentiment(sentiment, source=scorer.model_id)
    return sentiment


# build: lake -> panel -----------------------------------------------------------------------------------------------


def build(bars: Bars, sentiment: DailySentiment | None, features: FeatureConfig) -> Panel:
    """The panel of `bars` and, where `features` ask for it and there is one, of `sentiment`."""
    return build_panel(bars, features, sentiment=sentiment if features.sentiment else None)


def split_of(panel: Panel, config: SplitConfig) -> Split:
    """`config`'s parts of `panel`, purged by the longest horizon."""
    from tenor.training import chronological

    return chronological(panel.sessions, config, purge=max(panel.horizons))


# train: panel -> forecaster -> registry -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A new version.

    Attributes
    ----------
    folder
        Where its files lie.
    parts
        As dates.
    champion
        The version in use now.
    contest
        The comparison with the one before, if there was another.
    """

    forecaster: Forecaster
    folder: str
    parts: str
    champion: str
    contest: Contest | None

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "version": self.forecaster.version,
            "folder": self.folder,
            "symbols": list(self.forecaster.symbols),
            "features": list(self.forecaster.scaler.features),
            "split": {name: list(days) for name, days in self.forecaster.split.items()},
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
    scoring: Scoring | None = None,
) -> Trained:
    """Train on the lake's bars and sentiment and register the forecaster as a new version, the ``latest``.

    It becomes the champion where there is none, or where it beats the one there is (`promotion.challenge`).
    """
    from tenor.pipeline.promote import challenge
    from tenor.training import fit

    lake = Lake(store)
    bars = lake.bars(config.symbols or None, calendar=config.features.calendar)
    sentiment = None
    if config.features.sentiment:
        sentiment = score(lake, config.sentiment, calendar=config.features.calendar, progress=scoring)
    panel = build(bars, sentiment, config.features)
    split = split_of(panel, config.split)
    registry = registry_of(store)
    forecaster = fit(
        panel,
        split,
        features=config.features,
        model=config.model,
        training=config.training,
        checkpoints=registry.folder / "checkpoints",
        progress=progress,
        workers=workers,
    )
    version = registry.add(forecaster, config.sentiment, _card(forecaster, bars, sentiment, panel, split))
    now, contest = challenge(lake, registry, version)
    return Trained(
        forecaster, registry.where(version), split.describe(panel.sessions), now.champion or version, contest
    )


def load(registry: Registry, version: str | None = None) -> Forecaster:
    """The forecaster of `version`, or of ``champion`` (by default), ``previous`` or ``latest``."""
    from tenor.training import Forecaster

    found = registry.resolve(version)
    return Forecaster.from_files(registry.model(found), registry.where(found))


def _card(
    forecaster: Forecaster, bars: Bars, sentiment: DailySentiment | None, panel: Panel, split: Split
) -> dict[str, Any]:
    """What is told of a model: its data, its parts, its settings, and how it did on validation."""
    from tenor.config import to_mapping
    from tenor.inference.cells import usable
    from tenor.training.scoring import scores

    said = forecaster.predict(panel)
    cells = usable(panel, forecaster.model.lookback)
    cells[: split.valid.start] = cells[split.valid.stop :] = False
    validation = {}
    for k, horizon in enumerate(panel.horizons):
        known = cells & np.isfinite(panel.targets[:, :, k])
        found = scores(panel, said, known, horizon=horizon)
        validation[str(horizon)] = {
            "forecasts": int(known.sum()),
            **json_values(found),
        }
    return {
        "name": forecaster.name,
        "symbols": list(forecaster.symbols),
        "horizons": list(forecaster.horizons),
        "features": list(forecaster.scaler.features),
        "split": {name: list(days) for name, days in forecaster.split.items()},
        "validation": validation,
        "settings": {
            "features": to_mapping(forecaster.features),
            "model": to_mapping(forecaster.model),
            "training": to_mapping(forecaster.training),
        },
        "fingerprint": forecaster.fingerprint,
        "bars": bars.fingerprint(),
        "sentiment": sentiment.fingerprint() if sentiment is not None else None,
    }


# predict: forecaster + last bars -> forecasts -----------------------------------------------------------------------


def predict(store: str, symbols: Sequence[str], *, horizon: int = 1, version: str | None = None) -> list[Forecast]:
    """Forecasts of `symbols` from the last bars in the lake, by ONNX Runtime.

    Raises
    ------
    UnknownSymbolError
        The lake has no such symbol.
    ModelError
        Nothing was trained yet.
    DataError
        The model has no such horizon.
    HistoryError
        A symbol has too few sessions.
    """
    lake = Lake(store)
    registry = registry_of(store)
    predictor = Predictor.load(registry, version)
    calendar = predictor.features.calendar
    known = lake.symbols(calendar)
    for symbol in symbols:
        if symbol not in known:
            raise UnknownSymbolError(symbol, known)
    if horizon not in predictor.horizons:
        raise DataError(f"horizon {horizon} is not in model {predictor.version}; it has {list(predictor.horizons)}.")
    sentiment = None
    if predictor.with_sentiment:
        sentiment = score(lake, predictor.sentiment, calendar=calendar)
    bars = lake.bars(predictor.universe(known, symbols), calendar=calendar)
    made = predictor.forecasts(bars, sentiment, symbols=symbols)
    for error in made.failed.values():
        raise error
    found = {forecast.symbol: forecast for forecast in made if forecast.horizon == horizon}
    return [found[symbol] for symbol in symbols]


def interval_of_version(store: str, version: str) -> BarInterval:
    """How long the bars are that `version` forecasts from."""
    return interval_of(Recipe.load(registry_of(store), version).features.calendar)
