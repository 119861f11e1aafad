"""Losses of forecasts of variances, quantiles and intervals, and tests whether forecasts differ.

Losses have one number per cell, so that models can be compared on the same cells; `by_day` makes one number per day of
them. The day is the unit of all tests, since stocks move together. Arrays are [day, symbol] of one shape; a cell counts
if all its values are finite, and is NaN otherwise. Returns are natural logs. Undefined values are NaN, without a
warning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from tenor import metrics
from tenor.errors import DataError
from tenor.evaluation.bootstrap import RESAMPLES
from tenor.evaluation.significance import HypothesisTest, drawn_days, mean_test
from tenor.schema import Bool, Float64

CRPS_LEVELS = tuple(round(0.05 * i, 2) for i in range(1, 20))
"""The levels of the quantiles over which `crps` is averaged: 0.05 to 0.95 by 0.05."""
SAME = 1e-12
"""Losses of two models count as equal if they differ by at most this share of their size."""


def known_cells(**arrays: ArrayLike) -> tuple[Float64, ...]:
    """The `arrays` as float64, with NaN in each cell in which one of them is not finite.

    Raises
    ------
    DataError
        The arrays differ in shape.
    """
    values = [np.asarray(a, "float64") for a in arrays.values()]
    if len({a.shape for a in values}) > 1:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in zip(arrays, values, strict=True))
        raise DataError(f"arrays of one shape are needed, these differ: {shapes}.")
    known = np.logical_and.reduce([np.isfinite(a) for a in values])
    return tuple(np.where(known, a, np.nan) for a in values)


def squared_log_error(forecast_log_variance: ArrayLike, realised_log_variance: ArrayLike) -> Float64:
    """Squared error of the log variance; over- and underestimation by the same factor give the same loss.

    Parameters
    ----------
    forecast_log_variance, realised_log_variance
        [day, symbol]; natural logs.

    Returns
    -------
    array
        [day, symbol], without a unit.
    """
    f, r = known_cells(forecast_log_variance=forecast_log_variance, realised_log_variance=realised_log_variance)
    return np.asarray((f - r) ** 2)


def qlike(forecast_variance: ArrayLike, realised_variance: ArrayLike) -> Float64:
    """QLIKE loss of a variance: ratio - log(ratio) - 1, ratio = realised / forecast; 0 where both are equal.

    It ranks forecasts in expectation as the true variance would, although `realised_variance` is only a noisy estimate
    of it, as long as that is unbiased; it punishes underestimation more than overestimation.

    Parameters
    ----------
    forecast_variance, realised_variance
        [day, symbol]; both of log returns over the same period. Cells in which one of the two is not above 0 are NaN.

    Returns
    -------
    array
        [day, symbol], without a unit.

    References
    ----------
    Patton (2011), Volatility forecast comparison using imperfect volatility proxies, J. Econometrics 160(1).
    """
    f, r = known_cells(forecast_variance=forecast_variance, realised_variance=realised_variance)
    share = metrics.ratio(r, f)
    positive = share > 0
    loss = np.full(share.shape, np.nan)
    loss[positive] = share[positive] - np.log(share[positive]) - 1
    return loss


def pinball(quantile: ArrayLike, level: float, realised: ArrayLike) -> Float64:
    """Pinball loss of a forecast of the quantile at `level`; its expectation is minimal at the true quantile.

    The loss is the distance times `level` if the realised value is above the quantile, else times 1 - `level`.

    Parameters
    ----------
    quantile, realised
        [day, symbol]; log returns.
    level
        The probability of a value below the quantile, within 0..1.

    Returns
    -------
    array
        [day, symbol], in the unit of the input.

    References
    ----------
    Koenker & Bassett (1978), Regression quantiles, Econometrica 46(1).
    """
    level = _probability(level)
    q, r = known_cells(quantile=quantile, realised=realised)
    return np.asarray(np.maximum(level * (r - q), (level - 1) * (r - q)))


def crps(
    quantiles: ArrayLike, levels: Sequence[float], realised: ArrayLike, *, at: Sequence[float] = CRPS_LEVELS
) -> Float64:
    """Continuous ranked probability score from quantiles: twice the mean pinball loss over the levels `at`.

    The integral of twice the pinball loss over all levels is the CRPS; the mean over evenly spaced levels approximates
    it. `CRPS_LEVELS` leave out the outermost 2.5 % on either side, so compare only values with the same levels.

    Parameters
    ----------
    quantiles
        [level, day, symbol]; forecast quantiles of the log return.
    levels
        The level of each of `quantiles`, such as `tenor.distribution.LEVELS`.
    realised
        [day, symbol]; log returns.
    at
        The levels that count, all among `levels`, evenly spaced.

    Returns
    -------
    array
        [day, symbol], in the unit of the input; NaN where one of the quantiles that count is not finite.

    Raises
    ------
    DataError
        There is not one array per level, or one of `at` is not among `levels`.

    References
    ----------
    Gneiting & Raftery (2007), Strictly proper scoring rules, prediction, and estimation, JASA 102(477).
    """
    q = np.asarray(quantiles, "float64")
    if len(q) != len(levels):
        raise DataError(f"one array of quantiles a level is needed, not {len(q)} for {len(levels)} levels.")
    # rounded, because 3 * 0.05 is not 0.15
    place = {round(level, 9): i for i, level in enumerate(levels)}
    missing = [level for level in at if round(level, 9) not in place]
    if missing or not len(at):
        raise DataError(f"quantiles at the levels {missing or 'to average over'} are missing.")
    total = np.zeros(q.shape[1:])
    for level in at:
        total = total + pinball(q[place[round(level, 9)]], level, realised)
    return np.asarray(2 * total / len(at))


def interval_cells(lower: ArrayLike, upper: ArrayLike, realised: ArrayLike) -> tuple[Float64, Float64]:
    """Whether each realised value lies in its interval (the mean of this is the coverage), and the interval's width.

    Parameters
    ----------
    lower, upper, realised
        [day, symbol]; log returns. Bounds belong to the interval.

    Returns
    -------
    inside : array
        [day, symbol]; 1 or 0.
    width : array
        [day, symbol]; in the unit of the input, below 0 where the bounds cross (nothing lies inside there).
    """
    low, high, r = known_cells(lower=lower, upper=upper, realised=realised)
    inside = ((r >= low) & (r <= high)).astype("float64")
    return np.where(np.isfinite(r), inside, np.nan), high - low


def by_day(values: ArrayLike) -> tuple[Float64, Bool]:
    """The mean of each day's finite cells: one number per day, whatever the number of symbols.

    Parameters
    ----------
    values
        [day, symbol]; such as losses, NaN where a cell does not count.

    Returns
    -------
    means : array
        [day]; NaN if no cell counts.
    known : array
        [day]; whether any cell counts.
    """
    v = np.asarray(values, "float64")
    if v.ndim != 2:
        raise DataError(f"values by day must be [day, symbol], not of shape {v.shape}.")
    counts = np.isfinite(v)
    return metrics.ratio(np.where(counts, v, 0.0).sum(axis=1), counts.sum(axis=1)), counts.any(axis=1)


def diebold_mariano_of(loss_a: ArrayLike, loss_b: ArrayLike, *, horizon: int) -> HypothesisTest:
    """Test whether two forecasts have the same expected loss (Diebold & Mariano 1995), two-sided, for any loss.

    The differential of a day is the mean over its cells of `loss_a` - `loss_b`: `value` below zero means that a is
    better. Days enter with equal weights. `tenor.evaluation.significance.diebold_mariano` is the same for squared
    errors of returns.

    Parameters
    ----------
    loss_a, loss_b
        [day, symbol]; cells count if both are finite, days if any cell counts.
    horizon
        Horizon of the forecasts, in sessions ahead.

    Returns
    -------
    HypothesisTest
        The test.
    """
    a, b = known_cells(loss_a=loss_a, loss_b=loss_b)
    means, known = by_day(a - b)
    return mean_test(means[known], horizon=horizon)


def model_confidence_set(
    losses: Mapping[str, ArrayLike], *, horizon: int, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, float]:
    """The model confidence set: the p-value of each model for being the best one.

    The models with p >= 0.10 are the 90 % confidence set: it contains the best one with at least that probability. The
    statistic is T_max of the paper, the largest t statistic of a model's loss minus the mean loss of all remaining
    models; that model is eliminated, until one remains. The bootstrap distribution comes from the resampled days of
    `drawn_days`, the same for all models, and is widened for the small number of blocks: for 5 to 12 equal models and
    120 to 1000 days, at least one is then rejected in 10 to 14 % of cases at 10 %; as published (`arch.bootstrap.MCS`),
    in up to 20 %, and with the paper's T_R in up to 34 %. The original days count as one more draw, so that p is never
    0.

    Parameters
    ----------
    losses
        Name -> [day]; the mean loss of each day (see `by_day`), lower is better. Days on which a model has none do not
        count for any model.
    horizon
        Horizon of the forecasts, in sessions ahead; it sets the length of the blocks.
    resamples
        Number of bootstrap draws.
    seed
        The same seed gives the same p-values.

    Returns
    -------
    dict
        Name -> p-value, in the order of `losses`: 1 for the last remaining model, equal for models with equal losses,
        NaN with too few days to resample (`tenor.evaluation.bootstrap.FEWEST_BLOCKS`).

    References
    ----------
    Hansen, Lunde & Nason (2011), The model confidence set, Econometrica 79(2).
    """
    if not losses:
        return {}
    names = list(losses)
    values = np.stack(known_cells(**losses), axis=-1)
    if values.ndim != 2:
        raise DataError(f"losses must be [day] for each model, not of shape {values.shape[:-1]}.")
    values = values[np.isfinite(values).all(axis=1)]
    days = len(values)
    drawn, block = drawn_days(days, horizon=horizon, resamples=resamples, seed=seed)
    if not len(drawn):
        return dict.fromkeys(names, math.nan)
    # the difference of models with equal losses has no variance: the first of them represents all
    stands_for = [_first_equal(values, j) for j in range(len(names))]
    columns = sorted(set(stands_for))
    p = dict(zip(columns, _set_p_values(values[:, columns], drawn, block), strict=True))
    return {name: p[column] for name, column in zip(names, stands_for, strict=True)}


def _set_p_values(values: Float64, drawn: Float64, block: int) -> list[float]:
    """The p-value of each column of `values` [day, model], no two of them equal, from `drawn` [resample, day]."""
    days, models = values.shape
    values = values - values.mean(axis=1, keepdims=True)  # only differences matter
    mean = values.mean(axis=0)
    draws = drawn @ values / days - mean  # [resample, model]
    p = [1.0] * models
    left = list(range(models))
    least = 0.0  # no model may have a smaller p-value than one that was eliminated before it
    while len(left) > 1:
        excess = mean[left] - mean[left].mean()  # relative to the mean loss of the remaining models
        drawn_excess = draws[:, left] - draws[:, left].mean(axis=1, keepdims=True)
        spread = np.sqrt((drawn_excess**2).mean(axis=0))
        varies = spread > SAME * np.abs(values).max()
        # a model that is worse by the same amount every day is worse with certainty
        t = np.divide(excess, spread, out=np.where(excess > 0, np.inf, -np.inf), where=varies)
        drawn_t = np.divide(drawn_excess, spread, out=np.zeros_like(drawn_excess), where=varies)
        largest = _widened(drawn_t.max(axis=1), days, block)
        least = max(least, (1 + int((largest >= t.max()).sum())) / (1 + len(drawn)))
        p[left.pop(int(t.argmax()))] = least
    return p


def _widened(t: Float64, days: int, block: int) -> Float64:
    """Correct resampled t statistics, which vary too little and have normal tails, to those of a t distribution.

    It uses the factor and the degrees of freedom of `tenor.evaluation.significance.resampled`, at every quantile,
    because the largest of many statistics lies further out than the 97.5 % quantile of a single one.
    """
    df = 1.5 * days / block
    tails = stats.t.isf(stats.norm.sf(np.abs(t)), df)
    return np.asarray(math.sqrt(days / (days - block)) * np.copysign(tails, t))


def _first_equal(values: Float64, j: int) -> int:
    """The first column of `values` that equals column j up to rounding; at the latest j itself."""
    tolerance = SAME * float(np.abs(values[:, j]).max())
    return next(i for i in range(j + 1) if np.abs(values[:, i] - values[:, j]).max() <= tolerance)


def _probability(level: float) -> float:
    if not 0 < level < 1:
        raise DataError(f"a level must lie between 0 and 1, not {level}.")
    return level
