"""Models of a user's: a function of closes, statsforecast's, `arch`'s and scikit-learn's, each in a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tenor.adapters.rolling import Columns, Model, Window, by_quantiles
from tenor.errors import DataError
from tenor.forecast_table import quantile_column
from tenor.schema import Float64

Predict = Callable[[Float64, int], Any]
"""``predict(closes, horizon)``: adjusted closes [T] up to a session -> what is forecast 1 … horizon sessions ahead."""


def of_function(predict: Predict, *, name: str, levels: Sequence[float] | None = None, context: int = 512) -> Model:
    """A model of a function that is called once for each symbol and session.

    Parameters
    ----------
    predict
        Returns prices [horizon]; or quantiles of the price [horizon, level], in the order of `levels`; or a mapping of
        the columns of a forecast file to arrays [horizon].
    name
        Of the model.
    levels
        Of the quantiles, 0 to 1.
    context
        Closes that it is given, at most.
    """

    def one(window: Window, horizon: int) -> Columns:
        value = predict(window.close, horizon)
        if isinstance(value, Mapping):
            return value
        array = np.asarray(value, dtype="float64")
        if levels is not None:
            if array.shape != (horizon, len(levels)):
                raise DataError(
                    f"{name} gave quantiles of shape {array.shape} at {window.symbol} {window.session:%Y-%m-%d}: "
                    f"it has to be {(horizon, len(levels))}, [horizon, level]."
                )
            return by_quantiles(array, levels)
        return {"price": array}

    return Model(name, lambda windows, horizon: [one(window, horizon) for window in windows], context)


def of_statsforecast(model: Any, *, level: int = 90, context: int = 252) -> Model:
    """A model of statsforecast, as ``AutoETS()`` or ``AutoTheta()``, fitted anew to the closes of each window.

    Parameters
    ----------
    model
        It has ``forecast(y, h, level)``.
    level
        Per cent of its interval.
    context
        Closes that it is fitted to, at most.
    """
    low, high = (1 - level / 100) / 2, (1 + level / 100) / 2

    def predict(close: Float64, horizon: int) -> Columns:
        made = model.forecast(y=close, h=horizon, level=[level])
        columns = {"price": made["mean"]}
        if f"lo-{level}" in made:
            columns |= {quantile_column(round(low, 4)): made[f"lo-{level}"]}
            columns |= {quantile_column(round(high, 4)): made[f"hi-{level}"]}
        return columns

    return of_function(predict, name=str(model), context=context)


def of_arch(*, context: int = 1000, **specification: Any) -> Model:
    """A model of `arch` (by default GARCH(1,1) with a constant mean), fitted anew to the log returns of each window.

    Parameters
    ----------
    context
        Closes that it is fitted to, at most.
    **specification
        What ``arch.arch_model`` takes besides returns, as ``vol="EGARCH"``.
    """
    from arch import arch_model

    # EGARCH and others have no formula for more than one session
    closed = str(specification.get("vol", "GARCH")).upper() in ("GARCH", "ARCH", "HARCH")

    def predict(close: Float64, horizon: int) -> Columns:
        returns = 100 * np.diff(np.log(close))  # in per cent, where its optimiser works best
        built = arch_model(returns, **specification)
        built.distribution = type(built.distribution)(seed=0)  # the same closes, the same forecast
        fitted = built.fit(disp="off", show_warning=False)
        made = fitted.forecast(horizon=horizon, method="analytic" if horizon == 1 or closed else "simulation")
        variance = made.variance.to_numpy()[-1] / 1e4
        mean = made.mean.to_numpy()[-1] / 100
        sessions = np.arange(1, horizon + 1)
        return {"return": np.cumsum(mean), "volatility": np.sqrt(np.cumsum(variance) / sessions)}

    kind = specification.get("vol", "GARCH")
    return of_function(predict, name=f"arch {kind}", context=context)


def of_regressor(regressor: Any, *, lags: int = 20, context: int = 504) -> Model:
    """A regressor with scikit-learn's ``fit`` and ``predict``, fitted anew in each window, for each horizon.

    It forecasts the log return of the next h sessions from the last `lags` daily ones; only returns that were complete
    at the window's end are fitted to.
    """

    def predict(close: Float64, horizon: int) -> Columns:
        price = np.log(close)
        returns = np.diff(price)
        past = np.lib.stride_tricks.sliding_window_view(returns, lags)  # row i: known after close i + lags
        made = np.full(horizon, np.nan)
        for h in range(1, horizon + 1):
            rows = len(past) - h
            if rows > lags:
                ahead = price[lags + h :] - price[lags:-h]
                made[h - 1] = regressor.fit(past[:rows], ahead).predict(past[-1:])[0]
        return {"return": made}

    return of_function(predict, name=type(regressor).__name__, context=context)
