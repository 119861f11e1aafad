"""A store as a whole: where its parts lie, and which daily sentiment a model sees. The only place that knows either.

A store is a folder or a bucket: the lake's tables, ``models`` and ``serving``. What is work in progress and part of no
version (checkpoints, folds, searches) lies in `work`, on this machine.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tenor.config import FeatureConfig, SentimentConfig, to_mapping
from tenor.errors import DataError, StoreError
from tenor.features.extra_sessions import on_sessions
from tenor.features.own import LAKE, Covariates, Own
from tenor.inference.forecasts import Attention, Forecasts, PanelForecasts
from tenor.inference.predictor import Predictor
from tenor.kinds import StoredKinds
from tenor.registry import Registry, registry_of
from tenor.schema import Bars, DailySentiment, Forecast, News
from tenor.sentiment.daily import daily_sentiment
from tenor.sentiment.entities import EntityHead, with_entities
from tenor.sentiment.scorer import Scorer
from tenor.sentiment.scores import ScoreCache, Scores
from tenor.serving.published import PublishedForecasts, published_forecasts
from tenor.storage.files import content_key, read_json
from tenor.storage.object_store import open_store
from tenor.store import Lake
from tenor.store.item_scores import LakeScores
from tenor.topics.saved import FOLDER as TOPICS
from tenor.topics.saved import SavedTopics

log = logging.getLogger("tenor.workspace")

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

    @functools.cached_property
    def topics(self) -> SavedTopics:
        """The fitted topics of the news."""
        return SavedTopics(open_store(f"{self.store.rstrip('/')}/{TOPICS}"))

    @property
    def work(self) -> Path:
        """The folder of this machine for work that is part of no version."""
        return self.registry.folder

    def predictor(self, version: str | None = None) -> Predictor:
        """The predictor of `version`, by default of the champion."""
        return Predictor.load(self.registry, version)

    def bars(self, symbols: Sequence[str] | None, *, calendar: str) -> Bars:
        """The lake's bars of `symbols` (None: all) as a model sees them: on the sessions of their exchanges.

        Errors are those of `Lake.bars`.
        """
        return on_sessions(self.lake.bars(symbols, calendar=calendar), calendar)

    def forecasts(self, predictor: Predictor) -> LakeForecasts:
        """The forecasts of a model from the lake as it is now."""
        return LakeForecasts(self, predictor)

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

    def covariates(self, features: FeatureConfig, own: Own | None = None) -> Covariates | None:
        """What the lake knows for the own features of a model: its events and its tables; None where it needs neither.

        Parameters
        ----------
        features
            The model's settings.
        own
            Its own features, where they are known: rows of their tables may have come into the lake since.
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
        progress: ScoringProgress | None = None,
        save: bool = False,
    ) -> ScoredNews | None:
        """The news of the lake (about `symbols`, by default all) with their scores by ``config.model``.

        None where there is no news. Parameters are those of `daily_sentiment`.
        """
        news = self.lake.news(symbols)
        if news.frame.empty:
            return None
        scorer = Scorer.load(config.model, kinds=config.kinds_model or None)
        cache = self.lake.score_cache()
        scores = scorer.score(
            news.frame["text"].tolist(), cache=cache if save else _ReadOnlyCache(cache.versions), progress=progress
        )
        if config.entities:
            scores = self._by_company(news, scores, scorer, cache if save else _ReadOnlyCache(cache.versions))
        return ScoredNews(news, scores)

    def _by_company(self, news: News, scores: Scores, scorer: Scorer, cache: ScoreCache) -> Scores:
        """`scores` with one for each company that an item names beside others; as they are for another encoder."""
        names = {str(row["symbol"]): str(row["name"]) for row in self.lake.rows("names").to_dict("records")}
        if len(names) < 2:
            return scores
        head = EntityHead.load()
        if head.encoder != scorer.model_id:
            return scores
        return with_entities(news.frame, scores, names, scorer.encoder, head, cache)


class LakeForecasts:
    """What a model predicts from the lake's bars and daily sentiment: the same whoever asks, and for whichever symbols.

    The symbols that the model was trained on are forecast from one run over all of them that the lake holds, whatever
    is asked for: cross-stock features and adaptive intervals learn from all, so a run over others would give another
    forecast. Symbols that it has not seen are forecast by a second run, over these as well, so that they change nothing
    for the first. Each run is made when it is first needed.

    Parameters
    ----------
    workspace
        The store.
    predictor
        The model.
    """

    def __init__(self, workspace: Workspace, predictor: Predictor) -> None:
        self._workspace, self._predictor = workspace, predictor
        self.recipe = predictor.recipe
        self._calendar = predictor.recipe.features.calendar
        self.known = workspace.lake.symbols(self._calendar)
        """The symbols of the lake."""

    @functools.cached_property
    def sentiment(self) -> DailySentiment | None:
        """The daily sentiment that the model sees."""
        if not self.recipe.with_sentiment:
            return None
        return self._workspace.daily_sentiment(self.recipe.sentiment, calendar=self._calendar)

    @functools.cached_property
    def covariates(self) -> Covariates | None:
        """What the lake knows by now for the model's own features."""
        return self._workspace.covariates(self.recipe.features, self.recipe.own)

    @functools.cached_property
    def trained_bars(self) -> Bars | None:
        """The bars of the symbols that the model was trained on; None where the lake has none of them."""
        symbols = self.recipe.universe(self.known, ())
        return self._workspace.bars(symbols, calendar=self._calendar) if symbols else None

    @functools.cached_property
    def all_bars(self) -> Bars:
        """The bars of all symbols of the lake."""
        bars = self.trained_bars
        if bars is not None and not set(self.known) - set(bars.symbols):
            return bars
        return self._workspace.bars(self.known, calendar=self._calendar)

    @functools.cached_property
    def trained(self) -> PanelForecasts | None:
        """The run over the symbols that the model was trained on; None where the lake has none of them."""
        return None if self.trained_bars is None else self._run(self.trained_bars)

    @functools.cached_property
    def everything(self) -> PanelForecasts:
        """The run over all symbols of the lake, for those that the model has not seen."""
        if self.trained is not None and self.all_bars is self.trained_bars:
            return self.trained
        return self._run(self.all_bars)

    def _run(self, bars: Bars) -> PanelForecasts:
        return self._predictor.run(bars, self.sentiment, covariates=self.covariates)

    def newest(self, symbols: Sequence[str], horizons: Sequence[int] | None = None) -> Forecasts:
        """The newest forecasts of `symbols`, as `PanelForecasts.newest`; saved ones where they are of the same inputs.

        Raises
        ------
        DataError
            The model has no such horizon.
        """
        wanted = tuple(horizons or self.recipe.horizons)
        for horizon in wanted:
            if horizon not in self.recipe.horizons:
                raise DataError(
                    f"horizon {horizon} is not in model {self.recipe.version}; it has {list(self.recipe.horizons)}."
                )
        trained, unseen = self._by_training(symbols)
        saved = self._saved() if trained and "trained" not in self.__dict__ else {}
        if all(set(wanted) <= {f.horizon for f in saved.get(symbol, ())} for symbol in trained):
            known = Forecasts([f for symbol in trained for f in saved[symbol] if f.horizon in wanted])
        else:
            known = Forecasts() if self.trained is None else self.trained.newest(trained, wanted)
        others = self.everything.newest(unseen, wanted) if unseen else Forecasts()
        return known + others

    def history(self, symbols: Sequence[str], sessions: int) -> Forecasts:
        """The forecasts of the last `sessions` sessions, as `PanelForecasts.history`."""
        trained, unseen = self._by_training(symbols)
        known = self.trained.history(trained, sessions) if self.trained is not None and trained else Forecasts()
        others = self.everything.history(unseen, sessions) if unseen else Forecasts()
        return known + others

    def attention(self, symbol: str) -> Attention | None:
        """The attention of the newest forecast of `symbol`, as `PanelForecasts.attention`."""
        run = self.trained if self.trained is not None and symbol in self.recipe.symbols else self.everything
        return run.attention(symbol)

    def save(self) -> None:
        """Keep the newest forecasts beside the model, so that the next one to ask about the same inputs has them.

        They can be computed again at any time: a place that can't be written is noted in the log, and no error.
        """
        if self.trained is None:
            return
        forecasts = [forecast.to_json() for forecast in self.trained.newest(self.trained.panel.symbols)]
        data = json.dumps({"inputs": self._inputs(), "forecasts": forecasts}, allow_nan=False).encode()
        try:
            self._workspace.registry.objects.put(self._key, data)
        except StoreError as error:
            log.warning("the newest forecasts are not kept", extra={"error": str(error)})

    @property
    def _key(self) -> str:
        return f"forecasts/{self.recipe.version}.json"

    def _inputs(self) -> str:
        """What stands for all that the run over the trained symbols depends on."""
        bars, sentiment = self.trained_bars, self.sentiment
        return content_key(
            self.recipe.version,
            "" if bars is None else bars.fingerprint(),
            "" if sentiment is None else sentiment.fingerprint(),
            *([] if self.covariates is None else [self.covariates.fingerprint()]),
        )

    def _saved(self) -> dict[str, list[Forecast]]:
        """The saved forecasts by symbol, if they are of these inputs; a copy that can't be read is none."""
        try:
            saved = read_json(self._workspace.registry.objects.get(self._key).data)
            if saved["inputs"] != self._inputs():
                return {}
            forecasts: dict[str, list[Forecast]] = {}
            for values in saved["forecasts"]:
                forecasts.setdefault(values["symbol"], []).append(Forecast.from_json(values))
        except (StoreError, ValueError, KeyError, TypeError):
            return {}
        return forecasts

    def _by_training(self, symbols: Sequence[str]) -> tuple[list[str], list[str]]:
        distinct = list(dict.fromkeys(symbols))
        trained = [symbol for symbol in distinct if symbol in self.recipe.symbols and symbol in self.known]
        return trained, [symbol for symbol in distinct if symbol not in trained]


class _ReadOnlyCache(LakeScores):
    """The lake's scores, to which nothing is added."""

    def put(self, scores: Mapping[str, tuple[float, float, float]], model_id: str) -> None:
        """Keep nothing."""

    def put_kinds(self, kinds: StoredKinds, model_id: str) -> None:
        """Keep nothing."""


def settings_key(config: SentimentConfig, calendar: str) -> str:
    """What stands for all settings that change daily sentiment computed from news."""
    return content_key(to_mapping(replace(config, source=NEWS, kinds_model="")), calendar)
