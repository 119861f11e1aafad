"""What a forecaster has to beat: persistence, drift, always-up, linear models and boosting.

All are fitted on the training rows, and their settings are chosen on the validation rows; test rows are never used. The
learned ones read only a cell's own features at t, standardised with the training rows. They forecast the network's own
target, return / (volatility * sqrt(h)) clipped at `CLIP`, and the result is multiplied back to a return.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tenor.engines import Workers, engine_of
from tenor.errors import ConfigError, HistoryError, did_you_mean
from tenor.schema import Bool, Float32, Float64, Panel, Predictions

PERSISTENCE = "persistence"
DRIFT = "drift"
ALWAYS_UP = "always-up"
LINEAR = "ridge+logistic"
BOOSTING = "boosting"

CLIP = 4.0
"""Targets are clipped at this many standard deviations."""
FEATURE_CLIP = 5.0
RIDGE_ALPHAS = (1e1, 1e2, 1e3, 1e4, 1e5, 1e6)
LOGISTIC_CS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
BOOSTING_ROUNDS = 150
"""Most rounds of boosting; the validation rows decide how many are used."""


class SplitLike(Protocol):
    """Where training and validation lie on the session axis (`tenor.training.split.Split` is one)."""

    @property
    def train(self) -> slice:
        """The training rows."""

    @property
    def valid(self) -> slice:
        """The validation rows, on which settings are chosen."""


def fit_baselines(
    panel: Panel, split: SplitLike, *, names: Sequence[str] | None = None, workers: Workers = 1
) -> dict[str, Predictions]:
    """Fit the baselines `names` (all of them by default) and let each predict every cell of `panel`.

    Parameters
    ----------
    panel, split
        The panel, and where training and validation lie on its session axis.
    names
        Names from `BASELINES`.
    workers
        Number of processes for the horizons of the learned baselines; None means one for each CPU core.

    Returns
    -------
    dict of str to Predictions
        Name -> predictions over the whole panel, NaN where its mask is False, in the order of `names`.

    Raises
    ------
    ConfigError
        A name is unknown.
    HistoryError
        There is no training or validation cell with a known target.
    """
    for name in names or ():
        if name not in BASELINES:
            raise ConfigError(
                f"unknown baseline {name!r}.{did_you_mean(name, BASELINES) or f' Known: {[*BASELINES]}.'}"
            )
    chosen = BASELINES if names is None else names
    # what takes longest first, so that no core waits for it at the end
    of_horizons = _learned(panel, split, [name for name in reversed(LEARNED) if name in chosen], workers)
    return {name: of_horizons[name] if name in LEARNED else PLAIN[name](panel, split) for name in chosen}


def persistence(panel: Panel, split: SplitLike | None = None) -> Predictions:
    """The price stays as it is: the return is 0 and P(up) is 0.5, so there is no forecast of the direction."""
    del split
    return _constant(panel, PERSISTENCE, np.zeros(len(panel.horizons)), np.full(len(panel.horizons), 0.5))


def drift(panel: Panel, split: SplitLike) -> Predictions:
    """Each symbol's mean return and share of rises in training; without training rows, those of all symbols."""
    mean, p_up = np.empty(panel.targets.shape[1:]), np.empty(panel.targets.shape[1:])
    for axis in range(len(panel.horizons)):
        known = _known(panel, split.train, axis, "training")
        returns = np.where(known, panel.targets[split.train, :, axis], 0.0).astype("float64")
        n = known.sum(axis=0)
        rose = (returns > 0).astype("float64")
        for averages, values in ((mean, returns), (p_up, rose)):
            averages[:, axis] = np.where(n > 0, values.sum(axis=0) / np.maximum(n, 1), values.sum() / n.sum())
    return _constant(panel, DRIFT, mean, p_up)


def always_up(panel: Panel, split: SplitLike) -> Predictions:
    """The mean return and share of rises of all symbols in training; the share is at least 0.501, so always up."""
    mean, p_up = np.empty(len(panel.horizons)), np.empty(len(panel.horizons))
    for axis in range(len(panel.horizons)):
        known = _known(panel, split.train, axis, "training")
        returns = panel.targets[split.train, :, axis][known].astype("float64")
        mean[axis] = returns.mean()
        p_up[axis] = max((returns > 0).mean(), 0.501)
    return _constant(panel, ALWAYS_UP, mean, p_up)


def rises(panel: Panel, split: SplitLike, axis: int) -> float:
    """The share of training cells whose return over the horizon at place `axis` is above zero."""
    known = _known(panel, split.train, axis, "training")
    return float((panel.targets[split.train, :, axis][known] > 0).mean())


def linear(panel: Panel, split: SplitLike) -> Predictions:
    """Ridge regression for the return, logistic regression for the direction; penalties chosen on validation."""
    return learned(panel, split, LINEAR, _fit_linear)


def _fit_linear(cells: TrainingCells) -> tuple[Float64, Float64]:
    ridges = (Ridge(alpha=alpha).fit(cells.x_train, cells.y_train) for alpha in RIDGE_ALPHAS)
    ridge = min(ridges, key=lambda m: _squared(m.predict(cells.x_valid), cells.y_valid))
    logistics = (LogisticRegression(C=c, max_iter=500).fit(cells.x_train, cells.up_train) for c in LOGISTIC_CS)
    logistic = min(logistics, key=lambda m: _log_loss(m.predict_proba(cells.x_valid)[:, 1], cells.up_valid))
    return ridge.predict(cells.x), logistic.predict_proba(cells.x)[:, 1]


def boosting(panel: Panel, split: SplitLike) -> Predictions:
    """Histogram gradient boosting for the return and for the direction; validation chooses the number of rounds."""
    return learned(panel, split, BOOSTING, _fit_boosting)


def _fit_boosting(cells: TrainingCells) -> tuple[Float64, Float64]:
    options: dict[str, Any] = {
        "max_iter": BOOSTING_ROUNDS, "learning_rate": 0.05, "max_leaf_nodes": 7, "min_samples_leaf": 200,
        "l2_regularization": 1.0, "early_stopping": False, "random_state": 0,
    }  # fmt: skip
    # if other work uses the same cores, threads lose more time by waiting for each other than they gain
    with threadpool_limits(limits=1, user_api="openmp"):
        regressor = HistGradientBoostingRegressor(**options).fit(cells.x_train, cells.y_train)
        losses = [_squared(y, cells.y_valid) for y in regressor.staged_predict(cells.x_valid)]
        mean = _stage(regressor.staged_predict(cells.x), losses)
        classifier = HistGradientBoostingClassifier(**options).fit(cells.x_train, cells.up_train)
        losses = [_log_loss(p[:, 1], cells.up_valid) for p in classifier.staged_predict_proba(cells.x_valid)]
        return mean, _stage(classifier.staged_predict_proba(cells.x), losses)[:, 1]


Fit = Callable[["TrainingCells"], tuple[Float64, Float64]]
"""A function that learns from cells and returns, for each row of their `x`, the forecast in volatilities and P(up)."""
PLAIN: dict[str, Callable[[Panel, SplitLike], Predictions]] = {
    PERSISTENCE: persistence,
    DRIFT: drift,
    ALWAYS_UP: always_up,
}
"""The baselines that do not depend on the features."""
LEARNED: dict[str, Fit] = {LINEAR: _fit_linear, BOOSTING: _fit_boosting}
"""The baselines that learn from cells, separately for each horizon."""
BASELINES = (*PLAIN, *LEARNED)


@dataclass(frozen=True)
class TrainingCells:
    """One horizon's cells as rows: standardised features, scaled clipped targets and whether they rose."""

    x: Float32
    x_train: Float32
    y_train: Float64
    up_train: Bool
    x_valid: Float32
    y_valid: Float64
    up_valid: Bool


def learned(panel: Panel, split: SplitLike, name: str, fit: Fit) -> Predictions:
    """The predictions of a pooled model for every cell of the mask, horizon by horizon.

    Parameters
    ----------
    panel, split
        The panel, and where training and validation lie on its session axis.
    name
        Name of the model.
    fit
        Learns from `TrainingCells` and returns, for each row of their `x`, the forecast in units of volatility and
        P(up).
    """
    standardised = _standardised(panel, split)
    fitted = [_of_horizon(panel, split, *standardised, axis, fit) for axis in range(len(panel.horizons))]
    return _side_by_side(panel, name, fitted)


def _learned(panel: Panel, split: SplitLike, names: Sequence[str], workers: Workers) -> dict[str, Predictions]:
    """As `learned` for each of the `LEARNED` in `names`, their horizons shared by `workers`."""
    if not names:
        return {}
    shared = (panel, split, *_standardised(panel, split))
    tasks = [(name, axis) for name in names for axis in range(len(panel.horizons))]
    fitted = dict(zip(tasks, engine_of(workers).map(_fit_task, tasks, shared=shared), strict=True))
    return {
        name: _side_by_side(panel, name, [fitted[name, axis] for axis in range(len(panel.horizons))]) for name in names
    }


def _fit_task(shared: tuple[Panel, SplitLike, Float32, Float32], task: tuple[str, int]) -> tuple[Float64, Float64]:
    name, axis = task
    return _of_horizon(*shared, axis, LEARNED[name])


def _standardised(panel: Panel, split: SplitLike) -> tuple[Float32, Float32]:
    """Features standardised on the training rows and clipped: [session, symbol, feature], and as rows of the mask."""
    in_training = _known(panel, split.train, 0, "training")
    scaler = StandardScaler().fit(panel.values[split.train][in_training])
    values = np.zeros_like(panel.values)
    x = scaler.transform(panel.values[panel.mask]).clip(-FEATURE_CLIP, FEATURE_CLIP).astype("float32")
    values[panel.mask] = x
    return values, x


def _of_horizon(
    panel: Panel,
    split: SplitLike,
    values: Float32,
    x: Float32,
    axis: int,
    fit: Fit,
) -> tuple[Float64, Float64]:
    """The forecast return and P(up) of every cell of the mask, at one horizon."""
    scale = panel.volatility.astype("float64") * np.sqrt(panel.horizons[axis])
    parts = []
    for rows, what in ((split.train, "training"), (split.valid, "validation")):
        known = _known(panel, rows, axis, what)
        returns = panel.targets[rows, :, axis][known].astype("float64")
        scaled = np.clip(returns / np.maximum(scale[rows][known], 1e-8), -CLIP, CLIP)
        parts += [values[rows][known], scaled, returns > 0]
    cells = TrainingCells(x, *parts)
    one_class = cells.up_train.all() or not cells.up_train.any()  # nothing to learn, and classifiers refuse it
    y, p = (cells.y_train.mean(), cells.up_train.mean()) if one_class else fit(cells)
    return y * scale[panel.mask], p


def _side_by_side(panel: Panel, name: str, fitted: Sequence[tuple[Float64, Float64]]) -> Predictions:
    """The horizons' forecasts as predictions of the whole panel."""
    mean, p_up = _blank(panel), _blank(panel)
    for axis, (of_mean, of_p_up) in enumerate(fitted):
        mean[panel.mask, axis] = of_mean
        p_up[panel.mask, axis] = of_p_up
    return Predictions(name, mean, p_up)


def _known(panel: Panel, rows: slice, axis: int, what: str) -> Bool:
    """[session, symbol] of `rows`: the cells that can be learned from."""
    known: Bool = panel.mask[rows] & np.isfinite(panel.targets[rows, :, axis])
    if not known.any():
        raise HistoryError(
            f"no {what} cell has a known return {panel.horizons[axis]} sessions ahead: "
            "import more history or move the split dates."
        )
    return known


def _constant(panel: Panel, name: str, mean: Float64, p_up: Float64) -> Predictions:
    """Predictions that are the same every session; `mean`, `p_up` [horizon] or [symbol, horizon]."""
    mask = panel.mask[:, :, None]
    return Predictions(
        name,
        np.where(mask, mean, np.nan).astype("float32"),
        np.where(mask, p_up, np.nan).astype("float32"),
    )


def _blank(panel: Panel) -> Float32:
    return np.full(panel.targets.shape, np.nan, dtype="float32")


def _squared(forecast: Float64, realised: Float64) -> float:
    return float(((forecast - realised) ** 2).mean())


def _log_loss(p_up: Float64, rose: Bool) -> float:
    return float(-np.log(np.clip(np.where(rose, p_up, 1.0 - p_up), 1e-12, None)).mean())


def _stage(staged: Any, losses: list[float]) -> Float64:
    """The forecast of the boosting round with the lowest validation loss."""
    best: Float64 = next(itertools.islice(staged, int(np.argmin(losses)), None))
    return best
