"""A paper account at Alpaca, by its Trading API: account, clock, positions and market orders. Never a live one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tenor.errors import ConfigError, SourceError
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys

PAPER_URL = "https://paper-api.alpaca.markets"
KEY, SECRET, ADDRESS = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "APCA_API_BASE_URL"
SOURCE = "Alpaca"
LOOKS = 3
"""Number of attempts to look up an order of unknown outcome."""
UNKNOWN, NOT_SENT, REFUSED = "unknown", "not sent", "refused"


def address(environment: Mapping[str, str]) -> str:
    """The address of the paper API; raises ConfigError if ``APCA_API_BASE_URL`` is another address.

    A server on this machine is allowed, for tests.
    """
    given = environment.get(ADDRESS, "").strip().rstrip("/").removesuffix("/v2") or PAPER_URL
    parts = urlsplit(given)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1") and not parts.username
    if given != PAPER_URL and not local:
        raise ConfigError(
            f"{ADDRESS} is not {PAPER_URL}: tenor sends orders to paper accounts alone; unset it, or give that one."
        )
    return given


def keys_of(environment: Mapping[str, str]) -> SourceKeys:
    """The keys in `environment`; raises ConfigError if one is missing."""
    values = {name: environment.get(name, "").strip() for name in (KEY, SECRET)}
    for name, value in values.items():
        if not value:
            raise ConfigError(f"the paper account at {SOURCE} needs the environment variable {name}: set it.")
    return SourceKeys(values)


@dataclass(frozen=True)
class Order:
    """A market order for the day, and its outcome.

    Attributes
    ----------
    symbol, side, qty
        Fields of Alpaca's API; `qty` is in shares.
    client_order_id
        One id per session and symbol, so that the same order is never placed twice.
    status
        Alpaca's status (``accepted``, ``partially_filled``, ``filled``, ``rejected`` …), or ``planned``, ``refused``
        (Alpaca refused it), ``not sent`` (Alpaca asked to wait) or ``unknown`` (no answer, and the look-up failed).
    filled
        Shares filled so far.
    message
        The reason why it was refused or its status is unknown.
    """

    symbol: str
    side: str
    qty: str
    client_order_id: str
    status: str = "planned"
    filled: str = "0"
    message: str = ""


class Alpaca:
    """Client of the paper account that the keys belong to.

    Parameters
    ----------
    http
        Sends the requests; it knows the keys in order to hide them in messages.
    keys
        Result of `keys_of`.
    base
        Result of `address`.

    Raises
    ------
    SourceError
        Raised by every method except `send` if Alpaca's answer is not as documented.
    """

    def __init__(self, http: Http, keys: SourceKeys, base: str) -> None:
        self._http, self._base = http, address({ADDRESS: base})
        self._headers = {
            "APCA-API-KEY-ID": keys.get(KEY, SOURCE),
            "APCA-API-SECRET-KEY": keys.get(SECRET, SOURCE),
        }

    def account(self) -> dict[str, Any]:
        """The account: ``status``, ``equity`` and other fields, numbers as text."""
        return self._object(self._get("account"), "status", "equity")

    def clock(self) -> dict[str, Any]:
        """The clock: ``is_open``, ``next_open`` and other fields."""
        return self._object(self._get("clock"), "is_open", "next_open")

    def positions(self) -> dict[str, float]:
        """Number of shares by symbol; negative for short positions."""
        rows = [self._object(row, "symbol", "qty") for row in self._list(self._get("positions"))]
        return {str(row["symbol"]): _number(row["qty"]) for row in rows}

    def open_orders(self) -> list[dict[str, Any]]:
        """The open orders."""
        rows = self._list(self._get("orders", {"status": "open", "limit": "500"}))
        return [self._object(row, "symbol", "client_order_id") for row in rows]

    def find(self, client_order_id: str) -> dict[str, Any] | None:
        """The order with that id, or None if there is none."""
        status, answer = self._http.ask_json(
            f"{self._base}/v2/orders:by_client_order_id",
            source=SOURCE,
            headers=self._headers,
            answered=(200, 404),
            params={"client_order_id": client_order_id},
        )
        return None if status == 404 else self._object(answer, "status", "filled_qty")

    def send(self, order: Order) -> Order:
        """Place `order` unless it already exists, and return it with its outcome; it is never placed twice.

        It is looked up by its id before it is sent, and again if the outcome of sending is unknown.
        """
        try:
            if (there := self.find(order.client_order_id)) is not None:
                return _after(order, there)
        except SourceError as error:
            return _with(order, NOT_SENT, str(error))
        for _ in range(2):
            try:
                return self._place(order)
            except SourceError as error:
                if error.kind in ("limited", "refused"):
                    return _with(order, NOT_SENT if error.kind == "limited" else REFUSED, str(error))
                why = str(error)
            try:
                there = self._looked_up(order.client_order_id)
            except SourceError as error:
                message = f"{why} It may be there: run the command again, it is looked up first. ({error})"
                return _with(order, UNKNOWN, message)
            if there is not None:
                return _after(order, there)
        return _with(order, NOT_SENT, why)

    def _looked_up(self, client_order_id: str) -> dict[str, Any] | None:
        """The result of `find`, with retries: an order that has just been sent may take a moment to appear."""
        there = None
        for _ in range(LOOKS):
            there = self.find(client_order_id)
            if there is not None:
                break
        return there

    def _place(self, order: Order) -> Order:
        body = {
            "symbol": order.symbol,
            "qty": order.qty,
            "side": order.side,
            "type": "market",
            "time_in_force": "day",
            "client_order_id": order.client_order_id,
        }
        status, answer = self._http.ask_json(
            f"{self._base}/v2/orders", source=SOURCE, headers=self._headers, answered=(200, 403, 422), body=body
        )
        if status == 200:
            return _after(order, self._object(answer, "status", "filled_qty"))
        if status == 422 and (there := self.find(order.client_order_id)) is not None:
            return _after(order, there)  # another process has placed it in the meantime
        message = answer.get("message", "") if isinstance(answer, dict) else ""
        return _with(order, REFUSED, f"{SOURCE} refuses it ({status}): {str(message)[:200]}")

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return self._http.get_json(f"{self._base}/v2/{path}", source=SOURCE, headers=self._headers, params=params)

    def _object(self, value: Any, *fields: str) -> dict[str, Any]:
        if not isinstance(value, dict) or any(field not in value for field in fields):
            raise SourceError(f"{SOURCE} sent no {' and '.join(fields)}: see its status page.", kind="malformed")
        return value

    def _list(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise SourceError(f"{SOURCE} sent no list where it documents one: see its status page.", kind="malformed")
        return value


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise SourceError(f"{SOURCE} sent {str(text)[:40]!r} where it documents a number.", kind="malformed") from None


def _after(order: Order, answer: Mapping[str, Any]) -> Order:
    filled = str(answer["filled_qty"] or "0")
    qty = str(answer.get("qty") or order.qty)
    side = str(answer.get("side") or order.side)
    return Order(order.symbol, side, qty, order.client_order_id, str(answer["status"]), filled)


def _with(order: Order, status: str, message: str) -> Order:
    return Order(order.symbol, order.side, order.qty, order.client_order_id, status, order.filled, message)
