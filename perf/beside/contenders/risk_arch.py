"""GARCH(1, 1) of package arch for each stock: estimated anew every so many sessions, filtered between."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import worker
from arch import arch_model
from risk_stocks import judged, returns, simulated


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """Simulate."""
    warnings.simplefilter("ignore")
    stocks = simulated(arguments["stocks"], arguments["sessions"])
    test, every = arguments["test"], arguments["every"]

    def run() -> dict[str, Any]:
        forecast = np.empty((arguments["stocks"], test))
        for own, y in zip(forecast, returns(stocks), strict=True):
            model = arch_model(y, mean="Constant", p=1, q=1, rescale=False)
            for start in range(0, test, every):
                known = len(y) - test + start  # returns before the first session that is forecast
                result = model.fit(last_obs=known, disp="off", show_warning=False)
                ahead = result.forecast(horizon=1, start=known - 1, reindex=False).variance.to_numpy()[:, 0]
                own[start : start + every] = ahead[: min(every, test - start)]
        return judged(forecast / 1e4, stocks, test)

    return run


if __name__ == "__main__":
    worker.serve(prepare)
