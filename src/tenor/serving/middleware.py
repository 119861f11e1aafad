"""The door of the service (plain ASGI): who may come in, how much they may carry, and a line in the log for each."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from tenor.serving.keys import ApiKeys
from tenor.serving.limits import Buckets, Limits, depth
from tenor.serving.logs import LOGGER
from tenor.serving.metrics import Metrics
from tenor.serving.problems import problem, problem_response
from tenor.serving.schemas import Problem

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = re.compile(r"/(?:healthz|readyz|page/[a-z.-]+)?")
"""Paths that need no key and count against no rate: is it alive, and the page without its data."""
EVENTS = "/v1/events"
_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

log = logging.getLogger(LOGGER)


@dataclass
class _Visit:
    """One request: what the log and the counters need to know of it."""

    id: str
    begun: float
    caller: str = ""
    status: int = 0
    size: int = 0


class AccessMiddleware:
    """Wraps `app`.

    Parameters
    ----------
    keys
        Those that open the service; None opens it to everybody.
    hosts
        Names that a request may call this service by; None for any. A service that this machine's own user reaches
        without a key must not answer to a name that a web page made up (DNS rebinding).
    """

    def __init__(
        self, app: App, *, limits: Limits, metrics: Metrics, keys: ApiKeys | None, hosts: frozenset[str] | None
    ) -> None:
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._keys = keys
        self._hosts = hosts
        self._buckets = Buckets(limits.rate, limits.burst)
        self._inside = 0
        self._streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        visit = _Visit(given if _ID.fullmatch(given) else secrets.token_hex(8), time.perf_counter())
        scope.setdefault("state", {})["request_id"] = visit.id

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                own = [(b"x-request-id", visit.id.encode()), *_HEADERS]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            else:
                visit.size += len(message.get("body", b""))
            await send(message)

        stream = scope["path"] == EVENTS
        self._inside += not stream
        self._streams += stream
        self._metrics.in_flight.set(self._inside)
        self._metrics.streams.set(self._streams)
        try:
            await self._admit(scope, receive, sending, headers, visit)
        except Exception:
            log.exception("failed", extra={"request_id": visit.id})
            if not visit.status:
                await self._refuse(problem(500, "The log tells more under this request id."), scope, sending, visit)
        finally:
            self._inside -= not stream
            self._streams -= stream
            self._tell(scope, visit)

    async def _admit(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes], visit: _Visit
    ) -> None:
        refused = self._refused(scope, headers, visit)
        if refused is not None:
            found, extra = refused
            await self._refuse(found, scope, send, visit, extra)
            return
        if scope["method"] in ("POST", "PUT", "PATCH"):
            body = await self._body(receive, headers)
            if isinstance(body, Problem):
                await self._refuse(body, scope, send, visit, {"Connection": "close"})
                return
            receive = _replay(body, receive)
        await self._app(scope, receive, send)

    def _refused(
        self, scope: Scope, headers: dict[bytes, bytes], visit: _Visit
    ) -> tuple[Problem, dict[str, str]] | None:
        """Why this request goes no further, and headers that say more; None lets it in."""
        host = headers.get(b"host", b"").decode("latin-1").rsplit("@")[-1]
        if self._hosts is not None and re.sub(r":\d+$", "", host).strip("[]").lower() not in self._hosts:
            return problem(400, "This service does not go by that host name: see --allow-host.", kind="host"), {}
        if scope["path"] == EVENTS:
            if self._streams > self._limits.streams:
                return problem(503, "Too many event streams are open: come back later."), {"Retry-After": "30"}
        elif self._inside > self._limits.in_flight:
            return problem(503, "Too many requests are being worked on: come back in a second."), {}
        address = (scope.get("client") or ("unknown",))[0]
        visit.caller = f"address {address}"
        if OPEN.fullmatch(scope["path"]):
            return None
        if self._keys is not None:
            presented = headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ").strip()
            presented = presented or headers.get(b"x-api-key", b"").decode("latin-1")
            holder = self._keys.holder(presented)
            if holder is None:
                wait = self._buckets.wait(f"wrong key {address}")
                if wait:
                    return problem(429, "Too many wrong keys."), {"Retry-After": str(int(wait) + 1)}
                detail = "Send it as 'Authorization: Bearer KEY'; 'tenor keys make NAME' makes one."
                return problem(401, detail), {"WWW-Authenticate": 'Bearer realm="tenor"'}
            visit.caller = f"key {holder}"
        wait = self._buckets.wait(visit.caller)
        if wait:
            rate = f"{self._limits.rate:g} a second, {self._limits.burst} at once"
            return problem(429, f"More than {rate}."), {"Retry-After": str(int(wait) + 1)}
        return None

    async def _body(self, receive: Receive, headers: dict[bytes, bytes]) -> bytes | Problem:
        """The whole body, or why it is refused."""
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if kind != b"application/json" and not kind.endswith(b"+json"):
            return problem(415, "Send the body as application/json.")
        most = self._limits.body
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > most:
            return problem(413, f"A body has at most {most} bytes.")
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return problem(400, "The body broke off.")
                    body += message.get("body", b"")
                    if len(body) > most:
                        return problem(413, f"A body has at most {most} bytes.")
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            return problem(408, f"The body did not arrive within {self._limits.body_seconds:g} seconds.")
        if depth(bytes(body)) > self._limits.depth:
            return problem(422, f"The body is nested more than {self._limits.depth} deep.", kind="too-deep")
        return bytes(body)

    async def _refuse(
        self, found: Problem, scope: Scope, send: Send, visit: _Visit, headers: dict[str, str] | None = None
    ) -> None:
        self._metrics.refused.labels(found.type.rpartition(":")[2]).inc()
        named = Problem(found.type, found.title, found.status, found.detail, visit.id)

        async def nothing() -> Message:
            return {"type": "http.disconnect"}

        await problem_response(named, headers or {})(scope, nothing, send)

    def _tell(self, scope: Scope, visit: _Visit) -> None:
        seconds = time.perf_counter() - visit.begun
        route = getattr(scope.get("route"), "path", None) or "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.in_flight.set(self._inside)
        self._metrics.streams.set(self._streams)
        self._metrics.answered(route, method, visit.status, seconds)
        if log.isEnabledFor(logging.INFO):
            log.info(
                "request",
                extra={
                    "method": method,
                    "path": scope["path"],
                    "route": route,
                    "status": visit.status,
                    "ms": round(seconds * 1000, 2),
                    "bytes": visit.size,
                    "caller": visit.caller,
                    "request_id": visit.id,
                },
            )


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def _replay(body: bytes, receive: Receive) -> Receive:
    """`receive` as if the body had not been read yet."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
