"""Predict: a registered model and the lake's last bars -> forecasts, without torch. Nothing is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from tenor.calendars import interval_of
from tenor.errors import UnknownSymbolError
from tenor.schema import BarInterval, Forecast
from tenor.workspace import Workspace

FRESH = 60.0
"""Seconds for which one run's forecasts serve all who ask."""


def predict(store: str, symbols: Sequence[str], *, horizon: int = 1, version: str | None = None) -> list[Forecast]:
    """Forecasts of `symbols` from the last bars in the lake, by ONNX Runtime.

    Raises
    ------
    UnknownSymbolError
        The lake has no such symbol.
    ModelError
        Nothing was trained yet.
    DataError
        The model has no such horizon.
    HistoryError
        A symbol has too few sessions.
    """
    return forecasts_of(Workspace(store), symbols, horizon=horizon, version=version)[0]


def forecasts_of(
    workspace: Workspace, symbols: Sequence[str], *, horizon: int, version: str | None
) -> tuple[list[Forecast], BarInterval]:
    """As `predict`, and how long the bars are that the model forecasts from."""
    predictor = workspace.predictor(version)
    lake = workspace.forecasts(predictor)
    for symbol in symbols:
        if symbol not in lake.known:
            raise UnknownSymbolError(symbol, lake.known)
    forecasts = lake.newest(symbols, [horizon])
    for error in forecasts.failed.values():
        raise error
    by_symbol = {forecast.symbol: forecast for forecast in forecasts}
    return [by_symbol[symbol] for symbol in symbols], interval_of(predictor.recipe.features.calendar)


class OnDemand:
    """The forecasts of a store's champion from the lake's latest bars; one run serves all symbols for a minute."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._forecasts: dict[str, list[dict[str, Any]]] = {}
        self._failed: dict[str, Exception] = {}
        self._at = 0.0

    def __call__(self, symbol: str) -> Sequence[dict[str, Any]]:
        """The forecasts of `symbol`, one a horizon.

        Raises
        ------
        TenorError
            The lake or the model can't be read, or there is no forecast of this symbol.
        """
        with self._lock:  # those who wait get what the first one computed
            if time.monotonic() - self._at > FRESH or not self._forecasts:
                self._run()
        if symbol in self._failed:
            raise self._failed[symbol]
        if symbol not in self._forecasts:
            raise UnknownSymbolError(symbol, self._forecasts)
        return self._forecasts[symbol]

    def _run(self) -> None:
        workspace = Workspace(self._store)
        lake = workspace.forecasts(workspace.predictor())
        newest = lake.newest(lake.known)
        forecasts: dict[str, list[dict[str, Any]]] = {}
        for forecast in newest:
            forecasts.setdefault(forecast.symbol, []).append(forecast.to_json())
        self._forecasts, self._failed, self._at = forecasts, dict(newest.failed), time.monotonic()
