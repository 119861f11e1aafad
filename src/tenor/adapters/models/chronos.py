"""Chronos, Chronos-Bolt and Chronos-2 of Amazon (chronos-forecasting)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tenor.adapters.catalogue import Adapter
from tenor.adapters.rolling import DECILES, Columns, Model, Window, by_quantiles


def load(folder: Path | None) -> Model:
    """Load the pipeline named in the folder's settings."""
    import numpy as np
    import torch
    from chronos import BaseChronosPipeline

    pipeline = BaseChronosPipeline.from_pretrained(str(folder), device_map="cpu")

    def predict(windows: Sequence[Window], horizon: int) -> list[Columns]:
        contexts = [torch.tensor(window.close, dtype=torch.float32) for window in windows]
        quantiles, mean = pipeline.predict_quantiles(contexts, prediction_length=horizon, quantile_levels=list(DECILES))
        # a tensor [window, horizon, level], or a list of [1, horizon, level]
        return [by_quantiles(np.asarray(q), DECILES, point=np.asarray(m)) for q, m in zip(quantiles, mean, strict=True)]

    return Model("chronos", predict)


ADAPTER = Adapter(
    "chronos-forecasting", "pip install chronos-forecasting, in an environment that has tenor as well", load
)
