"""Models that a version is compared with: same data and seeds, one thing changed; each is trained once and stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenor.engines import Workers
from tenor.schema import Panel
from tenor.training import Forecaster, Progress, Split, fit


@dataclass(frozen=True)
class Companions:
    """The companions of one version.

    Attributes
    ----------
    forecaster
        The version.
    split
        Its parts, of the panel that companions are trained on.
    work
        The folder of work that is part of no version: companions are kept under ``companions``.
    workers
        Number of processes that train seeds at the same time; None means one for each CPU core.
    progress
        Called after every epoch.
    """

    forecaster: Forecaster
    split: Split
    work: Path
    workers: Workers = None
    progress: Progress | None = None

    def fitted(
        self,
        panel: Panel,
        name: str,
        *,
        features: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
    ) -> Forecaster:
        """The model with `features` and `model` in place of those settings of the version; `name` is its folder's."""
        folder = self.work / "companions" / f"{self.forecaster.version}-{name}"
        if folder.exists():
            return Forecaster.load(folder)
        recipe = self.forecaster.recipe
        companion = fit(
            panel,
            self.split,
            features=replace(recipe.features, **(features or {})),
            model=replace(recipe.model, **(model or {})),
            training=self.forecaster.training,
            sentiment=recipe.sentiment,
            own=recipe.own,
            checkpoints=self.work / "checkpoints",
            progress=self.progress,
            workers=self.workers,
        )
        companion.save(folder)
        return companion
