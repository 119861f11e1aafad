"""GARCH, GJR-GARCH with Student's t and EGARCH of each symbol's own returns, estimated once and filtered forward.

Package `arch` estimates the parameters on the training part alone. The recursions of the variance, and of its mean over
the sessions ahead, are written out here: those of `arch` bound the variance by what the whole series holds, later
sessions too. Nothing is simulated, all three have closed forms.

References
----------
Bollerslev (1986), Generalized autoregressive conditional heteroskedasticity, J. Econometrics 31(3).
Glosten, Jagannathan & Runkle (1993), On the relation between the expected value and the volatility of the nominal
excess return on stocks, J. Finance 48(5).
Nelson (1991), Conditional heteroskedasticity in asset returns: a new approach, Econometrica 59(2).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from tenor.engines import Workers, engine_of
from tenor.evaluation.statistical import SymbolProgress
from tenor.schema import Bool, Float64, Panel

GARCH = "GARCH"
GJR = "GJR-GARCH-t"
EGARCH = "EGARCH"
MODELS: dict[str, dict[str, Any]] = {
    GARCH: {"vol": "GARCH", "o": 0, "dist": "normal"},
    GJR: {"vol": "GARCH", "o": 1, "dist": "t"},
    EGARCH: {"vol": "EGARCH", "o": 1, "dist": "normal"},
}
"""What `arch.arch_model` is asked for; p = q = 1 and a constant mean in all of them."""

FEWEST_RETURNS = 250
"""Least number of returns in training; with fewer, no parameters are estimated."""
BOUND = 1e6
"""Variances stay between 1 / `BOUND` and `BOUND` times the variance of the training returns."""
BACKCAST = 75
"""The weighted mean square of this many first returns is the variance before the first of them, as in `arch`."""
_MEAN_ABSOLUTE = math.sqrt(2 / math.pi)


@dataclass(frozen=True)
class Parameters:
    """Parameters of one symbol's model, for the returns divided by `scale`.

    Attributes
    ----------
    mu
        Mean return.
    omega, alpha, gamma, beta
        Of the variance. GARCH and GJR: omega + (alpha + gamma [e < 0]) e² + beta s². EGARCH: the log variance is
        omega + alpha (abs(z) - sqrt(2 / pi)) + gamma z + beta log s², z = e / s.
    backcast
        The variance before the first return.
    scale
        Standard deviation of the returns in training; optimisers work best with numbers around 1.
    """

    mu: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    backcast: float
    scale: float


def fit_garch(
    panel: Panel,
    train: slice,
    names: Sequence[str],
    *,
    workers: Workers = None,
    progress: SymbolProgress | None = None,
) -> dict[str, Float64]:
    """Log of the forecast mean variance of the next h sessions by each of `names`, symbol by symbol.

    Parameters
    ----------
    panel
        Its adjusted closes are all that is used.
    train
        The sessions whose returns the parameters are estimated on.
    names
        Of `MODELS`.
    workers
        Number of processes for the symbols; None means one for each CPU core.
    progress
        Called for every symbol that is done.

    Returns
    -------
    dict of str to array
        Name -> [session, symbol, horizon]; NaN where the symbol did not trade, and throughout for a symbol with fewer
        than `FEWEST_RETURNS` returns in training or whose parameters could not be estimated.
    """
    inside = np.zeros(len(panel.sessions), dtype=bool)
    inside[train] = True
    common = _Common(inside, panel.horizons, tuple(names))
    tasks = [panel.close[:, i].copy() for i in range(len(panel.symbols))]
    by_symbol: list[Float64] = []
    for forecast in engine_of(workers).map(_forecast, tasks, shared=common):
        by_symbol.append(forecast)
        if progress is not None:
            progress(len(by_symbol), len(tasks))
    return dict(zip(names, np.stack(by_symbol, axis=2), strict=True))


@dataclass(frozen=True)
class _Common:
    """What all symbols share: which sessions are training [session], the horizons and the models."""

    train: Bool
    horizons: tuple[int, ...]
    names: tuple[str, ...]


def _forecast(common: _Common, close: Float64) -> Float64:
    """[name, session, horizon] of one symbol, from its adjusted closes [session]."""
    forecasts = np.full((len(common.names), len(close), len(common.horizons)), np.nan)
    rows = np.flatnonzero(np.isfinite(close))
    returns = np.diff(np.log(close[rows]))
    rows = rows[1:]
    for name, forecast in zip(common.names, forecasts, strict=True):
        parameters = estimate(name, returns[common.train[rows]])
        if parameters is not None:
            forecast[rows] = np.log(mean_variance_ahead(name, parameters, returns, common.horizons))
    return forecasts


def estimate(name: str, returns: Float64) -> Parameters | None:
    """The parameters by maximum likelihood; None where there are too few returns, or none that can be filtered with.

    That is where the search does not converge, or ends at an EGARCH whose alpha is not above 0.
    """
    scale = float(returns.std()) if len(returns) >= FEWEST_RETURNS else 0.0
    if not 1e-9 < scale < math.inf:
        return None
    from arch import arch_model  # takes seconds to import

    y = returns / scale
    weights = 0.94 ** np.arange(min(BACKCAST, len(y)))
    backcast = float(weights @ (y - y.mean())[: len(weights)] ** 2 / weights.sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the flag says whether it converged
        try:
            model = arch_model(y, mean="Constant", p=1, q=1, rescale=False, **MODELS[name])
            result = model.fit(disp="off", show_warning=False, backcast=max(backcast, 1 / BOUND))
        except Exception:  # noqa: BLE001 - whatever the optimiser raises, this symbol has no such model
            return None
        values = {key: float(value) for key, value in result.params.items()}
    if result.convergence_flag != 0 or not all(map(math.isfinite, values.values())):
        return None
    if name == EGARCH and values["alpha[1]"] <= 0:
        # a large return would lower the variance and a small one raise it: each error of the filter grows, until it is
        # wrong by a factor of millions within months (such a maximum of the likelihood is found for one stock in ten)
        return None
    return Parameters(
        mu=values["mu"],
        omega=values["omega"],
        alpha=values["alpha[1]"],
        gamma=values.get("gamma[1]", 0.0),
        beta=values["beta[1]"],
        backcast=max(backcast, 1 / BOUND),
        scale=scale,
    )


def mean_variance_ahead(name: str, parameters: Parameters, returns: Float64, horizons: Sequence[int]) -> Float64:
    """The expected mean variance of the h returns that follow each return, known once that return is.

    Parameters
    ----------
    name
        Of `MODELS`.
    parameters
        Fixed; what `estimate` gave.
    returns
        [bar]; log returns.
    horizons
        Bars ahead of each.

    Returns
    -------
    array
        [bar, horizon]; in the units of `returns` squared.
    """
    p = parameters
    residuals = returns / p.scale - p.mu
    steps: list[Float64] = []
    if name == EGARCH:
        logs, growth = _egarch(p, residuals), 0.0
        for step in range(max(horizons)):
            steps.append(np.exp(_bounded(logs + growth)))
            logs = p.omega + p.beta * logs
            # the shock of each session between, damped by beta once a session, adds to the mean of the exponential
            growth += math.log(_mean_exp_shock(p, p.beta**step))
    else:
        variance = _garch(p, residuals)
        for _ in range(max(horizons)):
            steps.append(variance)
            variance = p.omega + (p.alpha + p.gamma / 2 + p.beta) * variance
    totals = np.cumsum(steps, axis=0)
    return np.stack([totals[h - 1] / h for h in horizons], axis=1) * p.scale**2


def _garch(p: Parameters, residuals: Float64) -> Float64:
    """[bar]; the variance of the return after each."""
    variance = p.omega + (p.alpha + p.gamma / 2 + p.beta) * p.backcast
    following = np.empty(len(residuals))
    for t, e in enumerate(residuals.tolist()):
        variance = p.omega + (p.alpha + (p.gamma if e < 0 else 0.0)) * e * e + p.beta * variance
        following[t] = variance = min(max(variance, 1 / BOUND), BOUND)
    return following


def _egarch(p: Parameters, residuals: Float64) -> Float64:
    """[bar]; the log variance of the return after each."""
    most = math.log(BOUND)
    log_variance = p.omega + p.beta * math.log(p.backcast)
    following = np.empty(len(residuals))
    for t, e in enumerate(residuals.tolist()):
        z = e * math.exp(-log_variance / 2)
        log_variance = p.omega + p.alpha * (abs(z) - _MEAN_ABSOLUTE) + p.gamma * z + p.beta * log_variance
        following[t] = log_variance = min(max(log_variance, -most), most)
    return following


def _mean_exp_shock(p: Parameters, damping: float) -> float:
    """E[exp(damping (gamma z + alpha (abs(z) - sqrt(2 / pi))))] of a standard normal z (Nelson 1991, appendix)."""
    # shocks beyond these limits belong to no stock: the bounds on the variance take over
    alpha, gamma = (min(max(damping * each, -5.0), 5.0) for each in (p.alpha, p.gamma))
    up, down = alpha + gamma, alpha - gamma
    both = math.exp(up**2 / 2) * float(ndtr(up)) + math.exp(down**2 / 2) * float(ndtr(down))
    return math.exp(-alpha * _MEAN_ABSOLUTE) * both


def _bounded(log_variance: Float64) -> Float64:
    most = math.log(BOUND)
    return np.clip(log_variance, -most, most)
