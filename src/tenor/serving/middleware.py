"""Middleware (plain ASGI): host names, API keys, rates, sizes and time limits of requests, counters and the log."""

from __future__ import annotations

import asyncio
import dataclasses
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
from tenor.serving.responses import problem, problem_response
from tenor.serving.schemas import Problem

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = re.compile(r"/(?:healthz|readyz|page/[a-z.-]+)?")
"""Paths that need no key and count against no rate: health, and the dashboard without its data."""
EVENTS = "/v1/events"
_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

log = logging.getLogger(LOGGER)


@dataclass
class _Request:
    """One request, as the log and the counters need it."""

    id: str
    begun: float
    caller: str = ""
    status: int = 0
    size: int = 0


class AccessMiddleware:
    """Lets requests through to `app` that may be made and are small enough; counts and logs them all.

    Parameters
    ----------
    app
        The application behind it.
    limits
        The bounds of requests.
    metrics
        Counters.
    keys
        The API keys that are accepted; None for no keys.
    hosts
        Host names that a request may use; None for any. A service that this machine's own user reaches without a key
        must not answer to a name that a web page made up (DNS rebinding).
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
        self._in_flight = 0
        self._streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")
        request = _Request(request_id if _ID.fullmatch(request_id) else secrets.token_hex(8), time.perf_counter())
        scope.setdefault("state", {})["request_id"] = request.id

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                own = [(b"x-request-id", request.id.encode()), *_HEADERS]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            else:
                request.size += len(message.get("body", b""))
            await send(message)

        stream = scope["path"] == EVENTS
        self._in_flight += not stream
        self._streams += stream
        self._metrics.in_flight.set(self._in_flight)
        self._metrics.streams.set(self._streams)
        try:
            await self._admit(scope, receive, sending, headers, request)
        except Exception:
            log.exception("failed", extra={"request_id": request.id})
            if not request.status:
                await self._refuse(problem(500, "The log has more under this request id."), scope, sending, request)
        finally:
            self._in_flight -= not stream
            self._streams -= stream
            self._record(scope, request)

    async def _admit(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes], request: _Request
    ) -> None:
        refusal = self._refusal(scope, headers, request)
        if refusal is not None:
            why, extra = refusal
            await self._refuse(why, scope, send, request, extra)
            return
        if scope["method"] in ("POST", "PUT", "PATCH"):
            body = await self._body(receive, headers)
            if isinstance(body, Problem):
                await self._refuse(body, scope, send, request, {"Connection": "close"})
                return
            receive = _replay(body, receive)
        await self._app(scope, receive, send)

    def _refusal(
        self, scope: Scope, headers: dict[bytes, bytes], request: _Request
    ) -> tuple[Problem, dict[str, str]] | None:
        """The problem for which the request is refused, and further headers; None lets it through."""
        host = headers.get(b"host", b"").decode("latin-1").rsplit("@")[-1]
        if self._hosts is not None and re.sub(r":\d+$", "", host).strip("[]").lower() not in self._hosts:
            return problem(400, "This service does not answer to that host name: see --allow-host.", kind="host"), {}
        if scope["path"] == EVENTS:
            if self._streams > self._limits.streams:
                return problem(503, "Too many event streams are open: come back later."), {"Retry-After": "30"}
        elif self._in_flight > self._limits.in_flight:
            return problem(503, "Too many requests are being worked on: come back in a second."), {}
        address = (scope.get("client") or ("unknown",))[0]
        request.caller = f"address {address}"
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
            request.caller = f"key {holder}"
        wait = self._buckets.wait(request.caller)
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
        self, why: Problem, scope: Scope, send: Send, request: _Request, headers: dict[str, str] | None = None
    ) -> None:
        self._metrics.refused.labels(why.type.rpartition(":")[2]).inc()
        response = problem_response(dataclasses.replace(why, request_id=request.id), headers or {})

        async def no_body() -> Message:
            return {"type": "http.disconnect"}

        await response(scope, no_body, send)

    def _record(self, scope: Scope, request: _Request) -> None:
        seconds = time.perf_counter() - request.begun
        route = getattr(scope.get("route"), "path", None) or "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.in_flight.set(self._in_flight)
        self._metrics.streams.set(self._streams)
        self._metrics.answered(route, method, request.status, seconds)
        if log.isEnabledFor(logging.INFO):
            log.info(
                "request",
                extra={
                    "method": method,
                    "path": scope["path"],
                    "route": route,
                    "status": request.status,
                    "ms": round(seconds * 1000, 2),
                    "bytes": request.size,
                    "caller": request.caller,
                    "request_id": request.id,
                },
            )


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def _replay(body: bytes, receive: Receive) -> Receive:
    """`receive` as if the body had not been read yet."""
    replayed = False

    async def again() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
