"""GARCH(1,1) by `arch`, refitted for each forecast: it forecasts volatility, with almost no direction."""

from __future__ import annotations

from pathlib import Path

from tenor.adapters.catalogue import Adapter
from tenor.adapters.own import of_arch
from tenor.adapters.rolling import Model


def load(folder: Path | None) -> Model:
    """GARCH(1,1) with a constant mean and normal shocks."""
    del folder
    return of_arch()


ADAPTER = Adapter("arch", "pip install 'tenor[train]'", load, folder="no")
