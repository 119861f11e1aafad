"""A panel whose volatility is known, and forecasts of it, for tests that judge forecasts of risk."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from panels import panel_of

from tenor.distribution import Risk, Shape
from tenor.evaluation.walkforward import WalkForward
from tenor.schema import Float32, Float64, Panel, Predictions
from tenor.variance import log_mean_ahead

STAYS = 0.97
"""Of the deviation of the log variance from its mean, from one session to the next."""
MEAN, SHOCK = float(np.log(0.015**2)), 0.3


def simulated_risk(
    sessions: int = 420, symbols: int = 6, *, horizons: tuple[int, ...] = (1, 5), seed: int = 0
) -> tuple[Panel, Float32]:
    """A panel, and the log of the true mean variance of the next h sessions, [session, symbol, horizon].

    The log variance is an AR(1) process, half of its shocks shared by all symbols; returns are normal, correlated by
    0.3. What is realised of the variance is as noisy as a range is: chi-squared with 10 degrees of freedom.
    """
    rng = np.random.default_rng(seed)
    shape = (sessions, symbols)
    away = np.zeros((sessions + 1, symbols))
    for t in range(1, sessions + 1):
        away[t] = STAYS * away[t - 1] + SHOCK * (0.7 * rng.normal() + 0.7 * rng.normal(size=symbols))
    log_variance = MEAN + away  # of session t; that of t + 1 is known at the close of t
    noise = np.sqrt(0.3) * rng.normal(size=(sessions, 1)) + np.sqrt(0.7) * rng.normal(size=shape)
    daily = np.exp(log_variance[:-1] / 2) * noise
    panel = panel_of(daily, volatility=np.exp(log_variance[1:] / 2), gap=-daily, horizons=horizons)
    variance = np.exp(log_variance[:-1]) * rng.chisquare(10, shape) / 10
    panel = replace(panel, variance=variance, log_variance=log_mean_ahead(variance, panel.close, horizons))
    return panel, np.stack([np.log(_ahead(away[1:], h)) for h in horizons], axis=2).astype("float32")


def _ahead(away: Float64, horizon: int) -> Float64:
    """The expected mean variance of `horizon` sessions, of which the first deviates by `away`."""
    steps = np.arange(horizon)
    spread = SHOCK**2 * 2 * 0.7**2 * np.array([(STAYS ** (2 * np.arange(k))).sum() for k in steps])
    total: Float64 = sum(np.exp(MEAN + STAYS**k * away + spread[k] / 2) for k in steps)
    return total / horizon


def normal_risk(log_variance: Any, horizons: tuple[int, ...] = (1, 5)) -> Risk:
    """The forecasts as they are, with normal returns."""
    nothing = np.zeros(0)
    return Risk.of(np.asarray(log_variance, "float32"), [Shape.fit(nothing, nothing, nothing, h) for h in horizons])


def walked(panel: Panel, risks: dict[str, Risk], rows: slice, adaptive: Risk | None = None) -> WalkForward:
    """A walk-forward whose networks forecast `risks`, the first of them with `adaptive` intervals as well."""
    zeros = np.zeros_like(panel.targets)
    mask = np.zeros_like(panel.mask)
    mask[rows] = panel.mask[rows]
    predictions = {name: Predictions(name, zeros, zeros + 0.5, risk=risk) for name, risk in risks.items()}
    served = None if adaptive is None else replace(next(iter(predictions.values())), risk=adaptive)
    return WalkForward((), predictions, {}, served, rows, mask, "")
