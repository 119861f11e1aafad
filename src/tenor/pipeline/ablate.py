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
        Horizon -> the ablation of sentiment.
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

    All arms have the same folds and seeds; the arm without attention has sentiment.

    Parameters
    ----------
    report
        The HTML file to write, if any.

    Raises
    ------
    DataError
        The lake has neither news nor sentiment.
    """
    workspace = Workspace(store)
    calendar = config.features.calendar
    bars = workspace.bars(config.symbols or None, calendar=calendar)
    sentiment = workspace.daily_sentiment(config.sentiment, calendar=calendar, progress=texts, save=True)
    if sentiment is None:
        raise DataError(f"{store} has neither news nor sentiment to leave out: import some with 'tenor data import'.")
    features = replace(config.features, sentiment=True)
    panel = config_panel(replace(config, features=features), bars, sentiment)
    plain = config_panel(replace(config, features=replace(features, sentiment=False)), bars, None)
    splits = walk_forward(panel.sessions, config.folds, purge=max(panel.horizons))
    horizons = compare_with_and_without(
        panel,
        plain,
        splits,
        features=features,
        model=config.model,
        training=config.training,
        cache=workspace.work,
        workers=workers,
        progress=progress,
    )
    attention = {}
    if config.model.attention:
        # the arm with attention is that with sentiment, which lies in the cache
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
