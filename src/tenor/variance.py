"""The measure of risk: the variance of a session from its bar, and the log of its mean over the sessions ahead.

A squared return says little about how much a price moved in a session; its range says far more. Garman & Klass (1980)
estimate the variance between open and close from the four prices of a bar, with about an eighth of the error of the
squared return. The squared gap from the last close to the open is added. All are log returns of adjusted prices, so a
dividend or a split is not a move.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

LEAST = 1e-8
"""The smallest variance of a session, that of a volatility of one basis point."""
LEAST_SHARE = 0.005
"""The smallest variance of a session as a share of the symbol's own trailing variance.

Without it, the log of a session in which almost nothing happened would outweigh hundreds of others. A stock that
usually moves by 1.5 % counts as moving by at least 0.1 %.
"""
STILL = 10
"""After this many bars in a row without a move, a symbol counts as suspended until it moves again."""


def session_variance(open_: Float64, high: Float64, low: Float64, close: Float64, volatility: Float64) -> Float64:
    """The variance of each bar of one symbol: (log o - log c[-1])² + Garman-Klass, with a smallest value.

    Garman-Klass is (log h - log l)² / 2 - (2 log 2 - 1) (log c - log o)². The rules for incomplete bars:

    - Open or close outside of high and low: the range is widened to contain them.
    - High, low and open equal to the close (a source that has only closes): what remains is the squared return from
      close to close.
    - No range and no gap (a halt, a stale price): the larger of `LEAST` and `LEAST_SHARE` times ``volatility²``.
    - Sessions without a bar: the gap of the next bar includes them.

    Parameters
    ----------
    open_, high, low, close
        [bar]; adjusted prices, above zero.
    volatility
        [bar]; trailing volatility of one bar; NaN where not known yet.

    Returns
    -------
    array
        [bar]; NaN for the first one, which has no close before it.

    References
    ----------
    Garman & Klass (1980), On the estimation of security price volatilities from historical data, J. Business 53(1).
    """
    o, c = np.log(open_), np.log(close)
    top, bottom = np.log(np.maximum(high, np.maximum(open_, close))), np.log(np.minimum(low, np.minimum(open_, close)))
    # never below zero: |c - o| is at most the range, and 2 log 2 - 1 < 1/2
    within = 0.5 * (top - bottom) ** 2 - (2 * np.log(2) - 1) * (c - o) ** 2
    variance = np.full(len(close), np.nan)
    variance[1:] = (o[1:] - c[:-1]) ** 2 + within[1:]
    floored: Float64 = np.maximum(variance, np.fmax(LEAST, LEAST_SHARE * volatility**2))
    return floored


def suspended(high: Float64, low: Float64, close: Float64) -> NDArray[np.bool_]:
    """[bar]; whether the last `STILL` bars of one symbol, this one included, had no range and no change of close.

    A symbol that has never moved is suspended from its first bar on.
    """
    moved = high > low
    moved[1:] |= close[1:] != close[:-1]
    if len(moved) and moved[0] and len(moved) - np.count_nonzero(moved) < STILL:
        return np.zeros(len(moved), dtype=bool)  # true of most symbols
    bars = np.arange(len(close))
    return np.asarray(bars - np.maximum.accumulate(np.where(moved, bars, -STILL)) >= STILL)


def close_to_close(close: Float64) -> Float64:
    """[session, symbol]; squared log returns from close to close, for panels that have only closes.

    Parameters
    ----------
    close
        [session, symbol]; NaN where the symbol did not trade.
    """
    variance = np.full(close.shape, np.nan)
    for i in range(close.shape[1]):
        rows = np.flatnonzero(np.isfinite(close[:, i]))
        variance[rows[1:], i] = np.maximum(np.diff(np.log(close[rows, i])) ** 2, LEAST)
    return variance


def log_mean_ahead(variance: Float64, close: Float64, horizons: tuple[int, ...]) -> NDArray[np.float32]:
    """[session, symbol, horizon]; log of the mean variance of the next h sessions.

    It is NaN unless the symbol traded in the session and in the one h later, like the return between them. Sessions
    without a bar in between add nothing, since the gap of the next bar includes them.

    Parameters
    ----------
    variance, close
        [session, symbol]; NaN where the symbol did not trade.
    """
    total = np.cumsum(np.where(np.isfinite(variance), variance, 0.0), axis=0)
    ahead = np.full((*close.shape, len(horizons)), np.nan, dtype=np.float32)
    traded = np.isfinite(close)
    for k, h in enumerate(horizons):
        # a running sum is exact to 1e-16 of its size, which is far below LEAST for sums over thousands of sessions
        mean = np.maximum(total[h:] - total[:-h], LEAST * h) / h
        ahead[:-h, :, k] = np.where(traded[:-h] & traded[h:], np.log(mean), np.nan)
    return ahead
