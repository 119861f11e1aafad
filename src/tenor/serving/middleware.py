"""Middleware (plain ASGI): host names, API keys, rates, sizes and time limits of requests, counters and the log."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from tenor.errors import OverRateError
from tenor.serving.keys import ApiKeys
from tenor.serving.limits import PIECE, Buckets, Limits, Slots, depth, network_of
from tenor.serving.logs import LOGGER, REQUEST
from tenor.serving.metrics import Metrics
from tenor.serving.responses import SECURITY_HEADERS, problem, problem_response
from tenor.serving.schemas import Problem

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH = frozenset(("/healthz", "/readyz"))
"""Paths that are always answered, so that a monitor sees the process alive even if everything else is refused."""
OPEN = re.compile(r"/(?:healthz|readyz|docs|page/[a-z.-]+)?")
"""Paths that need no key: health, the description of the API, and the dashboard without its data."""
EVENTS = "/v1/events"
_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

log = logging.getLogger(LOGGER)


@dataclass
class _Request:
    """One request, as the log and the counters need it."""

    id: str
    begun: float
    scope: Scope
    address: str
    caller: str = ""
    status: int = 0
    size: int = 0
    holds: list[tuple[Slots, str]] = field(default_factory=list)

    @property
    def head(self) -> bool:
        """Whether it is a HEAD request."""
        return bool(self.scope["method"] == "HEAD")


class AccessMiddleware:
    """Passes requests to `app` if they are allowed and small enough; counts and logs all requests.

    HEAD is answered like GET without the body. Bodies are read only for `posts`; `app` answers other methods itself.
    Routes find in the request's state ``request_id``; ``insider``, whether the caller may see paths and reasons; and
    ``charge``, which counts further work.

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
        Host names that a request may use; None for any. A service that users of this machine can use without a key must
        not answer to a host name that a web page has chosen (DNS rebinding).
    posts
        The paths that accept a body by POST.
    """

    def __init__(
        self,
        app: App,
        *,
        limits: Limits,
        metrics: Metrics,
        keys: ApiKeys | None,
        hosts: frozenset[str] | None,
        posts: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._keys = keys
        self._hosts = hosts
        self._posts = posts
        self._buckets = Buckets(limits.rate, limits.burst)
        self._in_flight = Slots(limits.in_flight, limits.in_flight_each)
        self._streams = Slots(limits.streams, limits.streams_each)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = request_id if _ID.fullmatch(request_id) else secrets.token_hex(8)
        address = network_of((scope.get("client") or ("unknown",))[0])
        request = _Request(request_id, time.perf_counter(), scope, address, caller=f"address {address}")
        scope.setdefault("state", {})["request_id"] = request.id

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                own = [(b"x-request-id", request.id.encode()), *SECURITY_HEADERS]
                await send({**message, "headers": [*message.get("headers", ()), *own]})
                # only writing the answer is left, whose time the connection limits
                self._worked(request)
                if request.head:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            elif not request.head:
                await self._write(message, send, request)

        try:
            await self._admit(receive, sending, headers, request)
        except Exception:
            log.exception("failed", extra={"request_id": request.id})
            if not request.status:
                await self._refuse(problem(500, "The log has more under this request id."), sending, request)
        finally:
            self._release(request)
            self._record(request)

    async def _write(self, message: Message, send: Send, request: _Request) -> None:
        """Send a body piece by piece, each when the one before is taken: a slow client holds a piece, not a copy."""
        body = message.get("body", b"")
        request.size += len(body)
        if len(body) <= PIECE:
            await send(message)
            return
        for start in range(0, len(body), PIECE):
            more = start + PIECE < len(body) or message.get("more_body", False)
            await send({"type": "http.response.body", "body": body[start : start + PIECE], "more_body": more})

    async def _admit(self, receive: Receive, send: Send, headers: dict[bytes, bytes], request: _Request) -> None:
        refusal = self._refusal(headers, request)
        if refusal is not None:
            why, extra = refusal
            await self._refuse(why, send, request, extra)
            return
        scope = request.scope
        if scope["method"] == "POST" and scope["path"] in self._posts:
            body = await self._body(receive, headers)
            if isinstance(body, Problem):
                await self._refuse(body, send, request, {"Connection": "close"})
                return
            receive = _replay(body, receive)
        # the application gets HEAD as GET; the body of the answer is left out above
        inner = {**scope, "method": "GET"} if request.head else scope
        try:
            await self._app(inner, receive, send)
        finally:
            if "route" in inner:
                scope["route"] = inner["route"]

    def _refusal(self, headers: dict[bytes, bytes], request: _Request) -> tuple[Problem, dict[str, str]] | None:
        """The problem for which the request is refused, and further headers; None lets it through."""
        path, address = request.scope["path"], request.address
        host = headers.get(b"host", b"").decode("latin-1").rsplit("@")[-1]
        if self._hosts is not None and re.sub(r":\d+$", "", host).strip("[]").lower() not in self._hosts:
            return problem(400, "This service does not answer to that host name: see --allow-host.", kind="host"), {}
        holder = self._holder(headers)
        state = request.scope["state"]
        state["insider"] = holder is not None if self._keys is not None else _at_this_machine(address, headers)
        if path in HEALTH:
            return None
        if path != EVENTS and not self._take(self._in_flight, address, request):
            return problem(503, "Too many requests are being worked on: come back in a second."), {}
        if OPEN.fullmatch(path):
            return self._over_rate(f"page {address}")
        if self._keys is not None:
            if holder is None:
                if wait := self._buckets.wait(f"wrong key {address}"):
                    return problem(429, "Too many wrong keys."), _after(wait)
                detail = "Send it as 'Authorization: Bearer KEY'; 'tenor keys make NAME' makes one."
                return problem(401, detail), {"WWW-Authenticate": 'Bearer realm="tenor"'}
            request.caller = f"key {holder}"
        state["charge"] = functools.partial(self._charge, request.caller)
        if refusal := self._over_rate(request.caller):
            return refusal
        if path == EVENTS and not self._take(self._streams, request.caller, request):
            return problem(503, "Too many event streams are open: come back later."), {"Retry-After": "30"}
        return None

    def _holder(self, headers: dict[bytes, bytes]) -> str | None:
        """Whose key the request presents."""
        if self._keys is None:
            return None
        presented = headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ").strip()
        return self._keys.holder(presented or headers.get(b"x-api-key", b"").decode("latin-1"))

    def _over_rate(self, caller: str) -> tuple[Problem, dict[str, str]] | None:
        wait = self._buckets.wait(caller)
        if not wait:
            return None
        return problem(429, f"More than {self._limits.rate:g} a second, {self._limits.burst} at once."), _after(wait)

    def _charge(self, caller: str, cost: float) -> None:
        """Count `cost` more to the work of `caller`; raises OverRateError where it has more than it may already."""
        if cost > 0 and (wait := self._buckets.charge(caller, cost)):
            raise OverRateError(wait)

    def _take(self, slots: Slots, caller: str, request: _Request) -> bool:
        if not slots.take(caller):
            return False
        request.holds.append((slots, caller))
        self._measure()
        return True

    def _worked(self, request: _Request) -> None:
        """Give the place of a request back whose answer is made; a stream keeps its own until it ends."""
        if request.holds and request.holds[0][0] is self._in_flight:
            self._release(request)

    def _release(self, request: _Request) -> None:
        while request.holds:
            slots, caller = request.holds.pop()
            slots.give_back(caller)
        self._measure()

    def _measure(self) -> None:
        self._metrics.in_flight.set(self._in_flight.taken)
        self._metrics.streams.set(self._streams.taken)

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

    async def _refuse(self, why: Problem, send: Send, request: _Request, headers: dict[str, str] | None = None) -> None:
        self._metrics.refused.labels(why.type.rpartition(":")[2]).inc()
        response = problem_response(dataclasses.replace(why, request_id=request.id), headers or {})

        async def no_body() -> Message:
            return {"type": "http.disconnect"}

        await response(request.scope, no_body, send)

    def _record(self, request: _Request) -> None:
        seconds = time.perf_counter() - request.begun
        scope = request.scope
        route = getattr(scope.get("route"), "path", None) or "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.answered(route, method, request.status, seconds)
        if log.isEnabledFor(logging.INFO):
            fields = {
                "method": method,
                "path": scope["path"],
                "route": route,
                "status": request.status,
                "ms": round(seconds * 1000, 2),
                "bytes": request.size,
                "caller": request.caller,
                "request_id": request.id,
            }
            # as `log.info`, which would look up the line of code that calls it each time
            log.handle(log.makeRecord(log.name, logging.INFO, __file__, 0, REQUEST, (), None, extra=fields))


def _at_this_machine(address: str, headers: dict[bytes, bytes]) -> bool:
    """Whether the caller sits at this machine, and is not a proxy that passes on what another one asks."""
    return _is_loopback(address) and not any(name in headers for name in _FORWARDED)


@functools.lru_cache(1024)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(int(seconds) + 1)}


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
