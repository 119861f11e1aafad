"""Models of the user: a function of closes, and models of statsforecast, `arch` and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tenor.adapters.rolling import Columns, Model, Window, by_quantiles
from tenor.errors import DataError
from tenor.forecast_table import quantile_column
from tenor.schema import Float64

Predict = Callable[[Float64, int], Any]
"""``predict(closes, horizon)``: forecasts 1 to `horizon` sessions ahead from adjusted closes [T] up to a session."""


def of_function(predict: Predict, *, name: str, levels: Sequence[float] | None = None, context: int = 512) -> Model:
    """Make a model of a function, which is called once for each symbol and session.

    Parameters
    ----------
    predict
        Returns prices [horizon]; or quantiles of the price [horizon, level], in the order of `levels`; or a mapping of
        the columns of a forecast file to arrays [horizon].
    name
        Name of the model.
    levels
        Levels of the quantiles, between 0 and 1.
    context
        Largest number of closes passed to `predict`.

    Returns
    -------
    Model
        A model for `roll` or `write`.
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
    """Make a model of statsforecast, such as ``AutoETS()`` or ``AutoTheta()``, that is refitted to each window.

    Parameters
    ----------
    model
        A model with the method ``forecast(y, h, level)``.
    level
        Nominal coverage of its interval, in per cent.
    context
        Largest number of closes that it is fitted to.

    Returns
    -------
    Model
        A model for `roll` or `write`.
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
    """Make a model of `arch` (by default GARCH(1,1) with a constant mean), refitted to the log returns of each window.

    Parameters
    ----------
    context
        Largest number of closes that it is fitted to.
    **specification
        Arguments of ``arch.arch_model`` besides the returns, such as ``vol="EGARCH"``.

    Returns
    -------
    Model
        A model for `roll` or `write`.
    """
    from arch import arch_model

    # EGARCH and others have no analytic forecast for more than one session
    closed = str(specification.get("vol", "GARCH")).upper() in ("GARCH", "ARCH", "HARCH")

    def predict(close: Float64, horizon: int) -> Columns:
        returns = 100 * np.diff(np.log(close))  # in per cent, the scale on which the optimiser works best
        built = arch_model(returns, **specification)
        built.distribution = type(built.distribution)(seed=0)  # the same closes give the same forecast
        fitted = built.fit(disp="off", show_warning=False)
        made = fitted.forecast(horizon=horizon, method="analytic" if horizon == 1 or closed else "simulation")
        variance = made.variance.to_numpy()[-1] / 1e4
        mean = made.mean.to_numpy()[-1] / 100
        sessions = np.arange(1, horizon + 1)
        return {"return": np.cumsum(mean), "volatility": np.sqrt(np.cumsum(variance) / sessions)}

    kind = specification.get("vol", "GARCH")
    return of_function(predict, name=f"arch {kind}", context=context)


def of_regressor(regressor: Any, *, lags: int = 20, context: int = 504) -> Model:
    """Make a model of a scikit-learn regressor (``fit`` and ``predict``), refitted in each window for each horizon.

    It forecasts the log return over the next h sessions from the last `lags` daily returns. It is fitted only to
    returns that are complete at the end of the window.

    Parameters
    ----------
    regressor
        An unfitted regressor.
    lags
        Number of daily returns used as inputs.
    context
        Largest number of closes that it is fitted to.

    Returns
    -------
    Model
        A model for `roll` or `write`.
    """

    def predict(close: Float64, horizon: int) -> Columns:
        price = np.log(close)
        returns = np.diff(price)
        past = np.lib.stride_tricks.sliding_window_view(returns, lags)  # row i is known after close i + lags
        made = np.full(horizon, np.nan)
        for h in range(1, horizon + 1):
            rows = len(past) - h
            if rows > lags:
                ahead = price[lags + h :] - price[lags:-h]
                made[h - 1] = regressor.fit(past[:rows], ahead).predict(past[-1:])[0]
        return {"return": made}

    return of_function(predict, name=type(regressor).__name__, context=context)
