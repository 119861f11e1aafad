"""Stock forecasts from an LSTM under attention, judged honestly.

>>> import tenor
>>> bars = tenor.embedded_bars()
>>> panel = tenor.build_panel(bars.select(["AAPL", "MSFT"]), tenor.FeatureConfig())
>>> panel.symbols, panel.horizons
(('AAPL', 'MSFT'), (1, 5, 20))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenor.config import Config, FeatureConfig
    from tenor.data import embedded_bars, embedded_sentiment
    from tenor.errors import TenorError
    from tenor.features import build_panel
    from tenor.features.own import feature
    from tenor.pipeline.evaluate import evaluate
    from tenor.pipeline.predict import predict
    from tenor.pipeline.train import train
    from tenor.schema import Bars, DailySentiment, Forecast, News, Panel
    from tenor.sentiment import Scorer
    from tenor.serving.client import Client
    from tenor.store import Lake
    from tenor.training import Forecaster
    from tenor.training.estimator import PanelForecaster
    from tenor.training.panel_source import PanelSource

_ROOMS = {
    "Bars": "schema",
    "Client": "serving.client",
    "Config": "config",
    "DailySentiment": "schema",
    "FeatureConfig": "config",
    "Forecast": "schema",
    "Forecaster": "training",
    "Lake": "store",
    "News": "schema",
    "Panel": "schema",
    "PanelForecaster": "training.estimator",
    "PanelSource": "training.panel_source",
    "Scorer": "sentiment",
    "TenorError": "errors",
    "build_panel": "features",
    "embedded_bars": "data",
    "embedded_sentiment": "data",
    "evaluate": "pipeline.evaluate",
    "feature": "features.own",
    "predict": "pipeline.predict",
    "train": "pipeline.train",
}

__all__ = [
    "Bars",
    "Client",
    "Config",
    "DailySentiment",
    "FeatureConfig",
    "Forecast",
    "Forecaster",
    "Lake",
    "News",
    "Panel",
    "PanelForecaster",
    "PanelSource",
    "Scorer",
    "TenorError",
    "build_panel",
    "embedded_bars",
    "embedded_sentiment",
    "evaluate",
    "feature",
    "predict",
    "train",
]


def __getattr__(name: str) -> Any:
    # a name is imported when it is used: reading bars must not wait for torch
    if name in _ROOMS:
        return getattr(importlib.import_module(f"tenor.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'tenor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
