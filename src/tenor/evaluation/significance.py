"""Significance tests whose unit is the day: stocks move together, so a day is one observation, not many.

Every test reduces its cells to one number per day, and tests whether their mean is zero, with a variance that allows
for serial dependence. docs/significance.md has the formulas, and the measured size of each test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from tenor import metrics
from tenor.errors import DataError
from tenor.evaluation.bootstrap import (
    FEWEST_BLOCKS,
    RESAMPLES,
    ConfidenceInterval,
    block_length,
    resampled_days,
)
from tenor.schema import Float64

LEVEL = 0.05
PAIRED = ("return_rmse", "direction", "rank_ic")
"""Metrics in which two models are compared by paired differences."""


@dataclass(frozen=True)
class HypothesisTest:
    """The result of a test; values are NaN if it is undefined: too few days, or days that do not differ.

    Attributes
    ----------
    value
        The estimate that is tested against zero.
    statistic
        The test statistic.
    p
        The p-value.
    df
        Degrees of freedom of the t distribution; infinite for a normal one.
    """

    value: float
    statistic: float
    p: float
    df: float


@dataclass(frozen=True)
class Difference:
    """A paired difference from resampled days.

    Attributes
    ----------
    value
        The difference.
    low, high
        Its 95 % interval.
    p
        Two-sided p-value of no difference; below .05 exactly where the interval excludes zero.
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def interval(self) -> ConfidenceInterval:
        """The difference and its interval, without the p-value."""
        return ConfidenceInterval(self.value, self.low, self.high)


@dataclass(frozen=True)
class Directed:
    """Results of the Pesaran-Timmermann test for one model: hits above chance.

    Attributes
    ----------
    by_day
        The test by day, which is valid on a panel; see `pesaran_timmermann`.
    classic
        The test that assumes independent cells.
    """

    by_day: HypothesisTest
    classic: HypothesisTest


def side_of_zero(interval: ConfidenceInterval | Difference, *, higher_is_better: bool = True) -> int | None:
    """On which side of zero the whole interval lies.

    Parameters
    ----------
    interval
        A value or difference with its bounds.
    higher_is_better
        False for errors: the sign of the side is reversed, so that 1 always means better.

    Returns
    -------
    int or None
        1 above zero, -1 below it, 0 if the interval contains zero, None if it is undefined.

    Examples
    --------
    >>> side_of_zero(ConfidenceInterval(0.2, 0.1, 0.3)), side_of_zero(ConfidenceInterval(0.2, -0.1, 0.5))
    (1, 0)
    >>> side_of_zero(ConfidenceInterval(0.2, 0.1, 0.3), higher_is_better=False)
    -1
    """
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return None
    side = int(interval.low > 0) - int(interval.high < 0)
    return side if higher_is_better else -side


def format_p(p: float) -> str:
    """Format a p-value for display, with three digits; a dash if it is undefined.

    Examples
    --------
    >>> format_p(0.0421), format_p(0.0002), format_p(math.nan)
    ('0.042', '< 0.001', '–')
    """
    if not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def lags(days: int, *, horizon: int) -> int:
    """Number of lags in the long-run variance: ceil(1.3 sqrt(days)), and at least horizon - 1.

    Lazarus, Lewis, Stock & Watson (2018) recommend many lags together with wider critical values. Forecasts 5 sessions
    ahead overlap for 4 days, but with a slowly changing forecast, loss differentials depend on each other for longer;
    with only horizon - 1 lags, a test at 5 % rejects a true null in up to 12 % of cases.
    """
    return min(days - 1, max(horizon - 1, math.ceil(1.3 * math.sqrt(days))))


def mean_test(values: ArrayLike, *, horizon: int, one_sided: bool = False) -> HypothesisTest:
    """Test whether serially dependent `values` [day] have a mean of zero.

    The statistic is mean / sqrt(V / n) * sqrt(c); V is the Bartlett long-run variance (Newey & West 1987) over `lags`
    days. c is the expectation of V / variance for independent days, which is the correction of Harvey, Leybourne &
    Newbold (1997) written for these weights (with equal weights and horizon - 1 lags it is theirs). The distribution is
    t with n / (sum of squared weights) degrees of freedom, at most n - 1, because a variance with many lags is
    imprecise.

    Parameters
    ----------
    values
        One finite number per day, in order.
    horizon
        Horizon, in sessions ahead, of the forecasts that the values are computed from.
    one_sided
        Whether the alternative is only a mean above zero.

    Returns
    -------
    HypothesisTest
        The test; NaN with too few days.
    """
    x = np.asarray(values, "float64")
    n = len(x)
    mean = float(x.mean()) if n else math.nan
    # the resampled intervals need as many days: for the same days, a test and an interval are both defined or both not
    if n < FEWEST_BLOCKS * block_length(horizon):
        return HypothesisTest(mean, math.nan, math.nan, math.nan)
    deviations = x - mean
    steps = np.arange(1, lags(n, horizon=horizon) + 1)
    weights = 1 - steps / (len(steps) + 1)  # Bartlett weights fall to zero, so that the variance can't be negative
    autocovariances = np.array([deviations[k:] @ deviations[:-k] for k in steps]) / n
    variance = float(deviations @ deviations / n + 2 * weights @ autocovariances)
    if variance <= (1e-12 * np.abs(x).max()) ** 2:  # equal days: only rounding is left
        return HypothesisTest(mean, math.nan, math.nan, math.nan)
    # The variance is around the sample mean, which makes it too small: for independent days by this factor.
    small_sample = 1 - 1 / n - 2 * float(weights @ (n - steps)) / n**2
    df = min(n - 1.0, n / (1 + 2 * float(weights @ weights)))
    statistic = mean / math.sqrt(variance / n) * math.sqrt(small_sample)
    p = stats.t.sf(statistic, df) if one_sided else 2 * stats.t.sf(abs(statistic), df)
    return HypothesisTest(mean, statistic, float(p), df)


def diebold_mariano(ours: ArrayLike, other: ArrayLike, realised: ArrayLike, *, horizon: int) -> HypothesisTest:
    """Test whether two forecasts have the same expected squared error (Diebold & Mariano 1995), two-sided.

    The loss differential of a day is the mean over its cells, `ours` minus `other`: below zero, ours is better. It
    compares these forecasts as they were made, including estimation error (Giacomini & White 2006), so that a model
    that learned only noise loses to persistence.

    Parameters
    ----------
    ours, other, realised
        Log returns [day, symbol]; cells whose `realised` is NaN do not count; in all others the forecasts must be
        finite.
    horizon
        Sessions ahead.

    Returns
    -------
    HypothesisTest
        The test.
    """
    f, g, r = np.asarray(ours, "float64"), np.asarray(other, "float64"), np.asarray(realised, "float64")
    if f.ndim != 2 or not f.shape == g.shape == r.shape:
        raise DataError(
            f"forecasts and returns must be [day, symbol] of one shape, not {f.shape}, {g.shape}, {r.shape}."
        )
    counts = np.isfinite(r)
    # (f - r)^2 - (g - r)^2, as a product: small differences would vanish in the rounding of the squares
    differentials = np.where(counts, f - g, 0.0) * np.where(counts, f + g - 2 * r, 0.0)
    known = counts.any(axis=1)
    return mean_test(differentials[known].sum(axis=1) / counts[known].sum(axis=1), horizon=horizon)


def pesaran_timmermann(p_up: ArrayLike, realised: ArrayLike, *, horizon: int) -> Directed:
    """Test whether forecast and realised directions agree more often than their base rates imply; one-sided.

    `value` is the share of hits minus the share expected of independent directions with the same base rates, which
    equals 2 cov(predicted up, rose) over cells. If all forecasts have the same direction, it is NaN.

    - classic: Pesaran & Timmermann (1992), for independent cells. On a panel it rejects a true null far too often.
    - by day: the same estimate; its terms 2 (predicted - mean)(rose - mean) are summed by day and those sums tested by
      `mean_test`: the covariance of Driscoll & Kraay (1998), robust to any dependence within a day and to serial
      dependence between days, for which the 1992 test is not valid (Pesaran & Timmermann 2009).

    Parameters
    ----------
    p_up, realised
        [day, symbol]; predicted up is P(up) > .5, a cell rose if its return is > 0. Cells with a NaN `realised` do
        not count; `p_up` must be finite in all others.
    horizon
        Sessions ahead.

    Returns
    -------
    Directed
        The test by day, and the classic one.
    """
    p, r = np.asarray(p_up, "float64"), np.asarray(realised, "float64")
    if p.ndim != 2 or p.shape != r.shape:
        raise DataError(f"P(up) and returns must be [day, symbol] of one shape, not {p.shape} and {r.shape}.")
    counts = np.isfinite(r)
    n = int(counts.sum())
    undefined = HypothesisTest(math.nan, math.nan, math.nan, math.nan)
    if not n or not metrics.names_direction(p[counts]):
        return Directed(undefined, undefined)
    predicted, rose = (p > 0.5)[counts], (r > 0)[counts]
    y, x = float(rose.mean()), float(predicted.mean())  # P_y and P_x of the paper
    if not 0 < y < 1 or not 0 < x < 1:
        return Directed(undefined, undefined)
    terms = np.zeros(p.shape)
    terms[counts] = 2 * (predicted - x) * (rose - y)
    sums = terms[counts.any(axis=1)].sum(axis=1)
    expected = y * x + (1 - y) * (1 - x)
    excess = float((predicted == rose).mean()) - expected
    variance = expected * (1 - expected) / n
    of_expected = ((2 * y - 1) ** 2 * x * (1 - x) + (2 * x - 1) ** 2 * y * (1 - y)) / n
    of_expected += 4 * y * x * (1 - y) * (1 - x) / n**2
    classic = undefined
    if variance > of_expected:
        statistic = excess / math.sqrt(variance - of_expected)
        classic = HypothesisTest(excess, statistic, float(stats.norm.sf(statistic)), math.inf)
    # scaled so that the mean over days is the mean over cells, whatever the number of cells a day
    return Directed(mean_test(sums * len(sums) / n, horizon=horizon, one_sided=True), classic)


def drawn_days(days: int, *, horizon: int, resamples: int = RESAMPLES, seed: int = 0) -> tuple[Float64, int]:
    """Block bootstrap of days, [resample, day], in blocks of about sqrt(days), and the length of the blocks.

    The blocks are at least as long as those for `horizon` in `tenor.evaluation.bootstrap`, and mostly longer, because
    differences of forecasts can depend on each other for longer than targets overlap.
    """
    half = math.ceil(math.sqrt(days) / 2)
    # a block of resampled_days lasts twice its horizon; short enough for FEWEST_BLOCKS blocks
    longer = max(horizon, min(half, days // (2 * FEWEST_BLOCKS)))
    return resampled_days(days, horizon=longer, resamples=resamples, seed=seed), block_length(longer)


def resampled(value: float, draws: Float64, *, days: int, block: int) -> Difference:
    """The symmetric confidence interval around `value` (Hall 1988), and its p-value, from `draws` of resampled days.

    A block bootstrap varies too little by the factor 1 - block / days, and its tails are those of a normal whatever
    the number of blocks: deviations are widened by that, and by the 97.5 % quantile of t with 1.5 days / block degrees
    of freedom over that of the normal. Interval and p-value agree: 0 lies outside exactly if p < .05.

    Parameters
    ----------
    value
        The difference on the original days.
    draws
        [resample]; the difference on the resampled days.
    days, block
        Number of days, and length of the resampled blocks in days.

    Returns
    -------
    Difference
        `value` with interval and p-value.
    """
    known = draws[np.isfinite(draws)]
    if not math.isfinite(value) or 2 * len(known) <= len(draws) or len(known) < 1 / LEVEL:
        return Difference(value, math.nan, math.nan, math.nan)
    wider = math.sqrt(days / (days - block)) * float(stats.t.isf(0.025, 1.5 * days / block) / stats.norm.isf(0.025))
    deviations = np.sort(wider * np.abs(known - value))
    if deviations[-1] == 0:
        return Difference(value, value, value, math.nan)  # no variation, so no test is possible
    # the original days count as one more draw, so that p is never 0 (Davison & Hinkley 1997)
    p = (1 + int((deviations >= abs(value)).sum())) / (1 + len(deviations))
    # most draws beyond the bounds with p < LEVEL; 1e-9 because .05 * 1000 may be rounded to above 50
    beyond = math.ceil(LEVEL * (1 + len(deviations)) - 1e-9) - 1
    half = float(deviations[-beyond])
    return Difference(value, value - half, value + half, p)


def share(hits: Float64, counts: Float64, drawn: Float64, *, block: int) -> ConfidenceInterval:
    """sum(`hits`) / sum(`counts`), both [day], with its interval from the `drawn` days (`resampled`), within 0..1."""
    value = float(metrics.ratio(hits.sum(), counts.sum()))
    difference = resampled(value, metrics.ratio(drawn @ hits, drawn @ counts), days=len(hits), block=block)
    low, high = np.clip((difference.low, difference.high), 0.0, 1.0)
    return ConfidenceInterval(value, float(low), float(high))


def mean_by_day(values: Float64, horizon: int) -> ConfidenceInterval:
    """Mean of the finite cells of `values` [session, symbol], with its 95 % interval from resampled days."""
    known = np.isfinite(values)
    sums = np.where(known, values, 0.0).sum(axis=1)
    counts = known.sum(axis=1).astype("float64")
    drawn, block = drawn_days(len(values), horizon=horizon)
    draws = metrics.ratio(drawn @ sums, drawn @ counts)
    return resampled(float(metrics.ratio(sums.sum(), counts.sum())), draws, days=len(values), block=block).interval


def bins_by_day(
    values: Float64, by: Float64, horizon: int, *, bins: int
) -> tuple[list[float], list[ConfidenceInterval]]:
    """Mean of `by` and of `values`, both [session, symbol], in up to `bins` equally filled bins of `by`.

    The bins are those of `tenor.metrics.reliability`: equal values share a bin, so there may be fewer.
    """
    known = np.isfinite(values) & np.isfinite(by)
    if not known.any():
        return [], []
    edges = np.unique(np.quantile(by[known], np.arange(1, bins) / bins))
    place = np.searchsorted(edges, by, side="left")
    at: list[float] = []
    means: list[ConfidenceInterval] = []
    for i in range(len(edges) + 1):
        here = known & (place == i)
        if here.any():
            at.append(float(by[here].mean()))
            means.append(mean_by_day(np.where(here, values, np.nan), horizon))
    return at, means


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted for multiple tests: the family-wise error rate is at most the level (Holm 1979).

    NaN remains NaN, and does not count as a test.
    """
    tested = sorted((name for name in p if math.isfinite(p[name])), key=p.__getitem__)
    adjusted, least = dict.fromkeys(p, math.nan), 0.0  # adjusted p-values must be monotonic
    for place, name in enumerate(tested):
        least = max(least, min(1.0, (len(tested) - place) * p[name]))
        adjusted[name] = least
    return adjusted
