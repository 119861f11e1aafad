"""Does the news help? The arms of `tenor.evaluation.news_arms` from a lake, at the close and before the next open."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from tenor.config import Config
from tenor.engines import Workers
from tenor.errors import ConfigError, DataError, ModelError, TenorError, did_you_mean
from tenor.evaluation.news_arms import (
    EVERYTHING,
    NEWS_ARMS,
    SHUFFLED,
    TOPICS,
    NewsWalk,
    available_arms,
    news_folds,
    news_rows,
    walk_arms,
)
from tenor.evaluation.news_value import NewsValue, value_news
from tenor.features.kinds import ANY, TOPIC
from tenor.features.own import Own
from tenor.news_scoring import ScoringProgress
from tenor.pipeline.inputs import config_panel
from tenor.pipeline.topic_features import with_topics
from tenor.schema import KINDS, AsOf, Bars, DailyKinds, DailySentiment, Panel
from tenor.training.folds import fold_table
from tenor.workspace import Workspace

log = logging.getLogger("tenor.pipeline")

Moments = list[tuple[AsOf, Panel, Config]]
"""For each moment for which a lake has news: the moment, the panel with all features of news, and its settings."""
MOMENTS: tuple[AsOf, ...] = ("close", "open")


def chosen_arms(names: Sequence[str]) -> tuple[str, ...]:
    """The arms with the given names, in order; all arms if there are no names.

    Raises
    ------
    ConfigError
        There is no such arm.
    """
    asked = [name.strip().lower().replace("-", " ") for name in names]
    for name in asked:
        if name not in NEWS_ARMS:
            hint = did_you_mean(name, NEWS_ARMS) or f" There are {', '.join(NEWS_ARMS)}."
            raise ConfigError(f"--arms names {name!r}, and there is no arm of that name.{hint}")
    return tuple(arm for arm in NEWS_ARMS if arm in asked or not asked)


def ablate_news(
    workspace: Workspace,
    config: Config,
    bars: Bars,
    own: Own | None,
    *,
    arms: Sequence[str] = (),
    workers: Workers = None,
    progress: Callable[[str, int, int], None] | None = None,
    texts: ScoringProgress | None = None,
) -> NewsValue:
    """Walk the arms forward over the sessions with news, at each moment for which the lake has news, and compare them.

    Parameters
    ----------
    workspace, config, bars, own
        The lake, all settings, its bars, and the own features that the config names, which all arms have.
    arms
        Names in `NEWS_ARMS`; by default all that the lake's news allow.
    workers, progress, texts
        As `tenor.pipeline.ablate.ablate` takes them.

    Raises
    ------
    DataError
        The lake has no news.
    HistoryError
        There are too few sessions with news.
    ConfigError
        There is no such arm, or it is not possible with this news.
    """
    walks: dict[str, NewsWalk] = {}
    build = partial(_moments, workspace, bars=bars, own=own, texts=texts)
    moments = build(replace(config, sentiment=replace(config.sentiment, topics_model="")))
    spans = [news_rows(panel) for _, panel, _ in moments]
    plain = moments[0][1]
    wanted = chosen_arms(arms)
    splits = news_folds(
        plain,
        (max(first for first, _ in spans), min(last for _, last in spans)),
        config.folds.folds,
        config.folds.valid_sessions,
        lookback=config.model.lookback,
        purge=max(plain.horizons),
    )
    if not {TOPICS, EVERYTHING, SHUFFLED}.isdisjoint(wanted):
        until = plain.sessions[splits[0].valid.stop - 1]
        named = bool(config.features.topics) or TOPICS in arms
        moments = _with_topics(workspace, config, until, named=named, texts=texts, otherwise=moments, build=build)
    for moment, panel, of_moment in moments:
        report = None
        if progress is not None:

            def report(arm: str, done: int, total: int, at: str = moment) -> None:
                progress(f"{arm}, {at}", done, total)

        allowed = available_arms(panel)
        walks[moment] = walk_arms(
            panel,
            [arm for arm in wanted if arms or arm in allowed],
            splits,
            features=of_moment.features,
            model=of_moment.model,
            training=of_moment.training,
            cache=workspace.work,
            workers=workers,
            progress=report,
        )
    return value_news(walks, seeds=config.training.seeds, folds=fold_table(plain.sessions, splits))


def _with_topics(
    workspace: Workspace,
    config: Config,
    until: pd.Timestamp,
    *,
    named: bool,
    texts: ScoringProgress | None,
    otherwise: Moments,
    build: Callable[[Config], Moments],
) -> Moments:
    """The moments with counts of topics that know nothing after `until`; `otherwise` where they can't be fitted.

    Where a person `named` topics, it is an error that they can't.
    """
    features = replace(config.features, topics=config.features.topics or True)
    try:
        counted = with_topics(workspace, replace(config, features=features), until, texts)
    except (DataError, ModelError) as error:
        if named:
            raise
        log.warning("compared without topics", extra={"error": str(error)})
        return otherwise
    return build(counted) if counted.sentiment.topics_model else otherwise


def _moments(
    workspace: Workspace, config: Config, *, bars: Bars, own: Own | None, texts: ScoringProgress | None
) -> Moments:
    """Each moment that the lake has news of: its panel with all features of news, and the config of it."""
    daily: dict[AsOf, DailySentiment] = {}
    missing: TenorError | None = None
    for moment in MOMENTS:
        try:
            sentiment = workspace.daily_sentiment(
                config.sentiment, calendar=config.features.calendar, as_of=moment, kinds=True, progress=texts, save=True
            )
        except DataError as error:  # imported sentiment usually has only one of the moments
            missing = error
            continue
        if sentiment is not None:
            daily[moment] = sentiment
    if not daily:
        raise missing or DataError(f"{workspace.store} has no news to leave out: import some ('tenor data import').")
    panels: Moments = []
    for moment, sentiment in daily.items():
        features = replace(
            config.features, sentiment=True, kinds=all_kinds(sentiment.kinds), topics=False, as_of=moment
        )
        of_moment = replace(config, features=features)
        panels.append((moment, config_panel(of_moment, bars, sentiment, own), of_moment))
    return panels


def all_kinds(counts: DailyKinds | None) -> tuple[str, ...]:
    """The kinds and topics that the daily `counts` contain, and all items together; empty if there are no counts."""
    if counts is None:
        return ()
    there = set(counts.kinds)
    return (ANY, *(kind for kind in KINDS if kind in there), *sorted(kind for kind in there if kind.startswith(TOPIC)))
