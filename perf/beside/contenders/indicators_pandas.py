"""pandas alone, all symbols at once: groupby with shift, rolling and ewm, as its guide shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from indicators_table import FLOOR, HALF_LIFE, LEAST, LEAST_SHARE, WARM_UP, adjusted, rounds
from worker import Run, serve


def prepare(arguments: dict[str, Any]) -> Run:
    """Read the bars."""
    frame = adjusted(arguments)

    def table() -> Any:
        with np.errstate(all="ignore"):
            return indicators(frame)

    return rounds(arguments, frame, table)


def indicators(frame: pd.DataFrame) -> pd.DataFrame:
    """A row a bar, a column an indicator."""
    symbol = frame["symbol"]

    def by(column: Any) -> Any:
        return column.groupby(symbol, sort=False)

    def rolling(column: Any, bars: int) -> Any:
        return by(column).rolling(bars)

    def flat(column: Any) -> Any:
        return column.droplevel(0)

    def ewm(column: Any, **how: Any) -> Any:
        return flat(by(column).ewm(**how).mean())

    close, high, low, open_, volume = (frame[name] for name in ("close", "high", "low", "open", "volume"))
    log_close = np.log(close)
    before = by(close).shift()
    step = by(log_close).diff()
    vol = np.sqrt(ewm(step**2, halflife=HALF_LIFE, min_periods=WARM_UP)).clip(lower=FLOOR)
    macd = ewm(close, span=12, adjust=False) - ewm(close, span=26, adjust=False)
    change = by(close).diff()
    up = ewm(change.clip(lower=0), alpha=1 / 14, adjust=False)
    down = ewm((-change).clip(lower=0), alpha=1 / 14, adjust=False)
    lowest, highest = flat(rolling(low, 14).min()), flat(rolling(high, 14).max())
    stochastic = (2 * (close - lowest) / (highest - lowest) - 1).where(highest > lowest, 0.0)
    true_range = np.maximum(high, before) - np.minimum(low, before)
    atr = ewm(true_range, alpha=1 / 14, adjust=False)
    middle = flat(rolling(log_close, 20).mean())
    half = (2 * flat(rolling(log_close, 20).std(ddof=0))).clip(lower=FLOOR)
    signed = np.sign(change).fillna(1.0) * volume
    traded = close * volume
    log_traded = np.log1p(traded)
    variance = (
        np.log(open_ / before) ** 2 + 0.5 * np.log(high / low) ** 2 - (2 * np.log(2) - 1) * np.log(close / open_) ** 2
    )
    return pd.DataFrame(
        {
            "return_1": step / vol,
            "return_5": by(log_close).diff(5) / (vol * np.sqrt(5)),
            "return_20": by(log_close).diff(20) / (vol * np.sqrt(20)),
            "overnight": (np.log(open_ / before) / vol).clip(-10, 10),
            "high": (np.log(high / close) / vol).clip(-10, 10),
            "low": (np.log(low / close) / vol).clip(-10, 10),
            "sma_5": np.log(close / flat(rolling(close, 5).mean())) / (vol * np.sqrt(5)),
            "sma_20": np.log(close / flat(rolling(close, 20).mean())) / (vol * np.sqrt(20)),
            "sma_60": np.log(close / flat(rolling(close, 60).mean())) / (vol * np.sqrt(60)),
            "ema_12": np.log(close / ewm(close, span=12, adjust=False)) / (vol * np.sqrt(12)),
            "macd": macd / (close * vol),
            "macd_histogram": (macd - ewm(macd, span=9, adjust=False)) / (close * vol),
            "rsi_14": 2 * up / (up + down) - 1,
            "stochastic_14": stochastic,
            "stochastic_14_3": flat(rolling(stochastic, 3).mean()),
            "roc_10": by(close).pct_change(10) / (vol * np.sqrt(10)),
            "volatility": np.log(vol),
            "realised_5": np.log(flat(rolling(step, 5).std(ddof=0)).clip(lower=FLOOR) / vol),
            "atr_14": np.log((atr / close).clip(lower=FLOOR) / vol),
            "bollinger_width": np.log(half / vol),
            "bollinger_position": (log_close - middle) / half,
            "obv_20": (flat(rolling(signed, 20).sum()) / flat(rolling(volume, 20).sum())).clip(-1, 1),
            "volume_z": (log_traded - flat(rolling(log_traded, 20).mean()))
            / flat(rolling(log_traded, 20).std(ddof=0)).clip(lower=0.05),
            "volume_trend": np.log(flat(rolling(traded, 5).mean()) / flat(rolling(traded, 60).mean())).clip(-5, 5),
            "variance": np.maximum(variance, np.fmax(LEAST, LEAST_SHARE * vol**2)),
        }
    )


if __name__ == "__main__":
    serve(prepare)
