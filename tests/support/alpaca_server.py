"""A paper account that speaks Alpaca's Trading API as documented, on a port of this machine, with faults on request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY, SECRET = "PK-made-up", "made-up-secret"


@dataclass
class PaperAccount:
    """What the account has, and how it behaves.

    Attributes
    ----------
    faults
        For the next POSTs of orders, one each: ``403``, ``422``, ``429``, ``500``, ``hang`` (it takes the order and
        never answers), ``drop`` (it closes the connection before it takes the order), ``redirect`` (to another origin).
    """

    equity: float = 10_000.0
    status: str = "ACTIVE"
    is_open: bool = False
    next_open: str = "2020-01-07T09:30:00-05:00"
    shares: dict[str, float] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    first_status: str = "accepted"
    url: str = ""
    elsewhere: str = ""
    hang: float = 2.0

    def take(self, body: dict[str, Any]) -> tuple[int, Any]:
        if any(order["client_order_id"] == body["client_order_id"] for order in self.orders):
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        order = {
            "id": f"00000000-0000-4000-8000-{len(self.orders):012d}",
            "created_at": "2020-01-06T22:00:00.000000Z",
            "asset_class": "us_equity",
            "filled_qty": "0",
            "filled_avg_price": None,
            "order_class": "",
            "order_type": body["type"],
            "notional": None,
            "extended_hours": False,
            "status": self.first_status,
            **body,
        }
        self.orders.append(order)
        return 200, order


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    account: PaperAccount

    def log_message(self, *args: Any) -> None:
        """Silence."""

    def _answer(self, status: int, value: Any, **headers: str) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(data)

    def _known(self) -> bool:
        given = self.headers.get("APCA-API-KEY-ID"), self.headers.get("APCA-API-SECRET-KEY")
        if given != (KEY, SECRET):
            self._answer(401, {"code": 40110000, "message": "request is not authorized"})
        return given == (KEY, SECRET)

    def do_GET(self) -> None:
        account, parts = self.account, urlsplit(self.path)
        account.requests.append(("GET", self.path))
        if not self._known():
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/v2/account":
            plain = {"status": account.status, "equity": str(account.equity), "cash": str(account.equity)}
            blocked = {"trading_blocked": False, "account_blocked": False, "trade_suspended_by_user": False}
            self._answer(200, {**plain, **blocked, "currency": "USD", "account_number": "PA000000"})
        elif parts.path == "/v2/clock":
            times = {"timestamp": "2020-01-06T17:00:00-05:00", "next_close": "2020-01-07T16:00:00-05:00"}
            self._answer(200, {**times, "is_open": account.is_open, "next_open": account.next_open})
        elif parts.path == "/v2/positions":
            self._answer(200, [{"symbol": s, "qty": str(q), "side": "long"} for s, q in account.shares.items()])
        elif parts.path == "/v2/orders":
            done = ("filled", "canceled", "expired", "rejected")
            self._answer(200, [order for order in account.orders if order["status"] not in done])
        elif parts.path == "/v2/orders:by_client_order_id":
            found = [o for o in account.orders if o["client_order_id"] == query["client_order_id"]]
            missing = {"code": 40410000, "message": f"order not found for {query['client_order_id']}"}
            self._answer(200 if found else 404, found[0] if found else missing)
        else:
            self._answer(404, {"message": "Not Found"})

    def do_POST(self) -> None:
        account = self.account
        account.requests.append(("POST", self.path))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._known():
            return
        fault = account.faults.pop(0) if account.faults else ""
        if fault == "403":
            self._answer(403, {"code": 40310000, "message": "insufficient buying power"})
        elif fault == "422":
            self._answer(422, {"code": 42210000, "message": "asset is not fractionable"})
        elif fault == "429":
            self._answer(429, {"message": "too many requests."})
        elif fault == "500":
            self._answer(500, {"message": "internal server error occurred"})
        elif fault == "redirect":
            self._answer(307, {}, Location=f"{account.elsewhere}/v2/orders")
        elif fault == "drop":
            self.close_connection = True
        elif fault == "hang":
            account.take(body)
            time.sleep(account.hang)
            self.close_connection = True
        else:
            self._answer(*account.take(body))


@contextmanager
def serving(account: PaperAccount) -> Iterator[PaperAccount]:
    """`account`, with its address in `url`."""
    handler = type("Handler", (_Handler,), {"account": account})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    account.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield account
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
