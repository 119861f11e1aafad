"""A store as a whole: where its parts lie, and which daily sentiment a model sees. The only place that knows either.

A store is a folder or a bucket: the lake's tables, ``models`` and ``serving``. What is work in progress and part of no
version (checkpoints, folds, searches) lies in `work`, on this machine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tenor.config import SentimentConfig, to_mapping
from tenor.errors import DataError, UnknownSymbolError
from tenor.inference.predictor import Predictor
from tenor.inference.recipe import Recipe
from tenor.registry import Registry, registry_of
from tenor.schema import Bars, DailySentiment, News
from tenor.sentiment.daily import daily_sentiment
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import Scores
from tenor.serving.published import PublishedForecasts, published_forecasts
from tenor.storage.files import content_key
from tenor.store import Lake

NEWS = "news"
"""The `SentimentConfig.source` that is computed from the lake's news."""

ScoringProgress = Callable[[int, int], None]
"""Called with the distinct texts scored, and with how many there are."""


@dataclass(frozen=True)
class ScoredNews:
    """The lake's news with the score of each item, row by row."""

    news: News
    scores: Scores


class Workspace:
    """The lake, the models and the published forecasts of one store.

    Nothing is read or written before it is asked for. Reading never writes: what a method computes is kept in the store
    only where the caller says ``save=True``.

    Parameters
    ----------
    store
        A folder, or ``s3://bucket/prefix``.
    """

    def __init__(self, store: str) -> None:
        self.store = store

    @functools.cached_property
    def lake(self) -> Lake:
        """Bars, news, daily sentiment and scores."""
        return Lake(self.store)

    @functools.cached_property
    def registry(self) -> Registry:
        """The trained models."""
        return registry_of(self.store)

    @functools.cached_property
    def published(self) -> PublishedForecasts:
        """The published forecasts."""
        return published_forecasts(self.store)

    @property
    def work(self) -> Path:
        """The folder of this machine for work that is part of no version."""
        return self.registry.folder

    def predictor(self, version: str | None = None) -> Predictor:
        """The predictor of `version`, by default of the champion."""
        return Predictor.load(self.registry, version)

    def inputs(self, recipe: Recipe, symbols: Sequence[str]) -> tuple[Bars, DailySentiment | None]:
        """The bars and the daily sentiment from which a model forecasts `symbols`.

        Raises
        ------
        UnknownSymbolError
            The lake has no bars of one of them.
        """
        calendar = recipe.features.calendar
        known = self.lake.symbols(calendar)
        for symbol in symbols:
            if symbol not in known:
                raise UnknownSymbolError(symbol, known)
        sentiment = self.daily_sentiment(recipe.sentiment, calendar=calendar) if recipe.with_sentiment else None
        return self.lake.bars(recipe.universe(known, symbols), calendar=calendar), sentiment

    def resolve_sentiment(self, config: SentimentConfig, *, calendar: str) -> SentimentConfig:
        """`config` with its ``auto`` source replaced by the one that it means for this lake now.

        A model is trained with the result and keeps it, so that importing news later does not change what it sees.
        """
        if config.source != "auto":
            return config
        if self.lake.has_news():
            return replace(config, source=NEWS)
        imported = self.lake.sentiment_sources(calendar=calendar)
        return replace(config, source=imported[0]) if imported else config

    def daily_sentiment(
        self,
        config: SentimentConfig,
        *,
        calendar: str,
        scored: ScoredNews | None = None,
        progress: ScoringProgress | None = None,
        save: bool = False,
    ) -> DailySentiment | None:
        """The daily sentiment that a model with `config` sees; None where the lake has none.

        Every caller asks here: training, evaluation, promotion, refresh, prediction. From news it is computed by
        `config`, each text being scored once; what was imported is read as it is.

        Parameters
        ----------
        calendar
            The sessions of the panel (`FeatureConfig.calendar`).
        scored
            The news with their scores, where the caller has them already.
        progress
            Called while texts are scored.
        save
            Keep scores and daily sentiment in the lake. Later calls read the scores; the daily rows are for queries,
            and for a refresh that can't score.

        Raises
        ------
        ModelError
            The scoring model is missing or damaged.
        DataError
            `config` names an imported set that the lake does not have.
        """
        config = self.resolve_sentiment(config, calendar=calendar)
        if config.source == "auto":
            return None
        if config.source != NEWS:
            imported = self.lake.sentiment(config.source, calendar=calendar)
            if imported is None:
                names = ", ".join(map(repr, self.lake.sentiment_sources(calendar=calendar))) or "none"
                raise DataError(
                    f"sentiment.source is {config.source!r}, and {self.store} has no imported sentiment of that name "
                    f"for {calendar} (it has {names}): import it, or take another source."
                )
            return imported
        scored = scored or self.scored_news(config, progress=progress, save=save)
        if scored is None:
            return None
        daily = daily_sentiment(scored.news, scored.scores, config, calendar=calendar)
        if save:
            self.lake.append_sentiment(daily, source=scored.scores.model_id, settings=settings_key(config, calendar))
        return daily

    def saved_sentiment(self, config: SentimentConfig, *, calendar: str) -> DailySentiment | None:
        """What an earlier call with ``save=True`` and the same settings kept; None where there was none."""
        config = self.resolve_sentiment(config, calendar=calendar)
        if config.source != NEWS:
            return self.daily_sentiment(config, calendar=calendar)
        return self.lake.sentiment(settings=settings_key(config, calendar), calendar=calendar)

    def scored_news(
        self, config: SentimentConfig, *, progress: ScoringProgress | None = None, save: bool = False
    ) -> ScoredNews | None:
        """All news of the lake with their scores by ``config.model``; None where there is none."""
        news = self.lake.news()
        if news.frame.empty:
            return None
        scorer = Scorer.load(config.model)
        cache = self.lake.score_cache()
        scores = scorer.score(
            news.frame["text"].tolist(), cache=cache if save else _ReadOnlyCache(cache.get), progress=progress
        )
        return ScoredNews(news, scores)


@dataclass(frozen=True)
class _ReadOnlyCache:
    """The lake's scores, to which nothing is added."""

    get: Callable[[Sequence[str], str], Mapping[str, tuple[float, float, float]]]

    def put(self, scores: Mapping[str, tuple[float, float, float]], model_id: str) -> None:
        """Keep nothing."""


def settings_key(config: SentimentConfig, calendar: str) -> str:
    """What stands for all settings that change daily sentiment computed from news."""
    return content_key(to_mapping(replace(config, source=NEWS)), calendar)
