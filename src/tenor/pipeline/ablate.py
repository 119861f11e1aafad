"""Do sentiment and attention help? The same model with each and without it, on risk and on returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tenor.config import Config
from tenor.engines import Workers
from tenor.errors import DataError, HistoryError
from tenor.evaluation.ablation import ablate as compare_with_and_without
from tenor.evaluation.ablation import ablate_attention, ablate_columns
from tenor.evaluation.contrasts import Ablation
from tenor.evaluation.news_value import NewsValue
from tenor.news_scoring import ScoringProgress
from tenor.pipeline.inputs import config_panel
from tenor.pipeline.news_value import ablate_news, chosen_arms
from tenor.pipeline.own import end_of_first_training, prepare_own
from tenor.pipeline.saved_news_value import save_news_value
from tenor.pipeline.topic_features import with_topics
from tenor.pipeline.train import describe_config
from tenor.report.ablation import write_ablation
from tenor.training.folds import fold_table, walk_forward
from tenor.workspace import Workspace

QUESTIONS = ("news", "sentiment", "attention")
"""What an ablation can leave out, apart from own features."""


@dataclass(frozen=True)
class AblationResult:
    """What the news, sentiment and attention are worth, and the folds they were walked over.

    Attributes
    ----------
    horizons
        From each horizon to the ablation of sentiment; empty if the lake has no sentiment.
    folds
        The dates of the folds, as a table in text.
    attention
        From each horizon to the ablation of attention; empty if the model has no attention.
    own
        From the name of each own feature to its ablation by horizon.
    news
        What the news is worth by kind, at the close and before the open; None if it was not asked about.
    """

    horizons: dict[int, Ablation]
    folds: str
    attention: dict[int, Ablation] = field(default_factory=dict)
    own: dict[str, dict[int, Ablation]] = field(default_factory=dict)
    news: NewsValue | None = None

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "folds": self.folds.splitlines(),
            "horizons": [ablation.to_json() for ablation in self.horizons.values()],
            "attention": [ablation.to_json() for ablation in self.attention.values()],
            "own": {name: [each.to_json() for each in horizons.values()] for name, horizons in self.own.items()},
            "news": None if self.news is None else self.news.to_json(),
        }


def ablate(
    store: str,
    config: Config,
    *,
    workers: Workers = None,
    progress: Callable[[str, int, int], None] | None = None,
    texts: ScoringProgress | None = None,
    report: Path | None = None,
    without: Sequence[str] = (),
    arms: Sequence[str] = (),
    allow_leak: bool = False,
) -> AblationResult:
    """Walk the model forward with and without the news, with the news shuffled across days, and without attention.

    An arm is the same model with something left out. If the lake has counts of the news by kind, arms with more or less
    of the news are compared over the sessions with news (`tenor.evaluation.news_arms`), at the close and before the
    next open. If it has only sentiment, the arms are with, without and with shuffled sentiment. The arm without
    attention has sentiment. In a lake with neither, only attention is left out. Own features that the config names are
    in all arms except those that leave them out.

    Parameters
    ----------
    store
        The lake.
    config
        All settings.
    workers
        Processes that train at the same time; None means one for each core.
    progress
        Called with the name of an arm, the number of its networks that are trained, and of all its networks.
    texts
        Called while texts are scored.
    report
        The HTML file to write, if any.
    without
        What to leave out, in place of the default: ``news``, ``sentiment``, ``attention``, names of own features, or
        ``own`` for all of them.
    arms
        Names in `tenor.evaluation.news_arms.NEWS_ARMS`, if the news is asked about; by default all that are possible.
    allow_leak
        Go on even if the leak check finds something in an own feature.

    Raises
    ------
    DataError
        The lake has no sentiment to leave out, and the model no attention.
    ConfigError
        `without` names an own feature that does not exist.
    LeakError
        An own feature sees the future.
    """
    workspace = Workspace(store)
    calendar = config.features.calendar
    bars = workspace.bars(config.symbols or None, calendar=calendar)
    chosen_arms(arms)  # raises now, not after the first arm was trained
    named_topics = config.sentiment.topics_model
    until, too_short = None, None
    try:
        until = end_of_first_training(bars, config, config.folds)
        config = with_topics(workspace, config, until, texts)
    except HistoryError as error:  # first report what can't be left out because it is not there
        too_short = error
    config, sentiment = workspace.training_news(config, until=until, progress=texts, save=True, always=True)
    counts = None if sentiment is None else sentiment.kinds
    requested = tuple(without) or ("sentiment" if counts is None and not arms else "news", "attention")
    lacking = {}
    if sentiment is None:
        lacking["sentiment"] = f"{store} has neither news nor sentiment to leave out: import some ('tenor data import')"
    elif not config.features.sentiment:
        lacking["sentiment"] = "features.sentiment is false, so that there is none to leave out: set it to true"
    if sentiment is None:
        lacking["news"] = lacking["sentiment"]
    if not config.model.attention_lstm:
        lacking["attention"] = (
            "the network has no attention of tenor's to leave out: take model.attention = true without model.network"
        )
    if not without and sentiment is None and "attention" in lacking:
        raise DataError(
            f"{store} has neither news nor sentiment to leave out, and the network has no attention of tenor's: import "
            "news with 'tenor data import', or ask about model.attention = true without model.network."
        )
    reasons = [lacking[name] for name in requested if name in lacking]
    # by default everything possible is left out in turn; arms concern the news
    if reasons and (without or len(reasons) == len(requested) or (arms and "news" in lacking)):
        raise DataError("; ".join(reasons) + ".")
    if too_short is not None:
        raise too_short
    prepared = prepare_own(workspace, config, bars, train_end=until, allow_leak=allow_leak)
    config = prepared.config
    columns = {name: prepared.own.without(name) for name in requested if name not in QUESTIONS}
    features = replace(config.features, sentiment=config.features.sentiment and sentiment is not None)
    panel = config_panel(replace(config, features=features), bars, sentiment, prepared.own)
    news = None
    if "news" in requested and "news" not in lacking:
        # the folds over the sessions with news have their own end of training, up to which topics are fitted
        asked = replace(config, sentiment=replace(config.sentiment, topics_model=named_topics))
        try:
            news = ablate_news(
                workspace, asked, bars, prepared.own, arms=arms, workers=workers, progress=progress, texts=texts
            )
        except HistoryError:
            if without or arms:
                raise
            # too few sessions with news for folds of their own: sentiment is asked about on the folds of the config
            requested = ("sentiment", "attention")
        if news is not None:
            save_news_value(workspace.registry, news, config.model, len(panel.symbols))
        if news is not None and requested == ("news",):
            if report is not None:
                write_ablation(report, {}, news.folds, news=news, about=describe_config(config, panel.symbols))
            return AblationResult({}, news.folds, news=news)
    splits = walk_forward(panel.sessions, config.folds, purge=max(panel.horizons))
    shared: dict[str, Any] = {
        "features": features,
        "model": config.model,
        "training": config.training,
        "cache": workspace.work,
        "workers": workers,
        "progress": progress,
    }
    horizons = {}
    if "sentiment" in requested and "sentiment" not in lacking:
        horizons = compare_with_and_without(
            panel,
            config_panel(replace(config, features=replace(features, sentiment=False)), bars, None, prepared.own),
            splits,
            **shared,
        )
    attention = {}
    if "attention" in requested and "attention" not in lacking:
        # the arm with attention is the one with sentiment, if there is one: it is in the cache
        attention = ablate_attention(panel, splits, **shared)
    own = {name: ablate_columns(panel, gone, name, splits, **shared) for name, gone in columns.items()}
    table = fold_table(panel.sessions, splits)
    if report is not None:
        about = describe_config(config, panel.symbols)
        write_ablation(report, horizons, table, attention=attention, own=own, news=news, about=about)
    return AblationResult(horizons, table, attention, own, news)
