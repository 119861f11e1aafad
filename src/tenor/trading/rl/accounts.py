"""Many accounts that trade on one market at once, in one array: fills at the next open, costs, borrow and limits.

The arithmetic of one account is that of `tenor.evaluation.backtest.fill`, which a test compares to the bit of rounding.
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
    """What trading costs, and how much may be held.

    Attributes
    ----------
    cost
        Cost in basis points of the money traded.
    borrow
        Bps a year of the money borrowed, and of what is sold short.
    cap
        Most that the positions may sum to, short ones included, a share of the equity.
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
        """`weights` [..., symbol] within the limits; what sums to more than `cap` is scaled down alike."""
        held = np.clip(weights, -self.limit if self.short else 0.0, self.limit)
        gross = np.abs(held).sum(axis=-1, keepdims=True)
        scaled: Float64 = held * (self.cap / np.maximum(gross, self.cap))
        return scaled

    def weights_of(self, actions: Float64) -> Float64:
        """The weights [..., symbol] that `actions` within -1..1 stand for.

        0 is 1/n of `cap` in each of n symbols where nothing may be short, otherwise nothing; 1 is twice that.
        """
        n = actions.shape[-1]
        share = 2 * actions if self.short else 1.0 + actions
        return self.limited(share * (self.cap / n))


class Accounts:
    """`count` accounts on `market`, each at a session of its own.

    Parameters
    ----------
    market
        What is traded.
    terms
        At which costs, within which limits.
    count
        How many accounts.

    Attributes
    ----------
    rows
        [account]; the session after whose close each of them decides.
    cash
        [account]; 1.0 at the start.
    positions
        [account, symbol]; in money.
    """

    def __init__(self, market: Market, terms: Terms, count: int) -> None:
        self.market, self.terms, self.count = market, terms, count
        night, day, tradable = _moves(market)
        self._night, self._day, self._tradable = night, day, tradable
        self._whole = np.asarray(tradable.all(axis=1))  # sessions that need no look at single symbols
        self._borrow = terms.borrow / 1e4 / market.year
        symbols = len(market.symbols)
        self.rows: Rows = np.zeros(count, dtype=np.intp)
        self.cash = np.ones(count)
        self.positions = np.zeros((count, symbols))
        self.worth = np.ones(count)
        self.peak = np.ones(count)

    def open_at(self, chosen: Rows, rows: Rows) -> None:
        """Begin the accounts `chosen` anew, all in cash, after the close of the sessions `rows`."""
        self.rows[chosen] = rows
        self.cash[chosen] = self.worth[chosen] = self.peak[chosen] = 1.0
        self.positions[chosen] = 0.0

    def observe(self) -> Float32:
        """[account, symbol, signal + 1]; the signals of each account's session, and what it holds in units of 1/n."""
        n = len(self.market.symbols)
        seen = np.empty((self.count, n, len(SIGNALS) + 1), dtype=np.float32)
        seen[:, :, :-1] = self.market.signals[self.rows]
        worth = np.where(self.worth > 0, self.worth, 1.0)
        np.clip(self.positions * (n / worth)[:, None], -10, 10, out=seen[:, :, -1])
        return seen

    def step(self, weights: Float64) -> Outcome:
        """Fill `weights` [account, symbol], shares of the equity within the limits, at the next open; to its close."""
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
    """The account that aims at `weights` [session, symbol], decided after each close; they are held within the limits.

    Every rival and every agent is booked here alike.
    """
    equity, turnover = follow_many(market, terms.limited(weights)[None], terms)
    free = Terms(0.0, 0.0, terms.cap, terms.limit, terms.short)
    gross, _ = follow_many(market, terms.limited(weights)[None], free)
    return Backtest(name, terms.cost, market.sessions, equity[0], gross[0], turnover[0], market.calendar)


def follow_many(market: Market, weights: Float64, terms: Terms) -> tuple[Float64, Float64]:
    """Equity and turnover [account, session] of accounts that aim at `weights` [account, session, symbol]."""
    count, sessions = weights.shape[:2]
    accounts = Accounts(market, terms, count)
    equity, turnover = np.ones((count, sessions)), np.zeros((count, sessions))
    for t in range(sessions - 1):
        outcome = accounts.step(weights[:, t])
        equity[:, t + 1], turnover[:, t + 1] = accounts.worth, outcome.turnover
    return equity, turnover


def _moves(market: Market) -> tuple[Float64, Float64, npt.NDArray[np.bool_]]:
    """Growth to each open, from there to the close, and whether there is an open: [session, symbol].

    The last price stands where there is none; row 0 is never used.
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
