"""Does the news help? The arms of `tenor.evaluation.news_arms` from a lake, at the close and before the next open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tenor.config import Config
from tenor.errors import ConfigError, DataError, TenorError, did_you_mean
from tenor.evaluation.news_arms import NEWS_ARMS, NewsWalk, available_arms, news_folds, walk_arms
from tenor.evaluation.news_value import NewsValue, value_news
from tenor.features.kinds import ANY, TOPIC
from tenor.features.own import Own
from tenor.pipeline.train import config_panel
from tenor.schema import KINDS, AsOf, Bars, DailyKinds, DailySentiment, Panel
from tenor.training.folds import fold_table
from tenor.workspace import ScoringProgress, Workspace

MOMENTS: tuple[AsOf, ...] = ("close", "open")


def chosen_arms(names: Sequence[str]) -> tuple[str, ...]:
    """The arms that a person named, in order; all of them where none is named.

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
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    texts: ScoringProgress | None = None,
) -> NewsValue:
    """Walk the arms forward over the sessions with news, at each moment that the lake has news of, and compare them.

    Parameters
    ----------
    workspace, config, bars, own
        The lake, all settings, its bars, and the own features that the config names, which all arms have.
    arms
        Of `NEWS_ARMS`; by default all that the lake's news allow.
    workers, progress, texts
        As `tenor.pipeline.ablate.ablate` takes them.

    Raises
    ------
    DataError
        The lake has no news.
    HistoryError
        There are too few sessions with news.
    ConfigError
        There is no such arm, or not with these news.
    """
    walks: dict[str, NewsWalk] = {}
    table = ""
    for moment, panel, of_moment in _moments(workspace, config, bars, own, texts):
        splits = news_folds(
            panel,
            config.folds.folds,
            config.folds.valid_sessions,
            lookback=config.model.lookback,
            purge=max(panel.horizons),
        )
        table = table or fold_table(panel.sessions, splits)
        report = None
        if progress is not None:

            def report(arm: str, done: int, total: int, at: str = moment) -> None:
                progress(f"{arm}, {at}", done, total)

        allowed = available_arms(panel)
        walks[moment] = walk_arms(
            panel,
            [arm for arm in chosen_arms(arms) if arms or arm in allowed],
            splits,
            features=of_moment.features,
            model=of_moment.model,
            training=of_moment.training,
            cache=workspace.work,
            workers=workers,
            progress=report,
        )
    return value_news(walks, seeds=config.training.seeds, folds=table)


def _moments(
    workspace: Workspace, config: Config, bars: Bars, own: Own | None, texts: ScoringProgress | None
) -> list[tuple[AsOf, Panel, Config]]:
    """Each moment that the lake has news of: its panel with all features of news, and the config of it."""
    daily: dict[AsOf, DailySentiment] = {}
    missing: TenorError | None = None
    for moment in MOMENTS:
        try:
            sentiment = workspace.daily_sentiment(
                config.sentiment, calendar=config.features.calendar, as_of=moment, kinds=True, progress=texts, save=True
            )
        except DataError as error:  # imported sentiment is of one moment as a rule
            missing = error
            continue
        if sentiment is not None:
            daily[moment] = sentiment
    if not daily:
        raise missing or DataError(f"{workspace.store} has no news to leave out: import some ('tenor data import').")
    panels: list[tuple[AsOf, Panel, Config]] = []
    for moment, sentiment in daily.items():
        features = replace(
            config.features, sentiment=True, kinds=all_kinds(sentiment.kinds), topics=False, as_of=moment
        )
        of_moment = replace(config, features=features)
        panels.append((moment, config_panel(of_moment, bars, sentiment, own), of_moment))
    return panels


def all_kinds(counts: DailyKinds | None) -> tuple[str, ...]:
    """The kinds and the topics that there are daily `counts` of, and all items together; none without counts."""
    if counts is None:
        return ()
    there = set(counts.kinds)
    return (ANY, *(kind for kind in KINDS if kind in there), *sorted(kind for kind in there if kind.startswith(TOPIC)))
