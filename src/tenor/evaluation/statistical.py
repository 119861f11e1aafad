"""Classical statistical forecasters as baselines: automatic ARIMA, exponential smoothing and theta.

Their only inputs are a symbol's own adjusted closes. Order and parameters are chosen once, on the log closes up to the
end of validation (by information criteria, which need no validation part); then, session by session, the fixed model is
applied to the closes up to that session. This costs a hundredth of a new choice every session, and loses little,
because the structure of daily prices that these models find hardly changes within a test part.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from tenor.engines import Workers, engine_of
from tenor.errors import ConfigError, did_you_mean
from tenor.evaluation.baselines import SplitLike, rises
from tenor.schema import Float64, Panel, Predictions

ARIMA = "ARIMA"
ETS = "ETS"
THETA = "theta"
STATISTICAL = (ARIMA, ETS, THETA)

LIBRARY = "statsforecast"
"""The library that selects and fits them; a separate extra, because it restricts the versions of other packages."""

FEWEST_CLOSES = 60
"""Least number of closes before the test to choose a model; with fewer, the forecast is no change."""
LARGEST_ORDER = 3

SymbolProgress = Callable[[int, int], None]
"""Called with the number of finished symbols, and the number of all symbols."""


def available() -> bool:
    """Whether the library of these baselines is installed."""
    return importlib.util.find_spec(LIBRARY) is not None


def fit_statistical(
    panel: Panel,
    split: SplitLike,
    *,
    names: Sequence[str] = STATISTICAL,
    workers: Workers = None,
    progress: SymbolProgress | None = None,
) -> dict[str, Predictions]:
    """Forecasts of the models `names` for every cell of the mask after the validation part; NaN before it.

    The forecast is that of the log close h sessions on, minus the log close of the session. P(up) assumes a
    normal return, with that mean and the panel's volatility times sqrt(h); where the forecast is no change at all
    (a random walk without drift, or too short a history), P(up) is the share of rises in training.

    Parameters
    ----------
    panel, split
        The panel, and the training and validation parts on its session axis.
    names
        Names in `STATISTICAL`.
    workers
        Number of processes for the symbols; None means one for each CPU core.
    progress
        Called for every symbol that is done.

    Returns
    -------
    dict of str to Predictions
        In the order of `names`.

    Raises
    ------
    ConfigError
        An unknown name.
    HistoryError
        No training cell with a known return.
    """
    for name in names:
        if name not in STATISTICAL:
            raise ConfigError(
                f"unknown model {name!r}.{did_you_mean(name, STATISTICAL) or f' There are {[*STATISTICAL]}.'}"
            )
    first = split.valid.indices(len(panel.sessions))[1]
    base = np.array([rises(panel, split, axis) for axis in range(len(panel.horizons))])
    common = _Common(first, panel.horizons, tuple(names))
    tasks = [_Symbol(panel.close[:, s].copy(), panel.mask[:, s].copy()) for s in range(len(panel.symbols))]
    by_symbol: list[Float64] = []
    for returns in engine_of(workers).map(_forecast, tasks, shared=common):
        by_symbol.append(returns)
        if progress is not None:
            progress(len(by_symbol), len(tasks))
    means = np.stack(by_symbol, axis=2)  # [name, session, symbol, horizon]
    scale = panel.volatility.astype("float64")[:, :, None] * np.sqrt(panel.horizons)
    return {name: _predictions(name, mean, scale, base) for name, mean in zip(names, means, strict=True)}


def _predictions(name: str, mean: Float64, scale: Float64, base: Float64) -> Predictions:
    p_up = np.where(np.abs(mean) > 1e-12, ndtr(mean / np.maximum(scale, 1e-8)), base)
    p_up[np.isnan(mean)] = np.nan
    return Predictions(name, mean.astype("float32"), p_up.astype("float32"))


@dataclass(frozen=True)
class _Common:
    """Settings for all symbols: the first session with a forecast, the horizons and the models."""

    first: int
    horizons: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Symbol:
    """Closes and mask [session] of one symbol."""

    close: Float64
    mask: np.ndarray


def _forecast(common: _Common, symbol: _Symbol) -> Float64:
    """Log returns [name, session, horizon]."""
    returns = np.full((len(common.names), len(symbol.close), len(common.horizons)), np.nan)
    places = np.flatnonzero(np.isfinite(symbol.close))
    y = np.log(symbol.close[places])
    before = int(np.searchsorted(places, common.first))
    steps, last = np.array(common.horizons) - 1, max(common.horizons)
    for name, rows in zip(common.names, returns, strict=True):
        model = _chosen(name, y[:before])
        always = _always(model, y[:before], last, steps)
        for t in np.flatnonzero(symbol.mask[common.first :]) + common.first:
            known = int(np.searchsorted(places, t, side="right"))
            rows[t] = _ahead(model, y[:known], last, steps) if always is None else always
    return returns


def _chosen(name: str, y: Float64) -> Any:
    """The model of kind `name` fitted on `y`; None if there are too few values."""
    if len(y) < FEWEST_CLOSES or np.ptp(y) < 1e-9:
        return None
    from statsforecast.models import AutoARIMA, AutoETS, DynamicOptimizedTheta  # takes seconds to import

    model = {
        ARIMA: lambda: AutoARIMA(max_p=LARGEST_ORDER, max_q=LARGEST_ORDER, season_length=1),
        ETS: lambda: AutoETS(model="AZN", season_length=1),  # additive, because logs may be negative; no weekly season
        THETA: lambda: DynamicOptimizedTheta(season_length=1),
    }[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ignore warnings about candidates that do not converge
        try:
            return model.fit(y)
        except Exception:  # noqa: BLE001 - the library raises this if no candidate fits
            return None


def _always(model: Any, y: Float64, last: int, steps: np.ndarray) -> Float64 | None:
    """The forecast of a model whose forecast is the same in every session; None for other models."""
    if model is None:
        return np.zeros(len(steps))
    # a random walk, with or without drift, is what ARIMA chooses for most stocks: its change never depends on the past
    p, q, _, _, _, differences, _ = model.model_.get("arma", (1, 0, 0, 0, 1, 0, 0))
    return _ahead(model, y, last, steps) if (p, q, differences) == (0, 0, 1) else None


def _ahead(model: Any, y: Float64, last: int, steps: np.ndarray) -> Float64:
    mean = np.asarray(model.forward(y, h=last)["mean"], "float64")[steps] - y[-1]
    return mean if math.isfinite(float(mean.sum())) else np.zeros(len(steps))
