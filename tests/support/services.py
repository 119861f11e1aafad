"""The services of `wire`, each on a port of its own, with faults on request."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from wire import SERVICES
from world import World

FAULTS = ("429", "500", "drip", "truncated", "html", "length", "loop", "changed", "huge")
HUGE = 10 * (1 << 20)

LASTING_FAULTS = [
    ("429", "limited"),
    ("500", "away"),
    ("drip", "away"),
    ("truncated", "malformed"),
    ("html", "malformed"),
    ("length", "away"),
    ("loop", "malformed"),
    ("changed", "malformed"),
    ("huge", "malformed"),
]
"""A fault of every answer -> the kind of the error that it has to become, whatever the service."""


@dataclass
class Service:
    """One running service: where it is, its requests, and what is wrong with its answers.

    Attributes
    ----------
    faults
        Names of `FAULTS` for the next requests, one each; ``*`` before a name holds for all that follow.
    choose
        Gives the fault by the number of the request, where `faults` is empty.
    """

    name: str
    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    choose: Callable[[int], str | None] | None = None
    retry_after: str = "0"

    def fault(self) -> str | None:
        if self.faults:
            return self.faults[0][1:] if self.faults[0].startswith("*") else self.faults.pop(0)
        return self.choose(len(self.requests)) if self.choose else None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service
    world: World

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._serve()

    def log_message(self, *args: Any) -> None:
        """Silence."""

    def _serve(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            self.service.requests.append((parts.path, query))
            fault = self.service.fault()
            plain = "text/plain"
            if fault == "429":
                self._send(429, plain, b"slow down", {"Retry-After": self.service.retry_after})
            elif fault == "500":
                self._send(500, plain, b"oops")
            elif fault == "loop":
                self._send(302, plain, b"", {"Location": self.path})
            elif fault == "html":
                self._send(200, "text/html", b"<!DOCTYPE html><html><body>Please wait</body></html>")
            elif fault == "huge":
                self._send(200, "application/json", b"[" + b" " * HUGE + b"]")
            else:
                answer = SERVICES[self.service.name].speak(self.world, parts.path, query, dict(self.headers))
                self._spoilt(fault, *answer)

    def _spoilt(self, fault: str | None, status: int, kind: str, body: bytes) -> None:
        if fault == "changed":
            body = body if SERVICES[self.service.name].fields else b"{}"
            for name in SERVICES[self.service.name].fields:
                body = body.replace(name, b'"renamed"')
        elif fault == "truncated":
            body = body[: len(body) * 2 // 3]
        if fault == "length":
            self._head(status, kind, len(body) + 100, {"Connection": "close"})
            self.wfile.write(body)
            self.close_connection = True
        elif fault == "drip":
            self._head(status, kind, len(body), {})
            for i in range(min(len(body), 40)):
                self.wfile.write(body[i : i + 1])
                self.wfile.flush()
                time.sleep(0.05)
            self.close_connection = True
        else:
            self._send(status, kind, body)

    def _send(self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._head(status, kind, len(body), headers or {})
        self.wfile.write(body)

    def _head(self, status: int, kind: str, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


@contextmanager
def serving(world: World, names: tuple[str, ...] = tuple(SERVICES)) -> Iterator[dict[str, Service]]:
    """The services `names` about `world`, running on ports that the system gave."""
    running: list[_Server] = []
    services: dict[str, Service] = {}
    try:
        for name in names:
            service = Service(name)
            handler = type(f"{name}_handler", (_Handler,), {"service": service, "world": world})
            server = _Server(("127.0.0.1", 0), handler)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            running.append(server)
            service.url = f"http://127.0.0.1:{server.server_address[1]}"
            services[name] = service
        yield services
    finally:
        for server in running:
            server.shutdown()
            server.server_close()
