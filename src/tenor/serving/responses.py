"""Answers that nobody may keep, as HTTP responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

NO_STORE = {"Cache-Control": "no-store"}


def json_response(plain: Mapping[str, Any], status: int = 200) -> Response:
    """`plain` as JSON."""
    data = json.dumps(plain, separators=(",", ":")).encode()
    return Response(data, status, NO_STORE, "application/json")
