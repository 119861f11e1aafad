"""One forecast after another of one stock, whose bars and news lie in memory; the networks by ONNX Runtime or torch."""

from __future__ import annotations

import os
import time
from typing import Any

from worker import Run, serve

SYMBOL, HORIZON = "AAPL", 1


def prepare(arguments: dict[str, Any]) -> Run:
    """Load model, bars and daily sentiment."""
    import numpy as np

    from tenor.inference.predictor import Predictor
    from tenor.workspace import Workspace

    workspace = Workspace(arguments["store"])
    predictor = Predictor.load(workspace.registry)
    bars = workspace.bars([SYMBOL], calendar=predictor.recipe.features.calendar)
    sentiment = workspace.model_news(predictor.recipe)
    if arguments["eager"]:
        import torch

        from tenor.pipeline.train import load

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        model = load(workspace.registry)

        def forecast() -> float:
            return model.forecast(model.recipe.panel(bars, sentiment), SYMBOL, HORIZON).volatility
    else:

        def forecast() -> float:
            return predictor.run(bars, sentiment).newest([SYMBOL], [HORIZON])[0].volatility

    def run() -> dict[str, Any]:
        seconds, forecasts = [], arguments["forecasts"]
        for _ in range(forecasts):
            begun = time.perf_counter()
            volatility = forecast()
            seconds.append(time.perf_counter() - begun)
        p50, p99 = np.percentile(seconds, [50, 99])
        return {
            "work": forecasts,
            "p50": float(p50),
            "p99": float(p99),
            "tail": float(p99 / p50),
            "volatility": volatility,
        }

    return run


if __name__ == "__main__":
    serve(prepare)
