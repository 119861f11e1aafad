"""Realised utility of volatility forecasts for an investor who holds each symbol at constant risk, in bps a year.

It is computed symbol by symbol, without correlations (`tenor.evaluation.volatility_targeting` has portfolios). Models
are compared with the first one: differences are the other model's value minus the first one's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tenor import metrics
from tenor.errors import ConfigError
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.significance import HypothesisTest, holm, mean_by_day, mean_test
from tenor.evaluation.volatility_targeting import above_zero
from tenor.schema import Float32, Float64, Panel
from tenor.storage.files import json_values


@dataclass(frozen=True)
class RealisedUtility:
    """Realised utility of each model's variance forecasts for an investor who holds every symbol at constant risk.

    Attributes
    ----------
    horizon
        Sessions ahead.
    sharpe
        Annual Sharpe ratio that the investor expects of every symbol at all times.
    risk_aversion
        Risk aversion of the investor.
    cells
        Number of cells that count: those with a realised variance and a forecast of all models.
    utility
        By model, in basis points a year: the mean over days of the daily mean, with its 95 % interval.
    differences
        By model except the first, in basis points a year: utility minus that of the first, tested by day.
    holm
        The p-values of `differences` adjusted for their number.
    """

    horizon: int
    sharpe: float
    risk_aversion: float
    cells: int
    utility: dict[str, ConfidenceInterval]
    differences: dict[str, HypothesisTest]
    holm: dict[str, float]

    @property
    def most(self) -> float:
        """The utility of a perfect forecast, basis points a year: half of sharpe² / risk aversion."""
        return 1e4 * self.sharpe**2 / (2 * self.risk_aversion)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        plain: dict[str, Any] = json_values({**self.__dict__, "most": self.most})
        return plain


def utility(
    variance_forecast: ArrayLike, realised_variance: ArrayLike, *, sharpe: float = 0.4, risk_aversion: float = 2.0
) -> Float64:
    """Realised utility in basis points a year: 1e4 sharpe² / risk aversion (sqrt(x) - x / 2), x = realised / forecast.

    The investor who expects a return of `sharpe` times the volatility holds the share (sharpe / risk aversion) /
    forecast volatility, and so has a volatility of sharpe / risk aversion if the forecast is right. The utility is
    largest at x = 1.

    Parameters
    ----------
    variance_forecast, realised_variance
        Arrays of one shape, both for the same period.
    sharpe
        Annual Sharpe ratio.
    risk_aversion
        Risk aversion of the mean-variance investor.

    Returns
    -------
    array
        The shape of the input; NaN if a variance is not known or a forecast is not above 0.

    References
    ----------
    Bollerslev, Hood, Huss & Pedersen (2018), Risk everywhere: modeling and managing volatility, Review of Financial
    Studies 31(7).

    Examples
    --------
    >>> utility([0.04, 0.04, 0.01], [0.04, 0.01, 0.04]).round(9).tolist()
    [400.0, 300.0, 0.0]
    """
    x = metrics.ratio(realised_variance, variance_forecast)
    return np.asarray(1e4 * sharpe**2 / risk_aversion * (np.sqrt(x) - x / 2))


def realised_utility(
    panel: Panel,
    rows: slice,
    variance_forecast: Mapping[str, Float32],
    horizon: int,
    *,
    sharpe: float = 0.4,
    risk_aversion: float = 2.0,
) -> RealisedUtility:
    """The realised `utility` of several models' forecasts on the same cells, and the differences to the first model.

    Parameters
    ----------
    panel
        The panel that was predicted; its `log_variance` has the realised values.
    rows
        Sessions to evaluate, as a slice of the panel's session axis.
    variance_forecast
        By model, [session, symbol, horizon] over the whole panel; forecast mean variance of one session over the
        horizon, that is the square of `Risk.volatility`; NaN if there is none.
    horizon
        Sessions ahead.
    sharpe
        Annual Sharpe ratio that the investor expects of every symbol at all times.
    risk_aversion
        Risk aversion of the mean-variance investor.

    Returns
    -------
    RealisedUtility
        Utilities and differences, in basis points a year.

    Raises
    ------
    ConfigError
        The Sharpe ratio or the risk aversion is not above 0.
    DataError
        There are no forecasts, their shape is not that of the panel, or the panel does not have the horizon.
    """
    for what, value in (("Sharpe ratio", sharpe), ("risk aversion", risk_aversion)):
        if not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"a {what} of {value} is not possible: give a number above 0.")
    k = panel.horizon_index(horizon)
    log_variance = panel.log_variance[rows, :, k].astype("float64")
    usable = above_zero(variance_forecast, panel.log_variance.shape)[rows, :, k]
    counts = usable & np.isfinite(log_variance)
    days = counts.any(axis=1)
    realised = np.exp(np.where(counts, log_variance, np.nan))[days]
    by_day: dict[str, Float64] = {}
    for name, forecast in variance_forecast.items():
        cells = utility(forecast[rows, :, k][days], realised, sharpe=sharpe, risk_aversion=risk_aversion)
        by_day[name] = np.where(counts[days], cells, 0.0).sum(axis=1) / counts[days].sum(axis=1)
    first, *others = by_day
    differences = {name: mean_test(by_day[name] - by_day[first], horizon=horizon) for name in others}
    return RealisedUtility(
        horizon,
        sharpe,
        risk_aversion,
        int(counts.sum()),
        {name: mean_by_day(values[:, None], horizon) for name, values in by_day.items()},
        differences,
        holm({name: test.p for name, test in differences.items()}),
    )
