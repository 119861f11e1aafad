"""The story on one page, once `collect` filled the lake: score -> build -> train -> register -> predict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenor.config import Config
from tenor.errors import UnknownSymbolError
from tenor.features import FeatureConfig, build_panel
from tenor.registry import Registry
from tenor.schema import Bars, Forecast, Mood, Panel
from tenor.sentiment import Scorer
from tenor.sentiment.mood import MoodConfig, daily_mood
from tenor.store import Lake
from tenor.training import Forecaster, Progress, Split, SplitConfig, chronological, fit

Scoring = Callable[[int, int], None]
"""Told of the distinct texts scored, and of how many there are."""

WITHOUT_MOOD = "the same without mood"


# score: news -> mood ------------------------------------------------------------------------------------------------


def score(lake: Lake, config: MoodConfig, *, calendar: str, progress: Scoring | None = None) -> Mood | None:
    """The mood of the lake's news, each text scored once; where there are no news, the mood that the lake holds.

    Raises
    ------
    ModelError : the scoring model is missing or damaged.
    """
    news = lake.news()
    if news.frame.empty:
        return lake.mood()
    scorer = Scorer.load(config.model)
    scores = scorer.score(news.frame["text"].tolist(), cache=lake.score_cache(), progress=progress)
    mood = daily_mood(news, scores, config, calendar=calendar)
    lake.append_mood(mood, source=scorer.model_id)
    return mood


# build: lake -> panel -----------------------------------------------------------------------------------------------


def build(bars: Bars, mood: Mood | None, features: FeatureConfig) -> Panel:
    """The panel of `bars` and, where `features` ask for it and there is one, of `mood`."""
    return build_panel(bars, features, mood=mood if features.sentiment else None)


def split_of(panel: Panel, config: SplitConfig) -> Split:
    """`config`'s parts of `panel`, purged by the longest horizon."""
    return chronological(panel.sessions, config, purge=max(panel.horizons))


# train: panel -> forecaster -> registry -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """A new champion."""

    forecaster: Forecaster
    folder: Path
    parts: str

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "version": self.forecaster.version,
            "folder": str(self.folder),
            "symbols": list(self.forecaster.symbols),
            "features": list(self.forecaster.scaler.features),
            "split": {name: list(days) for name, days in self.forecaster.split.items()},
            "seeds": self.forecaster.curves(),
        }


def train(
    store: str,
    config: Config,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    scoring: Scoring | None = None,
) -> Trained:
    """Train on the lake's bars and mood, save the forecaster as a new version and make it the champion."""
    lake = Lake(store)
    bars = lake.bars(config.symbols or None)
    mood = None
    if config.features.sentiment:
        mood = score(lake, config.mood, calendar=config.features.calendar, progress=scoring)
    panel = build(bars, mood, config.features)
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
    folder = registry.add(forecaster, config.mood)
    return Trained(forecaster, folder, split.describe(panel.sessions))


def registry_of(store: str) -> Registry:
    """The models trained on `store`: beside the lake's tables, or, for a bucket, in the folder ``models``."""
    return Registry(Path("models") if store.startswith("s3://") else Path(store) / "models")


# predict: forecaster + last bars -> forecasts -----------------------------------------------------------------------


def predict(store: str, symbols: Sequence[str], *, horizon: int = 1, version: str | None = None) -> list[Forecast]:
    """Forecasts of `symbols` from the last bars in the lake.

    Raises
    ------
    UnknownSymbolError : the lake has no such symbol. ModelError : nothing was trained yet.
    """
    lake = Lake(store)
    registry = registry_of(store)
    forecaster = registry.load(version)
    known = lake.symbols()
    for symbol in symbols:
        if symbol not in known:
            raise UnknownSymbolError(symbol, known)
    # cross-stock features need the whole universe that the model was trained on, beside what is asked for
    universe = sorted({*symbols, *(symbol for symbol in forecaster.symbols if symbol in known)})
    mood = None
    if forecaster.features.sentiment:
        mood = score(lake, registry.mood(version or registry.champion()), calendar=forecaster.features.calendar)
    panel = build(lake.bars(universe), mood, forecaster.features)
    return [forecaster.forecast(panel, symbol, horizon) for symbol in symbols]
