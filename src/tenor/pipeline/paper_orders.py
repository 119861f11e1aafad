"""From the newest decision of a paper account to orders at Alpaca, shown or sent."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.calendars import exchange, shows_market
from tenor.config import HttpConfig, PaperConfig
from tenor.errors import ConfigError, SourceError
from tenor.ingest.services.http import Http
from tenor.pipeline.paper import journal_rows, show
from tenor.storage.files import json_values
from tenor.store.lake import Lake
from tenor.trading.alpaca import NOT_SENT, REFUSED, UNKNOWN, Alpaca, Order, address, keys_of
from tenor.trading.booking import DECISION, WHOLE

LEAST = 1.0
"""The smallest order that Alpaca accepts, in dollars."""
DIGITS = 6
"""Decimal places of fractions of shares."""


@dataclass(frozen=True)
class Orders:
    """The orders of a decision.

    Attributes
    ----------
    session
        The session after whose close the decision was made, an ISO date.
    sent
        Whether the orders were to be sent.
    orders
        The orders; sales first, because they pay for the purchases.
    notes
        What was left out, and why.
    """

    session: str
    sent: bool
    orders: tuple[Order, ...]
    notes: tuple[str, ...]

    @property
    def unsettled(self) -> bool:
        """Whether an order that was to be sent did not arrive, or may not have arrived."""
        return any(order.status in (NOT_SENT, REFUSED, UNKNOWN, "rejected") for order in self.orders)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        plain: dict[str, Any] = json_values(dict(self.__dict__))
        return plain


def orders(
    store: str,
    config: PaperConfig,
    http_config: HttpConfig,
    *,
    send: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Orders:
    """The market orders that carry out the newest decision at the next open in the paper account; sent with `send`.

    Parameters
    ----------
    store
        A lake's folder or ``s3://bucket/prefix``, with a decision that waits for an open.
    config
        Settings, which say whether fractions of shares are ordered.
    http_config
        Limits of the requests.
    send
        Send the orders. Without it, they are only returned.
    environment
        Environment variables, with the API keys.

    Raises
    ------
    ConfigError
        A key is missing, the address is not that of the paper API, no decision waits, the market is open, or the next
        open is not the decision's.
    SourceError
        Alpaca does not answer as documented, or the account may not trade.
    """
    base, keys = address(environment), keys_of(environment)
    account = show(store)
    if not account.pending:
        raise ConfigError(f"no decision waits for an open in {store}: run 'tenor paper run' after a refresh.")
    rows = journal_rows(store, account.number)
    session = pd.Timestamp(account.decided)
    decided = set(rows.loc[rows["event"] == DECISION, "symbol"]) - {WHOLE}
    targets = {**dict.fromkeys(sorted(decided), 0.0), **{each.symbol: each.target for each in account.pending}}
    bars = Lake(store).rows("bars", sorted(targets), since=session)
    closes = bars[bars["session"] == session].set_index("symbol")["close"].to_dict()
    with Http(http_config, keys=keys) as http:
        alpaca = Alpaca(http, keys, base)
        _require_before_open(alpaca.clock(), session, account.settings["calendar"])
        equity = _equity(alpaca.account())
        positions = alpaca.positions()
        waiting = {str(one["symbol"]): str(one["client_order_id"]) for one in alpaca.open_orders()}
        planned, notes = [], []
        for symbol, target in targets.items():
            name = symbol.replace("-", ".")
            order_id = f"tenor-{account.number}-{session:%Y%m%d}-{symbol}"
            order, note = None, ""
            if shows_market(symbol):
                note = f"{symbol} is no stock of the United States"
            elif waiting.get(name, order_id) != order_id:
                note = f"{symbol} has an open order of another origin: cancel it first"
            elif positions.get(name, 0.0) < 0:
                note = f"{symbol} is short at Alpaca: close that first"
            elif symbol not in closes:
                note = f"{symbol} has no close of {session:%Y-%m-%d} in the lake"
            else:
                change = _shares(target * equity / closes[symbol], positions.get(name, 0.0), config.fractional)
                if abs(change) * closes[symbol] >= LEAST:
                    side = "buy" if change > 0 else "sell"
                    order = Order(name, side, f"{abs(change):.{DIGITS}f}".rstrip("0").rstrip("."), order_id)
            notes += [f"{note}: left out."] if note else []
            planned += [order] if order else []
        planned.sort(key=lambda each: (each.side != "sell", each.symbol))
        done = [alpaca.send(order) for order in planned] if send else planned
    notes += [f"{order.symbol}: {order.message}" for order in done if order.message]
    return Orders(account.decided, send, tuple(done), tuple(notes))


def _shares(wanted: float, held: float, fractional: bool) -> float:
    """How many shares more than `held` to have; of a whole number of shares, no more than `wanted`."""
    if fractional:
        return float(round(math.floor(wanted * 10**DIGITS) / 10**DIGITS - held, DIGITS))
    return float(math.trunc(math.floor(wanted) - held))


def _require_before_open(clock: Mapping[str, Any], session: pd.Timestamp, calendar: str) -> None:
    due = exchange(calendar).following(session)
    if clock["is_open"]:
        raise ConfigError("the market is open, and a decision is filled at an open: send the orders after the close.")
    try:
        opens = pd.Timestamp(str(clock["next_open"]))
    except ValueError:
        raise SourceError("Alpaca's clock has no moment of the next open.", kind="malformed") from None
    if opens.tz_localize(None).normalize() != due:
        raise ConfigError(
            f"the decision of {session:%Y-%m-%d} is for the open of {due:%Y-%m-%d}, the next one is of "
            f"{opens:%Y-%m-%d}: refresh, and decide anew with 'tenor paper run'."
        )


def _equity(account: Mapping[str, Any]) -> float:
    blocked = [name for name in ("trading_blocked", "account_blocked", "trade_suspended_by_user") if account.get(name)]
    if account["status"] != "ACTIVE" or blocked:
        why = ", ".join(blocked) or f"its status is {account['status']}"
        raise SourceError(f"the paper account at Alpaca may not trade ({why}): see its dashboard.", kind="refused")
    try:
        equity = float(account["equity"])
    except (TypeError, ValueError):
        equity = math.nan
    if not (math.isfinite(equity) and equity > 0):
        raise SourceError("the paper account at Alpaca has no equity to trade with.", kind="refused")
    return equity
