"""The forecasts as portfolios: each rule at several costs and fills, and how much of its Sharpe ratio could be luck.

A Sharpe ratio is the mean of simple returns divided by their standard deviation. The functions below work with ratios
for one session; `Sharpe` holds annualised ones, which are larger by the square root of the sessions in a year.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from tenor.evaluation.backtest import FILLS, RULES, Backtest, Fill, Rule, backtest, buy_and_hold
from tenor.evaluation.holding import AgainstHolding, against_holding
from tenor.schema import Float64, Panel, Predictions
from tenor.storage.files import json_values

COSTS = (0.0, 5.0, 10.0, 20.0)
"""Costs in basis points of the money traded."""

HOLD = "buy and hold"

SHORTEST = 20
"""Least number of returns for a ratio; skewness and kurtosis of fewer returns mean nothing."""

SMALLEST = 1e-12
"""A standard deviation below this is only rounding."""


@dataclass(frozen=True)
class Sharpe:
    """An annualised Sharpe ratio and how far it can be trusted; NaN where it is undefined.

    Attributes
    ----------
    value
        The annualised ratio.
    error
        Its standard error, annualised; see `standard_error`.
    trials
        The number of configurations of which it is the best, as far as is known.
    hurdle
        The annualised ratio that the best of so many is expected to reach if all true ratios are zero.
    deflated
        The deflated Sharpe ratio: the probability that the true ratio lies above `hurdle`.
    """

    value: float
    error: float
    trials: int
    hurdle: float
    deflated: float


@dataclass(frozen=True)
class SweepRun:
    """One rule at one cost and fill.

    Attributes
    ----------
    rule, fill
        Their names in `backtest`; `HOLD` is a rule as well.
    cost
        Cost in basis points of the money traded.
    backtest
        The portfolio.
    sharpe
        The Sharpe ratio of its returns net of costs.
    holding
        What the rule added to buying and holding at the same cost and fill; None for buying and holding itself.
    """

    rule: str
    fill: Fill
    cost: float
    backtest: Backtest
    sharpe: Sharpe
    holding: AgainstHolding | None


@dataclass(frozen=True)
class CostSweep:
    """What the forecasts of one model would have earned.

    Attributes
    ----------
    horizon
        Of the forecasts, sessions ahead.
    tried
        Number of configurations from which the model was chosen. Each rule is a trial of its own.
    runs
        The runs in the order of rule, fill and cost; buying and holding comes last.
    """

    horizon: int
    tried: int
    runs: tuple[SweepRun, ...]

    def of(self, rule: str, fill: Fill = "open") -> tuple[SweepRun, ...]:
        """The runs of `rule` at `fill`, by rising cost."""
        return tuple(run for run in self.runs if (run.rule, run.fill) == (rule, fill))

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        return {
            "horizon": self.horizon,
            "tried": self.tried,
            "runs": [
                {
                    "rule": run.rule,
                    "fill": run.fill,
                    **json_values(run.backtest),
                    "sharpe": json_values(run.sharpe),
                    "against_holding": json_values(run.holding),
                }
                for run in self.runs
            ],
        }


def sweep_costs(
    panel: Panel,
    rows: slice,
    predictions: Predictions,
    *,
    horizon: int,
    tried: int = 1,
    costs: Sequence[float] = COSTS,
    rules: Sequence[Rule] = RULES,
) -> CostSweep:
    """Trade the forecasts of `horizon` on `rows` by all rules, at all costs and fills.

    Parameters
    ----------
    panel, rows, predictions, horizon
        As `backtest` takes them.
    tried
        Number of configurations from which the model was chosen, including itself, as far as is known.
    costs
        Cost in basis points of the money traded.
    rules
        Rules of `backtest`.

    Raises
    ------
    ConfigError
        A cost below 0.
    HistoryError
        Fewer than two sessions.
    """
    trials = max(1, tried) * len(rules)
    held = {(fill, cost): buy_and_hold(panel, rows, cost=cost, fill=fill) for fill in FILLS for cost in costs}
    runs = []
    for rule in rules:
        for fill in FILLS:
            for cost in costs:
                run = backtest(panel, rows, predictions, horizon=horizon, rule=rule, cost=cost, fill=fill)
                ratio = sharpe(run.returns, trials=trials, per_year=run.year)
                added = against_holding(run, held[fill, cost], horizon)
                runs.append(SweepRun(rule, fill, cost, run, ratio, added))
    for (fill, cost), run in held.items():
        runs.append(SweepRun(HOLD, fill, cost, run, sharpe(run.returns, per_year=run.year), None))
    return CostSweep(horizon, max(1, tried), tuple(runs))


def sharpe(returns: Float64, *, per_year: float, trials: int = 1) -> Sharpe:
    """The Sharpe ratio of simple `returns`, its error, and its deflation for being the best of `trials`.

    The returns of the other trials are not known. Their ratios are assumed to spread like those of independent trials
    with a true ratio of zero, which is 1 / sqrt(len(returns) - 1) for one session. If the trials resemble each other,
    the true hurdle is lower.

    Parameters
    ----------
    returns
        Simple returns [session].
    per_year
        Sessions in a year.
    trials
        The number of configurations of which it is the best.
    """
    if len(returns) < SHORTEST or float(returns.std()) < SMALLEST:
        return Sharpe(math.nan, math.nan, trials, math.nan, math.nan)
    ratio = float(returns.mean() / returns.std(ddof=1))
    hurdle = expected_best(trials, spread=1 / math.sqrt(len(returns) - 1))
    year = math.sqrt(per_year)
    deflated = probabilistic(
        ratio, hurdle, count=len(returns), skew=float(stats.skew(returns)), kurtosis=float(stats.kurtosis(returns)) + 3
    )
    return Sharpe(ratio * year, standard_error(returns) * year, trials, hurdle * year, deflated)


def standard_error(returns: Float64, *, lags: int | None = None) -> float:
    """Standard error of the Sharpe ratio of `returns`, for one session.

    The delta method over mean and variance with a Newey-West covariance (Lo 2002, "The Statistics of Sharpe Ratios").
    With `lags` 0 it is what Mertens (2002) gives for independent returns of any distribution,
    sqrt((1 - skew SR + (kurtosis - 1) / 4 SR^2) / n); for normal ones sqrt((1 + SR^2 / 2) / n). None takes
    floor(4 (n / 100)^(2/9)) lags.
    """
    n = len(returns)
    if lags is None:
        lags = int(4 * (n / 100) ** (2 / 9))
    # the influence function of mean / sd: how much each return moves the ratio, by the mean and by the variance
    standardised = (returns - returns.mean()) / returns.std()
    influence = standardised - returns.mean() / returns.std() / 2 * (standardised**2 - 1)
    total = float(influence @ influence)
    for lag in range(1, min(lags, n - 1) + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(influence[lag:] @ influence[:-lag])
    return math.sqrt(total) / n


def expected_best(trials: int, *, spread: float) -> float:
    """The expected highest of `trials` Sharpe ratios around zero with standard deviation `spread`; 0 for a single one.

    Bailey and Lopez de Prado 2014, "The Deflated Sharpe Ratio", equation 1.
    """
    if trials < 2:
        return 0.0
    # the mean of the highest of n normals, by its Gumbel limit: a mix of two of their quantiles
    lower = float(stats.norm.ppf(1 - 1 / trials))
    upper = float(stats.norm.ppf(1 - 1 / (trials * math.e)))
    return spread * ((1 - np.euler_gamma) * lower + np.euler_gamma * upper)


def probabilistic(ratio: float, hurdle: float, *, count: int, skew: float, kurtosis: float) -> float:
    """Probability that the true ratio is above `hurdle`; ratios are for one session, `kurtosis` of a normal is 3.

    Bailey and Lopez de Prado 2012, "The Sharpe Ratio Efficient Frontier".
    """
    variance = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return float(stats.norm.cdf((ratio - hurdle) * math.sqrt((count - 1) / max(variance, SMALLEST))))
