"""One candidate of a grid search. Its scores are saved as soon as they are known, so a killed search can continue."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from sklearn.base import BaseEstimator

from tenor.config import to_mapping
from tenor.engines.local import end_if_orphaned
from tenor.errors import TenorError
from tenor.schema import Bool
from tenor.storage.files import content_key, json_values, read_json, write_json
from tenor.training.estimator import SECTIONS, PanelForecaster, Rows
from tenor.training.panel_source import PanelSource
from tenor.training.parallel import Progress
from tenor.training.scoring import SCORINGS

FORMAT = 2
"""Format of a result on disk."""


class Candidate(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A forecaster of the grid whose scores are read from disk, or computed and saved there.

    If a training fails (a learning rate too high, a lookback too long), its scores are NaN, and the reason is saved.

    Parameters
    ----------
    forecaster
        The forecaster; its parameters are also parameters of the candidate, with the prefix ``forecaster__``.
    cells
        [session, symbol]; the cells over which scores are computed.
    cache
        The folder of scores.
    owner
        Id of the process that began the search. Processes that train for it end when it has ended.
    """

    def __init__(self, forecaster: PanelForecaster, cells: Bool, cache: Path, owner: int) -> None:
        self.forecaster = forecaster
        self.cells = cells
        self.cache = cache
        self.owner = owner

    def fit(self, X: Rows, y: object = None) -> Candidate:  # noqa: ARG002 (scikit-learn hands it over)
        """Store the sessions X; training starts only when scores are needed that are not on disk."""
        self.fitted_rows_ = X[:, 0]
        return self

    def scores(self, X: Rows) -> dict[str, float]:
        """All scores over the sessions X."""
        file = self.file(self.fitted_rows_, X[:, 0])
        result = read_result(file)
        if result is None:
            result = try_out(self.forecaster, self.cells, self.fitted_rows_, X, progress=self._stop_if_orphaned)
            write_json(file, result)
        scores = result.get("scores", {})
        # undefined is null in JSON
        return {name: float("nan") if scores.get(name) is None else float(scores[name]) for name in SCORINGS}

    def file(self, fitted: Rows, scored: Rows) -> Path:
        """The file with the scores of a fit: ``<key of the configs>-<key of all else>.json``."""
        assert isinstance(self.forecaster.source, PanelSource)
        configs = {section: to_mapping(self.forecaster.config(section)) for section in SECTIONS}
        rest = {
            "format": FORMAT,
            "versions": [version("tenor"), torch.__version__],
            "source": self.forecaster.source.fingerprint,
            "early_stopping": self.forecaster.early_stopping,
            "horizon": self.forecaster.horizon,
            "rows": [[int(rows[0]), int(rows[-1])] for rows in (fitted, scored)],
            "shape": list(self.cells.shape),
        }
        return self.cache / f"{content_key(configs)}-{content_key(rest, self.cells)}.json"

    def _stop_if_orphaned(self, *_: object, **__: object) -> None:
        end_if_orphaned(self.owner)


def try_out(
    forecaster: PanelForecaster, cells: Bool, fitted: Rows, scored: Rows, progress: Progress | None = None
) -> dict[str, Any]:
    """The scores over the sessions `scored` (or why the training failed), and its seconds, as JSON values."""
    begun = time.perf_counter()
    try:
        forecaster.fit(fitted, progress=progress)
        result: dict[str, Any] = {"scores": forecaster.scores(scored, cells=cells)}
    except TenorError as error:
        result = {"failed": str(error)}
    return dict(json_values({**result, "seconds": time.perf_counter() - begun}))


def read_result(file: Path) -> dict[str, Any] | None:
    """The result in `file`; None if there is none that can be read."""
    try:
        result = read_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) else None


def tried(cache: Path) -> int:
    """How many configurations all searches with the folder `cache` have tried; 0 if there was no search."""
    return len({file.name.partition("-")[0] for file in cache.glob("[!.]*.json")})
