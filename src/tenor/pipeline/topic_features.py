"""The topics that the features of a training count: fitted on news of the training part, or a named version."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tenor.calendars import exchange
from tenor.config import Config
from tenor.errors import ConfigError
from tenor.pipeline.topics import USUAL_TOPICS, Progress, read_items
from tenor.sentiment.scorer import Scorer
from tenor.topics.model import TopicModel
from tenor.workspace import NEWS, Workspace


def with_topics(workspace: Workspace, config: Config, until: pd.Timestamp, progress: Progress | None = None) -> Config:
    """`config` with the version of the topics that its features count (``sentiment.topics_model``).

    If it asks for topics of the lake's news and names no version, topics are fitted on the items published before the
    cut-off of `until`, with a fixed seed. They are saved under their version, and do not replace those of ``tenor
    topics fit``. A config that asks for no topics, or whose sentiment is imported, is returned unchanged.

    Parameters
    ----------
    workspace
        The store.
    config
        Settings, of which ``features.topics`` and ``sentiment`` are used.
    until
        The last session of the training part.
    progress
        Called while texts are scored.

    Raises
    ------
    ConfigError
        The number of topics is below 2, or the named version was fitted on news after `until`.
    DataError
        There is no news before the cut-off, or too little for so many topics.
    ModelError
        The named version does not exist or is of another encoder, or the encoder gives no embeddings.
    """
    features, calendar = config.features, config.features.calendar
    made_by = workspace.resolve_sentiment(config.sentiment, calendar=calendar, as_of=features.as_of)
    if not features.topics or made_by.source != NEWS:
        return config
    # at the close, since what is known then is also known before the next open
    before = exchange(calendar).close(until) - pd.Timedelta(minutes=made_by.margin_minutes)
    scoring = Scorer.load(made_by.model, kinds=made_by.kinds_model or None, device=made_by.device)
    if made_by.topics_model:
        _refuse_later(workspace.topics.version(made_by.topics_model), before)
        return config
    k = USUAL_TOPICS if features.topics is True else int(features.topics)
    if k < 2:
        raise ConfigError(f"features.topics is {k}; it must be at least 2.")
    later = " of before, end the training part later, or leave features.topics out"
    items = read_items(workspace, before, scoring, later, progress)
    model = workspace.topics.save_version(items.fitted(k))
    return replace(config, sentiment=replace(config.sentiment, topics_model=model.version))


def _refuse_later(model: TopicModel, before: pd.Timestamp) -> None:
    """Raise ConfigError where `model` was fitted on items published at `before` or later."""
    until = model.settings.get("until")
    if until is None or pd.Timestamp(until) > before:
        seen = "all news" if until is None else f"news up to {pd.Timestamp(until):%Y-%m-%d %H:%M} UTC"
        raise ConfigError(
            f"sentiment.topics_model is {model.version!r}, fitted on {seen}, and the training part ends at "
            f"{before:%Y-%m-%d %H:%M} UTC: run 'tenor topics fit --until {before:%Y-%m-%d}', or leave it out."
        )
