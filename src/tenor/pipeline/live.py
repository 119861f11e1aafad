"""Forecasts on demand, made in a separate process, so that they do not slow the service and can be stopped in time.

``python -m tenor.pipeline.live STORE`` prints the forecasts of every symbol as one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from tenor.errors import DataError, TenorError, UnknownSymbolError, one_line
from tenor.serving.live import SECONDS
from tenor.symbols import known_as

FRESH = 60.0
"""How many seconds the forecasts of one run, or its failure, are reused for further requests."""


class OnDemand:
    """Forecasts of a store's champion from the lake's latest bars; one run is used for all symbols for a minute.

    Parameters
    ----------
    store
        The lake.
    seconds
        Time limit of a run, after which it is killed.
    """

    def __init__(self, store: str, *, seconds: float = SECONDS) -> None:
        self._command = [sys.executable, "-m", "tenor.pipeline.live", store]
        self._seconds = seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._result: dict[str, Any] = {}
        self._at = float("-inf")

    def __call__(self, symbol: str) -> Sequence[dict[str, Any]]:
        """The forecasts of `symbol`, one for each horizon.

        Raises
        ------
        TenorError
            The lake or the model can't be read, the run took too long, or there is no forecast of this symbol.
        """
        with self._lock:  # requests that wait get the result of the first one
            if time.monotonic() - self._at > FRESH:
                self._result = self._run()
                self._at = time.monotonic()
            result = self._result
        if "error" in result:
            raise DataError(result["error"])
        symbol = known_as(symbol, {**result["forecasts"], **result["failed"]})
        if symbol in result["failed"]:
            raise DataError(result["failed"][symbol])
        if symbol not in result["forecasts"]:
            raise UnknownSymbolError(symbol, result["forecasts"])
        forecasts: Sequence[dict[str, Any]] = result["forecasts"][symbol]
        return forecasts

    def stop(self) -> None:
        """Kill the run under way, if there is one."""
        if self._child is not None:
            self._child.kill()

    def _run(self) -> dict[str, Any]:
        with subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            self._child = child
            try:
                output, _ = child.communicate(timeout=self._seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                return {"error": f"it did not end within {self._seconds:g} seconds and was stopped"}
            finally:
                self._child = None
        try:
            result: dict[str, Any] = json.loads(output)
        except ValueError:
            return {"error": f"its process ended with {child.returncode}"}
        return result


def forecast_all(store: str) -> dict[str, Any]:
    """A mapping with ``forecasts`` of `store` by symbol and ``failed`` symbols, or with one ``error`` for all."""
    from tenor.lake_forecasts import LakeForecasts
    from tenor.workspace import Workspace

    try:
        workspace = Workspace(store)
        lake = LakeForecasts(workspace, workspace.predictor())
        newest = lake.newest(lake.known)
    except (TenorError, OSError) as error:
        return {"error": one_line(error, 300)}
    forecasts: dict[str, list[dict[str, Any]]] = {}
    for forecast in newest:
        forecasts.setdefault(forecast.symbol, []).append(forecast.to_json())
    return {
        "forecasts": forecasts,
        "failed": {symbol: one_line(error, 300) for symbol, error in newest.failed.items()},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(forecast_all(sys.argv[1])))
