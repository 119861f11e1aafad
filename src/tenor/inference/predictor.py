"""Forecasts from a registered model by ONNX Runtime, without torch; what surrounds the networks is training's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import onnxruntime
import pandas as pd

from tenor.calendars import exchange
from tenor.errors import ModelError
from tenor.features.own import Covariates
from tenor.heads import HEADS
from tenor.inference.artifact import document_of
from tenor.inference.cells import network_input
from tenor.inference.forecasts import CHUNK, PanelForecasts, Run
from tenor.inference.recipe import Recipe
from tenor.registry import ONNX, Registry, Version
from tenor.registry.manifest import DOCUMENT
from tenor.schema import Bars, DailySentiment, Panel

NO_VERDICT = "unknown: the model's card has none, as it was made by an older tenor; train again to have one"


@dataclass(frozen=True, eq=False)
class Predictor:
    """A version of the registry, ready to forecast; `Predictor.load` makes it.

    Attributes
    ----------
    recipe
        Its settings, scaler and calibration.
    card
        Its data, parts, settings, validation metrics, and when it was made.
    """

    recipe: Recipe
    card: Mapping[str, Any]
    _session: Any = field(repr=False)

    @classmethod
    def load(cls, registry: Registry, version: str | None = None) -> Predictor:
        """The predictor of `version`, or of ``champion`` (by default), ``previous`` or ``latest``.

        Raises
        ------
        ModelError
            There is no such version, or a file of it is missing, truncated or changed; it is named.
        """
        opened = registry.open(version)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the same sums in the same order, wherever it runs
        options.log_severity_level = 3
        graph = opened.read(ONNX)[ONNX]
        try:
            session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own exceptions have no common base
            raise ModelError(
                f"{opened.location}/{ONNX} can't be run here ({type(error).__name__}): train the model again."
            ) from error
        return cls(read_recipe(opened), opened.card(), session)

    def run(
        self,
        bars: Bars,
        sentiment: DailySentiment | None,
        *,
        as_of: pd.Timestamp | None = None,
        covariates: Covariates | None = None,
    ) -> PanelForecasts:
        """All that the model predicts from `bars` and `sentiment`, from one run of its networks.

        Newest forecasts, past ones and attention are views of the result. Those of sessions up to the end of validation
        (``recipe.split``) are of days that the model was fitted or tuned on.

        Parameters
        ----------
        bars
            Of the recipe's whole `universe`, with all the history there is: indicators and intervals learn from it.
        sentiment
            Made by ``recipe.sentiment``; may be None where the model has none (``recipe.with_sentiment``).
        as_of
            Tz-aware; only sessions that were over by then are seen. By default all of `bars`.
        covariates
            For own features, as `Recipe.panel` takes them.

        Raises
        ------
        ModelError
            The model needs daily sentiment.
        DataError
            `bars` can't be used.
        HistoryError
            `bars` can't be used.
        """
        if as_of is not None:
            last = exchange(self.recipe.features.calendar).last_closed(as_of)
            bars, sentiment = bars.until(last), sentiment.until(last) if sentiment is not None else None
        panel = self.recipe.panel(bars, sentiment, covariates)
        return PanelForecasts.of(self.recipe, self._runs, panel, self.verdicts())

    def verdicts(self) -> dict[int, str]:
        """What training found of each horizon's forecasts, by the card; an older model's card says nothing of it."""
        validation = self.card.get("validation") or {}
        found = {int(horizon): dict(known).get("verdict") for horizon, known in validation.items()}
        return {horizon: str(found.get(horizon) or NO_VERDICT) for horizon in self.recipe.horizons}

    def _runs(self, scaled: Panel) -> Iterator[tuple[slice, Run]]:
        """The networks' outputs over a scaled panel, `CHUNK` symbols at a time."""
        names = [output.name for output in self._session.get_outputs()]
        for start in range(0, len(scaled.symbols), CHUNK):
            columns = slice(start, start + CHUNK)
            values = network_input(scaled, columns)
            outputs = dict(zip(names, self._session.run(None, {"x": values}), strict=True))
            heads = {head.name: outputs[head.name] for head in HEADS}
            yield columns, Run(heads, outputs.get("time_weights"), outputs.get("feature_weights"))


def read_recipe(version: Version) -> Recipe:
    """The recipe of a version of the registry; raises ModelError where it can't be read."""
    text = version.read(DOCUMENT)[DOCUMENT]
    return Recipe.from_mapping(document_of(text, version.location), version.name, version.own())
