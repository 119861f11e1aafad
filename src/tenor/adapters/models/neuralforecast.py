"""The networks of neuralforecast, as `NeuralForecast.save` wrote them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tenor.adapters.catalogue import Adapter
from tenor.adapters.rolling import Columns, Model, Window
from tenor.errors import ConfigError
from tenor.forecast_table import quantile_column

_BOUND = re.compile(r"-(lo|hi)-(\d+(?:\.\d+)?)$")


def load(folder: Path | None) -> Model:
    """Load the first network in the folder; it must need no other columns than closes."""
    from neuralforecast import NeuralForecast

    forecaster = NeuralForecast.load(str(folder))
    longest = int(forecaster.h)
    numbered = isinstance(forecaster.freq, int)

    def predict(windows: Sequence[Window], horizon: int) -> list[Columns]:
        if horizon > longest:
            raise ConfigError(f"this model of neuralforecast forecasts {longest} sessions ahead, not {horizon}.")
        frames = [
            pd.DataFrame(
                {
                    "unique_id": f"{place:09d}",
                    # a model of closes ignores dates, and exchange sessions have no regular frequency
                    "ds": range(len(window.bars))
                    if numbered
                    else pd.date_range(end=window.session, periods=len(window.bars), freq=forecaster.freq),
                    "y": window.close,
                }
            )
            for place, window in enumerate(windows)
        ]
        made = forecaster.predict(df=pd.concat(frames, ignore_index=True)).reset_index()
        return [
            {name: each[column].to_numpy()[:horizon] for name, column in _columns(list(made.columns)).items()}
            for _, each in made.groupby("unique_id", sort=True)
        ]

    return Model("neuralforecast", predict)


def _columns(there: Sequence[str]) -> dict[str, str]:
    """The package's column of the first network, by column of a forecast file."""
    made = [name for name in there if name not in ("index", "unique_id", "ds", "cutoff")]
    first = _BOUND.sub("", made[0]).removesuffix("-median")
    columns: dict[str, str] = {}
    for name in made:
        bound = _BOUND.search(name)
        if name == first:
            columns["price"] = name
        if name == f"{first}-median":
            columns["q50"] = name
        if bound and name[: bound.start()] == first:
            share = float(bound[2]) / 100
            level = (1 - share) / 2 if bound[1] == "lo" else (1 + share) / 2
            columns[quantile_column(round(level, 4))] = name
    return columns


ADAPTER = Adapter("neuralforecast", "pip install neuralforecast, in an environment that has tenor as well", load)
