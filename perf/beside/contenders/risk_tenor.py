"""tenor's risk forecasts, from bars on: the panel, then the whole model walked forward, or its regression alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import worker
from risk_stocks import judged, simulated

from tenor.calendars import exchange
from tenor.config import FeatureConfig, FoldConfig, ModelConfig, TrainConfig
from tenor.evaluation.walkforward import walk
from tenor.features import build_panel
from tenor.har import refitted
from tenor.schema import Bars
from tenor.training.folds import walk_forward


def prepare(arguments: dict[str, Any]) -> worker.Run:
    """Simulate, and put the bars into a frame."""
    stocks = simulated(arguments["stocks"], arguments["sessions"])
    test = arguments["test"]
    days = exchange("XNYS").sessions(pd.Timestamp("2010-01-04"), pd.Timestamp("2024-01-02"))[: arguments["sessions"]]
    names = [f"S{i:03d}" for i in range(arguments["stocks"])]
    frame = pd.DataFrame({"symbol": np.repeat(names, len(days)), "session": np.tile(days, len(names))})
    prices = {name: getattr(stocks, name).ravel() for name in ("open", "high", "low", "close")}
    bars = Bars(frame.assign(**prices, adj_close=prices["close"], volume=1e6))

    def whole() -> dict[str, Any]:
        features = FeatureConfig(horizons=(1,))
        panel = build_panel(bars, features)
        folds = FoldConfig(folds=arguments["folds"], valid_sessions=252, test_sessions=test // arguments["folds"])
        splits = walk_forward(panel.sessions[:-1], folds, purge=1)
        walked = walk(
            panel, splits, features=features, model=ModelConfig(), training=TrainConfig(seeds=(0,)), baselines=(),
            workers=1,
        )  # fmt: skip
        risk = walked.predictions[walked.name].risk
        assert risk is not None
        rows = slice(walked.rows.start, walked.rows.stop)
        return judged(risk.volatility[rows, :, 0].T ** 2, stocks, test)

    def regression() -> dict[str, Any]:
        panel = build_panel(bars, FeatureConfig(groups=("risk",), horizons=(1,)))
        ahead = refitted(panel, len(panel.sessions) - 1 - test)[-1 - test : -1, :, 0]
        return judged(np.exp(ahead.T), stocks, test)

    return regression if arguments["regression"] else whole


if __name__ == "__main__":
    worker.serve(prepare)
