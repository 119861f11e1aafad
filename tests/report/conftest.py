"""A small judged world for the report: random walks, a model that knows a little, and its evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.evaluation.evaluate import Evaluation, evaluate
from tenor.schema import Panel, Predictions


@dataclass(frozen=True)
class World:
    panel: Panel
    rows: slice
    predictions: dict[str, Predictions]
    evaluations: dict[int, Evaluation]
    attention: Any
    history: list[dict[str, Any]]

    def arguments(self, **changed: Any) -> dict[str, Any]:
        """What `write_report` takes."""
        usual = {
            "evaluations": self.evaluations,
            "panel": self.panel,
            "predictions": self.predictions,
            "attention": self.attention,
            "rows": self.rows,
            "history": self.history,
            "symbols": [self.panel.symbols[0]],
            "about": {"Model": "attention LSTM, version 3f9c21ab", "Data": "made up"},
        }
        return {**usual, **changed}


def make_world(
    symbols: tuple[str, ...] = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF"),
    sessions: int = 160,
    tested: int = 90,
    horizons: tuple[int, ...] = (1, 5),
    always: float | None = None,
    intervals: bool = True,
) -> World:
    """`always` : a P(up) forecast in every cell, with a mean of zero, in place of forecasts that know a little."""
    rng = np.random.default_rng(7)
    grid = (sessions, len(symbols))
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.015, grid), axis=0))
    mask = np.ones(grid, dtype=bool)
    if len(symbols) > 3:
        mask[: sessions - 20, 1] = False  # a late starter
        mask[sessions - 70 :, 2] = False  # one that left early
        close[sessions - 70 :, 2] = np.nan
    targets = np.full((*grid, len(horizons)), np.nan)
    for k, h in enumerate(horizons):
        targets[:-h, :, k] = np.log(close[h:] / close[:-h])
    panel = Panel(
        values=np.zeros((*grid, 5), "float32"),
        mask=mask,
        targets=targets.astype("float32"),
        volatility=np.where(mask, rng.uniform(0.01, 0.02, grid), np.nan).astype("float32"),
        open=close * np.exp(rng.normal(0, 0.003, grid)),
        close=close,
        sessions=exchange("XNYS").sessions(pd.Timestamp("2015-06-01"), pd.Timestamp("2020-01-01"))[:sessions],
        symbols=symbols,
        features=("return_1", "return_5", "rsi_14", "volume_z", "market_return"),
        horizons=horizons,
    )
    rows = slice(sessions - tested, sessions)
    shape = targets.shape
    mean = rng.normal(0.0003, 0.001, shape) + 0.01 * np.nan_to_num(targets)
    p_up = np.clip(0.5 + mean * 20, 0.3, 0.7)
    if always is not None:
        mean, p_up = np.zeros(shape), np.full(shape, always)
    width = 1.6 * panel.volatility[:, :, None] * np.sqrt(horizons)
    nowhere = ~mask[:, :, None] & np.ones(len(horizons), dtype=bool)
    mean, p_up = np.where(nowhere, np.nan, mean), np.where(nowhere, np.nan, p_up)

    def predictions_of(name: str, mean: np.ndarray, p_up: np.ndarray, width: np.ndarray | None = None) -> Predictions:
        bounds = () if width is None else ((mean - width).astype("float32"), (mean + width).astype("float32"))
        return Predictions(name, mean.astype("float32"), p_up.astype("float32"), *bounds)

    predictions = {
        "attention LSTM": predictions_of("attention LSTM", mean, p_up, width if intervals else None),
        "persistence": predictions_of("persistence", np.zeros(shape), np.full(shape, 0.5)),
        "always-up": predictions_of("always-up", np.zeros(shape), np.full(shape, 0.52)),
    }
    evaluations = {h: evaluate(panel, rows, predictions, horizon=h, resamples=60) for h in horizons}
    unmasked = ~mask[rows][:, :, None]
    attention = SimpleNamespace(
        time=np.where(
            unmasked[..., None], np.nan, rng.dirichlet(np.ones(8), (tested, len(symbols), len(horizons)))
        ).astype("float32"),
        feature=np.where(unmasked, np.nan, rng.dirichlet(np.ones(5), (tested, len(symbols)))).astype("float32"),
    )
    history = [
        {"seed": 0, "train": [1.0, 0.9, 0.8], "valid": [1.0, 0.95, 0.97], "best_epoch": 2},
        {"seed": 1, "train": [1.1, 0.9], "valid": [1.0, 0.9], "best_epoch": 2},
    ]
    return World(panel, rows, predictions, evaluations, attention, history)


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def world_of() -> Callable[..., World]:
    return make_world
