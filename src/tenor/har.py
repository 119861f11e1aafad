"""The heterogeneous autoregression of log variance (HAR): its terms, and each stock's own regression on them, refitted.

It is the strongest rival of the network's forecast of risk, and also a part of the model: `tenor.inference.recipe`
mixes the two with a share that validation chooses. Only NumPy and pandas are needed.

References
----------
Corsi (2009), A simple approximate long-memory model of realized volatility, J. Financial Econometrics 7(2).
Corsi & Renò (2012), Discrete-time volatility forecasting with persistent leverage effect, J. Bus. Econ. Stat. 30(3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenor.schema import Float64, Panel
from tenor.variance import LEAST

HAR_SESSIONS = (1, 5, 22)
HAR_X_SESSIONS = (*HAR_SESSIONS, 66)
HAR_TERMS = (
    *(f"log mean variance {n}" for n in HAR_X_SESSIONS),
    *(f"market log mean variance {n}" for n in HAR_X_SESSIONS),
    "log(1 + 100 loss)",
)
"""The names of the last axis of `har_terms`; HAR takes the first three, HAR-X all."""
REFIT_EVERY = 21
FEWEST_ROWS = 150
"""A stock with fewer known rows takes the pooled coefficients; with fewer pooled rows, nothing is forecast."""
_ROWS = 256
"""Sessions whose means over the symbols are taken together."""
_CENTRE = -8.0
"""A typical log variance of a session. It is subtracted before squares are summed, so that the sums lose no digits."""


def har_terms(panel: Panel) -> Float64:
    """The terms of the regressions HAR and HAR-X at every session of every symbol.

    Averages are over the symbol's own last n sessions with a bar, of which at least half must be known. The market's
    terms are the means of the terms of the symbols that traded.

    Returns
    -------
    array
        [session, symbol, term], the terms named by `HAR_TERMS`; NaN where not known.
    """
    terms = np.full((*panel.close.shape, len(HAR_TERMS)), np.nan)
    lags = len(HAR_X_SESSIONS)
    for i, n in enumerate(HAR_X_SESSIONS):
        terms[:, :, i] = np.log(rolling_mean(panel.variance, n))
    for start in range(0, len(terms), _ROWS):  # of many symbols each copy of all sessions would take gigabytes
        rows = slice(start, start + _ROWS)
        own = terms[rows, :, :lags]
        known = np.isfinite(own)
        total, count = np.where(known, own, 0.0).sum(axis=1, keepdims=True), known.sum(axis=1, keepdims=True)
        terms[rows, :, lags : 2 * lags] = np.where(known, total / np.maximum(count, 1), np.nan)
    for i in range(panel.close.shape[1]):
        there = np.flatnonzero(np.isfinite(panel.close[:, i]))
        returns = np.diff(np.log(panel.close[there, i]))
        terms[there[1:], i, -1] = np.log1p(100 * np.maximum(-returns, 0))
    return terms


def rolling_mean(variance: Float64, sessions: int) -> Float64:
    """[session, symbol]; mean of the last `sessions` variances; NaN if fewer than half of them are known."""
    return by_symbol(variance, lambda v: v.rolling(sessions, min_periods=(sessions + 1) // 2).mean())


def by_symbol(variance: Float64, average: Callable[[pd.Series[float]], pd.Series[float]]) -> Float64:
    """[session, symbol]; `average` over each symbol's own sessions with a bar, at least `LEAST`; NaN elsewhere."""
    averages = np.full(variance.shape, np.nan)
    for i in range(variance.shape[1]):
        rows = np.flatnonzero(np.isfinite(variance[:, i]))
        averages[rows, i] = average(pd.Series(variance[rows, i]))
    # by rounding, a running mean of pandas may be just below the smallest value
    return np.where(np.isfinite(averages), np.maximum(averages, LEAST), np.nan)


def refits(first: int, sessions: int, horizon: int) -> Iterator[tuple[slice, slice]]:
    """The schedule of fits, one every `REFIT_EVERY` sessions from `first` on.

    Each fit has two runs of rows: those whose targets became known since the last fit, and those that it forecasts.
    """
    done = 0
    for start in range(first, sessions, REFIT_EVERY):
        known = max(0, start - horizon + 1)  # a target of h sessions made at t is known at t + h
        yield slice(done, known), slice(start, start + REFIT_EVERY)
        done = known


def refitted(panel: Panel, first: int, *, terms: Float64 | None = None) -> Float64:
    """HAR-X of each stock, refitted every `REFIT_EVERY` sessions from `first` on, on all targets known by then.

    Terms are clipped to the range on which the stock's coefficients were fitted. A forecast at session t depends only
    on the panel's rows up to t; before `first` there is none.

    Parameters
    ----------
    panel
        The panel; its mask says which rows are used.
    first
        Session of the first fit, as a place on the panel's session axis.
    terms
        `har_terms` of the panel; computed if not given.

    Returns
    -------
    array
        [session, symbol, horizon]; NaN before `first`, where a term is not known, and where fewer than `FEWEST_ROWS`
        rows of all stocks were known when the coefficients were last fitted.
    """
    terms = har_terms(panel) if terms is None else terms
    complete = panel.mask & np.isfinite(terms).all(axis=2)
    forecast = np.full(panel.log_variance.shape, np.nan)
    for k, horizon in enumerate(panel.horizons):
        target = np.where(complete, panel.log_variance[:, :, k], np.nan).astype("float64")
        moments = Moments.none(*terms.shape[1:])
        for new, ahead in refits(first, len(panel.sessions), horizon):
            moments.add(terms[new], target[new])
            forecast[ahead, :, k] = moments.fit().predict(terms[ahead])
    return forecast


@dataclass(frozen=True)
class StockRegressions:
    """A linear forecast of each stock.

    Attributes
    ----------
    intercept, slopes
        The coefficients, [symbol] and [symbol, term].
    low, high
        [symbol, term]; the range that terms are clipped to.
    """

    intercept: Float64
    slopes: Float64
    low: Float64
    high: Float64

    def predict(self, terms: Float64) -> Float64:
        """Forecasts [session, symbol] from `terms` [session, symbol, term]; NaN where a term is NaN."""
        clipped = np.minimum(np.maximum(terms, self.low), self.high)  # a NaN stays one
        forecast: Float64 = self.intercept + np.einsum("tsp,sp->ts", clipped, self.slopes)
        return forecast


class Moments:
    """Running sums from which least squares are computed for each stock; the rows themselves are not kept."""

    def __init__(self, products: Float64, low: Float64, high: Float64) -> None:
        self._products, self._low, self._high = products, low, high

    @classmethod
    def none(cls, symbols: int, terms: int) -> Moments:
        """The sums of no rows, for numbers of symbols and terms."""
        width = terms + 2  # one, the terms, the target
        return cls(
            np.zeros((symbols, width, width)), np.full((symbols, terms), np.inf), np.full((symbols, terms), -np.inf)
        )

    def add(self, terms: Float64, target: Float64) -> None:
        """Add the rows whose target is known; this object is changed.

        Parameters
        ----------
        terms
            [session, symbol, term].
        target
            [session, symbol]; NaN where not known.
        """
        if not len(target):
            return
        known = np.isfinite(target)
        row = np.empty((*target.shape, terms.shape[2] + 2))  # written in place: the first rows are most of a panel
        row[:, :, 0] = 1.0
        np.subtract(terms, _CENTRE, out=row[:, :, 1:-1])
        np.subtract(target, _CENTRE, out=row[:, :, -1])
        row[~known] = 0.0
        self._products = self._products + np.einsum("tsi,tsj->sij", row, row)
        where = np.broadcast_to(known[:, :, None], terms.shape)
        self._low = np.minimum(self._low, terms.min(axis=0, where=where, initial=np.inf))
        self._high = np.maximum(self._high, terms.max(axis=0, where=where, initial=-np.inf))

    def fit(self) -> StockRegressions:
        """Each stock's own least squares, or the pooled one for a stock with fewer than `FEWEST_ROWS` rows."""
        own = self._products[:, 0, 0] >= FEWEST_ROWS
        pooled = self._products.sum(axis=0, keepdims=True)
        intercept, slopes = least_squares(np.where(own[:, None, None], self._products, pooled))
        intercept = intercept + _CENTRE - _CENTRE * slopes.sum(axis=1)
        low = np.where(own[:, None], self._low, -np.inf)
        high = np.where(own[:, None], self._high, np.inf)
        if pooled[0, 0, 0] < FEWEST_ROWS:
            intercept = np.where(own, intercept, np.nan)
        return StockRegressions(intercept, slopes, low, high)


def least_squares(products: Float64) -> tuple[Float64, Float64]:
    """Intercepts [n] and slopes [n, term] of n regressions; constant and repeated columns are allowed.

    Solving the normal equations is a hundred times faster than decomposing the rows, and exact enough with scaled
    columns. If several solutions are equally good, the one with the smallest slopes is taken.

    Parameters
    ----------
    products
        [n, 1 + terms + 1, 1 + terms + 1]; sums over rows of the products of 1, the terms and the target. Columns with
        values around 0 lose no digits.
    """
    count = np.maximum(products[:, 0, 0], 1.0)
    mean = products[:, 0, 1:] / count[:, None]
    covariance = products[:, 1:, 1:] / count[:, None, None] - mean[:, :, None] * mean[:, None, :]
    spread = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))[:, :-1]
    unit = np.where(spread > 1e-6 * (1 + np.abs(mean[:, :-1])), spread, np.inf)
    correlation = covariance[:, :-1, :-1] / unit[:, :, None] / unit[:, None, :]
    inverse = np.linalg.pinv(correlation, rcond=1e-10, hermitian=True)
    slopes = np.einsum("sij,sj->si", inverse, covariance[:, :-1, -1] / unit) / unit
    intercept = mean[:, -1] - np.einsum("si,si->s", slopes, mean[:, :-1])
    return intercept, slopes
