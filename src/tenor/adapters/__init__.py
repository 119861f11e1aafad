"""Writes files of forecasts by any model, for `tenor judge`.

>>> import numpy as np, pandas as pd
>>> from tenor import adapters, embedded_bars
>>> model = adapters.of_function(lambda closes, horizon: np.full(horizon, closes[-1]), name="the price stays")
>>> first, last = pd.Timestamp("2016-01-04"), pd.Timestamp("2016-01-05")
>>> rows = adapters.roll(model, embedded_bars().select(["AAPL"]), first=first, last=last, horizons=[1, 5])
>>> [(row["session"], row["horizon"], round(row["price"], 2)) for row in rows]
[('2016-01-04', 1, 101.79), ('2016-01-04', 5, 101.79), ('2016-01-05', 1, 99.24), ('2016-01-05', 5, 99.24)]

`tenor forecast-file` does the same from the command line, and `write` in one call; see ``docs/forecast-files.md``.
"""

from tenor.adapters.catalogue import Adapter, folder_hash, load_model, names
from tenor.adapters.own import of_arch, of_function, of_regressor, of_statsforecast
from tenor.adapters.rolling import Model, Window, roll
from tenor.adapters.writing import write

__all__ = [
    "Adapter",
    "Model",
    "Window",
    "folder_hash",
    "load_model",
    "names",
    "of_arch",
    "of_function",
    "of_regressor",
    "of_statsforecast",
    "roll",
    "write",
]
