"""A small made panel with something to learn, and a forecaster trained on it once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tenor.calendars import exchange
from tenor.config import FeatureConfig, ModelConfig, SplitConfig, TrainConfig
from tenor.schema import Panel
from tenor.training import Forecaster, Split, chronological, fit

FEATURES = FeatureConfig(horizons=(1, 5))
MODEL = ModelConfig(hidden=6, attention_size=4, lookback=8, dropout=0.1)
TRAINING = TrainConfig(
    seeds=(0, 7),
    epochs=4,
    patience=4,
    segment=24,
    burn_in=8,
    segments_per_step=8,
    learning_rate=2e-2,
    return_weight=1.0,
    direction_weight=0.5,
    risk_weight=0.1,
)


def make_panel(sessions: int = 240, symbols: int = 4, seed: int = 0) -> Panel:
    """Returns that follow the first feature a little; the last symbol starts late, the second has a gap."""
    rng = np.random.default_rng(seed)
    days = exchange("XNYS").sessions(pd.Timestamp("2014-01-02"), pd.Timestamp("2020-12-31"))[:sessions]
    values = rng.normal(0, 1, (sessions, max(symbols, 4), 5))[:, :symbols].astype(np.float32) * 3 + 1
    returns = rng.normal(0, 0.02, (sessions, max(symbols, 4)))[:, :symbols]
    returns[1:] += 0.01 * (values[:-1, :, 0] - 1) / 3
    close = 50 * np.exp(np.cumsum(returns, axis=0))
    mask = np.ones((sessions, symbols), dtype=bool)
    if symbols > 1:
        mask[: sessions // 3, -1] = False
        mask[50:53, 1] = False
    values[~mask] = 0
    close[~mask] = np.nan
    targets = np.full((sessions, symbols, 2), np.nan, dtype=np.float32)
    for k, horizon in enumerate((1, 5)):
        targets[:-horizon, :, k] = np.log(close[horizon:] / close[:-horizon])
    return Panel(
        values=values,
        mask=mask,
        targets=targets,
        volatility=np.where(mask, 0.02, np.nan).astype(np.float32),
        open=close * 0.999,
        close=close,
        sessions=days,
        symbols=tuple(f"S{i:02d}" for i in range(symbols)),
        features=("signal", "b", "c", "d", "e"),
        horizons=(1, 5),
    )


@pytest.fixture(scope="session")
def panel_of() -> Callable[..., Panel]:
    return make_panel


@pytest.fixture(scope="session")
def panel() -> Panel:
    return make_panel()


@pytest.fixture(scope="session")
def split(panel: Panel) -> Split:
    return chronological(panel.sessions, SplitConfig(), purge=5)


@pytest.fixture(scope="session")
def fit_it(panel: Panel, split: Split) -> Callable[..., Forecaster]:
    """`fit` on the made panel with a small config; any argument can be another."""

    def call(**changed: object) -> Forecaster:
        options = {"features": FEATURES, "model": MODEL, "training": TRAINING, "workers": 1, **changed}
        return fit(options.pop("panel", panel), options.pop("split", split), **options)

    return call


@pytest.fixture(scope="session")
def forecaster(fit_it: Callable[..., Forecaster]) -> Forecaster:
    return fit_it()
