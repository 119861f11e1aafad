"""Causal indicators of one symbol on its own bars, without units: row t is computed from rows up to t, in one order.

TA-Lib's recursions run from the first bar on. What they give for a row does not depend, to the bit, on the rows after
it; it does depend, ever more weakly, on where history begins. So whoever compares figures to the bit (server and
trainer) must begin at the same bar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import talib

from tenor.features.catalogue import VOLATILITY_WARMUP, feature_names
from tenor.schema import Float64

HALF_LIFE = 20
"""Own bars in which a return's weight in the volatility halves. On 88 US stocks up to the end of 2014 it forecasts the
next squared return better (QLIKE -7.845) than RiskMetrics' 0.94 a session, a half-life of 11 (-7.829); 40 would give
-7.852 and be late at every turn."""

FLOOR = 1e-4
"""One basis point: a symbol that stands still (a stale run, a peg) is taken to move at least so much a session."""


@dataclass(frozen=True)
class Series:
    """The bars of one symbol, adjusted for splits and dividends: float64 arrays of one length, nothing missing.

    `volume` is adjusted against the prices, so that price times volume is what was traded, in the quote currency.
    """

    open: Float64
    high: Float64
    low: Float64
    close: Float64
    volume: Float64

    def __len__(self) -> int:
        return len(self.close)


def span_return(close: Float64, bars: int) -> Float64:
    """Log return over the last `bars` of the symbol's own bars (a gap is one step); NaN for the first ones."""
    out = np.full(len(close), np.nan)
    out[bars:] = np.log(close[bars:]) - np.log(close[:-bars])
    return out


def ewma_volatility(returns: Float64) -> Float64:
    """Exponentially weighted root mean square of one-step log `returns` up to each row, per session, at least `FLOOR`.

    The weights are normed, so that no seed value is needed. NaN until `VOLATILITY_WARMUP` returns are known.
    """
    squares = pd.Series(returns * returns)
    mean = squares.ewm(halflife=HALF_LIFE, adjust=True, min_periods=VOLATILITY_WARMUP).mean().to_numpy()
    volatility: Float64 = np.maximum(np.sqrt(mean), FLOOR)
    return volatility


def indicators(series: Series, groups: tuple[str, ...]) -> dict[str, Float64]:
    """The features of `groups` that need one symbol alone, by name; rows before a feature's warm-up mean nothing.

    Where the whole of `series` is warm-up, all is NaN.
    """
    own = [group for group in BY_GROUP if group in groups]
    if len(series) <= VOLATILITY_WARMUP:
        # no cell of it can be known, and TA-Lib refuses a series without a single number
        return {name: np.full(len(series), np.nan) for name in feature_names(own)}
    volatility = ewma_volatility(span_return(series.close, 1))
    with np.errstate(all="ignore"):
        return {name: row for group in own for name, row in BY_GROUP[group](series, volatility).items()}


def _returns(s: Series, vol: Float64) -> dict[str, Float64]:
    overnight = np.full(len(s), np.nan)
    overnight[1:] = np.log(s.open[1:] / s.close[:-1])
    return {
        "return_1": span_return(s.close, 1) / vol,
        "return_5": span_return(s.close, 5) / (vol * np.sqrt(5)),
        "return_20": span_return(s.close, 20) / (vol * np.sqrt(20)),
        # one bad tick in a high, a low or an open must not set the scale of the column
        "overnight": np.clip(overnight / vol, -10.0, 10.0),
        "high": np.clip(np.log(s.high / s.close) / vol, -10.0, 10.0),
        "low": np.clip(np.log(s.low / s.close) / vol, -10.0, 10.0),
    }


def _trend(s: Series, vol: Float64) -> dict[str, Float64]:
    macd, _, histogram = talib.MACD(s.close, fastperiod=12, slowperiod=26, signalperiod=9)
    return {
        **{f"sma_{n}": np.log(s.close / talib.SMA(s.close, n)) / (vol * np.sqrt(n)) for n in (5, 20, 60)},
        "ema_12": np.log(s.close / talib.EMA(s.close, 12)) / (vol * np.sqrt(12)),
        "macd": macd / (s.close * vol),
        "macd_histogram": histogram / (s.close * vol),
    }


def _momentum(s: Series, vol: Float64) -> dict[str, Float64]:
    # TA-Lib calls a price that never moves 0 (the most oversold there is); it is neutral here
    still = talib.MAX(s.close, 15) == talib.MIN(s.close, 15)
    no_range = talib.MAX(s.high, 14) == talib.MIN(s.low, 14)
    fast, _ = talib.STOCHF(s.high, s.low, s.close, fastk_period=14, fastd_period=1)
    fast = np.where(no_range, 0.0, fast / 50 - 1)
    return {
        "rsi_14": np.where(still, 0.0, talib.RSI(s.close, 14) / 50 - 1),
        "stochastic_14": fast,
        "stochastic_14_3": talib.SMA(fast, 3),
        "roc_10": talib.ROC(s.close, 10) / 100 / (vol * np.sqrt(10)),
    }


def _volatility(s: Series, vol: Float64) -> dict[str, Float64]:
    # on log prices: TA-Lib takes a variance under 1e-14 for zero, and some coins cost 1e-5
    log_close = np.log(s.close)
    upper, middle, lower = talib.BBANDS(log_close, timeperiod=20, nbdevup=2, nbdevdn=2)
    half = np.maximum((upper - lower) / 2, FLOOR)
    atr = talib.ATR(s.high, s.low, s.close, 14) / s.close
    return {
        "volatility": np.log(vol),
        "realised_5": np.log(np.maximum(talib.STDDEV(span_return(s.close, 1), 5), FLOOR) / vol),
        "atr_14": np.log(np.maximum(atr, FLOOR) / vol),
        "bollinger_width": np.log(half / vol),
        "bollinger_position": (log_close - middle) / half,
    }


def _volume(s: Series, vol: Float64) -> dict[str, Float64]:  # noqa: ARG001 - one signature for all groups
    obv = talib.OBV(s.close, s.volume)
    flow = np.full(len(s), np.nan)
    flow[20:] = obv[20:] - obv[:-20]
    flow = np.clip(flow / talib.SUM(s.volume, 20), -1.0, 1.0)
    traded = s.close * s.volume
    log_traded = np.log1p(traded)
    spread = np.maximum(talib.STDDEV(log_traded, 20), 0.05)
    # running sums may keep a rest, of either sign, after the last volumes were zero: hence the maximum, and the tests
    # for "nothing was traded" on the volumes themselves
    trend = np.clip(np.log(np.maximum(talib.SMA(traded, 5), 0.0) / talib.SMA(traded, 60)), -5.0, 5.0)
    return {
        "obv_20": np.where(talib.MAX(s.volume, 20) == 0, 0.0, flow),
        "volume_z": (log_traded - talib.SMA(log_traded, 20)) / spread,
        "volume_trend": np.where(talib.MAX(s.volume, 60) == 0, 0.0, trend),
    }


BY_GROUP: Mapping[str, Callable[[Series, Float64], dict[str, Float64]]] = {
    "returns": _returns,
    "trend": _trend,
    "momentum": _momentum,
    "volatility": _volatility,
    "volume": _volume,
}
