"""Indicators of one symbol from its own bars, without units. Row t is computed from rows up to t only.

Each is a function of a `Series` with a decorator that declares it. The catalogue, its order, the panel's columns and
``docs/features.md`` follow from the declarations. Write a new indicator at the end of its group, so that groups stay
together.

TA-Lib's recursions start at the first bar. Their value for a row does not depend on later rows in any bit. It does
depend, more and more weakly, on where history begins. So code that compares figures bit by bit (server and trainer)
must begin at the same bar.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import talib

from tenor.features.feature import Declarations
from tenor.schema import Float64
from tenor.variance import session_variance

HALF_LIFE = 20
"""Half-life of a return's weight in the volatility, in the symbol's own bars.

On 88 US stocks up to the end of 2014 it forecasts the next squared return better (QLIKE -7.845) than the decay of
RiskMetrics, 0.94 a session, which is a half-life of 11 (-7.829). A half-life of 40 would give -7.852, but follow every
change late.
"""

VOLATILITY_WARMUP = 20
"""The fewest returns from which the volatility is computed."""

SETTLED = 60
"""Bars after which the start value has only a few per cent of weight in recursive averages (EMA, RSI, ATR)."""

FLOOR = 1e-4
"""The smallest volatility of a session, one basis point, for symbols that do not move (a stale price, a peg)."""


@dataclass(frozen=True)
class Series:
    """The bars of one symbol, adjusted for splits and dividends: float64 arrays of the same length without gaps.

    `volume` is adjusted inversely to the prices, so that price times volume is the amount traded in the quote currency.

    Quantities that several indicators need are properties, computed once.
    """

    open: Float64
    high: Float64
    low: Float64
    close: Float64
    volume: Float64

    def __len__(self) -> int:
        return len(self.close)

    @functools.cached_property
    def log_close(self) -> Float64:
        """Log of the close."""
        return np.log(self.close)

    @functools.cached_property
    def step(self) -> Float64:
        """Log return over one bar."""
        return span_return(self.log_close, 1)

    @functools.cached_property
    def return_5(self) -> Float64:
        """Log return over five bars."""
        return span_return(self.log_close, 5)

    @functools.cached_property
    def vol(self) -> Float64:
        """Volatility of one session."""
        return ewma_volatility(self.step)

    @functools.cached_property
    def variance(self) -> Float64:
        """Variance of each bar, from gap and range (`tenor.variance.session_variance`)."""
        return session_variance(self.open, self.high, self.low, self.close, self.vol)

    @functools.cached_property
    def traded(self) -> Float64:
        """Price times volume."""
        return self.close * self.volume

    @functools.cached_property
    def macd(self) -> tuple[Float64, Float64]:
        """MACD (12, 26, 9) and its histogram, in units of price."""
        line, _, histogram = talib.MACD(self.close, fastperiod=12, slowperiod=26, signalperiod=9)
        return line, histogram

    @functools.cached_property
    def stochastic(self) -> Float64:
        """Place of the close in the range of 14 bars, from -1 to 1; 0 if there was no range."""
        no_range = talib.MAX(self.high, 14) == talib.MIN(self.low, 14)
        fast, _ = talib.STOCHF(self.high, self.low, self.close, fastk_period=14, fastd_period=1)
        return np.where(no_range, 0.0, fast / 50 - 1)

    @functools.cached_property
    def bollinger(self) -> tuple[Float64, Float64]:
        """Distance of log close from its mean over 20 bars, and half the width of the band, two deviations."""
        # on log prices, because TA-Lib treats a variance below 1e-14 as zero, and some coins cost 1e-5
        upper, middle, lower = talib.BBANDS(self.log_close, timeperiod=20, nbdevup=2, nbdevdn=2)
        return self.log_close - middle, np.maximum((upper - lower) / 2, FLOOR)


indicator: Declarations[Series] = Declarations()
"""The decorator that declares an indicator; it also holds all declared ones."""


def span_return(log_close: Float64, bars: int) -> Float64:
    """Log return over the last `bars` of the symbol's own bars (a gap is one step); NaN for the first ones."""
    out = np.full(len(log_close), np.nan)
    out[bars:] = log_close[bars:] - log_close[:-bars]
    return out


def ewma_volatility(returns: Float64) -> Float64:
    """Volatility: exponentially weighted root mean square of one-step log `returns` up to each row, at least `FLOOR`.

    The weights sum to 1, so that no start value is needed. NaN until `VOLATILITY_WARMUP` returns are known.
    """
    (volatility,) = _ewma_volatilities([returns])
    return volatility


def share_volatility(symbols: Sequence[Series]) -> None:
    """Compute `vol` of these `symbols` together: most of the time of a single one goes into calling pandas."""
    for series, volatility in zip(symbols, _ewma_volatilities([s.step for s in symbols]), strict=True):
        vars(series)["vol"] = volatility  # where the cached property looks first


def _ewma_volatilities(returns: Sequence[Float64]) -> list[Float64]:
    squares = np.full((max(map(len, returns)), len(returns)), np.nan)
    for column, each in enumerate(returns):
        squares[: len(each), column] = each * each
    weighted = pd.DataFrame(squares, copy=False).ewm(halflife=HALF_LIFE, adjust=True, min_periods=VOLATILITY_WARMUP)
    volatilities = np.maximum(np.sqrt(weighted.mean().to_numpy()), FLOOR)
    return [np.ascontiguousarray(volatilities[: len(each), column]) for column, each in enumerate(returns)]


def indicators(series: Series, groups: Sequence[str]) -> dict[str, Float64]:
    """The features of `groups` that need only one symbol, by name; rows before a feature's warm-up are not valid.

    If `series` is not longer than the warm-up, everything is NaN.
    """
    if len(series) <= VOLATILITY_WARMUP:
        # no cell can be known, and TA-Lib refuses a series without any number
        return {name: np.full(len(series), np.nan) for name in indicator.of(groups)}
    with np.errstate(all="ignore"):
        return indicator.compute(series, groups)


@indicator(name="return_1", group="returns", formula="log(c / c[-1]) / vol", source="log return", warmup=20)
def _return_1(s: Series) -> Float64:
    return s.step / s.vol


@indicator(name="return_5", group="returns", formula="log(c / c[-5]) / (vol √5)", source="log return", warmup=20)
def _return_5(s: Series) -> Float64:
    return np.asarray(s.return_5 / (s.vol * np.sqrt(5)))


@indicator(name="return_20", group="returns", formula="log(c / c[-20]) / (vol √20)", source="log return", warmup=20)
def _return_20(s: Series) -> Float64:
    return np.asarray(span_return(s.log_close, 20) / (s.vol * np.sqrt(20)))


@indicator(name="overnight", group="returns", formula="log(o / c[-1]) / vol, in ±10", source="log return", warmup=20)
def _overnight(s: Series) -> Float64:
    overnight = np.full(len(s), np.nan)
    overnight[1:] = np.log(s.open[1:] / s.close[:-1])
    # limits, here and below, because one wrong high, low or open must not determine the scale of the column
    return np.clip(overnight / s.vol, -10.0, 10.0)


@indicator(name="high", group="returns", formula="log(h / c) / vol, in ±10", source="log return", warmup=20)
def _high(s: Series) -> Float64:
    return np.clip(np.log(s.high / s.close) / s.vol, -10.0, 10.0)


@indicator(name="low", group="returns", formula="log(l / c) / vol, in ±10", source="log return", warmup=20)
def _low(s: Series) -> Float64:
    return np.clip(np.log(s.low / s.close) / s.vol, -10.0, 10.0)


def _from_sma(s: Series, bars: int) -> Float64:
    return np.asarray(np.log(s.close / talib.SMA(s.close, bars)) / (s.vol * np.sqrt(bars)))


@indicator(name="sma_5", group="trend", formula="log(c / SMA(c, 5)) / (vol √5)", source="TA-Lib SMA", warmup=20)
def _sma_5(s: Series) -> Float64:
    return _from_sma(s, 5)


@indicator(name="sma_20", group="trend", formula="log(c / SMA(c, 20)) / (vol √20)", source="TA-Lib SMA", warmup=20)
def _sma_20(s: Series) -> Float64:
    return _from_sma(s, 20)


@indicator(name="sma_60", group="trend", formula="log(c / SMA(c, 60)) / (vol √60)", source="TA-Lib SMA", warmup=59)
def _sma_60(s: Series) -> Float64:
    return _from_sma(s, 60)


@indicator(name="ema_12", group="trend", formula="log(c / EMA(c, 12)) / (vol √12)", source="TA-Lib EMA", warmup=SETTLED)
def _ema_12(s: Series) -> Float64:
    return np.asarray(np.log(s.close / talib.EMA(s.close, 12)) / (s.vol * np.sqrt(12)))


@indicator(
    name="macd", group="trend", formula="(EMA(c, 12) − EMA(c, 26)) / (c vol)", source="TA-Lib MACD", warmup=SETTLED
)
def _macd(s: Series) -> Float64:
    line, _ = s.macd
    return line / (s.close * s.vol)


@indicator(
    name="macd_histogram",
    group="trend",
    formula="(MACD − EMA(MACD, 9)) / (c vol)",
    source="TA-Lib MACD",
    warmup=SETTLED,
)
def _macd_histogram(s: Series) -> Float64:
    _, histogram = s.macd
    return histogram / (s.close * s.vol)


@indicator(
    name="rsi_14",
    group="momentum",
    formula="RSI(c, 14) / 50 − 1; 0 where c stood still for 14 bars",
    source="TA-Lib RSI",
    warmup=SETTLED,
)
def _rsi_14(s: Series) -> Float64:
    # TA-Lib gives 0, extremely oversold, to a price that never moves; here that is neutral
    still = talib.MAX(s.close, 15) == talib.MIN(s.close, 15)
    return np.where(still, 0.0, talib.RSI(s.close, 14) / 50 - 1)


@indicator(
    name="stochastic_14",
    group="momentum",
    formula="2 (c − min l) / (max h − min l) − 1 over 14 bars; 0 where max h = min l",
    source="TA-Lib STOCHF",
    warmup=13,
)
def _stochastic_14(s: Series) -> Float64:
    return s.stochastic


@indicator(name="stochastic_14_3", group="momentum", formula="SMA(stochastic_14, 3)", source="TA-Lib SMA", warmup=15)
def _stochastic_14_3(s: Series) -> Float64:
    return talib.SMA(s.stochastic, 3)


@indicator(name="roc_10", group="momentum", formula="(c / c[-10] − 1) / (vol √10)", source="TA-Lib ROC", warmup=20)
def _roc_10(s: Series) -> Float64:
    return np.asarray(talib.ROC(s.close, 10) / 100 / (s.vol * np.sqrt(10)))


@indicator(name="volatility", group="volatility", formula="log(vol)", source="EWMA, half-life 20", warmup=20)
def _volatility(s: Series) -> Float64:
    return np.log(s.vol)


@indicator(
    name="realised_5",
    group="volatility",
    formula="log(sd(r, 5) / vol), sd at least 1e-4",
    source="TA-Lib STDDEV",
    warmup=20,
)
def _realised_5(s: Series) -> Float64:
    return np.log(np.maximum(talib.STDDEV(s.step, 5), FLOOR) / s.vol)


@indicator(
    name="atr_14",
    group="volatility",
    formula="log(ATR(h, l, c, 14) / (c vol)), ATR / c at least 1e-4",
    source="TA-Lib ATR",
    warmup=SETTLED,
)
def _atr_14(s: Series) -> Float64:
    atr = talib.ATR(s.high, s.low, s.close, 14) / s.close
    return np.log(np.maximum(atr, FLOOR) / s.vol)


@indicator(
    name="bollinger_width",
    group="volatility",
    formula="log(2 sd(log c, 20) / vol), the half width at least 1e-4",
    source="TA-Lib BBANDS",
    warmup=20,
)
def _bollinger_width(s: Series) -> Float64:
    _, half = s.bollinger
    return np.log(half / s.vol)


@indicator(
    name="bollinger_position",
    group="volatility",
    formula="(log c − mean(log c, 20)) / (2 sd(log c, 20)), the half width at least 1e-4",
    source="TA-Lib BBANDS",
    warmup=19,
)
def _bollinger_position(s: Series) -> Float64:
    distance, half = s.bollinger
    return distance / half


@indicator(
    name="obv_20",
    group="volume",
    formula="(OBV − OBV[-20]) / sum(v, 20), in −1..1; 0 where nothing was traded",
    source="TA-Lib OBV, SUM",
    warmup=20,
)
def _obv_20(s: Series) -> Float64:
    obv = talib.OBV(s.close, s.volume)
    flow = np.full(len(s), np.nan)
    flow[20:] = obv[20:] - obv[:-20]
    flow = np.clip(flow / talib.SUM(s.volume, 20), -1.0, 1.0)
    # by rounding, running sums may differ from 0 after volumes of zero, so the volumes themselves are tested, here and
    # in the trend
    return np.where(talib.MAX(s.volume, 20) == 0, 0.0, flow)


@indicator(
    name="volume_z",
    group="volume",
    formula="(log(1 + c v) − mean) / sd over 20 bars, sd at least 0.05",
    source="TA-Lib SMA, STDDEV",
    warmup=19,
)
def _volume_z(s: Series) -> Float64:
    log_traded = np.log1p(s.traded)
    deviation = np.maximum(talib.STDDEV(log_traded, 20), 0.05)
    return (log_traded - talib.SMA(log_traded, 20)) / deviation


@indicator(
    name="volume_trend",
    group="volume",
    formula="log(SMA(c v, 5) / SMA(c v, 60)), in ±5; 0 where nothing was traded",
    source="TA-Lib SMA",
    warmup=59,
)
def _volume_trend(s: Series) -> Float64:
    trend = np.clip(np.log(np.maximum(talib.SMA(s.traded, 5), 0.0) / talib.SMA(s.traded, 60)), -5.0, 5.0)
    return np.where(talib.MAX(s.volume, 60) == 0, 0.0, trend)


def log_mean_variance(variance: Float64, bars: int) -> Float64:
    """Log of the mean of the last `bars` variances; NaN until there are that many."""
    mean: Float64 = pd.Series(variance).rolling(bars, min_periods=bars).mean().to_numpy()
    return np.log(mean)


@indicator(
    name="log_variance",
    group="risk",
    formula="log(gap² + Garman-Klass), the terms of tenor.variance",
    source="Garman & Klass 1980",
    warmup=1,
)
def _log_variance(s: Series) -> Float64:
    return np.log(s.variance)


@indicator(
    name="log_variance_5",
    group="risk",
    formula="log(mean variance of 5 bars)",
    source="heterogeneous autoregression, Corsi 2009",
    warmup=5,
)
def _log_variance_5(s: Series) -> Float64:
    return log_mean_variance(s.variance, 5)


@indicator(
    name="log_variance_22",
    group="risk",
    formula="log(mean variance of 22 bars)",
    source="heterogeneous autoregression, Corsi 2009",
    warmup=22,
)
def _log_variance_22(s: Series) -> Float64:
    return log_mean_variance(s.variance, 22)


@indicator(
    name="log_variance_66",
    group="risk",
    formula="log(mean variance of 66 bars)",
    source="heterogeneous autoregression, one quarter",
    warmup=66,
)
def _log_variance_66(s: Series) -> Float64:
    return log_mean_variance(s.variance, 66)


@indicator(
    name="fall",
    group="risk",
    formula="log(1 + max(−r, 0) / vol)",
    source="leverage effect",
    warmup=20,
)
def _fall(s: Series) -> Float64:
    return np.log1p(np.maximum(-s.step, 0.0) / s.vol)


@indicator(
    name="rise",
    group="risk",
    formula="log(1 + max(r, 0) / vol)",
    source="leverage effect",
    warmup=20,
)
def _rise(s: Series) -> Float64:
    return np.log1p(np.maximum(s.step, 0.0) / s.vol)
