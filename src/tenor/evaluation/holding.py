"""What a trading rule adds to holding the same symbols."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenor import metrics
from tenor.errors import DataError
from tenor.evaluation.backtest import Backtest
from tenor.evaluation.significance import Difference, drawn_days, resampled
from tenor.evaluation.volatility_targeting import SMALLEST
from tenor.schema import Float64
from tenor.storage.files import json_values


@dataclass(frozen=True)
class AgainstHolding:
    """How a rule differs from buying and holding; each difference is the rule's value minus the holding's.

    Attributes
    ----------
    rule, holding
        The names of the two portfolios.
    annual_return
        Difference of the mean net returns in a year, as a fraction (0.01 is 1 %).
    sharpe
        Difference of the annualised Sharpe ratios.
    max_drawdown
        Difference of the deepest falls, as fractions of the peak; below 0, the rule fell less.
    volatility
        Difference of the annualised standard deviations, as fractions; below 0, the rule had less risk.
    """

    rule: str
    holding: str
    annual_return: Difference
    sharpe: Difference
    max_drawdown: float
    volatility: float

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        plain: dict[str, Any] = json_values(dict(self.__dict__))
        return plain


def against_holding(backtest: Backtest, holding: Backtest, horizon: int = 1) -> AgainstHolding:
    """What a rule added to holding, net of costs: a rule that is always invested in a rising market adds nothing.

    Intervals and p-values come from resampled days, the same days for both portfolios. The return is the arithmetic
    mean, so that it can be compared day by day. A drawdown has no interval: it depends on the order of all sessions,
    which resampling does not keep.

    Parameters
    ----------
    backtest
        The portfolio of the rule.
    holding
        The portfolio of holding, such as `buy_and_hold`, on the same sessions and at the same costs.
    horizon
        Sessions ahead of the forecasts that the rule follows.

    Raises
    ------
    DataError
        The two portfolios do not have the same sessions.
    """
    if not backtest.sessions.equals(holding.sessions) or backtest.calendar != holding.calendar:
        raise DataError(
            f"{backtest.name} has {len(backtest.sessions)} sessions of {backtest.calendar}, {holding.name} "
            f"{len(holding.sessions)} of {holding.calendar}: simulate both on the same rows."
        )
    ours, theirs, year = backtest.returns, holding.returns, backtest.year
    days = len(ours)
    drawn, block = drawn_days(days, horizon=horizon)
    as_they_are = np.ones((1, days))

    def gain(weights: Float64) -> Float64:
        mean: Float64 = weights @ (ours - theirs) / days
        return mean * year

    def sharper(weights: Float64) -> Float64:
        return (_sharpe(ours, weights) - _sharpe(theirs, weights)) * math.sqrt(year)

    annual_return, sharpe = (
        resampled(float(measure(as_they_are)[0]), measure(drawn), days=days, block=block) for measure in (gain, sharper)
    )
    return AgainstHolding(
        backtest.name,
        holding.name,
        annual_return,
        sharpe,
        backtest.max_drawdown - holding.max_drawdown,
        backtest.volatility - holding.volatility,
    )


def sharpe_interval(backtest: Backtest, horizon: int = 1) -> Difference:
    """The annualised Sharpe ratio of `backtest`, its 95 % interval from resampled days, and the p-value of zero.

    Parameters
    ----------
    backtest
        Whose net returns are resampled; with too few days for that the bounds are NaN.
    horizon
        Sessions ahead of the forecasts that it follows.
    """
    returns, days = backtest.returns, len(backtest.returns)
    drawn, block = drawn_days(days, horizon=horizon)
    value, draws = (_sharpe(returns, weights) * math.sqrt(backtest.year) for weights in (np.ones((1, days)), drawn))
    return resampled(float(value[0]), draws, days=days, block=block)


def _sharpe(returns: Float64, drawn: Float64) -> Float64:
    """[resample]; Sharpe ratio of a session on resampled days; NaN where the returns never move."""
    days = len(returns)
    deviations = returns - returns.mean()  # small numbers, whose squares keep their digits
    mean = drawn @ deviations / days
    variance = np.maximum(drawn @ deviations**2 - days * mean**2, 0.0) / max(days - 1, 1)
    spread = np.sqrt(variance)
    return metrics.ratio(returns.mean() + mean, np.where(spread > SMALLEST, spread, 0.0))
