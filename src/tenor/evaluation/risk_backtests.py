"""Backtests of value at risk and expected shortfall: how often, when and by how much losses exceed them.

`level` is the probability of a loss beyond the value at risk, such as 0.05 for a confidence of 95 %; value at risk and
expected shortfall are log losses, usually above 0; returns are log returns. A violation is a return below minus the
value at risk: 1, 0, or NaN if it is not known.

The classic tests (`kupiec`, `christoffersen`, `dynamic_quantile`) assume independent violations under the null. They
are meant for one symbol and forecasts one session ahead. Pooled over symbols that move together, or over forecasts
whose horizons overlap, they reject a true null far too often; `violation_rate_test` and `acerbi_szekely`, whose unit is
the day, keep their level there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import xlogy

from tenor import metrics
from tenor.errors import DataError
from tenor.evaluation.risk_metrics import by_day, known_cells
from tenor.evaluation.significance import HypothesisTest, mean_test
from tenor.schema import Float64

COLLINEAR = 1e-10
"""Instruments are taken as linearly dependent if a singular value is below this share of the largest."""


@dataclass(frozen=True)
class ChiSquaredTest:
    """The result of a test with a chi-squared distribution; undefined values are NaN.

    Attributes
    ----------
    value
        The share of violations minus `level`.
    statistic
        The test statistic.
    p
        The p-value.
    df
        Degrees of freedom of the chi-squared distribution.
    """

    value: float
    statistic: float
    p: float
    df: int

    @classmethod
    def of(cls, value: float, statistic: float, df: int) -> ChiSquaredTest:
        """Make a result with the p-value of `statistic`; a statistic below 0 by rounding counts as 0."""
        statistic = max(statistic, 0.0) if math.isfinite(statistic) else math.nan
        return cls(value, statistic, float(stats.chi2.sf(statistic, df)), df)


@dataclass(frozen=True)
class MarkovTests:
    """Christoffersen's two tests of one series of violations.

    Attributes
    ----------
    independence
        Test whether a violation is as likely after a violation as after none; chi-squared with 1 degree of freedom.
    conditional_coverage
        Test whether both probabilities are `level`; chi-squared with 2 degrees of freedom.
    """

    independence: ChiSquaredTest
    conditional_coverage: ChiSquaredTest


def violations_of(returns: ArrayLike, value_at_risk: ArrayLike) -> Float64:
    """Indicators of returns below minus the value at risk.

    Parameters
    ----------
    returns, value_at_risk
        Arrays of one shape, such as [day, symbol]; log returns and log losses.

    Returns
    -------
    array
        The same shape; 1, 0, or NaN if one of the two is not finite.
    """
    r, var = known_cells(returns=returns, value_at_risk=value_at_risk)
    return np.where(np.isfinite(r), (r < -var).astype("float64"), np.nan)


def kupiec(violations: ArrayLike, level: float) -> ChiSquaredTest:
    """Test whether the rate of violations is right: likelihood ratio test of unconditional coverage.

    Parameters
    ----------
    violations
        An array of any shape, 1, 0 or NaN; all known cells are pooled as if they were independent.
    level
        The probability of a violation.

    Returns
    -------
    ChiSquaredTest
        The test, with 1 degree of freedom.

    References
    ----------
    Kupiec (1995), Techniques for verifying the accuracy of risk measurement models, J. Derivatives 3(2).
    """
    v = _indicators(violations, level)
    known = v[np.isfinite(v)]
    hits, n = float(known.sum()), len(known)
    if not n:
        return ChiSquaredTest.of(math.nan, math.nan, 1)
    share = hits / n
    ratio = 2 * (_log_likelihood(n - hits, hits, share) - _log_likelihood(n - hits, hits, level))
    return ChiSquaredTest.of(share - level, ratio, 1)


def christoffersen(violations: ArrayLike, level: float) -> MarkovTests:
    """Test whether violations come in clusters: likelihood ratio tests against a first-order Markov chain.

    The likelihoods are conditional on the first day, so that the statistic of conditional coverage is that of `kupiec`
    on the days after it plus that of independence. If there is no violation after the first day, or no day follows a
    violation, or none follows a day without one, statistics and p-values are NaN.

    Parameters
    ----------
    violations
        [day] or [day, symbol], 1, 0 or NaN, in order of days. Transitions are counted between neighbouring rows if
        both are known, and summed over symbols.
    level
        The probability of a violation.

    Returns
    -------
    MarkovTests
        The two tests.

    References
    ----------
    Christoffersen (1998), Evaluating interval forecasts, International Economic Review 39(4).
    """
    v = _indicators(violations, level)
    before, after = v[:-1], v[1:]
    n00, n01, n10, n11 = (float(((before == i) & (after == j)).sum()) for i in (0, 1) for j in (0, 1))
    hits, misses = n01 + n11, n00 + n10
    if not hits or not n10 + n11 or not n00 + n01:
        value = hits / (hits + misses) - level if hits + misses else math.nan
        return MarkovTests(ChiSquaredTest.of(value, math.nan, 1), ChiSquaredTest.of(value, math.nan, 2))
    share = hits / (hits + misses)
    chain = _log_likelihood(n00, n01, n01 / (n00 + n01)) + _log_likelihood(n10, n11, n11 / (n10 + n11))
    return MarkovTests(
        ChiSquaredTest.of(share - level, 2 * (chain - _log_likelihood(misses, hits, share)), 1),
        ChiSquaredTest.of(share - level, 2 * (chain - _log_likelihood(misses, hits, level)), 2),
    )


def dynamic_quantile(violations: ArrayLike, value_at_risk: ArrayLike, level: float, *, lags: int = 4) -> ChiSquaredTest:
    """Test whether violations are predictable: the dynamic quantile test, out of sample.

    Violations minus `level` are projected on a constant, their last `lags` values and the value at risk of the day.
    Under the null, nothing known on the day before explains them, and the squared length of the projection over level
    (1 - level) is chi-squared with as many degrees of freedom as there are independent instruments (lags + 2, fewer
    where there is no violation or the value at risk is constant). With few violations it rejects too often: for 1000
    days at level 0.01, a true null at 5 % in about 10 % of cases.

    Parameters
    ----------
    violations
        [day]; 1, 0 or NaN, of one symbol, in order.
    value_at_risk
        [day]; log losses, each known before its day.
    level
        The probability of a violation.
    lags
        Number of lagged days. A day counts if it and this number of days before it are known.

    Returns
    -------
    ChiSquaredTest
        The test.

    References
    ----------
    Engle & Manganelli (2004), CAViaR: Conditional autoregressive value at risk by regression quantiles, JBES 22(4).
    """
    v = _indicators(violations, level)
    var = np.asarray(value_at_risk, "float64")
    if v.ndim != 1 or var.shape != v.shape:
        raise DataError(f"violations and value at risk must be [day] of one symbol, not {v.shape} and {var.shape}.")
    hit = v - level
    days = len(hit) - lags
    if days < 1:
        return ChiSquaredTest.of(math.nan, math.nan, lags + 2)
    past = [hit[lags - k : lags - k + days] for k in range(1, lags + 1)]
    instruments = np.column_stack([np.ones(days), *past, var[lags:]])
    hit = hit[lags:]
    known = np.isfinite(hit) & np.isfinite(instruments).all(axis=1)
    hit, instruments = hit[known], instruments[known]
    if len(hit) <= lags + 2:
        return ChiSquaredTest.of(float(hit.mean()) if len(hit) else math.nan, math.nan, lags + 2)
    # value at risk is much smaller than the constant: columns are normalised, so that the rank does not depend on units
    length = np.linalg.norm(instruments, axis=0)
    directions, singular, _ = np.linalg.svd(instruments / np.where(length > 0, length, 1.0), full_matrices=False)
    independent = singular > COLLINEAR * singular[0]
    projection = directions[:, independent].T @ hit
    return ChiSquaredTest.of(
        float(hit.mean()), float(projection @ projection) / (level * (1 - level)), int(independent.sum())
    )


def violation_rate_test(violations: ArrayLike, level: float, horizon: int) -> HypothesisTest:
    """Test whether the rate of violations is right, with the day as the unit; two-sided.

    `value` is the mean over days of the share of symbols in violation, minus `level`; above 0, the value at risk is too
    low. Dependence between symbols, and between neighbouring days, is allowed for (`mean_test`).

    Parameters
    ----------
    violations
        [day, symbol]; 1, 0 or NaN.
    level
        The probability of a violation.
    horizon
        Horizon of the forecasts, in sessions ahead.

    Returns
    -------
    HypothesisTest
        The test.
    """
    shares, known = by_day(_indicators(violations, level))
    return mean_test(shares[known] - level, horizon=horizon)


def acerbi_szekely(
    returns: ArrayLike, value_at_risk: ArrayLike, expected_shortfall: ArrayLike, level: float, *, horizon: int
) -> HypothesisTest:
    """Test whether expected shortfall is right, jointly with value at risk: Z2 of Acerbi & Szekely; two-sided.

    `value` is Z2, the mean of 1 + return * violation / (level * expected shortfall): 0 if the forecasts are right,
    below 0 if losses are more frequent or larger than forecast. The paper simulates its p-value from the forecast
    distribution of one asset. Here the day is the unit: the terms are averaged over the symbols of a day, and the daily
    means are tested by `mean_test`, which needs no distribution and is valid for symbols that move together. If there
    are few violations in all, the mean is skewed and p is slightly too small; the paper's own threshold for 250 days of
    one symbol at level 0.025 is Z2 < -0.7 for 5 %, one-sided.

    Parameters
    ----------
    returns, value_at_risk, expected_shortfall
        [day] or [day, symbol]; log returns and log losses. Cells whose expected shortfall is not above 0 do not count.
    level
        The probability of a violation.
    horizon
        Horizon of the forecasts, in sessions ahead.

    Returns
    -------
    HypothesisTest
        The test.

    References
    ----------
    Acerbi & Szekely (2014), Backtesting expected shortfall, Risk, December.
    """
    r, var, shortfall = known_cells(returns=returns, value_at_risk=value_at_risk, expected_shortfall=expected_shortfall)
    violated = _indicators(violations_of(r, var), level)
    terms = 1 + metrics.ratio(r * violated, level * shortfall)
    means, known = by_day(terms if terms.ndim == 2 else terms[:, None])
    return mean_test(means[known], horizon=horizon)


def _log_likelihood(misses: float, hits: float, probability: float) -> float:
    """Log-likelihood of `hits` and `misses` at a probability of a hit; 0 log 0 is 0."""
    return float(xlogy(hits, probability) + xlogy(misses, 1 - probability))


def _indicators(violations: ArrayLike, level: float) -> Float64:
    """`violations` as float64, checked; NaN for unknown ones."""
    v = np.asarray(violations, "float64")
    if not 0 < level < 1:
        raise DataError(f"a level must lie between 0 and 1, not {level}.")
    strange = v[np.isfinite(v) & (v != 0) & (v != 1)]
    if len(strange):
        raise DataError(f"violations must be 1, 0 or NaN, not {strange[0]:g}.")
    return v
