"""TA-Lib as one calls it oneself: symbol by symbol on arrays, NumPy for the rest, pandas for the volatility."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import talib
from indicators_table import FLOOR, HALF_LIFE, LEAST, LEAST_SHARE, WARM_UP, adjusted, rounds
from worker import Run, serve


def prepare(arguments: dict[str, Any]) -> Run:
    """Split the bars into arrays of each symbol."""
    frame = adjusted(arguments)
    symbols = [
        {name: group[name].to_numpy(copy=True) for name in ("open", "high", "low", "close", "volume")}
        for _, group in frame.groupby("symbol", sort=False)
    ]

    def table() -> list[Any]:
        with np.errstate(all="ignore"):
            return [indicators(**arrays) for arrays in symbols]

    return rounds(arguments, frame, table)


def indicators(open: Any, high: Any, low: Any, close: Any, volume: Any) -> Any:  # noqa: A002
    """[bar, 25] of one symbol."""
    log_close = np.log(close)

    def span(bars: int) -> Any:
        return np.concatenate((np.full(bars, np.nan), log_close[bars:] - log_close[:-bars]))

    step = span(1)
    mean = pd.Series(step * step).ewm(halflife=HALF_LIFE, min_periods=WARM_UP).mean().to_numpy()
    vol = np.maximum(np.sqrt(mean), FLOOR)
    line, _, histogram = talib.MACD(close, 12, 26, 9)
    no_range = talib.MAX(high, 14) == talib.MIN(low, 14)
    fast, _ = talib.STOCHF(high, low, close, fastk_period=14, fastd_period=1)
    stochastic = np.where(no_range, 0.0, fast / 50 - 1)
    upper, middle, lower = talib.BBANDS(log_close, 20, 2, 2)
    half = np.maximum((upper - lower) / 2, FLOOR)
    still = talib.MAX(close, 15) == talib.MIN(close, 15)
    obv = talib.OBV(close, volume)
    flow = np.concatenate((np.full(20, np.nan), obv[20:] - obv[:-20]))
    traded = close * volume
    log_traded = np.log1p(traded)
    gap = np.concatenate(([np.nan], np.log(open[1:] / close[:-1])))
    log_open, top, bottom = np.log(open), np.log(high), np.log(low)
    variance = gap**2 + 0.5 * (top - bottom) ** 2 - (2 * np.log(2) - 1) * (log_close - log_open) ** 2
    trend = np.clip(np.log(np.maximum(talib.SMA(traded, 5), 0) / talib.SMA(traded, 60)), -5, 5)
    return np.column_stack(
        (
            step / vol,
            span(5) / (vol * np.sqrt(5)),
            span(20) / (vol * np.sqrt(20)),
            np.clip(gap / vol, -10, 10),
            np.clip((top - log_close) / vol, -10, 10),
            np.clip((bottom - log_close) / vol, -10, 10),
            np.log(close / talib.SMA(close, 5)) / (vol * np.sqrt(5)),
            np.log(close / talib.SMA(close, 20)) / (vol * np.sqrt(20)),
            np.log(close / talib.SMA(close, 60)) / (vol * np.sqrt(60)),
            np.log(close / talib.EMA(close, 12)) / (vol * np.sqrt(12)),
            line / (close * vol),
            histogram / (close * vol),
            np.where(still, 0.0, talib.RSI(close, 14) / 50 - 1),
            stochastic,
            talib.SMA(stochastic, 3),
            talib.ROC(close, 10) / 100 / (vol * np.sqrt(10)),
            np.log(vol),
            np.log(np.maximum(talib.STDDEV(step, 5), FLOOR) / vol),
            np.log(np.maximum(talib.ATR(high, low, close, 14) / close, FLOOR) / vol),
            np.log(half / vol),
            (log_close - middle) / half,
            np.where(talib.MAX(volume, 20) == 0, 0.0, np.clip(flow / talib.SUM(volume, 20), -1, 1)),
            (log_traded - talib.SMA(log_traded, 20)) / np.maximum(talib.STDDEV(log_traded, 20), 0.05),
            np.where(talib.MAX(volume, 60) == 0, 0.0, trend),
            np.maximum(variance, np.fmax(LEAST, LEAST_SHARE * vol**2)),
        )
    )


if __name__ == "__main__":
    serve(prepare)
