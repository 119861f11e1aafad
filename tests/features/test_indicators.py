"""Each indicator against its textbook formula, written out with numpy and pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tenor.features.indicators import (
    FLOOR,
    HALF_LIFE,
    Series,
    ewma_volatility,
    indicators,
    share_volatility,
    span_return,
)
from tenor.schema import Float64

OWN = ("returns", "trend", "momentum", "volatility", "volume")
SETTLED = slice(60, None)


@pytest.fixture(scope="module")
def series() -> Series:
    rng = np.random.default_rng(4)
    close = 30 * np.exp(np.cumsum(rng.normal(0, 0.02, 260)))
    open_ = close * np.exp(rng.normal(0, 0.01, 260))
    high = np.maximum(open_, close) * np.exp(rng.uniform(0, 0.02, 260))
    low = np.minimum(open_, close) * np.exp(-rng.uniform(0, 0.02, 260))
    return Series(open_, high, low, close, rng.integers(0, 10**7, 260).astype("float64"))


@pytest.fixture(scope="module")
def computed(series: Series) -> dict[str, Float64]:
    return indicators(series, OWN)


def volatility_of(close: Float64) -> Float64:
    weights = 0.5 ** (np.arange(len(close)) / HALF_LIFE)
    squares = np.diff(np.log(close)) ** 2
    return np.array(
        [np.nan, *(np.sqrt(np.average(squares[: t + 1][::-1], weights=weights[: t + 1])) for t in range(len(squares)))]
    )


def ema(values: Float64, n: int) -> Float64:
    """Seeded by the mean of the first n known values."""
    out = np.full(len(values), np.nan)
    first = int(np.isfinite(values).argmax()) + n - 1
    out[first] = values[first - n + 1 : first + 1].mean()
    for t in range(first + 1, len(values)):
        out[t] = out[t - 1] + 2 / (n + 1) * (values[t] - out[t - 1])
    return out


def wilder(values: Float64, n: int) -> Float64:
    """Wilder's average: the mean of values 1 .. n, then a 1/n share of each next one."""
    out = np.full(len(values), np.nan)
    out[n] = values[1 : n + 1].mean()
    for t in range(n + 1, len(values)):
        out[t] = (out[t - 1] * (n - 1) + values[t]) / n
    return out


def expected(s: Series) -> dict[str, Float64]:
    c, vol, p = s.close, volatility_of(s.close), pd.Series(s.close)
    change = np.diff(c, prepend=np.nan)
    true_range = np.maximum(s.high, np.roll(c, 1)) - np.minimum(s.low, np.roll(c, 1))
    strength = wilder(np.maximum(change, 0), 14) / wilder(np.maximum(-change, 0), 14)
    lowest, highest = pd.Series(s.low).rolling(14).min(), pd.Series(s.high).rolling(14).max()
    stochastic = 2 * (p - lowest) / (highest - lowest) - 1
    log_close, traded = np.log(p), pd.Series(c * s.volume)
    half = 2 * log_close.rolling(20).std(ddof=0)
    macd = ema(c, 12) - ema(c, 26)
    # TA-Lib starts the fast average so late that it ends its seed with the slow one
    fast = ema(np.where(np.arange(len(c)) < 14, np.nan, c), 12)
    macd = fast - ema(c, 26)
    signed = pd.Series(np.sign(change) * s.volume)
    log_traded = np.log(1 + traded)
    return {
        "return_5": np.log(p / p.shift(5)) / vol / 5**0.5,
        "overnight": np.log(s.open / p.shift(1)) / vol,
        "high": np.log(s.high / c) / vol,
        "sma_20": np.log(p / p.rolling(20).mean()) / vol / 20**0.5,
        "ema_12": np.log(c / ema(c, 12)) / vol / 12**0.5,
        "macd": macd / c / vol,
        "macd_histogram": (macd - ema(macd, 9)) / c / vol,
        "rsi_14": (100 - 100 / (1 + strength)) / 50 - 1,
        "stochastic_14": stochastic,
        "stochastic_14_3": stochastic.rolling(3).mean(),
        "roc_10": p.pct_change(10) / vol / 10**0.5,
        "volatility": np.log(vol),
        "realised_5": np.log(np.log(p).diff().rolling(5).std(ddof=0) / vol),
        "atr_14": np.log(wilder(true_range, 14) / c / vol),
        "bollinger_width": np.log(half / vol),
        "bollinger_position": (log_close - log_close.rolling(20).mean()) / half,
        "obv_20": signed.rolling(20).sum() / pd.Series(s.volume).rolling(20).sum(),
        "volume_z": (log_traded - log_traded.rolling(20).mean()) / log_traded.rolling(20).std(ddof=0),
        "volume_trend": np.log(traded.rolling(5).mean() / traded.rolling(60).mean()),
    }  # fmt: skip


def test_against_the_textbook(series: Series, computed: dict[str, Float64]) -> None:
    for name, values in expected(series).items():
        np.testing.assert_allclose(
            computed[name][SETTLED], np.asarray(values)[SETTLED], rtol=1e-7, atol=1e-9, err_msg=name
        )


def test_volatility_has_no_seed_and_a_floor() -> None:
    assert np.isnan(ewma_volatility(np.array([np.nan, *[0.01] * 19]))).all()
    np.testing.assert_allclose(ewma_volatility(np.array([np.nan, *[0.01] * 30]))[20:], 0.01)
    assert (ewma_volatility(np.zeros(40))[20:] == FLOOR).all()


@pytest.mark.parametrize("scale", [1e-7, 3.0, 1e9])
def test_the_unit_of_price_and_volume_does_not_matter(
    series: Series, computed: dict[str, Float64], scale: float
) -> None:
    prices = (getattr(series, n) * scale for n in ("open", "high", "low", "close"))
    scaled = indicators(Series(*prices, series.volume / scale), OWN)
    for name, values in computed.items():
        np.testing.assert_allclose(scaled[name][SETTLED], values[SETTLED], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("still", [slice(None), slice(100, 180)], ids=["always", "for 80 bars"])
def test_a_price_that_stands_still_is_neutral(series: Series, still: slice) -> None:
    arrays = {n: getattr(series, n).copy() for n in ("open", "high", "low", "close", "volume")}
    for name, array in arrays.items():
        array[still] = 0.0 if name == "volume" else 17.3
    stale = indicators(Series(**arrays), OWN)
    assert all(np.isfinite(v[SETTLED]).all() for v in stale.values())
    assert max(np.abs(v[SETTLED]).max() for v in stale.values()) < 20
    for name in ("return_20", "sma_20", "rsi_14", "stochastic_14", "roc_10", "obv_20", "volume_z"):
        assert abs(stale[name][170]) < 1e-6, name
    assert abs(stale["bollinger_position"][170]) < 0.01


def test_volume_that_stops_is_no_hole(series: Series) -> None:
    volume = series.volume * 1e4 + 0.123
    volume[200:206] = 0.0
    stopped = indicators(Series(series.open, series.high, series.low, series.close, volume), ("volume",))
    assert np.isfinite(stopped["volume_trend"][SETTLED]).all()
    assert stopped["volume_trend"][205] == -5.0


@pytest.mark.parametrize("length", [1, 2, 20, 21, 30])
def test_a_short_series_has_its_columns(series: Series, length: int) -> None:
    short = Series(*(getattr(series, n)[:length] for n in ("open", "high", "low", "close", "volume")))
    assert {n: len(v) for n, v in indicators(short, OWN).items()} == dict.fromkeys(indicators(series, OWN), length)


def test_symbols_that_share_a_volatility_have_the_bits_of_each_alone() -> None:
    rng = np.random.default_rng(7)
    lengths = (300, 1, 45, 21, 20, 300)
    closes = [50 * np.exp(np.cumsum(rng.normal(0, 0.02, length))) for length in lengths]
    some = [Series(close, close, close, close, close) for close in closes]
    share_volatility(some)
    for shared, close in zip(some, closes, strict=True):
        np.testing.assert_array_equal(shared.vol, Series(close, close, close, close, close).vol)
        np.testing.assert_array_equal(shared.vol, ewma_volatility(shared.step))
        assert shared.vol.flags.c_contiguous


def test_span_return_of_a_short_series_is_unknown() -> None:
    assert np.isnan(span_return(np.array([1.0, 2.0]), 5)).all()
