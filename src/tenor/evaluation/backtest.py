"""A simple daily backtest of forecasts as a portfolio.

What is decided after the close of session t is filled at the adjusted open, or close, of t + 1 and changed a session
later at the earliest; equity is marked at closes, so that equity of session t rests on prices up to t and forecasts up
to t - 1. Positions are sums of money, 1.0 at the start, no interest on cash. Prices are adjusted: dividends are
reinvested.
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
"""The price of the session after the decision at which it is filled."""


@dataclass(frozen=True)
class Backtest:
    """An equity curve and what it cost.

    Attributes
    ----------
    name
        The rule.
    cost
        Bps of what is traded.
    sessions
        The first is the session of the first decision.
    equity, gross
        [session]; at the close, 1.0 at first, net of costs and without them. The last positions are marked, not sold.
        0 from the close on which a short book is ruined.
    turnover
        [session]; sum of |weight after trading - weight before it| at the fill; selling everything is 1.
    calendar
        Whose sessions they are: it has `year` of them a year.
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
        """[session - 1]; simple returns of each session, net of costs; 0 once ruined."""
        before = self.equity[:-1]
        return np.where(before > 0, np.diff(self.equity) / np.where(before > 0, before, 1.0), 0.0)

    def to_returns(self) -> pd.Series[float]:
        """The net simple return of each day, as quantstats, pyfolio and skfolio read it.

        Bars within a day are compounded to the UTC day in which they closed; one that closed at midnight counts for
        the day that ended then. The first session, which only decides, has no return.

        Returns
        -------
        Series
            float64, a share (0.01 is 1 %), named as the rule; its index is a tz-naive `DatetimeIndex` of midnights,
            named ``date``, one a day on which there was a session, rising.

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
        """Sessions in a year, which annualise: about 252 in New York, 245 in Tokyo, 365 for coins."""
        return exchange(self.calendar).sessions_per_year

    @property
    def annual_return(self) -> float:
        """Geometric, net, a share a year."""
        grown = float(np.prod(1 + self.returns))
        return grown ** (self.year / len(self.returns)) - 1 if len(self.returns) else math.nan

    @property
    def volatility(self) -> float:
        """Standard deviation of `returns`, annualised; NaN for fewer than two."""
        return float(self.returns.std(ddof=1)) * math.sqrt(self.year) if len(self.returns) > 1 else math.nan

    @property
    def sharpe(self) -> float:
        """Mean over standard deviation of `returns`, annualised; riskless rate 0; NaN if they never move."""
        return float(self.returns.mean()) * self.year / self.volatility if self.volatility > 1e-12 else math.nan

    @property
    def max_drawdown(self) -> float:
        """The deepest fall from an earlier peak, a share of the peak, >= 0."""
        if not len(self.returns):
            return math.nan
        value = np.concatenate([[1.0], np.cumprod(1 + self.returns)])
        return float(1 - (value / np.maximum.accumulate(value)).min())

    @property
    def mean_turnover(self) -> float:
        """Mean of `turnover` over the sessions on which there could be a fill."""
        return float(self.turnover[1:].mean())

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values; NaN may be in it."""
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
    """Trade the forecasts of `horizon` by `rule`; whatever the horizon, positions are decided anew every session.

    - ``long/flat``: of n symbols with a forecast, hold 1/n in each whose P(up) is above .5; the rest is cash.
    - ``long/short``: half in the tenth of the symbols with the highest mean, short half in the tenth with the lowest;
      of fewer than 20 symbols, the fifth; of fewer than 10, 1/n long or short by the sign of the mean. All means
      equal: no position.

    Parameters
    ----------
    panel
        The panel that was predicted.
    rows
        Sessions to trade on, as places on the panel's session axis.
    predictions
        Over the whole panel.
    horizon
        Sessions ahead.
    rule
        One of `RULES`.
    cost
        Bps of the money traded, >= 0.
    fill
        At which of the next session's prices.

    Raises
    ------
    ConfigError
        No such rule or fill, or a negative cost.
    HistoryError
        Fewer than two sessions.
    DataError
        The predictions are not of this panel's shape.
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
    """Weights [session, symbol] of the rule ``long/short`` of `backtest`; ties go by the order of the symbols."""
    n = available.sum(axis=1, keepdims=True)
    known = np.where(available, mean, np.inf)  # those without a forecast come last
    place = known.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")  # the sort's own inverse: ranks
    few = np.where(n < 20, n // 5, n // 10)  # a leg of one stock would be that stock's backtest
    legs = (available & (place >= n - few)).astype("float64") - (available & (place < few))
    spread = np.where(available, mean, -np.inf).max(axis=1, keepdims=True) > known.min(axis=1, keepdims=True)
    by_rank: Float64 = np.where(spread, legs, 0.0) / (2 * np.maximum(few, 1))
    by_sign: Float64 = np.where(available, np.sign(mean), 0.0) / np.maximum(n, 1)
    return np.where(n >= 10, by_rank, by_sign)


def simulate(name: str, panel: Panel, weights: Float64, *, cost: float, fill: Fill = "open") -> Backtest:
    """Follow `weights` over the sessions of `panel`.

    A symbol without a price to fill at that session can't be traded: its position stays, at its last price, until it
    trades again, and the weights share out what is left of the equity.

    Parameters
    ----------
    name
        Of the result.
    panel
        The sessions traded on, all of them.
    weights
        [session, symbol]; target share of the equity from the next fill on, decided after that session's close.
    cost
        Bps of the money traded; paid from cash.
    fill
        At which of the next session's prices.
    """
    fills = _fills(panel, fill)
    equity, turnover = _follow(panel, fills, weights, cost)
    gross, _ = _follow(panel, fills, weights, 0.0) if cost else (equity, turnover)
    return Backtest(name, cost, panel.sessions, equity, gross, turnover, panel.calendar)


def buy_and_hold(panel: Panel, rows: slice, *, cost: float = 10.0, fill: Fill = "open") -> Backtest:
    """Put 1/n into each of the n symbols there are at the first session, at its first fill after it, and wait."""
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
    """What a portfolio holds.

    Attributes
    ----------
    cash
        In money; below 0 it is borrowed.
    positions
        [symbol]; in money, at `price`; below 0 they are short.
    price
        [symbol]; the last price of each; NaN before the first.
    """

    cash: float
    positions: Float64
    price: Float64

    @property
    def worth(self) -> float:
        """Cash and positions."""
        return float(self.cash + self.positions.sum())

    def at(self, prices: Float64) -> Book:
        """The same holdings at `prices` [symbol]; where there is none, at the last one."""
        return Book(self.cash, *_marked(self.positions, self.price, prices))


@dataclass(frozen=True)
class Trades:
    """What was traded at one session's fills.

    Attributes
    ----------
    book
        After it.
    traded
        [symbol]; money bought, below 0 sold.
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
        Before it.
    fills
        [symbol]; prices, NaN where there is none: such a symbol keeps its position.
    weights
        [symbol]; target share of what the portfolio is worth.
    cost
        Bps of the money traded; paid from cash.

    Returns
    -------
    Trades or None
        None where the prices left nothing to trade with.
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
        if trades is None:  # ruined by the gap to the fill
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
