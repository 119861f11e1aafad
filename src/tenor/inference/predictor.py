"""Forecasts from a registered model by ONNX Runtime, without torch; what surrounds the networks is training's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd

from tenor.calendars import exchange
from tenor.config import FeatureConfig, SentimentConfig
from tenor.errors import ModelError
from tenor.inference import forecasts
from tenor.inference.cells import symbol_first
from tenor.inference.forecasts import CHUNK, Forecasts
from tenor.inference.recipe import Recipe, Run
from tenor.registry import ONNX, Registry
from tenor.schema import Bars, DailySentiment, Panel


@dataclass(frozen=True, eq=False)
class Predictor:
    """A version of the registry, ready to forecast; `Predictor.load` makes it.

    Attributes
    ----------
    recipe
        Its settings, scaler and calibration.
    sentiment
        How the sentiment that it was trained with was made.
    card
        What is told of it: data, parts, validation metrics, when it was made.
    """

    recipe: Recipe
    sentiment: SentimentConfig
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
        found = registry.resolve(version)
        graph = registry.read(found, ONNX)[ONNX]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the same sums in the same order, wherever it runs
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own exceptions have no common base
            raise ModelError(
                f"{registry.where(found)}/{ONNX} can't be run here ({type(error).__name__}): train the model again."
            ) from error
        return cls(Recipe.load(registry, found), registry.sentiment(found), registry.card(found), session)

    @property
    def version(self) -> str:
        """The model's version."""
        return self.recipe.version

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those it was trained on."""
        return self.recipe.symbols

    @property
    def horizons(self) -> tuple[int, ...]:
        """Sessions ahead."""
        return self.recipe.horizons

    @property
    def features(self) -> FeatureConfig:
        """The recipe of its panel."""
        return self.recipe.features

    @property
    def with_sentiment(self) -> bool:
        """Whether it needs a sentiment."""
        return self.recipe.with_sentiment

    def universe(self, known: Sequence[str], symbols: Sequence[str]) -> list[str]:
        """The symbols whose bars a forecast of `symbols` takes, among the `known` ones of a lake.

        Cross-stock features need the whole universe that the model was trained on, beside what is asked for.
        """
        return sorted({*symbols, *(symbol for symbol in self.symbols if symbol in known)})

    def forecasts(
        self, bars: Bars, sentiment: DailySentiment | None, *, symbols: Sequence[str], as_of: pd.Timestamp | None = None
    ) -> Forecasts:
        """The newest forecasts of `symbols`, one a horizon each, with attention; ``failed`` says of whom there is none.

        Parameters
        ----------
        bars
            Of the whole `universe`, with all the history there is: indicators and intervals learn from it.
        sentiment
            Made by `sentiment`'s settings; may be None where the model has none (`with_sentiment`).
        as_of
            Tz-aware; only sessions that were over by then are seen. By default all of `bars`.

        Raises
        ------
        ModelError
            The model needs a sentiment.
        DataError, HistoryError
            `bars` can't be used.
        """
        if as_of is not None:
            last = exchange(self.features.calendar).last_closed(as_of)
            bars, sentiment = bars.until(last), sentiment.until(last) if sentiment is not None else None
        panel = self.recipe.panel(bars, sentiment)
        return forecasts.newest(self.recipe, self.runs, panel, symbols, self.horizons)

    def history(
        self, bars: Bars, sentiment: DailySentiment | None, *, symbols: Sequence[str], sessions: int
    ) -> Forecasts:
        """What the model says of each of the last `sessions` sessions, at every horizon, in one run; no attention.

        Those up to the end of validation (``card["split"]``) are of days that it was fitted or tuned on.
        """
        return forecasts.past(self.recipe, self.runs, self.recipe.panel(bars, sentiment), symbols, sessions)

    def runs(self, scaled: Panel) -> Iterator[tuple[slice, Run]]:
        """What the networks say of a scaled panel, `CHUNK` symbols at a time."""
        for start in range(0, len(scaled.symbols), CHUNK):
            columns = slice(start, start + CHUNK)
            out = self._session.run(None, {"x": np.ascontiguousarray(symbol_first(scaled.values[:, columns]))})
            time, feature = out[2:] or (None, None)
            yield columns, Run(out[0], out[1], time, feature)
