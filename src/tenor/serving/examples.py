"""Examples for the OpenAPI description."""

from __future__ import annotations

from typing import Any

from tenor.serving.schemas import Problem

_STALENESS = {"stale": False, "sessions_behind": 0, "reasons": []}
FORECAST: dict[str, Any] = {
    "symbol": "AAPL",
    "as_of": "2017-09-01T20:00:00+00:00",
    "session": "2017-09-01",
    "target_session": "2017-09-05",
    "horizon": 1,
    "expected_return": 0.0004,
    "p_up": 0.52,
    "last_price": 164.05,
    "price": 164.12,
    "interval": {"lower": 160.9, "upper": 167.3, "level": 0.9},
    "attention": {"sessions": {"2017-08-31": 0.49, "2017-09-01": 0.51}, "features": {"return_1": 0.6, "rsi_14": 0.4}},
    "model_version": "7d8124670d25",
    "live": False,
    "staleness": _STALENESS,
}
_UNKNOWN = {
    "type": "urn:tenor:problem:unknown-symbol",
    "title": "There is no such thing",
    "status": 404,
    "detail": "unknown symbol 'APPL'. Did you mean 'AAPL'?",
    "request_id": "6f1c0a9be2d14c37",
}
FORECASTS: dict[str, Any] = {
    "forecasts": [FORECAST],
    "problems": [{"symbol": "APPL", "problem": _UNKNOWN}],
    "staleness": _STALENESS,
}
HISTORY: dict[str, Any] = {
    "symbol": "AAPL",
    "as_of": "2017-09-01T20:00:00+00:00",
    "horizon": 1,
    "model_version": "7d8124670d25",
    "forecasts": [
        {
            "session": "2017-08-31",
            "target_session": "2017-09-01",
            "last_price": 164.0,
            "expected_return": 0.0004,
            "price": 164.07,
            "lower": 160.8,
            "upper": 167.4,
            "p_up": 0.52,
            "made": "published",
            "model_version": "7d8124670d25",
            "realised_return": 0.0003,
            "realised_price": 164.05,
            "held": True,
        }
    ],
    "staleness": _STALENESS,
}
SENTIMENT: dict[str, Any] = {
    "scores": [
        {"positive": 0.97, "neutral": 0.02, "negative": 0.01, "score": 0.96, "language_ok": True, "empty": False}
    ],
    "model_id": "tenor-minilm",
}
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "What the If-None-Match names is still so."}}

_TOLD = {
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
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "model": Problem,
        "description": told,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, told in _TOLD.items()
}
"""What any route may answer instead."""


def of(example: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """`example` as that of status 200."""
    return {200: {"content": {"application/json": {"example": example}}}}
