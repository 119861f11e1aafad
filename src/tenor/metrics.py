"""Metrics of forecasts: pure functions of arrays, with one definition each for the whole package.

Returns are natural logs. Both arrays have the same shape, with any number of axes; a cell with NaN in either does not
count. An undefined metric (no cell, only one class, a forecast without a direction) is NaN, never an error and never a
warning. The rank metrics take [session, symbol] and are averaged over sessions; all others pool all cells.

A realised return of exactly zero counts as *not up*. A model's direction is up where `p_up` > 0.5. A model whose `p_up`
is 0.5 everywhere (persistence) forecasts no direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tenor.errors import DataError
from tenor.schema import Bool, Float64

FEWEST_SYMBOLS = 5
"""The rank correlation of a session with fewer symbols is undefined."""


@dataclass(frozen=True)
class Bin:
    """A group of cells with similar P(up): their mean `p_up`, the share of them that went up, and their number."""

    p_up: float
    share_up: float
    count: int


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Float64:
    """`numerator` / `denominator`, NaN where the denominator is not positive."""
    above, below = np.broadcast_arrays(np.asarray(numerator, "float64"), np.asarray(denominator, "float64"))
    quotient: Float64 = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return quotient


def rmse(forecast: ArrayLike, realised: ArrayLike) -> float:
    """Root of the mean squared error, in the unit of its input."""
    f, r = _pairs(forecast, realised)
    return math.sqrt(_mean((f - r) ** 2))


def mae(forecast: ArrayLike, realised: ArrayLike) -> float:
    """Mean absolute error, in the unit of its input."""
    f, r = _pairs(forecast, realised)
    return _mean(np.abs(f - r))


def skill(forecast: ArrayLike, realised: ArrayLike) -> float:
    """1 - RMSE / RMSE of persistence, which forecasts a return of 0; above 0 is better than persistence.

    It is computed on returns, because on prices the symbols with the highest prices would decide it.
    """
    f, r = _pairs(forecast, realised)
    return float(skill_of_sums(((f - r) ** 2).sum(), (r**2).sum()))


def skill_of_sums(squared_error: ArrayLike, squared_return: ArrayLike) -> Float64:
    """`skill` from (arrays of) the summed squared errors and the summed squared returns of the same cells."""
    return np.asarray(1.0 - np.sqrt(ratio(squared_error, squared_return)))


def mase(forecast: ArrayLike, realised: ArrayLike, last: ArrayLike) -> float:
    """MAE of a price forecast over the MAE of persistence (the `last` price) on the same cells; below 1 is better.

    Hyndman & Koehler (2006), scaled out of sample and at the forecast's own horizon.
    """
    f, r, p0 = np.broadcast_arrays(
        np.asarray(forecast, "float64"), np.asarray(realised, "float64"), np.asarray(last, "float64")
    )
    known = np.isfinite(f) & np.isfinite(r) & np.isfinite(p0)
    return float(ratio(mae(f[known], r[known]), mae(p0[known], r[known])))


def names_direction(p_up: ArrayLike) -> bool:
    """Whether `p_up` differs from 0.5 in any cell."""
    p = np.asarray(p_up, "float64")
    return bool((p[np.isfinite(p)] != 0.5).any())


def direction_accuracy(p_up: ArrayLike, realised: ArrayLike) -> float:
    """Share of cells in which the forecast direction (`p_up` > 0.5) equals the realised one (return > 0)."""
    p, r = _pairs(p_up, realised)
    return _mean(((p > 0.5) == (r > 0)).astype("float64")) if names_direction(p) else math.nan


def mcc(p_up: ArrayLike, realised: ArrayLike) -> float:
    """Matthews correlation of forecast and realised direction; 0 where one of the two is constant, as is the custom."""
    p, r = _pairs(p_up, realised)
    if not names_direction(p):
        return math.nan
    up, rose = p > 0.5, r > 0
    return float(
        mcc_of_counts(tp=(up & rose).sum(), fp=(up & ~rose).sum(), tn=(~up & ~rose).sum(), fn=(~up & rose).sum())
    )


def mcc_of_counts(tp: ArrayLike, fp: ArrayLike, tn: ArrayLike, fn: ArrayLike) -> Float64:
    """Matthews correlation of (arrays of) confusion counts; 0 where a row or column of the table is empty."""
    tp, fp = np.asarray(tp, "float64"), np.asarray(fp, "float64")
    tn, fn = np.asarray(tn, "float64"), np.asarray(fn, "float64")
    scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    correlation = np.where(scale > 0, ratio(tp * tn - fp * fn, scale), 0.0)
    return np.where(tp + fp + tn + fn > 0, correlation, np.nan)


def auc(p_up: ArrayLike, realised: ArrayLike) -> float:
    """The probability that a cell that rose has a higher `p_up` than one that did not; ties count one half.

    It is NaN if all cells rose or none did.
    """
    p, r = _pairs(p_up, realised)
    if not names_direction(p):
        return math.nan
    rose = r > 0
    ups, downs = int(rose.sum()), int((~rose).sum())
    ranks = pd.Series(p).rank().to_numpy()
    # Mann-Whitney: the sum of the ranks of the cells that rose, minus its smallest possible value, is the number of
    # pairs in which the cell that rose has the higher P(up)
    return float(ratio(ranks[rose].sum() - ups * (ups + 1) / 2, ups * downs))


def daily_ic(forecast: ArrayLike, realised: ArrayLike) -> Float64:
    """Spearman correlation of forecast and return across symbols, for each session.

    Parameters
    ----------
    forecast, realised
        [session, symbol]; NaN cells do not count.

    Returns
    -------
    array
        [session]; NaN where fewer than `FEWEST_SYMBOLS` count, or where one of the two is constant.
    """
    f, r = np.asarray(forecast, "float64"), np.asarray(realised, "float64")
    if f.ndim != 2 or f.shape != r.shape:
        raise DataError(f"rank IC takes two arrays [session, symbol] of one shape, not {f.shape} and {r.shape}.")
    known = np.isfinite(f) & np.isfinite(r)
    n = known.sum(axis=1)
    x, y = _centred_ranks(f, known, n), _centred_ranks(r, known, n)
    ic = ratio((x * y).sum(axis=1), np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1)))
    ic[n < FEWEST_SYMBOLS] = np.nan
    return ic


def rank_ic(forecast: ArrayLike, realised: ArrayLike) -> float:
    """Mean of `daily_ic` over the sessions where it is defined."""
    ic = daily_ic(forecast, realised)
    return _mean(ic[np.isfinite(ic)])


def icir_of_sums(total: ArrayLike, squares: ArrayLike, n: ArrayLike) -> Float64:
    """The information ratio of the rank IC, from (arrays of) the sum, the sum of squares and the number of daily ICs.

    It is the mean of `daily_ic` over its standard deviation (ddof 1); not annualised.
    """
    squares, n = np.asarray(squares, "float64"), np.asarray(n, "float64")
    mean = ratio(total, n)
    variance = ratio(squares - n * mean**2, n - 1)
    variance = np.where(variance > 1e-14, variance, np.nan)  # a smaller value is rounding error
    return np.asarray(mean / np.sqrt(variance))


def brier(p_up: ArrayLike, realised: ArrayLike) -> float:
    """Mean of (P(up) - 1 if the price rose, else P(up))²; a constant P(up) of 0.5 has a score of 0.25."""
    p, r = _pairs(p_up, realised)
    return _mean((p - (r > 0)) ** 2)


def reliability(p_up: ArrayLike, realised: ArrayLike, *, bins: int = 10) -> list[Bin]:
    """Cells in `bins` groups of about equal size by P(up), lowest first; cells with equal P(up) are in the same group.

    Groups have equal size because most P(up) are near 0.5: with groups of equal width nearly all would be in one.
    """
    p, r = _pairs(p_up, realised)
    if not len(p):
        return []
    edges = np.unique(np.quantile(p, np.arange(1, bins) / bins))
    group = np.searchsorted(edges, p, side="left")
    count = np.bincount(group, minlength=len(edges) + 1)
    p_sum = np.bincount(group, weights=p)
    ups = np.bincount(group, weights=(r > 0).astype("float64"))
    return [Bin(float(p_sum[g] / count[g]), float(ups[g] / count[g]), int(count[g])) for g in np.flatnonzero(count)]


def ece(p_up: ArrayLike, realised: ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error: mean over cells of |mean P(up) - share up| in the cell's group (`reliability`)."""
    groups = reliability(p_up, realised, bins=bins)
    cells = sum(g.count for g in groups)
    return sum(g.count * abs(g.p_up - g.share_up) for g in groups) / cells if cells else math.nan


def _pairs(a: ArrayLike, b: ArrayLike) -> tuple[Float64, Float64]:
    x, y = np.asarray(a, "float64"), np.asarray(b, "float64")
    if x.shape != y.shape:
        raise DataError(f"forecast and realised differ in shape: {x.shape} and {y.shape}.")
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def _mean(values: Float64) -> float:
    return float(values.mean()) if values.size else math.nan


def _centred_ranks(values: Float64, known: Bool, n: Float64) -> Float64:
    """Ranks within each session minus their mean, (n + 1) / 2; 0 where not known, so that sums skip those cells."""
    ranks = pd.DataFrame(np.where(known, values, np.nan)).rank(axis=1).to_numpy()
    return np.where(known, ranks - ((n + 1) / 2)[:, None], 0.0)
