"""Every error as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from tenor.errors import DataError, StoreError, TenorError, UnknownSymbolError, UsageError
from tenor.serving.responses import NO_STORE
from tenor.serving.schemas import Problem

MEDIA = "application/problem+json"
KINDS = {
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


def problem(status: int, detail: str, *, request_id: str = "", kind: str = "", errors: tuple[str, ...] = ()) -> Problem:
    """The problem of an HTTP status; `kind` names it more closely."""
    name, title = KINDS.get(status, ("error", HTTPStatus(status).phrase))
    return Problem(f"urn:tenor:problem:{kind or name}", title, status, detail, request_id, errors)


def problem_of(error: TenorError, request_id: str = "") -> Problem:
    """The problem that an error of tenor is to a caller."""
    if isinstance(error, UnknownSymbolError):
        return problem(404, str(error), request_id=request_id, kind="unknown-symbol")
    if isinstance(error, StoreError):
        return problem(503, str(error), request_id=request_id)
    if isinstance(error, (UsageError, DataError)):
        return problem(422, str(error), request_id=request_id)
    return problem(503, str(error), request_id=request_id, kind="model")


def problem_response(found: Problem, headers: Mapping[str, str] = {}) -> Response:
    """`found` as a response."""
    plain = {key: value for key, value in dataclasses.asdict(found).items() if value not in ("", ())}
    extra = {"Retry-After": "1"} if found.status in (429, 503) else {}
    return Response(json.dumps(plain), found.status, {**extra, **NO_STORE, **headers}, media_type=MEDIA)
