"""Volatility targeting: how well volatility forecasts keep the risk of a portfolio at a target.

`target_volatility` holds every available symbol in inverse proportion to its forecast volatility, scaled so that the
forecast volatility of the portfolio equals the target. All models use the same correlation, so that portfolios differ
only by the volatility forecasts. Models are compared with the first one: differences are the other model's value minus
the first one's.
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
"""Target annual volatility, a share."""
CAP = 2.0
"""Largest leverage, that is the sum of the weights."""
MEMORY = 250
"""Number of sessions of returns for estimating the average correlation."""
FEWEST = 60
"""Least number of returns in those sessions for a symbol to enter the correlation."""
MONTH = 21
"""Number of sessions in a window of monthly realised volatility."""
LEAST = 1e-4
"""Lower bound of a squared return, as a share of the target variance: the log of a zero return would be infinite."""
SMALLEST = 1e-12
"""A smaller standard deviation counts as rounding."""


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
        Target annual volatility, a share.
    cap
        Most leverage.
    """

    backtest: Backtest
    weights: Float64
    target: float
    cap: float

    @property
    def held(self) -> Float64:
        """[session - 2]; simple returns net of costs, without the session of the first fill, held only in part."""
        return self.backtest.returns[1:]

    @property
    def volatility(self) -> float:
        """Realised volatility: the annualised standard deviation of `held`; NaN for fewer than two returns."""
        return float(self.held.std(ddof=1)) * math.sqrt(self.backtest.year) if len(self.held) > 1 else math.nan

    @property
    def ratio(self) -> float:
        """`volatility` divided by `target`; above 1, the forecasts were too low."""
        return self.volatility / self.target

    @property
    def monthly_volatility(self) -> Float64:
        """[window]; root mean square of `held` in each whole window of `MONTH` sessions, annualised."""
        windows = self.held[: len(self.held) // MONTH * MONTH].reshape(-1, MONTH)
        return np.asarray(np.sqrt((windows**2).mean(axis=1) * self.backtest.year))

    @property
    def monthly_variation(self) -> float:
        """Coefficient of variation of `monthly_volatility`: 0 means constant risk; NaN for fewer than two months.

        If the true volatility is constant, it is about 1 / sqrt(2 * 21) = .15 for normal returns, from sampling alone.
        """
        months = self.monthly_volatility
        return float(metrics.ratio(months.std(ddof=1), months.mean())) if len(months) > 1 else math.nan

    @property
    def leverage(self) -> float:
        """Mean sum of the weights over the sessions whose weights were filled."""
        return float(self.weights[:-1].sum(axis=1).mean())

    @property
    def capped(self) -> float:
        """Share of these sessions in which the leverage was limited by `cap`."""
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
        Target annual volatility, a share.
    cap
        Most leverage.
    cost
        Cost in basis points of the money traded.
    correlation
        [session]; average correlation of the portfolio's symbols, as known after the close.
    portfolios
        Portfolios by model, in the order given.
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
    under v and c is then d². If the weights sum to more than `cap`, all are scaled down by the same factor. Cash and
    loans bear no interest. Symbols are available if all models have a forecast.

    Weights that are decided after a close are filled in the next session. With fills at the open, a position is held
    from open to open, while a forecast for the next session is from close to close: the overnight return after the
    decision belongs to the previous position.

    Parameters
    ----------
    panel
        The panel that was predicted. Up to 250 sessions before `rows` are used for the correlation.
    rows
        Sessions to trade on, as a slice of the panel's session axis.
    volatility
        By model, [session, symbol] over the whole panel; forecast standard deviation of the return of one session, made
        after the close of the row's session; NaN if there is none.
    target
        Target annual volatility, a share.
    cost
        Cost in basis points of the money traded, >= 0.
    cap
        Most leverage.
    fill
        The price of the next session at which orders are filled, open or close.

    Returns
    -------
    VolatilityTargeting
        The portfolios of all models.

    Raises
    ------
    ConfigError
        The target or the cap is not above 0, or the cost is below 0.
    HistoryError
        There are fewer than two sessions.
    DataError
        There are no forecasts, or their shape is not that of the panel.

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
        [session, symbol]; forecast volatility of one session, above 0 where `available`.
    available
        [session, symbol]; whether the symbol can be held.
    correlation
        [session]; average over pairs of symbols, within 0..1.
    target
        Target volatility of one session, in the unit of `volatility`.
    cap
        Largest sum of the weights of a session.

    Returns
    -------
    array
        [session, symbol]; shares of the equity.
    """
    n = np.maximum(available.sum(axis=1), 1)
    together = np.sqrt((1 + (n - 1) * correlation) / n)  # the portfolio's volatility divided by that of its symbols
    weights: Float64 = available * (target / np.where(available, volatility, 1.0)) / (n * together)[:, None]
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(weights * (cap / np.maximum(total, cap)))


def average_correlation(close: Float64, available: Bool, start: int, *, memory: int = MEMORY) -> Float64:
    """The mean correlation of the available symbols' returns over the last `memory` sessions, as known at each session.

    Each symbol's log returns are standardised over those sessions; the correlation is the mean product over all pairs
    and sessions with both returns known; without gaps, this is the mean of the off-diagonal correlations. It is at
    least 0, so that weights do not rely on hedges, and 1, which gives the smallest weights, if no pair has `FEWEST`
    returns each.

    If volatilities change over time, the correlation of returns is lower than that of returns divided by their
    volatility, which the weights would need: even with right volatility forecasts, the realised risk is then somewhat
    above its target, for all models in the same way.

    Parameters
    ----------
    close
        [session, symbol]; adjusted closes of the whole panel, NaN if the symbol did not trade.
    available
        [session, symbol], from session `start` on; whether the symbol can be held.
    start
        Index, on the session axis of `close`, of the first session to compute a correlation for.
    memory
        Number of sessions in the rolling window, including the last one.

    Returns
    -------
    array
        [session]; one correlation for each row of `available`.
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
    # the square of a sum minus the sum of squares is the sum of the products of all pairs, each twice
    products = float((standard.sum(axis=1) ** 2 - (standard**2).sum(axis=1)).sum())
    return min(1.0, max(0.0, products / pairs))


def above_zero(forecasts: Mapping[str, Any], shape: tuple[int, ...]) -> Bool:
    """Where all `forecasts` are finite and above 0."""
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
    """Comparison of one model's portfolio with the first model's; differences are its value minus the first one's.

    Attributes
    ----------
    loss
        Difference of `targeting_loss`; below 0, this portfolio's risk was closer to the target.
    loss_holm
        P-value of `loss`, adjusted for the number of models.
    annual_return
        Difference of the mean net annual return, a share.
    annual_return_holm
        P-value of `annual_return`, adjusted for the number of models.
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
    """Compare the portfolio of each other model with that of the first, with tests by day.

    Parameters
    ----------
    targeting
        The result of `target_volatility`.
    horizon
        Horizon of the forecasts, in sessions ahead.

    Returns
    -------
    dict
        The comparison by model, without the first one.
    """
    (_, first), *others = targeting.portfolios.items()
    reference = targeting_loss(first)
    losses = {name: mean_test(targeting_loss(one) - reference, horizon=horizon) for name, one in others}
    year = first.backtest.year
    gains = {name: mean_test((one.held - first.held) * year, horizon=horizon) for name, one in others}
    by_loss, by_gain = (holm({name: test.p for name, test in tests.items()}) for tests in (losses, gains))
    return {name: TargetingDifference(losses[name], by_loss[name], gains[name], by_gain[name]) for name, _ in others}


def targeting_loss(portfolio: TargetedPortfolio) -> Float64:
    """[session - 2]; QLIKE of the target variance given each session's squared return; lowest at the right risk.

    With x = squared return / target variance it is x - log(x) - 1. If the true variance is v times the target, its
    expectation is v - log(v) + a constant, which is minimal at v = 1, whatever the distribution. The squared deviation
    (x - 1)² is not suitable: its expectation k v² - 2 v + 1, with k the kurtosis of the returns, is minimal at
    v = 1 / k, so that it prefers portfolios with a third of the target variance. x is at least `LEAST`.
    """
    daily = portfolio.target**2 / portfolio.backtest.year
    squared = np.maximum(portfolio.held**2, LEAST * daily)
    return qlike(np.full(len(squared), daily), squared)
