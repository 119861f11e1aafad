"""The package ta, symbol by symbol: its classes where it has the indicator, pandas for the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from indicators_table import FLOOR, HALF_LIFE, LEAST, LEAST_SHARE, WARM_UP, adjusted, rounds
from ta.momentum import ROCIndicator, RSIIndicator, StochasticOscillator
from ta.trend import MACD, EMAIndicator, SMAIndicator
from ta.volatility import AverageTrueRange, BollingerBands
from ta.volume import OnBalanceVolumeIndicator
from worker import Run, serve


def prepare(arguments: dict[str, Any]) -> Run:
    """Split the bars into frames of each symbol."""
    frame = adjusted(arguments)
    symbols = [group.reset_index(drop=True) for _, group in frame.groupby("symbol", sort=False)]

    def table() -> list[pd.DataFrame]:
        with np.errstate(all="ignore"):
            return [indicators(group) for group in symbols]

    return rounds(arguments, frame, table)


def indicators(frame: pd.DataFrame) -> pd.DataFrame:
    """A row a bar of one symbol, a column an indicator."""
    close, high, low, open_, volume = (frame[name] for name in ("close", "high", "low", "open", "volume"))
    log_close = np.log(close)
    before = close.shift()
    step = log_close.diff()
    vol = np.sqrt((step**2).ewm(halflife=HALF_LIFE, min_periods=WARM_UP).mean()).clip(lower=FLOOR)
    macd = MACD(close)
    stochastic = StochasticOscillator(high, low, close, window=14, smooth_window=3)
    bands = BollingerBands(log_close, window=20, window_dev=2)
    half = ((bands.bollinger_hband() - bands.bollinger_lband()) / 2).clip(lower=FLOOR)
    obv = OnBalanceVolumeIndicator(close, volume).on_balance_volume()
    traded = close * volume
    log_traded = np.log1p(traded)
    variance = (
        np.log(open_ / before) ** 2 + 0.5 * np.log(high / low) ** 2 - (2 * np.log(2) - 1) * np.log(close / open_) ** 2
    )

    def sma(column: Any, bars: int) -> Any:
        return SMAIndicator(column, bars).sma_indicator()

    return pd.DataFrame(
        {
            "return_1": step / vol,
            "return_5": log_close.diff(5) / (vol * np.sqrt(5)),
            "return_20": log_close.diff(20) / (vol * np.sqrt(20)),
            "overnight": (np.log(open_ / before) / vol).clip(-10, 10),
            "high": (np.log(high / close) / vol).clip(-10, 10),
            "low": (np.log(low / close) / vol).clip(-10, 10),
            "sma_5": np.log(close / sma(close, 5)) / (vol * np.sqrt(5)),
            "sma_20": np.log(close / sma(close, 20)) / (vol * np.sqrt(20)),
            "sma_60": np.log(close / sma(close, 60)) / (vol * np.sqrt(60)),
            "ema_12": np.log(close / EMAIndicator(close, 12).ema_indicator()) / (vol * np.sqrt(12)),
            "macd": macd.macd() / (close * vol),
            "macd_histogram": macd.macd_diff() / (close * vol),
            "rsi_14": RSIIndicator(close, 14).rsi() / 50 - 1,
            "stochastic_14": stochastic.stoch() / 50 - 1,
            "stochastic_14_3": stochastic.stoch_signal() / 50 - 1,
            "roc_10": ROCIndicator(close, 10).roc() / 100 / (vol * np.sqrt(10)),
            "volatility": np.log(vol),
            "realised_5": np.log(step.rolling(5).std(ddof=0).clip(lower=FLOOR) / vol),
            "atr_14": np.log(
                (AverageTrueRange(high, low, close, 14).average_true_range() / close).clip(lower=FLOOR) / vol
            ),
            "bollinger_width": np.log(half / vol),
            "bollinger_position": (log_close - bands.bollinger_mavg()) / half,
            "obv_20": (obv.diff(20) / volume.rolling(20).sum()).clip(-1, 1),
            "volume_z": (log_traded - sma(log_traded, 20)) / log_traded.rolling(20).std(ddof=0).clip(lower=0.05),
            "volume_trend": np.log(sma(traded, 5) / sma(traded, 60)).clip(-5, 5),
            "variance": np.maximum(variance, np.fmax(LEAST, LEAST_SHARE * vol**2)),
        }
    )


if __name__ == "__main__":
    serve(prepare)
