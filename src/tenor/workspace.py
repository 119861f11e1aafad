"""A store as a whole: where its parts are, and which daily sentiment a model uses. No other module decides either.

A store is a folder or a bucket with the lake's tables, ``models`` and ``serving``. Work in progress that belongs to no
version (checkpoints, folds, searches) is in `work`, on this machine.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from tenor.config import Config, FeatureConfig, SentimentConfig, to_mapping
from tenor.engines import Engine
from tenor.errors import DataError, StoreError
from tenor.features.extra_sessions import on_sessions
from tenor.features.kinds import TOPIC, with_kinds
from tenor.features.own import LAKE, Covariates, Own
from tenor.inference.predictor import Predictor
from tenor.inference.recipe import Recipe
from tenor.news_scoring import ScoredNews, Scoring, ScoringProgress, score_alone
from tenor.registry import Registry, registry_of
from tenor.schema import AsOf, Bars, DailyKinds, DailySentiment, News
from tenor.sentiment.daily import DailyNews, Labels, daily_sentiment
from tenor.sentiment.scores import Scores
from tenor.serving.published import PublishedForecasts, published_forecasts
from tenor.storage.files import content_key, read_json
from tenor.storage.object_store import open_store
from tenor.store import Lake
from tenor.topics.model import TopicModel
from tenor.topics.saved import FOLDER as TOPICS
from tenor.topics.saved import SavedTopics

log = logging.getLogger("tenor.workspace")

NEWS = "news"
"""The `SentimentConfig.source` of sentiment that is computed from the lake's news."""


class Workspace:
    """The lake, the models and the published forecasts of one store.

    Nothing is read or written before it is needed. Reading never writes: results are saved in the store only with
    ``save=True``.

    Parameters
    ----------
    store
        A folder, or ``s3://bucket/prefix``.
    engine
        Where the texts of the lake are scored; None means in this process.
    """

    def __init__(self, store: str, engine: Engine | None = None) -> None:
        self.store = store
        self.engine = engine
        self._topic_models: dict[str, TopicModel] = {}

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

    @functools.cached_property
    def topics(self) -> SavedTopics:
        """The fitted topics of the news."""
        return SavedTopics(open_store(f"{self.store.rstrip('/')}/{TOPICS}"))

    @property
    def work(self) -> Path:
        """The folder on this machine for work that belongs to no version."""
        return self.registry.folder

    def predictor(self, version: str | None = None) -> Predictor:
        """The predictor of `version`, by default of the champion."""
        return Predictor.load(self.registry, version)

    def bars(self, symbols: Sequence[str] | None, *, calendar: str) -> Bars:
        """The lake's bars of `symbols` (None: all) as models use them: only on sessions of their exchanges.

        Errors are those of `Lake.bars`.
        """
        return on_sessions(self.lake.bars(symbols, calendar=calendar), calendar)

    def resolve_sentiment(self, config: SentimentConfig, *, calendar: str, as_of: AsOf = "close") -> SentimentConfig:
        """`config` with the source ``auto`` replaced by the source that it now stands for in this lake.

        A model is trained with the result and keeps it, so that news imported later does not change its sentiment.
        """
        if config.source != "auto":
            return config
        if self.lake.has_news():
            return replace(config, source=NEWS)
        imported = self.lake.sentiment_sources(calendar=calendar, as_of=as_of)
        return replace(config, source=imported[0]) if imported else config

    def training_news(
        self,
        config: Config,
        *,
        until: pd.Timestamp | None = None,
        progress: ScoringProgress | None = None,
        save: bool = False,
        always: bool = False,
    ) -> tuple[Config, DailySentiment | None]:
        """The completed config for a training, and its daily sentiment.

        The config is completed with the source of sentiment, the kinds of news and the topics that it stands for in
        this lake. A model is trained with these and keeps them.

        Parameters
        ----------
        config
            The settings.
        until
            The last session of the training part; the most frequent topics up to it are used. None means all sessions.
        progress, save
            As in `daily_sentiment`.
        always
            Return sentiment even if no feature of `config` needs it.

        Raises
        ------
        DataError
            Kinds of news are named, and the lake has no counts of them; and what `daily_sentiment` raises.
        """
        features, calendar = config.features, config.features.calendar
        if not (features.sentiment or features.wants_kinds or always):
            return config, None
        made_by = self.resolve_sentiment(config.sentiment, calendar=calendar, as_of=features.as_of)
        daily = self.daily_sentiment(
            made_by,
            calendar=calendar,
            as_of=features.as_of,
            kinds=features.wants_kinds,
            progress=progress,
            save=save,
        )
        counts = None if daily is None else daily.kinds
        known = counts.until(until) if counts is not None and until is not None else counts
        topics = self.topic_names(made_by) if features.topics else None
        return replace(
            config, sentiment=made_by, features=with_kinds(features, known, where=self.store, topics=topics)
        ), daily

    def model_news(self, recipe: Recipe) -> DailySentiment | None:
        """The daily sentiment that the model of `recipe` uses; None if it uses none or the lake has none."""
        if not recipe.with_sentiment:
            return None
        features = recipe.features
        return self.daily_sentiment(
            recipe.sentiment, calendar=features.calendar, as_of=features.as_of, kinds=recipe.with_kinds
        )

    def daily_sentiment(
        self,
        config: SentimentConfig,
        *,
        calendar: str,
        as_of: AsOf = "close",
        kinds: bool = False,
        scored: ScoredNews | None = None,
        progress: ScoringProgress | None = None,
        save: bool = False,
    ) -> DailySentiment | None:
        """The daily sentiment that a model with `config` uses; None if the lake has none.

        Training, evaluation, promotion, refresh and prediction all get it from here. Sentiment from news is computed by
        the settings of `config`; each text is scored once, `BLOCK` items at a time. If an earlier call with
        ``save=True`` had the same news, its stored result is read. Imported sentiment is read unchanged.

        Parameters
        ----------
        calendar
            The sessions of the panel (`FeatureConfig.calendar`).
        as_of
            The moment of the forecasts (`FeatureConfig.as_of`).
        kinds
            Add counts of the kinds of news, if the scoring model or the imported data has them.
        scored
            The news with their scores, if the caller already has them.
        progress
            Called while texts are scored.
        save
            Save scores and daily sentiment in the lake. Later calls read the scores. The daily rows are for queries,
            for calls before new news has come, and for a refresh that can't score.

        Raises
        ------
        ModelError
            The scoring model is missing or damaged.
        DataError
            `config` names an imported set that the lake does not have.
        """
        config = self.resolve_sentiment(config, calendar=calendar, as_of=as_of)
        if config.source == "auto":
            self._refuse_other_moment(calendar, as_of)
            return None
        if config.source != NEWS:
            imported = self.lake.sentiment(config.source, calendar=calendar, as_of=as_of)
            if imported is None:
                sources = self.lake.sentiment_sources(calendar=calendar, as_of=as_of)
                moment = "" if as_of == "close" else " at the open"
                raise DataError(
                    f"sentiment.source is {config.source!r}, and {self.store} has no imported sentiment of that name "
                    f"for {calendar}{moment} (it has {', '.join(map(repr, sources)) or 'none'}): import it, or take "
                    "another source."
                )
            return imported if kinds else replace(imported, kinds=None)
        settings = settings_key(config, calendar, as_of)
        if scored is not None:
            labels = self.topic_labels(config, scored.scores) if kinds else None
            daily = daily_sentiment(scored.news, scored.scores, config, calendar=calendar, as_of=as_of, labels=labels)
            if save:
                self.lake.append_sentiment(daily, source=scored.scores.model_id, settings=settings)
            return daily
        if not self.lake.has_news():
            return None
        scoring = Scoring(self.lake, config, engine=self.engine)
        state = scoring.state(kinds=kinds)
        known = self._saved_state(settings)
        if known is not None and (known == state or (not kinds and known == {**state, "kinds": known.get("kinds")})):
            saved = self.lake.sentiment(scoring.model_id, settings=settings, calendar=calendar, as_of=as_of)
            if saved is not None:
                return saved if kinds else replace(saved, kinds=None)
        topics = self.topic_model(config) if kinds else None
        days = DailyNews(config, calendar=calendar, as_of=as_of)
        for news, scores in scoring.blocks(kinds=kinds, topics=topics, progress=progress, save=save):
            days.add(news, scores, self.topic_labels(config, scores) if kinds else None)
        daily = days.sentiment()
        if save:
            self.lake.append_sentiment(daily, source=scoring.model_id, settings=settings)
            self._save_state(settings, state)
        return daily

    def sentiment_of(self, news: News, recipe: Recipe) -> DailySentiment:
        """The daily sentiment of `news` from outside the lake, as the model of `recipe` needs it; nothing is saved.

        Errors are those of `daily_sentiment`.
        """
        config, features = recipe.sentiment, recipe.features
        topics = self.topic_model(config) if recipe.with_kinds else None
        scores = score_alone(news, config, kinds=recipe.with_kinds, topics=topics)
        labels = None if topics is None else self.topic_labels(config, scores)
        return daily_sentiment(news, scores, config, calendar=features.calendar, as_of=features.as_of, labels=labels)

    def daily_kinds(
        self,
        config: SentimentConfig,
        *,
        calendar: str,
        as_of: AsOf = "close",
        progress: ScoringProgress | None = None,
        save: bool = False,
    ) -> DailyKinds | None:
        """The daily counts by kind of the same items as in `daily_sentiment`; None if the lake has none.

        Parameters and errors are those of `daily_sentiment`.
        """
        daily = self.daily_sentiment(config, calendar=calendar, as_of=as_of, kinds=True, progress=progress, save=save)
        return None if daily is None else daily.kinds

    def topic_model(self, config: SentimentConfig) -> TopicModel | None:
        """The topics by which `config` counts items; None if it names none.

        Raises
        ------
        ModelError
            The store has no such version, or it is damaged.
        """
        version = config.topics_model
        if not version:
            return None
        if version not in self._topic_models:
            self._topic_models[version] = self.topics.version(version)
        return self._topic_models[version]

    def topic_names(self, config: SentimentConfig) -> tuple[str, ...] | None:
        """The names of the topics of `config` in features and daily counts; None if it names no topics."""
        model = self.topic_model(config)
        return None if model is None else tuple(f"{TOPIC}{name}" for name in model.names)

    def topic_labels(self, config: SentimentConfig, scores: Scores) -> Labels | None:
        """The topic of each scored item, with the names in `topic_names`; None if `config` names no topics.

        Parameters
        ----------
        config
            Settings, of which ``topics_model`` is used.
        scores
            Scores with embeddings, by the scorer with which the topics were fitted.
        """
        model = self.topic_model(config)
        if model is None:
            return None
        assert scores.embeddings is not None
        numbers = model.assign(scores.embeddings)
        return {f"{TOPIC}{name}": numbers == number for number, name in enumerate(model.names)}

    def saved_news(self, recipe: Recipe) -> DailySentiment | None:
        """As `model_news`, but only what an earlier call with ``save=True`` stored, without scoring; or None."""
        calendar, as_of = recipe.features.calendar, recipe.features.as_of
        config = self.resolve_sentiment(recipe.sentiment, calendar=calendar, as_of=as_of)
        if config.source != NEWS:
            return self.model_news(recipe)
        saved = self.lake.sentiment(settings=settings_key(config, calendar, as_of), calendar=calendar, as_of=as_of)
        return saved if saved is None or recipe.with_kinds else replace(saved, kinds=None)

    def _saved_state(self, settings: str) -> dict[str, Any] | None:
        """The news and the models that the daily sentiment stored under `settings` is of; None where unknown."""
        try:
            return dict(read_json(self.registry.objects.get(_state_key(settings)).data))
        except (StoreError, ValueError, TypeError):
            return None

    def _save_state(self, settings: str, state: Mapping[str, Any]) -> None:
        try:
            self.registry.objects.put(_state_key(settings), json.dumps(dict(state)).encode())
        except StoreError as error:  # it is computed again next time
            log.warning("the state of the daily sentiment is not kept", extra={"error": str(error)})

    def _refuse_other_moment(self, calendar: str, as_of: AsOf) -> None:
        """Raise DataError where the lake has no news, and imported sentiment of the other moment alone."""
        other: AsOf = "open" if as_of == "close" else "close"
        if sources := self.lake.sentiment_sources(calendar=calendar, as_of=other):
            raise DataError(
                f"features.as_of is {as_of}, and {self.store} has daily sentiment at the {other} alone "
                f"({', '.join(map(repr, sources))}) and no news: import news or such sentiment, or set "
                f'features.as_of = "{other}".'
            )

    def covariates(self, features: FeatureConfig, own: Own | None = None) -> Covariates | None:
        """The lake's data for the own features of a model: events and tables; None if it needs neither.

        Parameters
        ----------
        features
            The model's settings.
        own
            The model's own features, if known; new rows of their tables may have come into the lake.
        """
        names = [each.removeprefix(LAKE) for each in features.own if each.startswith(LAKE)]
        names += [table.name for table in own.tables] if own is not None else []
        if not names and not features.events:
            return None
        known = set(self.lake.covariate_names()) if names else set()
        tables = {}
        for name in dict.fromkeys(names):
            frame = self.lake.covariates(name) if name in known else None
            if frame is not None:
                tables[name] = frame
        return Covariates(self.lake.events() if features.events else None, tables)

    def scored_news(
        self,
        config: SentimentConfig,
        *,
        symbols: Sequence[str] | None = None,
        newest: int | None = None,
        kinds: bool = False,
        progress: ScoringProgress | None = None,
        save: bool = False,
    ) -> ScoredNews | None:
        """The news of the lake (about `symbols`, by default all) with their scores by ``config.model``.

        It is None if there is no news. With `newest`, only that many of the latest items of each symbol are returned.
        The other parameters are those of `daily_sentiment`.
        """
        news = self.lake.news(symbols) if newest is None else self.lake.newest_news(symbols, newest)
        if news.frame.empty:
            return None
        topics = self.topic_model(config) if kinds else None
        scoring = Scoring(self.lake, config, engine=self.engine)
        return ScoredNews(news, scoring.scores(news, kinds=kinds, topics=topics, progress=progress, save=save))


def settings_key(config: SentimentConfig, calendar: str, as_of: AsOf = "close") -> str:
    """A key of all settings that change the daily sentiment computed from news."""
    moment = () if as_of == "close" else (as_of,)  # the key of the close does not name it, as in older stores
    return content_key(to_mapping(replace(config, source=NEWS, kinds_model="", device="auto")), calendar, *moment)


def _state_key(settings: str) -> str:
    return f"forecasts/daily-{settings}.json"
