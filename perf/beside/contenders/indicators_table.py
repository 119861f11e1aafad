"""What the rivals of the contest of indicators share: the adjusted bars, and the comparison with tenor's values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from worker import Run

PRICES = ("open", "high", "low")
HALF_LIFE, WARM_UP, FLOOR = 20, 20, 1e-4
LEAST, LEAST_SHARE = 1e-8, 0.005
TOLERANCE = 2e-4


def adjusted(arguments: dict[str, Any]) -> pd.DataFrame:
    """The bars of each so many-th symbol, adjusted, in the order of symbol and date."""
    frame = pd.DataFrame(dict(np.load(Path(arguments["folder"]) / "bars.npz")))
    chosen = frame["symbol"].unique()[:: arguments.get("every", 1)]
    frame = frame[frame["symbol"].isin(chosen)].reset_index(drop=True)
    factor = frame["adj_close"] / frame["close"]
    for name in PRICES:
        frame[name] *= factor
    return frame.assign(close=frame["adj_close"], volume=frame["volume"] / factor).drop(columns="adj_close")


def rounds(arguments: dict[str, Any], frame: pd.DataFrame, table: Callable[[], Any]) -> Run:
    """A round makes the table [row, indicator] of `frame`, whole or symbol by symbol; the first one is compared."""
    expected = np.load(Path(arguments["folder"]) / "expected.npy")
    every, tail, compared = arguments.get("every", 1), arguments["tail"], [False]

    def run() -> dict[str, Any]:
        made = table()
        if not compared[0]:
            whole = np.asarray(made).reshape(frame["symbol"].nunique(), -1, len(arguments["names"]))
            for place, ours in enumerate(range(0, expected.shape[1], every)):
                difference = np.abs(whole[place, -tail:] - expected[:, ours])
                worst = difference.max(axis=0) / np.maximum(np.abs(expected[:, ours]).max(axis=0), 1e-6)
                if not (worst < TOLERANCE).all():
                    raise ValueError(f"not tenor's values: {dict(zip(arguments['names'], worst, strict=True))}")
            compared[0] = True
        return {
            "work": len(frame),
            "bytes": frame[[*PRICES, "close", "volume"]].to_numpy().nbytes + 8 * 25 * len(frame),
        }

    return run
