"""Functions of bars, some of which see the future."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def tomorrow(bars: pd.DataFrame) -> Any:
    return bars["close"].pct_change().shift(-1)


def scaled(bars: pd.DataFrame) -> Any:
    move = bars["close"].pct_change()
    return (move - move.mean()) / move.std()


def centred(bars: pd.DataFrame) -> Any:
    return bars["close"] / bars["close"].rolling(11, center=True).mean() - 1


def filled_back(bars: pd.DataFrame) -> Any:
    return bars["close"].pct_change(20).bfill()


def ranked(bars: pd.DataFrame) -> Any:
    return bars["volume"].rank(pct=True)


SEEN: dict[Any, Any] = {}


def remembered(bars: pd.DataFrame) -> Any:
    """What it once saw hides that it looks ahead, unless it is run anew."""
    key = (str(bars.index[0]), float(bars["close"].iloc[0]))
    if key not in SEEN:
        SEEN[key] = bars["close"].shift(-1) / bars["close"] - 1
    return SEEN[key].reindex(bars.index)


def constant(bars: pd.DataFrame) -> Any:
    return pd.Series(1.0, bars.index)


def momentum(bars: pd.DataFrame) -> Any:
    return np.log(bars["close"]).diff(20)


def rolling_z(bars: pd.DataFrame) -> Any:
    move = bars["close"].pct_change()
    return (move - move.rolling(60).mean()) / move.rolling(60).std()


def smooth(bars: pd.DataFrame) -> Any:
    return bars["close"] / bars["close"].ewm(halflife=10).mean() - 1


def expanding(bars: pd.DataFrame) -> Any:
    return bars["close"] / bars["high"].cummax()


def several(bars: pd.DataFrame) -> Any:
    return pd.DataFrame(
        {"range": (bars["high"] - bars["low"]) / bars["close"], "turnover": np.log1p(bars["volume"]).diff(5)}
    )


def weekday(bars: pd.DataFrame) -> Any:
    return np.asarray(pd.DatetimeIndex(bars.index).day_of_week, dtype="float64")
