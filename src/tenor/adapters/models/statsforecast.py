"""Exponential smoothing by statsforecast, selected and refitted for each forecast."""

from __future__ import annotations

from pathlib import Path

from tenor.adapters.catalogue import Adapter
from tenor.adapters.own import of_statsforecast
from tenor.adapters.rolling import Model


def load(folder: Path | None) -> Model:
    """AutoETS without seasonality."""
    del folder
    from statsforecast.models import AutoETS

    return of_statsforecast(AutoETS(season_length=1))


ADAPTER = Adapter("statsforecast", "pip install 'tenor[train]'", load, folder="no")
