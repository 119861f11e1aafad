"""What a volatility forecast is worth to an investor: how steady it keeps a portfolio's risk.

`target_volatility` holds every available symbol in inverse proportion to its forecast volatility, so much of all that
the portfolio's forecast volatility is a given one. The correlation in it is the same for all models, so that portfolios
differ by the volatility forecasts alone. Models are compared with the first one named: differences are the other's less
the first's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenor import metrics
from tenor.calendars import exchange
from tenor.errors import ConfigError, DataError, HistoryError
from tenor.evaluation.backtest import Backtest, Fill, simulate
from tenor.evaluation.risk_metrics import qlike
from tenor.evaluation.significance import (
    HypothesisTest,
    holm,
    mean_test,
)
from tenor.schema import Bool, Float32, Float64, Panel
from tenor.storage.files import json_values

TARGET = 0.10
"""Annual volatility aimed at, a share."""
CAP = 2.0
"""Most leverage: the sum of the weights."""
MEMORY = 250
"""Sessions of returns that the average correlation is estimated from."""
FEWEST = 60
"""Returns in those sessions below which a symbol does not count for the correlation."""
MONTH = 21
"""Sessions in a window of monthly realised volatility."""
LEAST = 1e-4
"""Least squared return of a session as a share of the target variance: the logarithm of no move at all is infinite."""
SMALLEST = 1e-12
"""A standard deviation below it is rounding."""


@dataclass(frozen=True)
class TargetedPortfolio:
    """The portfolio of one model's volatility forecasts.

    Attributes
    ----------
    backtest
        Its equity, net of costs.
    weights
        [session, symbol]; shares of the equity, decided after the close of the session.
    target
        Annual volatility aimed at, a share.
    cap
        Most leverage.
    """

    backtest: Backtest
    weights: Float64
    target: float
    cap: float

    @property
    def held(self) -> Float64:
        """[session - 2]; simple returns net of costs, without the session of the first fill, held in part only."""
        return self.backtest.returns[1:]

    @property
    def volatility(self) -> float:
        """Realised: the standard deviation of `held`, annualised; NaN for fewer than two."""
        return float(self.held.std(ddof=1)) * math.sqrt(self.backtest.year) if len(self.held) > 1 else math.nan

    @property
    def ratio(self) -> float:
        """`volatility` over `target`; above 1 the forecasts were too low."""
        return self.volatility / self.target

    @property
    def monthly_volatility(self) -> Float64:
        """[window]; root mean square of `held` in each whole window of `MONTH` sessions, annualised."""
        windows = self.held[: len(self.held) // MONTH * MONTH].reshape(-1, MONTH)
        return np.asarray(np.sqrt((windows**2).mean(axis=1) * self.backtest.year))

    @property
    def monthly_variation(self) -> float:
        """Coefficient of variation of `monthly_volatility`: 0 is risk that never changes; NaN for fewer than two.

        Under the right constant volatility it is about 1 / sqrt(2 * 21) = .15 for normal returns, from sampling alone.
        """
        months = self.monthly_volatility
        return float(metrics.ratio(months.std(ddof=1), months.mean())) if len(months) > 1 else math.nan

    @property
    def leverage(self) -> float:
        """Mean sum of the weights over the sessions whose decision was filled."""
        return float(self.weights[:-1].sum(axis=1).mean())

    @property
    def capped(self) -> float:
        """Share of those sessions on which the leverage was held down to `cap`."""
        return float((self.weights[:-1].sum(axis=1) >= self.cap * (1 - 1e-9)).mean())

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        summary = {
            "volatility": self.volatility,
            "ratio": self.ratio,
            "monthly_variation": self.monthly_variation,
            "max_drawdown": self.backtest.max_drawdown,
            "mean_turnover": self.backtest.mean_turnover,
            "sharpe": self.backtest.sharpe,
            "annual_return": self.backtest.annual_return,
            "leverage": self.leverage,
            "capped": self.capped,
        }
        plain: dict[str, Any] = json_values({**summary, "equity": self.backtest.equity.tolist()})
        return plain


@dataclass(frozen=True)
class VolatilityTargeting:
    """Portfolios of several models' volatility forecasts, on the same symbols with the same correlation.

    Attributes
    ----------
    target
        Annual volatility aimed at, a share.
    cap
        Most leverage.
    cost
        Cost in basis points of the money traded.
    correlation
        [session]; average correlation of the portfolio's symbols as known after the close.
    portfolios
        By model, in the order given.
    """

    target: float
    cap: float
    cost: float
    correlation: Float64
    portfolios: dict[str, TargetedPortfolio]

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        sessions = next(iter(self.portfolios.values())).backtest.sessions
        return {
            "target": self.target,
            "cap": self.cap,
            "cost_bps": self.cost,
            "sessions": [f"{s:%Y-%m-%d}" for s in sessions],
            "correlation": self.correlation.tolist(),
            "portfolios": json_values(self.portfolios),
        }


def target_volatility(
    panel: Panel,
    rows: slice,
    volatility: Mapping[str, Float32],
    *,
    target: float = TARGET,
    cost: float = 10.0,
    cap: float = CAP,
    fill: Fill = "open",
) -> VolatilityTargeting:
    """Hold 1/n in each of n symbols, scaled so that the forecast volatility of the portfolio is `target`.

    The weight of symbol i is (1/n) (d / v_i) / sqrt((1 + (n - 1) c) / n), where d is the target of one session, v_i the
    forecast volatility and c the average correlation (`average_correlation`); the forecast variance of the portfolio
    under v and c is then d². Where the weights sum to more than `cap`, all are scaled down alike. Cash and loans bear
    no interest. Available are the symbols of which all models have a forecast.

    What is decided after a close is filled in the next session. At its open, a position is held from open to open,
    while a forecast of the next session runs from close to close: the gap after the decision belongs to the position
    before it.

    Parameters
    ----------
    panel
        The panel that was predicted. 250 sessions before `rows` are used for the correlation, as far as they are there.
    rows
        Sessions to trade on, as places on the panel's session axis.
    volatility
        By model, [session, symbol] over the whole panel; forecast standard deviation of the return of one session, made
        after the close of the row's session; NaN where there is none.
    target
        Annual volatility, a share.
    cost
        Cost in basis points of the money traded, >= 0.
    cap
        Most leverage.
    fill
        At which of the next session's prices.

    Raises
    ------
    ConfigError
        The target or the cap is not above 0, or the cost is below 0.
    HistoryError
        Fewer than two sessions.
    DataError
        No forecasts, or forecasts that are not of this panel's shape.

    References
    ----------
    Harvey, Hoyle, Korgaonkar, Rattray, Sargaison & Van Hemert (2018), The impact of volatility targeting, Journal of
    Portfolio Management 45(1).
    """
    for name, value in (("target volatility", target), ("cap on leverage", cap)):
        if not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"a {name} of {value} is not possible: give a number above 0.")
    if not (cost >= 0 and math.isfinite(cost)):
        raise ConfigError(f"a cost of {cost} bps is not possible: give 0 or more.")
    start, stop, _ = rows.indices(len(panel.sessions))
    if stop - start < 2:
        raise HistoryError(f"a portfolio needs at least 2 sessions, the given rows have {max(stop - start, 0)}.")
    available = panel.mask[start:stop] & above_zero(volatility, panel.mask.shape)[start:stop]
    correlation = average_correlation(panel.close, available, start)
    daily = target / math.sqrt(exchange(panel.calendar).sessions_per_year)
    part = panel.between(start, stop)
    portfolios = {}
    for name, forecast in volatility.items():
        weights = weights_at_target(np.asarray(forecast[start:stop], "float64"), available, correlation, daily, cap)
        portfolios[name] = TargetedPortfolio(
            simulate(name, part, weights, cost=cost, fill=fill), weights, target=target, cap=cap
        )
    return VolatilityTargeting(target, cap, cost, correlation, portfolios)


def weights_at_target(volatility: Float64, available: Bool, correlation: Float64, target: float, cap: float) -> Float64:
    """The weights [session, symbol] of `target_volatility`, 0 for symbols that are not available.

    Parameters
    ----------
    volatility
        [session, symbol]; forecast of one session, above 0 where `available`.
    available
        [session, symbol].
    correlation
        [session]; average over pairs of symbols, within 0..1.
    target
        Volatility of one session aimed at, in the unit of `volatility`.
    cap
        Most that the weights of a session may sum to.
    """
    n = np.maximum(available.sum(axis=1), 1)
    together = np.sqrt((1 + (n - 1) * correlation) / n)  # the portfolio's volatility over that of its symbols
    weights: Float64 = available * (target / np.where(available, volatility, 1.0)) / (n * together)[:, None]
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(weights * (cap / np.maximum(total, cap)))


def average_correlation(close: Float64, available: Bool, start: int, *, memory: int = MEMORY) -> Float64:
    """The mean correlation of the available symbols' returns over the last `memory` sessions, as known at each session.

    Each symbol's log returns are standardised over those sessions; the correlation is the mean product over all pairs
    and sessions of which both returns are known, which without gaps is the mean of the off-diagonal correlations. At
    least 0, so that nobody relies on hedges; 1, which holds least, where no pair has `FEWEST` returns each.

    Volatilities that move apart make the correlation of returns lower than that of returns over their own volatility,
    which the weights would need: with right volatilities the realised risk is then somewhat above its target, for all
    models alike.

    Parameters
    ----------
    close
        [session, symbol]; adjusted closes of the whole panel, NaN where the symbol did not trade.
    available
        [session, symbol], from session `start` on.
    start
        The first session that a correlation is wanted for, as a place on the session axis of `close`.
    memory
        Sessions looked back, the last one included.

    Returns
    -------
    array
        [session], one for each row of `available`.
    """
    log_close = np.log(close)
    returns = np.full(close.shape, np.nan)
    returns[1:] = log_close[1:] - log_close[:-1]
    return np.array(
        [
            _mean_correlation(returns[max(0, t + 1 - memory) : t + 1][:, chosen])
            for t, chosen in enumerate(available, start)
        ]
    )


def _mean_correlation(returns: Float64) -> float:
    known = np.isfinite(returns)
    counts = known.sum(axis=0)
    deviations = np.where(known, returns - metrics.ratio(np.where(known, returns, 0.0).sum(axis=0), counts), 0.0)
    spread = np.sqrt(metrics.ratio((deviations**2).sum(axis=0), counts))
    enough = (counts >= FEWEST) & (spread > SMALLEST)
    standard = deviations[:, enough] / spread[enough]
    together = known[:, enough].sum(axis=1)
    pairs = float((together * (together - 1)).sum())
    if not pairs:
        return 1.0
    # the square of a sum less the sum of squares is every product of two different symbols, twice
    products = float((standard.sum(axis=1) ** 2 - (standard**2).sum(axis=1)).sum())
    return min(1.0, max(0.0, products / pairs))


def above_zero(forecasts: Mapping[str, Any], shape: tuple[int, ...]) -> Bool:
    """Where every one of `forecasts` is finite and above 0."""
    if not forecasts:
        raise DataError("no forecasts were given: name at least one model's.")
    usable = np.ones(shape, dtype=bool)
    for name, forecast in forecasts.items():
        values = np.asarray(forecast)
        if values.shape != shape:
            raise DataError(
                f"the forecasts of {name} have shape {values.shape}, the panel {shape}: predict this panel."
            )
        usable &= np.isfinite(values) & (values > 0)
    return usable


@dataclass(frozen=True)
class TargetingDifference:
    """How one model's portfolio differs from the first model's; differences are this one's less the first's.

    Attributes
    ----------
    loss
        Of `targeting_loss`; below 0, this portfolio's risk was closer to the target.
    loss_holm
        The p-value of `loss` adjusted for the number of models.
    annual_return
        Mean net return, a share a year.
    annual_return_holm
        The p-value of `annual_return` adjusted for the number of models.
    """

    loss: HypothesisTest
    loss_holm: float
    annual_return: HypothesisTest
    annual_return_holm: float

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        plain: dict[str, Any] = json_values(dict(self.__dict__))
        return plain


def compare(targeting: VolatilityTargeting, *, horizon: int = 1) -> dict[str, TargetingDifference]:
    """Each other model's portfolio against the first one's, tested by day.

    Parameters
    ----------
    targeting
        What `target_volatility` gave.
    horizon
        Sessions ahead of the forecasts.

    Returns
    -------
    dict
        By model, without the first one.
    """
    (_, first), *others = targeting.portfolios.items()
    reference = targeting_loss(first)
    losses = {name: mean_test(targeting_loss(one) - reference, horizon=horizon) for name, one in others}
    year = first.backtest.year
    gains = {name: mean_test((one.held - first.held) * year, horizon=horizon) for name, one in others}
    by_loss, by_gain = (holm({name: test.p for name, test in tests.items()}) for tests in (losses, gains))
    return {name: TargetingDifference(losses[name], by_loss[name], gains[name], by_gain[name]) for name, _ in others}


def targeting_loss(portfolio: TargetedPortfolio) -> Float64:
    """[session - 2]; QLIKE of the target variance given each session's squared return, least at the right risk.

    With x = squared return / target variance it is x - log(x) - 1. If the variance truly run is v times the target, its
    expectation is v - log(v) + a constant, which is least at v = 1, whatever the distribution. The squared deviation
    (x - 1)² will not do: its expectation k v² - 2 v + 1, k being the returns' kurtosis, is least at v = 1 / k, so that
    it prefers whoever runs a third of the risk aimed at. x is at least `LEAST`.
    """
    daily = portfolio.target**2 / portfolio.backtest.year
    squared = np.maximum(portfolio.held**2, LEAST * daily)
    return qlike(np.full(len(squared), daily), squared)
