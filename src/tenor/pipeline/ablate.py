"""Does sentiment help? The same model with it, without it, and with it shuffled across days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenor.config import Config
from tenor.errors import DataError
from tenor.evaluation.ablation import Ablation
from tenor.evaluation.ablation import ablate as compare_with_and_without
from tenor.pipeline.train import config_panel, describe_config
from tenor.report.ablation import write_ablation
from tenor.training.folds import fold_table, walk_forward
from tenor.workspace import ScoringProgress, Workspace


@dataclass(frozen=True)
class AblationResult:
    """The ablation by horizon, and the folds it was made on, as a table of dates."""

    horizons: dict[int, Ablation]
    folds: str

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {"folds": self.folds.splitlines(), "horizons": [a.to_json() for a in self.horizons.values()]}


def ablate(
    store: str,
    config: Config,
    *,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    texts: ScoringProgress | None = None,
    report: Path | None = None,
) -> AblationResult:
    """Walk forward with sentiment, without it, and with it shuffled across days: same folds, same seeds.

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
    bars = workspace.lake.bars(config.symbols or None, calendar=calendar)
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
    table = fold_table(panel.sessions, splits)
    if report is not None:
        write_ablation(report, horizons, table, about=describe_config(config, panel.symbols))
    return AblationResult(horizons, table)
