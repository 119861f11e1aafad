"""Stock forecasts from an LSTM under attention, judged honestly.

>>> import tenor
>>> bars = tenor.embedded_bars()
>>> panel = tenor.build_panel(bars.select(["AAPL", "MSFT"]), tenor.FeatureConfig())
>>> panel.symbols, panel.horizons
(('AAPL', 'MSFT'), (1, 5, 20))

``tenor.fit(df)`` goes from a DataFrame to forecasts: see `tenor.fit` and ``docs/python.md``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenor.config import (
        AlertsConfig,
        Config,
        FeatureConfig,
        FoldConfig,
        HttpConfig,
        ModelConfig,
        PaperConfig,
        SentimentConfig,
        SourcesConfig,
        SplitConfig,
        TrainConfig,
    )
    from tenor.data import embedded_bars, embedded_sentiment
    from tenor.errors import FrameError, TenorError
    from tenor.features import build_panel
    from tenor.features.own import feature
    from tenor.inference.forecasts import Forecasts
    from tenor.inference.predictor import Predictor
    from tenor.ingest.frames import bars_of, events_of, news_of
    from tenor.model import pooled_log_variance
    from tenor.notebook.evaluating import WalkForwardEvaluation, evaluate
    from tenor.notebook.fitting import fit
    from tenor.notebook.model import FittedModel, load
    from tenor.pipeline.judge import Judgement, judge
    from tenor.pipeline.predict import predict
    from tenor.pipeline.train import train
    from tenor.schema import Bars, DailyKinds, DailySentiment, Forecast, News, Panel
    from tenor.sentiment import Scorer
    from tenor.serving.client import Client
    from tenor.store import Lake
    from tenor.training import Forecaster
    from tenor.training.estimator import PanelForecaster
    from tenor.training.folds import WalkForwardSplit
    from tenor.training.panel_source import PanelSource

    __version__: str

_ROOMS = {
    "AlertsConfig": "config",
    "Bars": "schema",
    "Client": "serving.client",
    "Config": "config",
    "DailyKinds": "schema",
    "DailySentiment": "schema",
    "FeatureConfig": "config",
    "FittedModel": "notebook.model",
    "FoldConfig": "config",
    "Forecast": "schema",
    "Forecaster": "training",
    "Forecasts": "inference.forecasts",
    "FrameError": "errors",
    "HttpConfig": "config",
    "Judgement": "pipeline.judge",
    "Lake": "store",
    "ModelConfig": "config",
    "News": "schema",
    "Panel": "schema",
    "PanelForecaster": "training.estimator",
    "PanelSource": "training.panel_source",
    "PaperConfig": "config",
    "Predictor": "inference.predictor",
    "Scorer": "sentiment",
    "SentimentConfig": "config",
    "SourcesConfig": "config",
    "SplitConfig": "config",
    "TenorError": "errors",
    "TrainConfig": "config",
    "WalkForwardEvaluation": "notebook.evaluating",
    "WalkForwardSplit": "training.folds",
    "bars_of": "ingest.frames",
    "build_panel": "features",
    "embedded_bars": "data",
    "embedded_sentiment": "data",
    "evaluate": "notebook.evaluating",
    "feature": "features.own",
    "fit": "notebook.fitting",
    "judge": "pipeline.judge",
    "load": "notebook.model",
    "events_of": "ingest.frames",
    "news_of": "ingest.frames",
    "pooled_log_variance": "model",
    "predict": "pipeline.predict",
    "train": "pipeline.train",
}

__all__ = [
    "AlertsConfig",
    "Bars",
    "Client",
    "Config",
    "DailyKinds",
    "DailySentiment",
    "FeatureConfig",
    "FittedModel",
    "FoldConfig",
    "Forecast",
    "Forecaster",
    "Forecasts",
    "FrameError",
    "HttpConfig",
    "Judgement",
    "Lake",
    "ModelConfig",
    "News",
    "Panel",
    "PanelForecaster",
    "PanelSource",
    "PaperConfig",
    "Predictor",
    "Scorer",
    "SentimentConfig",
    "SourcesConfig",
    "SplitConfig",
    "TenorError",
    "TrainConfig",
    "WalkForwardEvaluation",
    "WalkForwardSplit",
    "bars_of",
    "build_panel",
    "embedded_bars",
    "embedded_sentiment",
    "evaluate",
    "events_of",
    "feature",
    "fit",
    "judge",
    "load",
    "news_of",
    "pooled_log_variance",
    "predict",
    "train",
]


def __getattr__(name: str) -> Any:
    # a name is imported when it is used: reading bars must not wait for torch
    if name == "__version__":
        return importlib.metadata.version("tenor")
    if name in _ROOMS:
        return getattr(importlib.import_module(f"tenor.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'tenor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
