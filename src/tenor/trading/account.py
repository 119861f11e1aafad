"""An account, replayed row by row from its journal, and compared with buy and hold."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenor.errors import DataError
from tenor.evaluation.backtest import Backtest, Book
from tenor.evaluation.holding import AgainstHolding, against_holding, sharpe_interval
from tenor.evaluation.significance import Difference
from tenor.schema import Float64
from tenor.storage.files import json_values
from tenor.trading.booking import DECISION, RESET, RUINED, SESSION, WHOLE, settings_in, stepped

ENOUGH = 60
"""Least number of booked sessions for a verdict on an account."""
_CLOSE = 1e-9
"""Relative tolerance for sums computed on another machine."""


@dataclass(frozen=True)
class Position:
    """The position in one symbol.

    Attributes
    ----------
    symbol
        Name of the symbol.
    money
        Value at the last booked close.
    share
        The same as a share of the equity.
    last_bar
        ISO date of the last booked session with a price of the symbol; empty if there is none.
    """

    symbol: str
    money: float
    share: float
    last_bar: str


@dataclass(frozen=True)
class Order:
    """An order that waits for the next open.

    Attributes
    ----------
    symbol
        Name of the symbol.
    target
        Target position, a share of the equity.
    volatility
        The forecast volatility that it is based on.
    version
        Version of the model.
    """

    symbol: str
    target: float
    volatility: float
    version: str


@dataclass(frozen=True)
class Account:
    """State and history of an account.

    Attributes
    ----------
    number
        Number of the account in its store, from 1.
    settings
        Settings at its start (`tenor.trading.rules.settings_of`).
    replayed
        Number of sessions whose decisions were made afterwards, from published past forecasts.
    sessions
        Number of booked sessions.
    decided, booked
        ISO dates of the last decision and of the last booked session; empty before the first.
    cash, equity
        Cash and equity after the last booked close.
    costs
        Costs paid so far.
    turnover
        Mean turnover per booked session, a share of the equity.
    growth
        Growth of the equity since the start, net of costs; as a share.
    holding_growth
        Growth of the same capital under buy and hold: equal parts of the same symbols, bought at the first fill at the
        same cost.
    max_drawdown, holding_max_drawdown
        Maximum drawdown of the account and of buy and hold, a share.
    volatility
        Realised annual volatility, a share; None for fewer than two sessions.
    sharpe
        Annual Sharpe ratio, with its interval; None for fewer than `ENOUGH` sessions.
    against_holding
        Comparison with buy and hold; None for fewer than `ENOUGH` sessions.
    positions
        Positions, the largest first.
    pending
        Orders that wait for the next open.
    unfilled
        Number of orders that were not filled because there was no open.
    notes
        Remarks on the last decision and on the account.
    verdict
        Whether it did better than buy and hold, in one sentence.
    backtest, holding
        Equity curves of the account and of buy and hold, 1.0 at the start; None without sessions.
    """

    number: int
    settings: dict[str, Any]
    replayed: int
    sessions: int
    decided: str
    booked: str
    cash: float
    equity: float
    costs: float
    turnover: float
    growth: float
    holding_growth: float
    max_drawdown: float
    holding_max_drawdown: float
    volatility: float
    sharpe: Difference | None
    against_holding: AgainstHolding | None
    positions: tuple[Position, ...]
    pending: tuple[Order, ...]
    unfilled: int
    notes: tuple[str, ...]
    verdict: str
    backtest: Backtest | None
    holding: Backtest | None

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        plain: dict[str, Any] = json_values(dict(self.__dict__))
        return plain


def account_number(rows: pd.DataFrame) -> int:
    """The number of the account that is open, or that the next decision opens."""
    return 1 + int(rows.loc[rows["event"] == RESET, "account"].max()) if (rows["event"] == RESET).any() else 1


def account_of(rows: pd.DataFrame, number: int, calendar: str) -> Account:
    """Replay the account `number` from the rows of the journal alone.

    Parameters
    ----------
    rows
        The rows of the journal.
    number
        Number of the account; it must have at least one decision.
    calendar
        Exchange calendar of its symbols.

    Returns
    -------
    Account
        The account after its last booked session.

    Raises
    ------
    DataError
        The account has no decision, or its rows are not consistent with each other.
    """
    mine = rows[rows["account"] == number]
    decisions, booked = mine[mine["event"] == DECISION], mine[mine["event"] == SESSION]
    if decisions.empty:
        raise DataError(f"paper account {number} has no decision: run 'tenor paper run' after a refresh.")
    settings = settings_in(decisions)
    capital, cost = float(settings["capital"]), float(settings["cost"])
    replay(booked, capital, cost)
    whole = booked[booked["symbol"] == WHOLE]
    last = whole.iloc[-1] if len(whole) else None
    curve = _curves(decisions, booked, capital, cost, calendar) if len(whole) else None
    rule, holding = curve or (None, None)
    enough = len(whole) >= ENOUGH
    ratio = sharpe_interval(rule) if rule and enough else None
    difference = against_holding(rule, holding) if rule and holding and enough else None
    per_symbol = booked[booked["symbol"] != WHOLE]
    equity = float(last["equity"]) if last is not None else capital
    last_decision = decisions[decisions["session"] == decisions["session"].max()]
    note = _note(last_decision)
    return Account(
        number=number,
        settings=settings,
        replayed=int((decisions[decisions["symbol"] == WHOLE]["origin"] == "replayed").sum()),
        sessions=len(whole),
        decided=f"{decisions['session'].max():%Y-%m-%d}",
        booked=f"{last['session']:%Y-%m-%d}" if last is not None else "",
        cash=float(last["cash"]) if last is not None else capital,
        equity=equity,
        costs=float(whole["cost"].sum()),
        turnover=float(whole["turnover"].mean()) if len(whole) else math.nan,
        growth=equity / capital - 1,
        holding_growth=float(holding.equity[-1]) - 1 if holding else math.nan,
        max_drawdown=rule.max_drawdown if rule else math.nan,
        holding_max_drawdown=holding.max_drawdown if holding else math.nan,
        volatility=rule.volatility if rule else math.nan,
        sharpe=ratio,
        against_holding=difference,
        positions=_positions(per_symbol, equity),
        pending=_pending(decisions, booked),
        unfilled=int((per_symbol["note"].fillna("") != "").sum()),
        notes=tuple(text for text in (note, str(last["note"] or "") if last is not None else "") if text),
        verdict=_verdict(len(whole), difference, equity),
        backtest=rule,
        holding=holding,
    )


def replay(booked: pd.DataFrame, capital: float, cost: float) -> None:
    """Check that each booked session follows from the one before it and from its own prices.

    Parameters
    ----------
    booked
        The rows of the sessions of one account, in order.
    capital
        Capital before the first session, in money.
    cost
        Cost in basis points of the money traded.

    Raises
    ------
    DataError
        A booked session does not follow; the message names it.
    """
    cash, positions = capital, pd.Series(dtype="float64")
    for session, part in booked.groupby("session", sort=True):
        rows, whole = _split(part)
        state = Book(cash, positions.reindex(rows.index).fillna(0.0).to_numpy("float64"), np.empty(0))
        after, _, _ = stepped(state, *_prices(rows), _targets(rows, whole), cost)
        recorded = np.array([whole["cash"], *rows["position"]], dtype="float64")
        if not np.allclose([after.cash, *after.positions], recorded, rtol=_CLOSE, atol=_CLOSE * capital):
            raise DataError(
                f"the paper journal does not follow from itself on {session:%Y-%m-%d}: its cash or a position is not "
                "what its decisions and prices make; run 'tenor data verify', then 'tenor paper reset'."
            )
        cash, positions = float(whole["cash"]), rows["position"].astype("float64")


def _split(part: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[Any]]:
    indexed = part.set_index("symbol")
    whole: pd.Series[Any] = indexed.loc[WHOLE]  # type: ignore[assignment]  # its symbol is there once
    return indexed.drop(index=WHOLE), whole


def _prices(rows: pd.DataFrame) -> tuple[Float64, Float64, Float64]:
    before, fills, closes = (rows[name].to_numpy("float64") for name in ("before", "fill", "close"))
    return before, fills, closes


def _targets(rows: pd.DataFrame, whole: pd.Series[Any]) -> Float64 | None:
    return None if pd.isna(whole["decided"]) else rows["target"].to_numpy("float64")


def _curves(
    decisions: pd.DataFrame, booked: pd.DataFrame, capital: float, cost: float, calendar: str
) -> tuple[Backtest, Backtest]:
    """Backtests of the account, and of buy and hold in equal parts of the symbols of its first fill."""
    whole = booked[booked["symbol"] == WHOLE]
    start = decisions["session"].min()
    sessions = pd.DatetimeIndex([start, *whole["session"]])
    gross, held, bought = [1.0], [1.0], False
    ours = theirs = theirs_gross = Book(1.0, np.empty(0), np.empty(0))
    names: pd.Index[Any] = pd.Index([])
    held_gross, held_turnover = [1.0], [0.0]
    for _, part in booked.groupby("session", sort=True):
        rows, row = _split(part)
        targets = _targets(rows, row)
        ours, theirs, theirs_gross = (
            Book(
                b.cash,
                np.asarray(pd.Series(b.positions, names).reindex(rows.index).fillna(0.0), dtype="float64"),
                np.empty(0),
            )
            for b in (ours, theirs, theirs_gross)
        )
        names = rows.index
        ours, _, _ = stepped(ours, *_prices(rows), targets, 0.0)
        equal = None
        if targets is not None and not bought:
            chosen = rows.index.isin(decisions.loc[decisions["session"] == row["decided"], "symbol"])
            equal, bought = chosen / max(int(chosen.sum()), 1), True
        theirs, _, turnover = stepped(theirs, *_prices(rows), equal, cost)
        theirs_gross, _, _ = stepped(theirs_gross, *_prices(rows), equal, 0.0)
        gross.append(max(ours.worth, 0.0))
        held.append(theirs.worth)
        held_gross.append(theirs_gross.worth)
        held_turnover.append(turnover)
    equity = np.array([1.0, *(whole["equity"] / capital)])
    turnovers = np.array([0.0, *whole["turnover"]])
    rule = Backtest("paper", cost, sessions, equity, np.array(gross), turnovers, calendar)
    other = Backtest("holding", cost, sessions, np.array(held), np.array(held_gross), np.array(held_turnover), calendar)
    return rule, other


def _positions(rows: pd.DataFrame, equity: float) -> tuple[Position, ...]:
    if rows.empty:
        return ()
    last = rows[rows["session"] == rows["session"].max()]
    priced = rows[rows["close"].notna()].groupby("symbol")["session"].max()
    held = [
        Position(
            str(row.symbol),
            float(row.position),
            float(row.position) / equity if equity > 0 else 0.0,
            f"{priced[row.symbol]:%Y-%m-%d}" if row.symbol in priced.index else "",
        )
        for row in last.itertuples()
        if row.position != 0
    ]
    return tuple(sorted(held, key=lambda p: (-abs(p.money), p.symbol)))


def _pending(decisions: pd.DataFrame, booked: pd.DataFrame) -> tuple[Order, ...]:
    newest = decisions["session"].max()
    if (booked["decided"] >= newest).any():
        return ()
    chosen = decisions[(decisions["session"] == newest) & (decisions["symbol"] != WHOLE)]
    orders = [Order(str(r.symbol), float(r.target), float(r.volatility), str(r.version)) for r in chosen.itertuples()]
    return tuple(sorted(orders, key=lambda o: (-o.target, o.symbol)))


def _note(decision: pd.DataFrame) -> str:
    text = str(decision.loc[decision["symbol"] == WHOLE, "note"].iloc[0])
    return str(json.loads(text)["note"])


def _verdict(sessions: int, difference: AgainstHolding | None, equity: float) -> str:
    if equity <= 0:
        return f"{RUINED[0].upper()}{RUINED[1:]}."
    if not sessions:
        return "Nothing has been filled yet: there is nothing to judge."
    if difference is None or math.isnan(difference.sharpe.p):
        days = "1 session is" if sessions == 1 else f"{sessions} sessions are"
        return f"{days} too few to tell the rule from holding the same symbols."
    sharpe = difference.sharpe
    side = "not distinguishable from" if sharpe.p >= 0.05 else "better than" if sharpe.value > 0 else "worse than"
    figures = (
        f"Sharpe ratio {sharpe.value:+.2f}, 95 % interval {sharpe.low:+.2f} to {sharpe.high:+.2f}, "
        f"{sessions} sessions, p = {sharpe.p:.2f}"
    ).replace("-", "−")
    return f"For its risk it is {side} holding the same symbols: {figures}."
