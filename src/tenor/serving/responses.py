"""HTTP responses: JSON that nobody may cache, bodies under their ETag, and errors as problem details (RFC 9457)."""

from __future__ import annotations

import dataclasses
import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tenor.errors import DataError, StoreError, TenorError, UnknownSymbolError, UsageError
from tenor.serving.schemas import Problem
from tenor.storage.files import content_key

NO_STORE = {"Cache-Control": "no-store"}
PROBLEM_JSON = "application/problem+json"
CACHED_BODIES = 4096
_KINDS = {
    400: ("bad-request", "The request can't be read"),
    401: ("no-key", "An API key is needed"),
    404: ("not-found", "There is no such thing"),
    405: ("method", "This path does not take that method"),
    406: ("not-acceptable", "No such representation"),
    408: ("too-slow", "The request took too long to arrive"),
    413: ("too-large", "The request is too large"),
    415: ("media-type", "The body is not JSON"),
    422: ("invalid", "The request is not what this path takes"),
    429: ("too-many", "Too many requests"),
    500: ("internal", "Something went wrong here"),
    503: ("unavailable", "Not now"),
    504: ("time-out", "It took too long"),
}
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
    """A response's JSON and its ETag."""

    data: bytes
    etag: str

    def response(self, request: Request) -> Response:
        """The body, or 304 where the request's ``If-None-Match`` names its ETag."""
        headers = {"ETag": self.etag, "Cache-Control": "private, no-cache"}
        known = request.headers.get("if-none-match", "")
        if known and any(tag.strip().removeprefix("W/") in (self.etag, "*") for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(self.data, headers=headers, media_type="application/json")


class BodyCache:
    """The bodies rendered last, each rendered once and cached under what it was rendered from."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[tuple[Hashable, ...], Body] = OrderedDict()

    def get(self, key: tuple[Hashable, ...], render: Callable[[], Mapping[str, Any]]) -> Body:
        """The body under `key`, which is what `render` makes where there is none yet."""
        body = self._bodies.get(key)
        if body is None:
            data = _json(render())
            body = Body(data, f'"{content_key(data, length=32)}"')
            self._bodies[key] = body
            if len(self._bodies) > CACHED_BODIES:
                self._bodies.popitem(last=False)
        return body


def problem(status: int, detail: str, *, request_id: str = "", kind: str = "", errors: tuple[str, ...] = ()) -> Problem:
    """The problem of an HTTP status; `kind` names it more closely."""
    name, title = _KINDS.get(status, ("error", HTTPStatus(status).phrase))
    return Problem(f"urn:tenor:problem:{kind or name}", title, status, detail, request_id, errors)


def problem_of(error: TenorError, request_id: str = "") -> Problem:
    """The problem by which `error` is reported to a caller."""
    if isinstance(error, UnknownSymbolError):
        return problem(404, str(error), request_id=request_id, kind="unknown-symbol")
    if isinstance(error, StoreError):
        return problem(503, str(error), request_id=request_id)
    if isinstance(error, (UsageError, DataError)):
        return problem(422, str(error), request_id=request_id)
    return problem(503, str(error), request_id=request_id, kind="model")


def problem_response(problem: Problem, headers: Mapping[str, str] = {}) -> Response:
    """A problem as ``application/problem+json``; empty fields are left out."""
    plain = {key: value for key, value in dataclasses.asdict(problem).items() if value not in ("", ())}
    retry = {"Retry-After": "1"} if problem.status in (429, 503) else {}
    return Response(json.dumps(plain), problem.status, {**retry, **NO_STORE, **headers}, media_type=PROBLEM_JSON)


def _json(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain, separators=(",", ":")).encode()
