"""How much of a Sharpe ratio could be luck: its standard error, and what is left after the best of many was picked.

Ratios here are a session's, mean over standard deviation of simple returns; times the root of the sessions in a year
they are a year's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tenor.schema import Float64

SHORTEST = 20
"""Returns below which nothing is said: skewness and kurtosis of fewer mean nothing."""

SMALLEST = 1e-12
"""A standard deviation below it is rounding."""


@dataclass(frozen=True)
class Sharpe:
    """An annualised Sharpe ratio and how far it can be trusted; NaN where it is undefined.

    Attributes
    ----------
    value
        A year's.
    error
        Its standard error, see `standard_error`.
    trials
        How many configurations it is the best of, as far as is known.
    hurdle
        What the best of so many without any skill is expected to reach, a year's.
    deflated
        The deflated Sharpe ratio: the probability that the true ratio lies above `hurdle`.
    """

    value: float
    error: float
    trials: int
    hurdle: float
    deflated: float


def sharpe(returns: Float64, *, per_year: float, trials: int = 1) -> Sharpe:
    """Judge the Sharpe ratio of simple `returns`, `per_year` of which are a year, picked as the best of `trials`.

    What the other trials earned is not known, so that their ratios are taken to spread as ratios of independent trials
    without skill do, by 1 / sqrt(len(returns) - 1) a session. Trials that resemble each other would ask for less.
    """
    if len(returns) < SHORTEST or float(returns.std()) < SMALLEST:
        return Sharpe(math.nan, math.nan, trials, math.nan, math.nan)
    ratio = float(returns.mean() / returns.std(ddof=1))
    hurdle = expected_best(trials, spread=1 / math.sqrt(len(returns) - 1))
    year = math.sqrt(per_year)
    deflated = probabilistic(
        ratio, hurdle, count=len(returns), skew=float(stats.skew(returns)), kurtosis=float(stats.kurtosis(returns)) + 3
    )
    return Sharpe(ratio * year, standard_error(returns) * year, trials, hurdle * year, deflated)


def standard_error(returns: Float64, *, lags: int | None = None) -> float:
    """Standard error of the Sharpe ratio of `returns`, a session's.

    The delta method over mean and variance with a Newey-West covariance (Lo 2002, "The Statistics of Sharpe Ratios").
    With `lags` 0 it is what Mertens (2002) gives for independent returns of any distribution,
    sqrt((1 - skew SR + (kurtosis - 1) / 4 SR^2) / n); for normal ones sqrt((1 + SR^2 / 2) / n). None takes
    floor(4 (n / 100)^(2/9)) lags.
    """
    n = len(returns)
    if lags is None:
        lags = int(4 * (n / 100) ** (2 / 9))
    apart = (returns - returns.mean()) / returns.std()
    influence = apart - returns.mean() / returns.std() / 2 * (apart**2 - 1)
    total = float(influence @ influence)
    for lag in range(1, min(lags, n - 1) + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(influence[lag:] @ influence[:-lag])
    return math.sqrt(total) / n


def expected_best(trials: int, *, spread: float) -> float:
    """The highest of `trials` Sharpe ratios without skill that spread by `spread`; 0 for a single one.

    Bailey and Lopez de Prado 2014, "The Deflated Sharpe Ratio", equation 1.
    """
    if trials < 2:
        return 0.0
    most, more = (float(stats.norm.ppf(1 - 1 / count)) for count in (trials, trials * math.e))
    return spread * ((1 - np.euler_gamma) * most + np.euler_gamma * more)


def probabilistic(ratio: float, hurdle: float, *, count: int, skew: float, kurtosis: float) -> float:
    """Probability that the true ratio lies above `hurdle`, all a session's; `kurtosis` is 3 for a normal.

    Bailey and Lopez de Prado 2012, "The Sharpe Ratio Efficient Frontier".
    """
    variance = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return float(stats.norm.cdf((ratio - hurdle) * math.sqrt((count - 1) / max(variance, SMALLEST))))
