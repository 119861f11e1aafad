"""HTTP responses: JSON without caching, bodies with an ETag, and errors as problem details (RFC 9457)."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tenor.errors import DataError, StoreError, TenorError, UnknownSymbolError, UsageError
from tenor.serving.limits import PIECE
from tenor.serving.schemas import Problem
from tenor.storage.files import content_key

NO_STORE = {"Cache-Control": "no-store"}
PROBLEM_JSON = "application/problem+json"
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Headers of every answer, including errors."""
ENTRY, ROW = 1024, 64
"""Bytes of memory in addition to the text, for each cached answer and for each of its rows."""
_KINDS = {
    400: ("bad-request", "The request can't be read"),
    401: ("no-key", "An API key is needed"),
    404: ("not-found", "Not found"),
    405: ("method", "Method not allowed"),
    406: ("not-acceptable", "No such representation"),
    408: ("too-slow", "The request took too long to arrive"),
    413: ("too-large", "The request is too large"),
    414: ("address-too-long", "The address is too long"),
    415: ("media-type", "The body is not JSON"),
    422: ("invalid", "The request is not what this path takes"),
    429: ("too-many", "Too many requests"),
    431: ("head-too-large", "The head of the request is too large"),
    500: ("internal", "Internal error"),
    501: ("not-implemented", "Not implemented"),
    503: ("unavailable", "Service unavailable"),
    504: ("time-out", "It took too long"),
}
_TITLES = {
    "unknown-symbol": "Unknown symbol",
    "host": "Unknown host name",
    "too-deep": "The body is nested too deep",
    "model": "The model can't be used",
}
"""Of the kinds that name a status more closely."""
_DESCRIPTIONS = {
    400: "The request can't be read.",
    401: "An API key is needed.",
    404: "No such symbol or path.",
    405: "Not with this method.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The request is not what the path takes.",
    429: "Too many requests; Retry-After says when to come back.",
    503: "Overloaded, or nothing to serve yet; Retry-After says when to come back.",
}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "model": Problem,
        "description": description,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in _DESCRIPTIONS.items()
}
"""The problems that any route may answer with, for OpenAPI."""


def json_response(plain: Mapping[str, Any], status: int = 200) -> Response:
    """`plain` as JSON that is not cached."""
    return Response(_json(plain), status, NO_STORE, "application/json")


@dataclass(frozen=True)
class Body:
    """The body of a response, usually JSON, with its ETag."""

    data: bytes
    etag: str

    def response(self, request: Request) -> Response:
        """The body, or status 304 if the request's ``If-None-Match`` names its ETag."""
        headers = tagged(self.etag)
        if matches(request, self.etag):
            return Response(status_code=304, headers=headers)
        return Response(self.data, headers=headers, media_type="application/json")


def tagged(etag: str) -> dict[str, str]:
    """The headers of an answer that a client may keep, but must revalidate."""
    return {"ETag": etag, "Cache-Control": "private, no-cache"}


def matches(request: Request, etag: str) -> bool:
    """Whether the request's ``If-None-Match`` names `etag`."""
    known = request.headers.get("if-none-match", "")
    return bool(known) and any(tag.strip().removeprefix("W/") in (etag, "*") for tag in known.split(","))


class PiecesResponse(Response):
    """JSON in pieces of bytes that answers share, so that a slow client does not need its own copy.

    Parameters
    ----------
    pieces
        The pieces of the JSON.
    headers
        Headers in addition to the length.
    """

    media_type = "application/json"

    def __init__(self, pieces: Sequence[bytes], headers: Mapping[str, str]) -> None:
        super().__init__(headers={**headers, "Content-Length": str(sum(map(len, pieces)))})
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI calls it
        """Send it, small pieces together."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        some: list[bytes] = []
        size = 0
        for piece in self._pieces:
            some.append(piece)
            size += len(piece)
            if size >= PIECE:
                await send({"type": "http.response.body", "body": b"".join(some), "more_body": True})
                some, size = [], 0
        await send({"type": "http.response.body", "body": b"".join(some), "more_body": False})


class BodyCache:
    """A cache of rendered answers, by a key of the data from which they were rendered.

    Parameters
    ----------
    most
        The most bytes of memory; answers not requested for the longest time are dropped first.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0
        self._cached: OrderedDict[tuple[Hashable, ...], tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, key: tuple[Hashable, ...]) -> Any:
        """The answer cached under `key`, or None."""
        with self._lock:
            entry = self._cached.get(key)
            if entry is None:
                return None
            self._cached.move_to_end(key)
            return entry[0]

    def get(self, key: tuple[Hashable, ...], render: Callable[[], Mapping[str, Any]]) -> Body:
        """The body cached under `key`; if there is none, `render` makes it."""
        return self.get_data(key, lambda: _json(render()))

    def get_data(self, key: tuple[Hashable, ...], make: Callable[[], bytes]) -> Body:
        """As `get`, for a body that is not JSON."""

        def body() -> tuple[Body, int]:
            data = make()
            return Body(data, f'"{content_key(data, length=32)}"'), len(data)

        made: Body = self._get(key, body)
        return made

    def get_rows(
        self, key: tuple[Hashable, ...], render: Callable[[], Sequence[Mapping[str, Any]]]
    ) -> tuple[bytes, ...]:
        """The rows cached under `key`, each as JSON; if there are none, `render` makes them."""

        def rows() -> tuple[tuple[bytes, ...], int]:
            texts = tuple(map(_json, render()))
            return texts, sum(len(text) + ROW for text in texts)

        made: tuple[bytes, ...] = self._get(key, rows)
        return made

    def _get(self, key: tuple[Hashable, ...], make: Callable[[], tuple[Any, int]]) -> Any:
        known = self.known(key)
        if known is not None:
            return known
        value, size = make()
        size += ENTRY
        with self._lock:
            if key not in self._cached and size <= self.most:
                self._cached[key] = value, size
                self.size += size
            while self.size > self.most:
                _, (_, dropped) = self._cached.popitem(last=False)
                self.size -= dropped
        return value


def problem(status: int, detail: str, *, request_id: str = "", kind: str = "", errors: tuple[str, ...] = ()) -> Problem:
    """The problem details of an HTTP status; `kind` is a more specific kind of problem."""
    name, title = _KINDS.get(status, ("error", HTTPStatus(status).phrase))
    return Problem(f"urn:tenor:problem:{kind or name}", _TITLES.get(kind, title), status, detail, request_id, errors)


def problem_of(error: TenorError, request_id: str = "") -> Problem:
    """The problem details with which `error` is reported to a caller."""
    if isinstance(error, UnknownSymbolError):
        return problem(404, str(error), request_id=request_id, kind="unknown-symbol")
    if isinstance(error, StoreError):
        return problem(503, str(error), request_id=request_id)
    if isinstance(error, (UsageError, DataError)):
        return problem(422, str(error), request_id=request_id)
    return problem(503, str(error), request_id=request_id, kind="model")


def fields_of(problem: Problem) -> dict[str, Any]:
    """The fields of a problem without the empty ones."""
    return {key: value for key, value in dataclasses.asdict(problem).items() if value not in ("", ())}


def problem_response(problem: Problem, headers: Mapping[str, str] = {}) -> Response:
    """A problem as ``application/problem+json``; empty fields are left out."""
    plain = fields_of(problem)
    retry = {"Retry-After": "1"} if problem.status in (429, 503) else {}
    return Response(json.dumps(plain), problem.status, {**retry, **NO_STORE, **headers}, media_type=PROBLEM_JSON)


def _json(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain, separators=(",", ":")).encode()
