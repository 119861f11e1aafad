"""The model that `mlflow.pyfunc` runs for an exported version: bars in, forecasts out.

MLflow executes a copy of this file: nothing is pickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from tenor.forecast_table import columns_of, forecast_row, trained_until_of
from tenor.inference.predictor import Predictor
from tenor.registry import Registry
from tenor.schema import Bars
from tenor.storage.object_store import open_store


class BarsToForecasts(PythonModel):
    """A version that needs only bars."""

    def load_context(self, context: Any) -> None:
        """Open the version that is stored in the artifacts."""
        folder = Path(context.artifacts["registry"])
        registry = Registry(open_store(folder), folder)
        (version,) = registry.versions()
        self.predictor = Predictor.load(registry, version)

    # by annotations MLflow would validate what `Bars` does better; the names are those that it calls by
    def predict(self, context, model_input):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """The newest forecasts of all symbols and horizons, in the columns of a forecast file.

        Parameters
        ----------
        context
            The context that MLflow passes; not used.
        model_input
            Bars (``symbol, session, open, high, low, close, adj_close, volume``), with the history that the features
            need.
        """
        bars = Bars(model_input)
        forecasts = self.predictor.run(bars, None).newest(bars.symbols)
        until = trained_until_of(self.predictor.card)
        now = pd.Timestamp.now("UTC").timestamp()
        rows = [forecast_row(forecast.to_json(), trained_until=until, made_at=now) for forecast in forecasts]
        return pd.DataFrame(rows, columns=columns_of(rows))


set_model(BarsToForecasts())
