"""The inputs of a training: bars, own features, news and topics of a lake, and the panel made of them.

It needs no torch unless topics or own features need the end of the training part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tenor.config import Config
from tenor.features import build_panel
from tenor.features.axis import Axis
from tenor.features.catalogue import check_groups
from tenor.features.own import Own
from tenor.features.own.bundle import Given
from tenor.news_scoring import ScoringProgress
from tenor.pipeline.own import Prepared, prepare_own
from tenor.pipeline.topic_features import with_topics
from tenor.schema import Bars, DailySentiment, Panel
from tenor.workspace import Workspace


@dataclass(frozen=True, repr=False)
class TrainingInputs:
    """The inputs of a training.

    Attributes
    ----------
    config
        The settings, completed with what depends on the lake: source of sentiment, kinds of news, topics, kinds of
        events.
    bars
        The bars to train on.
    sentiment
        Daily sentiment with counts by kind; None if no feature needs it, or the lake has none.
    prepared
        The own features.
    panel
        Features and targets.
    """

    config: Config
    bars: Bars
    sentiment: DailySentiment | None
    prepared: Prepared
    panel: Panel


def training_inputs(
    workspace: Workspace,
    config: Config,
    *,
    given: Sequence[Given] = (),
    scoring: ScoringProgress | None = None,
    allow_leak: bool = False,
) -> TrainingInputs:
    """Read the inputs of a training with `config`. New texts are scored and topics are fitted, each only once.

    Parameters
    ----------
    workspace
        The lake.
    config
        All settings.
    given
        Own features in addition to those of ``features.own``.
    scoring
        Called while texts are scored.
    allow_leak
        Go on even if the leak check finds something in an own feature.

    Raises
    ------
    ConfigError
        A setting can't be used.
    DataError
        There are no counts of the kinds of news that are named, or no news to fit topics on.
    HistoryError
        The lake has too little history.
    LeakError
        An own feature sees the future.
    """
    check_groups(config.features.groups)
    bars = workspace.bars(config.symbols or None, calendar=config.features.calendar)
    prepared = prepare_own(
        workspace, config, bars, given=given, train_end=train_end(config, bars, given), allow_leak=allow_leak
    )
    until = topics_end(prepared.config, bars)
    config = prepared.config if until is None else with_topics(workspace, prepared.config, until, scoring)
    config, sentiment = workspace.training_news(config, until=until, progress=scoring, save=True)
    return TrainingInputs(config, bars, sentiment, prepared, config_panel(config, bars, sentiment, prepared.own))


def train_end(config: Config, bars: Bars, given: Sequence[Given] = ()) -> pd.Timestamp | None:
    """The last session of the training part; None if no own feature needs it."""
    features = config.features
    return last_trained(config, bars) if features.own or features.events or given else None


def topics_end(config: Config, bars: Bars) -> pd.Timestamp | None:
    """The last session of the training part; None if ``features.topics`` asks for no topics."""
    return last_trained(config, bars) if config.features.topics else None


def last_trained(config: Config, bars: Bars) -> pd.Timestamp:
    """The last session of the training part."""
    from tenor.training.split import chronological  # imports torch, as all of tenor.training does

    sessions = Axis.of(bars, config.features.calendar).sessions
    split = chronological(sessions, config.split, purge=max(config.features.horizons))
    until: pd.Timestamp = sessions[split.train.stop - 1]
    return until


def config_panel(config: Config, bars: Bars, sentiment: DailySentiment | None, own: Own | None = None) -> Panel:
    """The panel that `config` describes, with the own features `own` (by default those that ``features.own`` names).

    Without `sentiment`, or if the config switches it off, the panel has no features of sentiment.
    """
    return build_panel(bars, config.features, sentiment=sentiment, half_life=config.sentiment.half_life, own=own)
