"""One tiny model of two made symbols, fitted from a frame."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

import tenor
from tenor.notebook.model import FittedModel
from tenor.schema import Bars

TINY = tenor.Config(
    features=tenor.FeatureConfig(groups=("returns", "volatility"), horizons=(1, 5)),
    model=tenor.ModelConfig(hidden=4, attention_size=3, lookback=5),
    training=tenor.TrainConfig(seeds=(0,), epochs=1, segment=24, burn_in=4),
)


@pytest.fixture(scope="package")
def tiny() -> tenor.Config:
    return TINY


@pytest.fixture(scope="package")
def bars(request: pytest.FixtureRequest) -> Bars:
    make: Callable[..., Bars] = request.getfixturevalue("bars_of")
    return make(symbols=2, sessions=330)


@pytest.fixture(scope="package")
def frame(bars: Bars) -> pd.DataFrame:
    """As Nixtla's libraries take it."""
    return bars.frame.rename(columns={"symbol": "unique_id", "session": "ds", "close": "y"})


@pytest.fixture(scope="package")
def model(frame: pd.DataFrame, tiny: tenor.Config) -> FittedModel:
    return tenor.fit(frame, config=tiny, progress=False)
