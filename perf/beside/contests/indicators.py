"""25 indicators of 500 symbols over 2,500 sessions: tenor's panel beside pandas, the package ta, and TA-Lib itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from contest import Contender, Contest, Goal

import tenor
from tenor.calendars import exchange
from tenor.config import FeatureConfig
from tenor.features import build_panel

SYMBOLS, SESSIONS = 500, 2_500
GROUPS = ("returns", "trend", "momentum", "volatility", "volume")
COMPARED = 20
"""Symbols whose values are compared, over the last `TAIL` sessions: recursive averages begin in different ways."""
TAIL = 1_000


def contest(folder: Path) -> Contest:
    """Write the bars, random walks, and tenor's values of some of them, which all others must give as well."""
    frame = walks()
    arrays = {name: frame[name].to_numpy() for name in frame.columns if name != "symbol"}
    np.savez(folder / "bars.npz", symbol=frame["symbol"].to_numpy(dtype="U"), **arrays)
    panel = build_panel(tenor.bars_of(frame), FeatureConfig(groups=GROUPS, sentiment=False, horizons=(1,)))
    names = [*panel.features, "variance"]
    values = np.concatenate((panel.values, panel.variance[:, :, None]), axis=2)[-TAIL:, :COMPARED]
    np.save(folder / "expected.npy", values.astype(np.float32))
    given = {"folder": str(folder), "groups": GROUPS, "names": names, "symbols": COMPARED, "tail": TAIL}
    return Contest(
        "indicators",
        f"{len(names)} indicators of {SYMBOLS} symbols over {SESSIONS:,} sessions",
        (
            Contender("tenor", "tenor", "indicators_tenor.py"),
            Contender("pandas groupby", "indicators", "indicators_pandas.py", {"every": 5}),
            Contender("ta", "indicators", "indicators_ta.py", {"every": 25}),
            Contender("TA-Lib, symbol by symbol", "indicators", "indicators_talib.py"),
        ),
        (Goal(15.0, "pandas groupby"), Goal(15.0, "ta"), Goal(1 / 1.2, "TA-Lib, symbol by symbol")),
        given,
        unit="row of 25",
    )


def walks() -> pd.DataFrame:
    """Bars of random walks with changing volatility, a dividend's adjustment, and volumes that grow with moves."""
    rng = np.random.default_rng(0)
    days = exchange("XNYS").sessions(pd.Timestamp("2010-01-04"), pd.Timestamp("2019-12-31"))[:SESSIONS]
    shape = (SYMBOLS, len(days))
    volatility = 0.015 * np.exp(0.3 * rng.standard_normal(shape))
    step = volatility * rng.standard_normal(shape)
    close = 100 * np.exp(np.cumsum(step, axis=1))
    open_ = close * np.exp(0.7 * volatility * rng.standard_normal(shape) - step)
    high = np.maximum(open_, close) * np.exp(0.5 * volatility * np.abs(rng.standard_normal(shape)))
    low = np.minimum(open_, close) * np.exp(-0.5 * volatility * np.abs(rng.standard_normal(shape)))
    volume = np.round(1e6 * np.exp(20 * np.abs(step) + 0.3 * rng.standard_normal(shape)))
    return pd.DataFrame(
        {
            "symbol": np.repeat([f"S{number:03d}" for number in range(SYMBOLS)], len(days)),
            "date": np.tile(days, SYMBOLS),
            "open": open_.ravel(),
            "high": high.ravel(),
            "low": low.ravel(),
            "close": close.ravel(),
            "adj_close": 0.9 * close.ravel(),
            "volume": volume.ravel(),
        }
    )
