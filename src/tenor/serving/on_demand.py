"""Forecasts made when they are asked for, from the bars that the lake holds at that moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from tenor.errors import UnknownSymbolError

FRESH = 60.0
"""Seconds for which one run's forecasts serve all who ask."""


class FromLake:
    """The forecasts of `store`'s champion from `store`'s latest bars; one run serves all symbols for a minute.

    The rooms that compute are loaded with the first call: a service that is never asked stays small.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._alone = threading.Lock()
        self._made: dict[str, list[dict[str, Any]]] = {}
        self._failed: dict[str, Exception] = {}
        self._at = 0.0

    def __call__(self, symbol: str) -> Sequence[dict[str, Any]]:
        """The forecasts of `symbol`, one a horizon.

        Raises
        ------
        TenorError
            The lake or the model can't be read, or there is no forecast of this symbol.
        """
        with self._alone:  # those who wait find what the first one made
            if time.monotonic() - self._at > FRESH or not self._made:
                self._run()
        if symbol in self._failed:
            raise self._failed[symbol]
        if symbol not in self._made:
            raise UnknownSymbolError(symbol, self._made)
        return self._made[symbol]

    def _run(self) -> None:
        from tenor.inference.predictor import Predictor
        from tenor.registry import registry_of
        from tenor.serving.refresh import sentiment_of
        from tenor.store import Lake

        lake = Lake(self._store)
        predictor = Predictor.load(registry_of(self._store))
        calendar = predictor.features.calendar
        known = lake.symbols(calendar)
        sentiment, _ = sentiment_of(lake, predictor, known, [])
        bars = lake.bars(predictor.universe(known, known), calendar=calendar)
        said = predictor.forecasts(bars, sentiment, symbols=known)
        made: dict[str, list[dict[str, Any]]] = {}
        for forecast in said:
            made.setdefault(forecast.symbol, []).append(forecast.to_json())
        self._made, self._failed, self._at = made, dict(said.failed), time.monotonic()
