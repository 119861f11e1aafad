"""A small made panel with sentiment columns, its folds, and configs with which a network trains in a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tenor.calendars import exchange
from tenor.config import FeatureConfig, FoldConfig, ModelConfig, TrainConfig
from tenor.features import feature_names
from tenor.schema import Panel
from tenor.training import Split
from tenor.training.folds import walk_forward

SENTIMENT = feature_names(["sentiment"])
PLAIN = ("signal", "b", "c")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small are far slower on threads that wait for a processor."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_sentiment_panel(sessions: int = 260, symbols: int = 6, *, news: float = 0.0, seed: int = 0) -> Panel:
    """Returns that follow the column ``signal`` a little, and the sentiment of the day before by `news`."""
    rng = np.random.default_rng(seed)
    days = exchange("XNYS").sessions(pd.Timestamp("2014-01-02"), pd.Timestamp("2020-12-31"))[:sessions]
    columns = {name: rng.normal(0, 1, (sessions, symbols)) for name in PLAIN}
    known = rng.random((sessions, symbols)) < 0.6
    known[:20] = False
    sentiment = {name: np.where(known, rng.normal(0, 1, (sessions, symbols)), 0.0) for name in SENTIMENT}
    sentiment["sentiment_known"] = known * 1.0
    sentiment["sentiment_count"] = np.log1p(known * rng.integers(1, 30, (sessions, symbols)))
    sentiment["sentiment_market_count"] = np.tile(
        np.log1p(np.expm1(sentiment["sentiment_count"]).sum(axis=1))[:, None], symbols
    )
    returns = rng.normal(0, 0.02, (sessions, symbols))
    returns[1:] += 0.006 * columns["signal"][:-1] + news * sentiment["sentiment_mean"][:-1]
    close = 50 * np.exp(np.cumsum(returns, axis=0))
    values = np.stack([*columns.values(), *(sentiment[name] for name in SENTIMENT)], axis=2).astype(np.float32)
    mask = np.ones((sessions, symbols), dtype=bool)
    mask[:60, -1] = False
    values[~mask] = 0
    close[~mask] = np.nan
    targets = np.full((sessions, symbols, 2), np.nan, dtype=np.float32)
    for k, horizon in enumerate((1, 5)):
        targets[:-horizon, :, k] = np.log(close[horizon:] / close[:-horizon])
    swings = 0.02 + 0.005 * np.sin(np.arange(sessions) / 9)[:, None]
    return Panel(
        values=values,
        mask=mask,
        targets=targets,
        volatility=np.where(mask, swings, np.nan).astype(np.float32),
        open=close * 0.999,
        close=close,
        sessions=days,
        symbols=tuple(f"S{i:02d}" for i in range(symbols)),
        features=(*PLAIN, *SENTIMENT),
        horizons=(1, 5),
    )


def drop_sentiment(panel: Panel) -> Panel:
    return replace(panel, values=np.ascontiguousarray(panel.values[:, :, : len(PLAIN)]), features=PLAIN)


@pytest.fixture(scope="session")
def sentiment_panel_of() -> Callable[..., Panel]:
    return make_sentiment_panel


@pytest.fixture(scope="session")
def without_sentiment() -> Callable[[Panel], Panel]:
    return drop_sentiment


@pytest.fixture(scope="session")
def sentiment_panel() -> Panel:
    return make_sentiment_panel()


@pytest.fixture(scope="session")
def folds(sentiment_panel: Panel) -> tuple[Split, ...]:
    return walk_forward(sentiment_panel.sessions, FoldConfig(folds=2, valid_sessions=40, test_sessions=50), purge=5)


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """The configs, as keywords of `walk` and `ablate`."""
    return {
        "features": FeatureConfig(horizons=(1, 5)),
        "model": ModelConfig(hidden=5, attention_size=3, lookback=8),
        "training": TrainConfig(
            seeds=(0, 3), epochs=2, patience=2, segment=24, burn_in=8, segments_per_step=8, learning_rate=2e-2
        ),
    }
