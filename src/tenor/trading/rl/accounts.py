"""Many accounts that trade on one market, in one array: fills at the next open, costs, borrowing and limits.

The arithmetic of one account is that of `tenor.evaluation.backtest.fill`; a test compares both up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tenor.evaluation.backtest import Backtest
from tenor.schema import Float32, Float64
from tenor.trading.rl.market import SIGNALS, Market
from tenor.trading.rl.rewards import RUIN, Outcome

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Terms:
    """Costs of trading, and limits of positions.

    Attributes
    ----------
    cost
        Cost in basis points of the money traded.
    borrow
        Borrowing cost in basis points a year, on loans and on short positions.
    cap
        Limit of the sum of absolute positions, a share of the equity.
    limit
        The largest position, a share of the equity.
    short
        Whether positions may be below 0.
    """

    cost: float = 10.0
    borrow: float = 100.0
    cap: float = 1.0
    limit: float = 1.0
    short: bool = False

    def limited(self, weights: Float64) -> Float64:
        """`weights` [..., symbol] within the limits; if they sum to more than `cap`, all are scaled down."""
        held = np.clip(weights, -self.limit if self.short else 0.0, self.limit)
        gross = np.abs(held).sum(axis=-1, keepdims=True)
        scaled: Float64 = held * (self.cap / np.maximum(gross, self.cap))
        return scaled

    def weights_of(self, actions: Float64) -> Float64:
        """The weights [..., symbol] that `actions` within -1..1 stand for.

        Action 0 gives 1/n of `cap` in each of n symbols, or no position if short positions are allowed; action 1 gives
        twice 1/n of `cap`.
        """
        n = actions.shape[-1]
        share = 2 * actions if self.short else 1.0 + actions
        return self.limited(share * (self.cap / n))


class Accounts:
    """`count` accounts on `market`, each at its own session.

    Parameters
    ----------
    market
        The market to trade on.
    terms
        Costs and limits.
    count
        Number of accounts.

    Attributes
    ----------
    rows
        [account]; index of the session after whose close the account decides.
    cash
        [account]; 1.0 at the start.
    positions
        [account, symbol]; positions in money.
    """

    def __init__(self, market: Market, terms: Terms, count: int) -> None:
        self.market, self.terms, self.count = market, terms, count
        night, day, tradable = _moves(market)
        self._night, self._day, self._tradable = night, day, tradable
        self._whole = np.asarray(tradable.all(axis=1))  # sessions in which all symbols trade
        self._borrow = terms.borrow / 1e4 / market.year
        symbols = len(market.symbols)
        self.rows: Rows = np.zeros(count, dtype=np.intp)
        self.cash = np.ones(count)
        self.positions = np.zeros((count, symbols))
        self.worth = np.ones(count)
        self.peak = np.ones(count)

    def open_at(self, chosen: Rows, rows: Rows) -> None:
        """Restart the accounts `chosen`, all in cash, after the close of the sessions `rows`."""
        self.rows[chosen] = rows
        self.cash[chosen] = self.worth[chosen] = self.peak[chosen] = 1.0
        self.positions[chosen] = 0.0

    def observe(self) -> Float32:
        """[account, symbol, signal + 1]; the signals of each account's session, and its positions in units of 1/n."""
        n = len(self.market.symbols)
        seen = np.empty((self.count, n, len(SIGNALS) + 1), dtype=np.float32)
        seen[:, :, :-1] = self.market.signals[self.rows]
        worth = np.where(self.worth > 0, self.worth, 1.0)
        np.clip(self.positions * (n / worth)[:, None], -10, 10, out=seen[:, :, -1])
        return seen

    def step(self, weights: Float64) -> Outcome:
        """Fill `weights` [account, symbol], shares of the equity, at the next open, and move on to the next close."""
        rows = self.rows + 1
        before, fallen = self.worth, 1 - self.worth / self.peak
        held = self.positions * self._night[rows]
        worth = self.cash + held.sum(axis=1)
        alive = worth > 0
        base = np.where(alive, worth, 1.0)
        if self._whole[rows].all():
            targets = weights * worth[:, None]
        else:
            tradable = self._tradable[rows]
            tied = np.where(tradable, 0.0, np.abs(held)).sum(axis=1)
            targets = np.where(tradable, weights * np.maximum(worth - tied, 0.0)[:, None], held)
        traded = targets - held
        amount = np.abs(traded).sum(axis=1)
        cash = self.cash - traded.sum(axis=1) - amount * (self.terms.cost / 1e4)
        after = targets * self._day[rows]
        if self._borrow:
            cash = cash - self._borrow * (np.maximum(-cash, 0.0) + np.maximum(-after, 0.0).sum(axis=1))
        closing = cash + after.sum(axis=1)
        alive &= closing > 0
        self.cash = np.where(alive, cash, 0.0)
        self.positions = np.where(alive[:, None], after, 0.0)
        self.worth = np.where(alive, closing, 0.0)
        self.peak = np.maximum(self.peak, self.worth)
        self.rows = rows
        ratio = np.where(alive & (before > 0), self.worth / np.where(before > 0, before, 1.0), 1.0)
        log_return = np.where(alive, np.log(ratio), np.where(before > 0, RUIN, 0.0))
        fell = 1 - self.worth / self.peak
        return Outcome(log_return, amount / base, targets / base[:, None], fell, fallen, self.market.year)


def follow(market: Market, weights: Float64, terms: Terms, name: str) -> Backtest:
    """Backtest of target `weights` [session, symbol], decided after each close and kept within the limits.

    All rivals and agents are booked with this function.
    """
    equity, turnover = follow_many(market, terms.limited(weights)[None], terms)
    free = Terms(0.0, 0.0, terms.cap, terms.limit, terms.short)
    gross, _ = follow_many(market, terms.limited(weights)[None], free)
    return Backtest(name, terms.cost, market.sessions, equity[0], gross[0], turnover[0], market.calendar)


def follow_many(market: Market, weights: Float64, terms: Terms) -> tuple[Float64, Float64]:
    """Equity and turnover [account, session] of accounts with target `weights` [account, session, symbol]."""
    count, sessions = weights.shape[:2]
    accounts = Accounts(market, terms, count)
    equity, turnover = np.ones((count, sessions)), np.zeros((count, sessions))
    for t in range(sessions - 1):
        outcome = accounts.step(weights[:, t])
        equity[:, t + 1], turnover[:, t + 1] = accounts.worth, outcome.turnover
    return equity, turnover


def _moves(market: Market) -> tuple[Float64, Float64, npt.NDArray[np.bool_]]:
    """Growth to each open, from there to the close, and whether there is an open: [session, symbol].

    If there is no price, the last one is used; row 0 is never used.
    """
    tradable = np.isfinite(market.open)
    night, day = np.ones_like(market.open), np.ones_like(market.open)
    price = market.close[0].copy()
    for t in range(1, len(market.sessions)):
        for prices, growth in ((market.open[t], night[t]), (market.close[t], day[t])):
            now = np.where(np.isfinite(prices), prices, price)
            growth[:] = np.where(np.isfinite(price), now / price, 1.0)
            price = now
    return night, day, tradable
