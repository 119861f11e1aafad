"""Booking: fills of decisions at the following opens, session by session, as rows of the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import Exchange, exchange
from tenor.evaluation.backtest import Book, fill
from tenor.schema import Float64
from tenor.trading.rules import Decision

DECISION, SESSION, RESET = "decision", "session", "reset"
WHOLE = ""
"""The symbol in the row of the whole account."""
LIVE, REPLAYED = "live", "replayed"
PATIENCE = 3
"""Number of sessions to wait for the bars of a symbol when others have theirs."""
RUINED = "the account is ruined: its prices left nothing"


@dataclass(frozen=True)
class Prices:
    """Prices for booking, each [session, symbol]; NaN if there is no bar.

    Attributes
    ----------
    open, close
        Prices adjusted for splits and dividends.
    quoted
        The unadjusted open, as quoted.
    traded
        Whether the symbol was traded: a bar without volume is a halt, if the symbol has volume otherwise.
    last
        `close`, or if there is none the last one before.
    """

    open: pd.DataFrame
    close: pd.DataFrame
    quoted: pd.DataFrame
    traded: pd.DataFrame
    last: pd.DataFrame

    @classmethod
    def of(cls, bars: pd.DataFrame) -> Prices:
        """Make it from the rows of `tenor.Bars`."""
        frame = bars.assign(
            adjusted=bars["open"] * bars["adj_close"] / bars["close"],
            any=bars["volume"].gt(0) | ~bars.groupby("symbol")["volume"].transform("max").gt(0),
        )

        def wide(column: str) -> pd.DataFrame:
            return frame.pivot(index="session", columns="symbol", values=column)

        close = wide("adj_close")
        return cls(wide("adjusted"), close, wide("open"), wide("any").eq(True), close.ffill())

    def last_bars(self) -> pd.Series[Any]:
        """The last session of each symbol."""
        last: pd.Series[Any] = self.close.apply(lambda column: column.last_valid_index())
        return last


def decision_rows(
    decision: Decision, settings: Mapping[str, Any], *, account: int, booked_at: pd.Timestamp, origin: str
) -> list[dict[str, Any]]:
    """The journal rows of `decision`; the row of the whole account has the settings."""
    common = {
        "account": account, "session": decision.session, "event": DECISION, "booked_at": booked_at, "origin": origin,
    }  # fmt: skip
    rows: list[dict[str, Any]] = [
        {
            **common,
            "symbol": WHOLE,
            "target": float(sum(decision.targets.values())),
            "note": json.dumps({"settings": dict(settings), "note": decision.note}, sort_keys=True),
        }
    ]
    for symbol, forecast in decision.forecasts.items():
        rows.append(
            {
                **common,
                "symbol": symbol,
                "version": forecast.version,
                "volatility": forecast.volatility,
                "p_up": forecast.p_up,
                "target": decision.targets[symbol],
            }
        )
    return rows


def session_rows(
    rows: pd.DataFrame, prices: Prices, *, account: int, calendar: str, now: pd.Timestamp, origin: str
) -> pd.DataFrame:
    """The journal rows of the sessions that can be booked and are not booked yet, oldest first.

    A decision is filled once, at the first open after it was made, at the cost in the account's settings. A session is
    booked when it has closed and every symbol has its bar, or has had none for `PATIENCE` sessions.

    Parameters
    ----------
    rows
        Rows of this account.
    prices
        Prices as they are in the lake now, from before the first session to book.
    calendar
        Exchange calendar of all symbols.
    now
        The current time, UTC.

    Returns
    -------
    DataFrame
        Rows to append to the journal.
    """
    decisions = rows[rows["event"] == DECISION]
    if decisions.empty:
        return rows.head(0)
    cost = float(settings_in(decisions)["cost"])
    capital = float(settings_in(decisions)["capital"])
    booked = rows[rows["event"] == SESSION]
    symbols = sorted(set(decisions["symbol"]) - {WHOLE})
    times = exchange(calendar)
    first = decisions["session"].min() if booked.empty else booked["session"].max()
    last_bars = prices.last_bars().reindex(symbols)
    end = last_bars.max()
    if pd.isna(end) or end <= first:
        return rows.head(0)
    sessions = times.sessions(first, end)[1:]
    moments = decisions[decisions["symbol"] == WHOLE].set_index("session")["booked_at"]
    latest = booked["decided"].max()  # it replaced an older decision
    state = _state(booked, symbols, capital)
    added: list[dict[str, Any]] = []
    for session in sessions:
        if _ruined(state, booked) or times.close(session) > now or not _complete(session, last_bars, times):
            break
        opened = times.opens(pd.DatetimeIndex([session]))[0]
        waiting = [
            day
            for day, at in zip(moments.index, moments, strict=True)
            if day < session and at < opened and not day <= latest
        ]
        decided = max(waiting) if waiting else None
        latest = decided if decided is not None else latest
        targets = None
        if decided is not None:
            chosen = decisions[(decisions["session"] == decided) & (decisions["symbol"] != WHOLE)]
            targets = chosen.set_index("symbol")["target"].reindex(symbols).fillna(0.0).to_numpy("float64")
        held, after = _booked(state, symbols, prices, session, targets, cost)
        stamp = {"account": account, "session": session, "event": SESSION, "booked_at": now, "origin": origin}
        added.extend({**stamp, "decided": decided, **row} for row in held)
        state = after
    return pd.DataFrame(added, columns=list(rows.columns)) if added else rows.head(0)


def settings_in(decisions: pd.DataFrame) -> dict[str, Any]:
    """The settings at the start of the account of `decisions`."""
    whole = decisions[decisions["symbol"] == WHOLE].sort_values("session", kind="stable")
    settings: dict[str, Any] = json.loads(str(whole["note"].iloc[0]))["settings"]
    return settings


def stepped(
    state: Book, before: Float64, fills: Float64, closes: Float64, targets: Float64 | None, cost: float
) -> tuple[Book, Float64, float]:
    """Book one session.

    Parameters
    ----------
    state
        The account after the last close; its prices may have another adjustment.
    before, fills, closes
        [symbol]; the last price before the session, at its open and at its close, all with the same adjustment; NaN
        if there is none.
    targets
        [symbol]; target shares of the equity, or None if nothing was decided.
    cost
        Cost in basis points of the money traded.

    Returns
    -------
    tuple[Book, Float64, float]
        The account after the close of the session; the money traded, [symbol]; the turnover.
    """
    book = Book(state.cash, state.positions, before)
    nothing = np.zeros(len(before))
    if targets is None:
        return book.at(fills).at(closes), nothing, 0.0
    trades = fill(book, fills, targets, cost)
    if trades is None:
        return Book(0.0, nothing, before), nothing, 0.0
    return trades.book.at(closes), trades.traded, trades.turnover


def _state(booked: pd.DataFrame, symbols: list[str], capital: float) -> Book:
    """The account after the last booked session; without one, the capital in cash."""
    nothing = np.full(len(symbols), np.nan)
    if booked.empty:
        return Book(capital, np.zeros(len(symbols)), nothing)
    last = booked[booked["session"] == booked["session"].max()].set_index("symbol")
    positions = last["position"].reindex(symbols).fillna(0.0).to_numpy("float64")
    return Book(float(last.loc[WHOLE, "cash"]), positions, nothing)


def _ruined(state: Book, booked: pd.DataFrame) -> bool:
    return state.worth <= 0 or bool((booked.loc[booked["symbol"] == WHOLE, "equity"] <= 0).any())


def _complete(session: pd.Timestamp, last_bars: pd.Series[Any], times: Exchange) -> bool:
    """Whether each symbol has a bar of `session` or later, or its waiting time is over."""
    end = last_bars.max()
    missing = [last for last in last_bars.dropna() if last < session]
    return not any(len(times.sessions(last, end)) <= PATIENCE + 1 for last in missing)


def _booked(
    state: Book,
    symbols: list[str],
    prices: Prices,
    session: pd.Timestamp,
    targets: Float64 | None,
    cost: float,
) -> tuple[list[dict[str, Any]], Book]:
    def at(frame: pd.DataFrame) -> Float64:
        row = frame.loc[session] if session in frame.index else pd.Series(dtype="float64")
        return row.reindex(symbols).to_numpy("float64")

    place = int(prices.last.index.searchsorted(session)) - 1
    earlier = prices.last.iloc[place] if place >= 0 else pd.Series(dtype="float64")
    before = earlier.reindex(symbols).to_numpy("float64")
    dealt = prices.traded.loc[session] if session in prices.traded.index else pd.Series(dtype="bool")
    open_ = np.where(dealt.reindex(symbols).eq(True).to_numpy(), at(prices.open), np.nan)
    closes, quoted = at(prices.close), at(prices.quoted)
    after, traded, turnover = stepped(state, before, open_, closes, targets, cost)
    rows = []
    for i, symbol in enumerate(symbols):
        wanted = None if targets is None else float(targets[i])
        rows.append(
            {
                "symbol": symbol,
                "target": wanted,
                "before": before[i],
                "fill": open_[i],
                "close": closes[i],
                "quoted": quoted[i] if np.isfinite(open_[i]) else np.nan,
                "traded": traded[i],
                "cost": abs(traded[i]) * cost / 1e4,
                "position": after.positions[i],
                "note": "no open: not filled" if wanted is not None and not np.isfinite(open_[i]) else "",
            }
        )
    whole = {
        "symbol": WHOLE,
        "target": None if targets is None else float(targets.sum()),
        "traded": float(np.abs(traded).sum()),
        "cost": float(np.abs(traded).sum()) * cost / 1e4,
        "position": float(after.positions.sum()),
        "cash": after.cash,
        "equity": max(after.worth, 0.0),
        "turnover": turnover,
        "note": RUINED if after.worth <= 0 else "",
    }
    return [whole, *rows], after
