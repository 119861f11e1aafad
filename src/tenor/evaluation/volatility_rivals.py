"""The rivals of risk forecasts: constants, moving averages, HAR, the GARCH family and boosting.

All forecast the log of the mean variance of the next h sessions, `Panel.log_variance`. They are fitted on the training
rows, and boosting chooses its rounds on the validation rows; test rows are never used. There is one exception, as the
strongest alternative in practice: the HAR per stock that is refitted during the test, on all targets known by then
(`tenor.har`, with the references of HAR).

References
----------
J.P. Morgan (1996), RiskMetrics technical document, 4th edition.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from tenor.engines import Engine, Workers, engine_of
from tenor.errors import ConfigError, HistoryError, did_you_mean
from tenor.evaluation.baselines import SplitLike
from tenor.evaluation.garch import EGARCH, GARCH, GJR, MODELS, fit_garch
from tenor.evaluation.statistical import SymbolProgress
from tenor.har import (
    HAR_SESSIONS,
    HAR_TERMS,
    HAR_X_SESSIONS,
    by_symbol,
    har_terms,
    least_squares,
    refitted,
    rolling_mean,
)
from tenor.inference.season import excess_variance, season_terms
from tenor.schema import Bool, Float32, Float64, Panel

CONSTANT = "constant"
ROLLING_20 = "rolling 20"
ROLLING_250 = "rolling 250"
EWMA = "EWMA"
HAR = "HAR"
HAR_X = "HAR-X"
HAR_X_REFITTED = "HAR-X per stock, refitted"
BOOSTING = "boosting"

EWMA_DECAY = 0.94
BOOSTING_ROUNDS = 300
"""Largest number of boosting rounds; validation chooses how many are used, possibly none."""
LEAF = 200
"""Least number of cells in a leaf; a fiftieth of the training cells if that is less."""


@dataclass(frozen=True, eq=False)
class RivalFits:
    """The rivals' forecasts, and the symbols for which a rival could not be estimated.

    Attributes
    ----------
    forecasts
        By rival, the forecast log of the mean variance of the next h sessions, [session, symbol, horizon]; NaN if the
        panel's mask is False, or if the symbol's history is too short for the rival.
    replaced
        By rival, the symbols that have the forecasts of `EWMA` instead, because there are too few returns in training
        or parameters could not be estimated. It has only rivals of the GARCH family with such symbols.
    """

    forecasts: dict[str, Float32]
    replaced: dict[str, tuple[str, ...]]


def fit_rivals(
    panel: Panel,
    split: SplitLike,
    *,
    names: Sequence[str] | None = None,
    workers: Workers = None,
    progress: SymbolProgress | None = None,
) -> RivalFits:
    """Fit the rivals `names` (all of them by default), and forecast every cell of `panel` with each.

    Parameters
    ----------
    panel, split
        The panel, and the training and validation parts on its session axis.
    names
        Names in `RIVALS`.
    workers
        Number of processes for the symbols of the GARCH family and the horizons of boosting; None means one for each
        CPU core.
    progress
        Called for every symbol for which the GARCH family is done.

    Returns
    -------
    RivalFits
        The forecasts, in the order of `names`.

    Raises
    ------
    ConfigError
        An unknown name.
    HistoryError
        No training cell has a known later variance, or the terms of HAR; for boosting, no validation cell has.
    """
    chosen = tuple(RIVALS if names is None else names)
    for name in chosen:
        if name not in RIVALS:
            raise ConfigError(f"unknown rival {name!r}.{did_you_mean(name, RIVALS) or f' Known: {[*RIVALS]}.'}")
    cells = _Cells(panel, split)
    family = [name for name in MODELS if name in chosen]
    raw = fit_garch(panel, split.train, family, workers=workers, progress=progress) if family else {}
    forecasts: dict[str, Float32] = {}
    replaced: dict[str, tuple[str, ...]] = {}
    for name in chosen:
        if name in raw:
            forecast = cells.recalibrated(raw[name])
            without = ~np.asarray(np.isfinite(raw[name]).any(axis=(0, 2)))
            forecast[:, without] = cells.ewma[:, without]
            if without.any():
                replaced[name] = tuple(symbol for symbol, gone in zip(panel.symbols, without, strict=True) if gone)
        elif name == BOOSTING:
            forecast = _boosting(cells, engine_of(workers))
        else:
            forecast = _FITS[name](cells)
        forecasts[name] = np.where(panel.mask[:, :, None], forecast, np.nan).astype(np.float32)
    return RivalFits(forecasts, replaced)


def ewma(variance: Float64) -> Float64:
    """[session, symbol]; exponentially weighted mean with decay `EWMA_DECAY`; NaN if the symbol did not trade."""
    return by_symbol(variance, lambda v: v.ewm(alpha=1 - EWMA_DECAY).mean())


@dataclass(frozen=True)
class Linear:
    """Ordinary least squares with an intercept; see `tenor.har.least_squares`."""

    intercept: float
    slopes: Float64

    @classmethod
    def fit(cls, x: Float64, y: Float64) -> Linear:
        """Fit to rows `x` [row, term] and `y` [row]."""
        centre, middle = x.mean(axis=0), y.mean()
        rows = np.column_stack([np.ones(len(x)), x - centre, y - middle])
        intercepts, (slopes,) = least_squares((rows.T @ rows)[None])
        return cls(float(intercepts[0] + middle - centre @ slopes), slopes)

    def predict(self, x: Float64) -> Float64:
        """Predictions [...] for `x` [..., term]."""
        forecast: Float64 = self.intercept + x @ self.slopes
        return forecast


class _Cells:
    """A panel's targets and HAR terms as the rivals need them, each computed once."""

    def __init__(self, panel: Panel, split: SplitLike) -> None:
        self.panel, self.split = panel, split
        self.target = np.where(panel.mask[:, :, None], panel.log_variance, np.nan).astype("float64")
        for k, horizon in enumerate(panel.horizons):
            if not np.isfinite(self.target[split.train, :, k]).any():
                raise HistoryError(_nothing("training", f"a known variance {horizon} sessions ahead"))

    @functools.cached_property
    def terms(self) -> Float64:
        """`har_terms`."""
        return har_terms(self.panel)

    @functools.cached_property
    def excess(self) -> Float64:
        """`excess_variance`, from which the season's terms are computed."""
        return excess_variance(self.panel, self.terms)

    @functools.cached_property
    def ewma(self) -> Float64:
        """The rival EWMA, which replaces others."""
        return self.recalibrated(np.log(ewma(self.panel.variance)))

    @functools.cached_property
    def har_x(self) -> Float64:
        """The rival HAR-X, which boosting starts from."""
        return self.linear(len(HAR_TERMS))

    @functools.cached_property
    def complete(self) -> Bool:
        """[session, symbol]; cells of the mask with all terms of HAR-X."""
        complete: Bool = self.panel.mask & np.isfinite(self.terms).all(axis=2)
        return complete

    def linear(self, terms: int) -> Float64:
        """[session, symbol, horizon]; the pooled regression on the first `terms` of the HAR terms."""
        forecast, x = np.full(self.target.shape, np.nan), self.terms[:, :, :terms]
        for k, horizon in enumerate(self.panel.horizons):
            fit = self.pooled(x, k, self.split.train)
            if fit is None:
                wanted = f"{HAR_X_SESSIONS[min(terms, len(HAR_X_SESSIONS)) - 1]} sessions of variance before it"
                raise HistoryError(_nothing("training", f"{wanted} and a known one {horizon} sessions ahead"))
            forecast[:, :, k] = fit.predict(x)
        return forecast

    def pooled(self, x: Float64, k: int, rows: slice) -> Linear | None:
        """The regression of the k-th target on `x` [session, symbol, term] in the sessions `rows`; None if no cell."""
        known = np.isfinite(self.target[rows, :, k]) & np.isfinite(x[rows]).all(axis=2)
        return Linear.fit(x[rows][known], self.target[rows, :, k][known]) if known.any() else None

    def recalibrated(self, raw: Float64) -> Float64:
        """`raw`, [session, symbol] or with a last axis horizon, with intercept and slope fitted on training.

        A forecast without any training cell, such as a long average at the start of a short history, is not changed.
        """
        forecast = np.full(self.target.shape, np.nan)
        for k in range(len(self.panel.horizons)):
            x = (raw[:, :, k] if raw.ndim == 3 else raw)[:, :, None]
            fit = self.pooled(x, k, self.split.train)
            forecast[:, :, k] = x[:, :, 0] if fit is None else fit.predict(x)
        return forecast


def _constant(cells: _Cells) -> Float64:
    """Each symbol's mean in training; the pooled one for a symbol without a training row."""
    training = cells.target[cells.split.train]
    known = np.isfinite(training)
    total, count = np.where(known, training, 0.0).sum(axis=0), known.sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), total.sum(axis=0) / count.sum(axis=0))
    return np.broadcast_to(mean, cells.target.shape)


def _refitted(cells: _Cells) -> Float64:
    """HAR-X of each stock, refitted from validation on; before it the pooled one of the training part."""
    first = cells.split.valid.indices(len(cells.panel.sessions))[0]
    forecast = refitted(cells.panel, first, terms=cells.terms)
    # also for a stock with too little history, in a panel with too little history
    return np.where(np.isfinite(forecast), forecast, cells.har_x)


def _boosting(cells: _Cells, engine: Engine) -> Float64:
    """Gradient boosting of the residuals of HAR-X, on all features and the terms of HAR-X and of the season."""
    forecast = cells.har_x.copy()
    _ = cells.complete, cells.excess  # computed here once for all horizons
    for k, added in enumerate(engine.map(_boosted, range(len(cells.panel.horizons)), shared=cells)):
        forecast[:, :, k] += added
    return forecast


def _boosted(cells: _Cells, k: int) -> Float64:
    """[session, symbol]; the correction by boosting to the forecast of HAR-X at the k-th horizon."""
    horizon = cells.panel.horizons[k]
    season = season_terms(cells.panel.sessions, cells.excess, horizon)
    x = np.concatenate([cells.panel.values, cells.terms, season], axis=2, dtype=np.float32)
    # threads that wait for each other lose more than they gain: a factor of seven if other work shares the cores
    with threadpool_limits(limits=1, user_api="openmp"):
        return _boosted_from(cells, x, k)


def _boosted_from(cells: _Cells, x: Float32, k: int) -> Float64:
    split, added = cells.split, np.zeros(cells.complete.shape)
    residual = np.where(cells.complete, cells.target[:, :, k] - cells.har_x[:, :, k], np.nan)
    known = np.isfinite(residual)
    train, valid = known[split.train], known[split.valid]
    if not valid.any():
        raise HistoryError(_nothing("validation", f"a known variance {cells.panel.horizons[k]} sessions ahead"))
    model = HistGradientBoostingRegressor(
        max_iter=BOOSTING_ROUNDS,
        learning_rate=0.03,
        max_leaf_nodes=15,
        min_samples_leaf=min(LEAF, int(train.sum()) // 50 + 1),
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,
    ).fit(x[split.train][train], residual[split.train][train])
    realised = residual[split.valid][valid]
    staged = model.staged_predict(x[split.valid][valid])
    losses = [float((realised**2).mean()), *(float(((realised - each) ** 2).mean()) for each in staged)]
    rounds = int(np.argmin(losses))
    if rounds:
        stages = model.staged_predict(x[cells.complete])
        added[cells.complete] = next(itertools.islice(stages, rounds - 1, None))
    return added


def _nothing(part: str, wanted: str) -> str:
    return f"no {part} cell has {wanted}: import more history or move the split dates."


_FITS: dict[str, Callable[[_Cells], Float64]] = {
    CONSTANT: _constant,
    ROLLING_20: lambda cells: cells.recalibrated(np.log(rolling_mean(cells.panel.variance, 20))),
    ROLLING_250: lambda cells: cells.recalibrated(np.log(rolling_mean(cells.panel.variance, 250))),
    EWMA: lambda cells: cells.ewma,
    HAR: lambda cells: cells.linear(len(HAR_SESSIONS)),
    HAR_X: lambda cells: cells.har_x,
    HAR_X_REFITTED: _refitted,
}
RIVALS = (CONSTANT, ROLLING_20, ROLLING_250, EWMA, HAR, HAR_X, HAR_X_REFITTED, GARCH, GJR, EGARCH, BOOSTING)
