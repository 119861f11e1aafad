"""Do sentiment and attention help? The same model with each and without it, on risk and on returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tenor.config import Config
from tenor.errors import DataError
from tenor.evaluation.ablation import ablate as compare_with_and_without
from tenor.evaluation.ablation import ablate_attention
from tenor.evaluation.contrasts import Ablation
from tenor.pipeline.train import config_panel, describe_config
from tenor.report.ablation import write_ablation
from tenor.training.folds import fold_table, walk_forward
from tenor.workspace import ScoringProgress, Workspace


@dataclass(frozen=True)
class AblationResult:
    """What sentiment and attention are worth, and the folds they were walked over.

    Attributes
    ----------
    horizons
        Horizon -> the ablation of sentiment; empty for a lake that has none.
    folds
        A table of dates.
    attention
        Horizon -> the ablation of attention; empty for a model that has none.
    """

    horizons: dict[int, Ablation]
    folds: str
    attention: dict[int, Ablation] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "folds": self.folds.splitlines(),
            "horizons": [ablation.to_json() for ablation in self.horizons.values()],
            "attention": [ablation.to_json() for ablation in self.attention.values()],
        }


def ablate(
    store: str,
    config: Config,
    *,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    texts: ScoringProgress | None = None,
    report: Path | None = None,
) -> AblationResult:
    """Walk forward with sentiment, without it, with it shuffled across days, and without attention.

    All arms have the same folds and seeds; the arm without attention has sentiment. A lake without sentiment is asked
    about attention alone.

    Parameters
    ----------
    report
        The HTML file to write, if any.

    Raises
    ------
    DataError
        The lake has no sentiment to leave out, and the model no attention.
    """
    workspace = Workspace(store)
    calendar = config.features.calendar
    bars = workspace.bars(config.symbols or None, calendar=calendar)
    sentiment = workspace.daily_sentiment(config.sentiment, calendar=calendar, progress=texts, save=True)
    if sentiment is None and not config.model.attention_lstm:
        raise DataError(
            f"{store} has neither news nor sentiment to leave out, and the network has no attention of tenor's: import "
            "news with 'tenor data import', or ask about model.attention = true without model.network."
        )
    features = replace(config.features, sentiment=sentiment is not None)
    panel = config_panel(replace(config, features=features), bars, sentiment)
    splits = walk_forward(panel.sessions, config.folds, purge=max(panel.horizons))
    horizons = {}
    if sentiment is not None:
        horizons = compare_with_and_without(
            panel,
            config_panel(replace(config, features=replace(features, sentiment=False)), bars, None),
            splits,
            features=features,
            model=config.model,
            training=config.training,
            cache=workspace.work,
            workers=workers,
            progress=progress,
        )
    attention = {}
    if config.model.attention_lstm:
        # the arm with attention is that with sentiment, where there is one: it lies in the cache
        attention = ablate_attention(
            panel,
            splits,
            features=features,
            model=config.model,
            training=config.training,
            cache=workspace.work,
            workers=workers,
            progress=progress,
        )
    table = fold_table(panel.sessions, splits)
    if report is not None:
        about = describe_config(config, panel.symbols)
        write_ablation(report, horizons, table, attention=attention, about=about)
    return AblationResult(horizons, table, attention)
