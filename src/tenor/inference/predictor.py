"""Forecasts from a registered model by ONNX Runtime, without torch.

Everything except the networks is the code that training uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import onnxruntime
import pandas as pd

from tenor.calendars import exchange
from tenor.errors import ModelError
from tenor.features.own import Covariates
from tenor.heads import HEADS
from tenor.inference.artifact import document_of
from tenor.inference.at_once import blocks_of_symbols
from tenor.inference.cells import network_input
from tenor.inference.forecasts import PanelForecasts, Run
from tenor.inference.recipe import Recipe
from tenor.registry import ONNX, Registry, Version
from tenor.registry.manifest import DOCUMENT
from tenor.schema import Bars, DailySentiment, Panel

NO_VERDICT = "unknown: the model's card has none, as it was made by an older tenor; train again to have one"


@dataclass(frozen=True, eq=False, repr=False)
class Predictor:
    """A version of a model in the registry, ready to forecast; `Predictor.load` returns it.

    Attributes
    ----------
    recipe
        Its settings, scaler and calibration.
    card
        The model's card: its data, the split of sessions, settings, validation metrics, and when it was made.

    Examples
    --------
    `FittedModel.predictor` is one; a store's comes from `tenor.load`::

        predictor = tenor.load("my-model").predictor
        run = predictor.run(tenor.bars_of(df), None)
        run.newest(["AAPL"], [5]).to_frame()
    """

    recipe: Recipe
    card: Mapping[str, Any]
    _session: Any

    def __repr__(self) -> str:
        return f"Predictor({self.recipe!r})"

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
        options.intra_op_num_threads = 1  # sums in the same order on every machine
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

        The methods of the result give the newest forecasts, past ones and attention. Forecasts of sessions up to the
        end of the validation part (``recipe.split``) are for days that the model was fitted or calibrated on.

        Parameters
        ----------
        bars
            Bars of the recipe's whole `universe`, with all available history: indicators and intervals are computed
            from it.
        sentiment
            Daily sentiment made by the settings ``recipe.sentiment``; None is allowed if the model uses none
            (``recipe.with_sentiment``).
        as_of
            A moment with time zone; only sessions that were over by then are used. By default all of `bars`.
        covariates
            Data for own features, as `Recipe.panel` takes them.

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
        """From each horizon to the verdict of training on its forecasts, by the card; empty for older models."""
        validation = self.card.get("validation") or {}
        found = {int(horizon): dict(known).get("verdict") for horizon, known in validation.items()}
        return {horizon: str(found.get(horizon) or NO_VERDICT) for horizon in self.recipe.horizons}

    def _runs(self, scaled: Panel) -> Iterator[tuple[slice, Run]]:
        """The networks' outputs over a scaled panel, some symbols at a time."""
        names = [output.name for output in self._session.get_outputs()]
        for columns in blocks_of_symbols(self.recipe.model, scaled):
            values = network_input(scaled, columns)
            outputs = dict(zip(names, self._session.run(None, {"x": values}), strict=True))
            heads = {head.name: outputs[head.name] for head in HEADS}
            yield columns, Run(heads, outputs.get("time_weights"), outputs.get("feature_weights"))


def read_recipe(version: Version) -> Recipe:
    """The recipe of a version in the registry; raises ModelError if it can't be read."""
    text = version.read(DOCUMENT)[DOCUMENT]
    return Recipe.from_mapping(document_of(text, version.location), version.name, version.own())
