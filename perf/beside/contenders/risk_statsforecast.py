"""statsforecast's GARCH(1, 1), walked forward by its cross-validation, which estimates anew at every session."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import worker
from risk_stocks import judged, returns, simulated
from statsforecast.models import GARCH


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """Simulate."""
    warnings.simplefilter("ignore")
    stocks = simulated(arguments["stocks"], arguments["sessions"])
    test = arguments["test"]

    def run() -> dict[str, Any]:
        forecast = np.empty((arguments["stocks"], test))
        # cross_validation returns the mean alone, and the mean of a GARCH here is noise: its loop, with the variance
        for own, y in zip(forecast, returns(stocks), strict=True):
            for place in range(test):
                model = GARCH(1, 1).fit(y[: len(y) - test + place])
                own[place] = model.predict(1)["sigma2"][0]
        return judged(forecast / 1e4, stocks, test)

    return run


if __name__ == "__main__":
    worker.serve(prepare)
