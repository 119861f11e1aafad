"""A simple daily backtest of forecasts as a portfolio.

An order decided after the close of session t is filled at the adjusted open, or close, of session t + 1, and can be
changed one session later at the earliest. Equity is valued at closes, so the equity of session t uses prices up to t
and forecasts up to t - 1. Positions are amounts of money; the portfolio is worth 1.0 at the start, and cash earns no
interest. Prices are adjusted, which means that dividends are reinvested.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tenor.calendars import exchange
from tenor.errors import ConfigError, DataError, HistoryError, did_you_mean
from tenor.schema import Bool, Float64, Panel, Predictions, within_days

Rule = Literal["long/flat", "long/short"]
RULES: tuple[Rule, ...] = ("long/flat", "long/short")
Fill = Literal["open", "close"]
FILLS: tuple[Fill, ...] = ("open", "close")
"""The price at which an order is filled, in the session after the decision."""


@dataclass(frozen=True)
class Backtest:
    """An equity curve and what it cost.

    Attributes
    ----------
    name
        Name of the rule.
    cost
        Cost of trading, in basis points of the money traded.
    sessions
        The sessions; the first is that of the first decision.
    equity, gross
        [session]; value of the portfolio at the close, net of costs and without costs; it starts at 1.0. The last
        positions are valued, not sold. It is 0 from the close on at which losses on short positions used up all money.
    turnover
        [session]; sum of |weight after trading - weight before trading| at the fill; selling everything is 1.
    calendar
        The calendar of the sessions; `year` says how many of them it has in a year.
    """

    name: str
    cost: float
    sessions: pd.DatetimeIndex
    equity: Float64
    gross: Float64
    turnover: Float64
    calendar: str

    @property
    def returns(self) -> Float64:
        """[session - 1]; simple returns of each session, net of costs; 0 after all money is lost."""
        before = self.equity[:-1]
        return np.where(before > 0, np.diff(self.equity) / np.where(before > 0, before, 1.0), 0.0)

    def to_returns(self) -> pd.Series[float]:
        """The net simple return of each day, as quantstats, pyfolio and skfolio read it.

        Bars within a day are compounded to the UTC day in which they closed; one that closed at midnight counts for
        the day that ended then. The first session, which only decides, has no return.

        Returns
        -------
        Series
            float64 fractions (0.01 is 1 %), named after the rule. The index, called ``date``, is a `DatetimeIndex` of
            midnights without time zone, in rising order, one for each day with a session.

        Examples
        --------
        >>> sessions = pd.DatetimeIndex(["2016-01-04", "2016-01-05", "2016-01-06"])
        >>> equity = np.array([1.0, 1.02, 0.9996])
        >>> Backtest("long/flat", 10.0, sessions, equity, equity, np.zeros(3), "XNYS").to_returns()
        date
        2016-01-05    0.02
        2016-01-06   -0.02
        Name: long/flat, dtype: float64
        """
        days, intraday = self.sessions[1:], within_days(self.sessions)
        if intraday:
            days = (days - pd.Timedelta(1, "us")).normalize()
        series = pd.Series(self.returns, index=pd.DatetimeIndex(days, name="date"), name=self.name)
        if not intraday:
            return series
        daily: pd.Series[float] = (1 + series).groupby(level="date").prod() - 1
        return daily

    @property
    def year(self) -> float:
        """Sessions in a year, used to annualise: about 252 in New York, 245 in Tokyo, 365 for cryptocurrencies."""
        return exchange(self.calendar).sessions_per_year

    @property
    def annual_return(self) -> float:
        """Geometric mean return in a year, net of costs, as a fraction (0.01 is 1 %)."""
        grown = float(np.prod(1 + self.returns))
        return grown ** (self.year / len(self.returns)) - 1 if len(self.returns) else math.nan

    @property
    def volatility(self) -> float:
        """Standard deviation of `returns`, annualised; NaN for fewer than two."""
        return float(self.returns.std(ddof=1)) * math.sqrt(self.year) if len(self.returns) > 1 else math.nan

    @property
    def sharpe(self) -> float:
        """Sharpe ratio: mean of `returns` divided by their standard deviation, annualised; NaN if they never change.

        The riskless rate counts as 0.
        """
        return float(self.returns.mean()) * self.year / self.volatility if self.volatility > 1e-12 else math.nan

    @property
    def max_drawdown(self) -> float:
        """The deepest fall from an earlier peak, as a fraction of the peak, >= 0."""
        if not len(self.returns):
            return math.nan
        value = np.concatenate([[1.0], np.cumprod(1 + self.returns)])
        return float(1 - (value / np.maximum.accumulate(value)).min())

    @property
    def mean_turnover(self) -> float:
        """Mean of `turnover` over the sessions in which orders could be filled."""
        return float(self.turnover[1:].mean())

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; some may be NaN."""
        summary = ("annual_return", "volatility", "sharpe", "max_drawdown", "mean_turnover")
        return {
            "cost_bps": self.cost,
            **{name: getattr(self, name) for name in summary},
            "sessions": [f"{s:%Y-%m-%d}" for s in self.sessions],
            "equity": self.equity.tolist(),
            "gross": self.gross.tolist(),
            "turnover": self.turnover.tolist(),
        }


def backtest(
    panel: Panel,
    rows: slice,
    predictions: Predictions,
    *,
    horizon: int,
    rule: Rule,
    cost: float = 10.0,
    fill: Fill = "open",
) -> Backtest:
    """Trade the forecasts of `horizon` by `rule`; whatever the horizon, new positions are decided in every session.

    - ``long/flat``: of n symbols with a forecast, hold 1/n of the money in each whose P(up) is above 0.5; the rest is
      cash.
    - ``long/short``: buy the tenth of the symbols with the highest mean forecast with half of the money, and sell short
      the tenth with the lowest for the other half. With fewer than 20 symbols it is the fifth instead of the tenth;
      with fewer than 10, each symbol gets 1/n, long or short by the sign of its mean. If all means are equal, there is
      no position.

    Parameters
    ----------
    panel
        The panel that was predicted.
    rows
        The sessions to trade in, as a slice of the panel's session axis.
    predictions
        Predictions for the whole panel.
    horizon
        Sessions ahead.
    rule
        One of `RULES`.
    cost
        Cost in basis points of the money traded, >= 0.
    fill
        The price of the next session at which orders are filled: ``open`` or ``close``.

    Raises
    ------
    ConfigError
        The rule or fill is unknown, or the cost is negative.
    HistoryError
        There are fewer than two sessions.
    DataError
        The predictions do not have the shape of this panel.
    """
    part = _part(panel, rows, cost)
    axis = panel.horizon_index(horizon)
    if predictions.mean.shape != panel.targets.shape:
        raise DataError(
            f"predictions of {predictions.model} have shape {predictions.mean.shape}, "
            f"the panel's targets {panel.targets.shape}: predict this panel."
        )
    mean = predictions.mean[rows, :, axis].astype("float64")
    p_up = predictions.p_up[rows, :, axis].astype("float64")
    if rule == "long/flat":
        weights = long_flat(p_up, part.mask & np.isfinite(p_up))
    elif rule == "long/short":
        weights = long_short(mean, part.mask & np.isfinite(mean))
    else:
        raise ConfigError(f"unknown rule {rule!r}.{did_you_mean(rule, RULES) or f' Known: {list(RULES)}.'}")
    return simulate(rule, part, weights, cost=cost, fill=fill)


def long_flat(p_up: Float64, available: Bool) -> Float64:
    """Weights [session, symbol] of the rule ``long/flat`` of `backtest`."""
    n = np.maximum(available.sum(axis=1, keepdims=True), 1)
    return np.where(available & (p_up > 0.5), 1.0 / n, 0.0)


def long_short(mean: Float64, available: Bool) -> Float64:
    """Weights [session, symbol] of the rule ``long/short`` of `backtest`; ties are decided by the order of symbols."""
    n = available.sum(axis=1, keepdims=True)
    known = np.where(available, mean, np.inf)  # those without a forecast come last
    place = known.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")  # the sort's own inverse: ranks
    few = np.where(n < 20, n // 5, n // 10)  # with one stock on a side, it would be the backtest of that stock
    legs = (available & (place >= n - few)).astype("float64") - (available & (place < few))
    spread = np.where(available, mean, -np.inf).max(axis=1, keepdims=True) > known.min(axis=1, keepdims=True)
    by_rank: Float64 = np.where(spread, legs, 0.0) / (2 * np.maximum(few, 1))
    by_sign: Float64 = np.where(available, np.sign(mean), 0.0) / np.maximum(n, 1)
    return np.where(n >= 10, by_rank, by_sign)


def simulate(name: str, panel: Panel, weights: Float64, *, cost: float, fill: Fill = "open") -> Backtest:
    """Trade to the target `weights` over the sessions of `panel`.

    A symbol without a price at the fill can't be traded: its position stays, at its last price, until it trades again,
    and the weights apply to the rest of the equity.

    Parameters
    ----------
    name
        Name of the result.
    panel
        The panel; all of its sessions are traded.
    weights
        [session, symbol]; target share of the equity from the next fill on, decided after that session's close.
    cost
        Cost in basis points of the money traded; paid from cash.
    fill
        The price of the next session at which orders are filled: ``open`` or ``close``.
    """
    fills = _fills(panel, fill)
    equity, turnover = _follow(panel, fills, weights, cost)
    gross, _ = _follow(panel, fills, weights, 0.0) if cost else (equity, turnover)
    return Backtest(name, cost, panel.sessions, equity, gross, turnover, panel.calendar)


def buy_and_hold(panel: Panel, rows: slice, *, cost: float = 10.0, fill: Fill = "open") -> Backtest:
    """Buy each of the n symbols of the first session with 1/n of the money, at its first fill afterwards, and hold."""
    part = _part(panel, rows, cost)
    chosen = part.mask[0]
    stake = 1.0 / max(int(chosen.sum()), 1)
    price = _fills(part, fill)
    possible = np.isfinite(price) & chosen
    possible[0] = False
    filled = np.logical_or.accumulate(possible, axis=0)  # [session, symbol]
    first = filled & ~np.vstack([np.zeros_like(chosen), filled[:-1]])
    paid = np.where(first, price, 0.0).sum(axis=0)  # the price of each fill
    prices = pd.DataFrame(np.where(np.isfinite(part.close), part.close, part.open)).ffill().to_numpy()
    worth = np.where(filled, stake * np.where(filled, prices, 0.0) / np.where(paid > 0, paid, 1.0), 0.0).sum(axis=1)
    bought = stake * first.sum(axis=1)
    spent = np.cumsum(bought)
    gross = 1.0 - spent + worth
    equity = gross - spent * cost / 1e4
    turnover = bought / np.r_[1.0, equity[:-1]]
    return Backtest("buy and hold", cost, part.sessions, equity, gross, turnover, part.calendar)


def _part(panel: Panel, rows: slice, cost: float) -> Panel:
    start, stop, _ = rows.indices(len(panel.sessions))
    if cost < 0 or not math.isfinite(cost):
        raise ConfigError(f"a cost of {cost} bps is not possible: give 0 or more.")
    if stop - start < 2:
        raise HistoryError(f"a backtest needs at least 2 sessions, the given rows have {max(stop - start, 0)}.")
    return panel.between(start, stop)


def _fills(panel: Panel, fill: Fill) -> Float64:
    if fill not in FILLS:
        raise ConfigError(f"unknown fill {fill!r}.{did_you_mean(fill, FILLS) or f' Known: {list(FILLS)}.'}")
    return panel.open if fill == "open" else panel.close


@dataclass(frozen=True)
class Book:
    """The holdings of a portfolio.

    Attributes
    ----------
    cash
        Amount of cash; if it is below 0, money is borrowed.
    positions
        [symbol]; value of each position at `price`; below 0 for short positions.
    price
        [symbol]; the last price of each; NaN before the first.
    """

    cash: float
    positions: Float64
    price: Float64

    @property
    def worth(self) -> float:
        """Value of the portfolio: cash and positions."""
        return float(self.cash + self.positions.sum())

    def at(self, prices: Float64) -> Book:
        """The same holdings valued at `prices` [symbol]; a symbol without a price keeps its last one."""
        return Book(self.cash, *_marked(self.positions, self.price, prices))


@dataclass(frozen=True)
class Trades:
    """What was traded at one session's fills.

    Attributes
    ----------
    book
        The holdings after the trades.
    traded
        [symbol]; money for which each was bought; below 0 for sales.
    turnover
        Sum of |`traded`| as a share of what the portfolio was worth before.
    """

    book: Book
    traded: Float64
    turnover: float


def fill(book: Book, fills: Float64, weights: Float64, cost: float) -> Trades | None:
    """Trade `book` to `weights` at `fills`: one session of `simulate`.

    Parameters
    ----------
    book
        The holdings before the trades.
    fills
        [symbol]; the prices of the fills. A symbol with NaN keeps its position.
    weights
        [symbol]; target share of the portfolio's value.
    cost
        Cost in basis points of the money traded; paid from cash.

    Returns
    -------
    Trades or None
        None if the portfolio is worth nothing at these prices.
    """
    now = book.at(fills)
    worth = now.worth
    if worth <= 0:
        return None
    tradable = np.isfinite(fills)
    free = max(worth - np.abs(now.positions[~tradable]).sum(), 0.0)  # what is tied up can't be shared out
    targets = np.where(tradable, weights * free, now.positions)
    traded = targets - now.positions
    amount = np.abs(traded).sum()
    cash = now.cash - (traded.sum() + amount * cost / 1e4)
    return Trades(Book(float(cash), targets, now.price), traded, float(amount / worth))


def _follow(panel: Panel, fills: Float64, weights: Float64, cost: float) -> tuple[Float64, Float64]:
    """Equity and turnover [session] of a portfolio that aims at `weights`, filled at `fills` a session later."""
    sessions = len(panel.sessions)
    equity, turnover = np.ones(sessions), np.zeros(sessions)
    book = Book(1.0, np.zeros(len(panel.symbols)), panel.close[0])
    for s in range(1, sessions):
        trades = fill(book, fills[s], weights[s - 1], cost)
        if trades is None:  # all money was lost between the close and the fill
            equity[s:] = 0.0
            break
        turnover[s] = trades.turnover
        book = trades.book.at(panel.close[s])
        equity[s] = book.worth
        if equity[s] <= 0:
            equity[s:] = 0.0
            break
    return equity, turnover


def _marked(positions: Float64, price: Float64, now: Float64) -> tuple[Float64, Float64]:
    """Positions at the prices of `now`, and those prices; where there is none, the last ones."""
    price_now = np.where(np.isfinite(now), now, price)
    return positions * np.where(np.isfinite(price), price_now / price, 1.0), price_now
