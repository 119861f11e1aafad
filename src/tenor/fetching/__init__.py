"""Live data: services to the lake (`run`), how fresh the lake is (`status`), which services answer (`doctor`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenor.fetching.run import Fetched, Outcome, bring, fetch
    from tenor.fetching.status import freshness, stale

_ROOMS = {
    "Fetched": "run", "Outcome": "run", "bring": "run", "fetch": "run", "freshness": "status", "stale": "status"
}  # fmt: skip

__all__ = ["Fetched", "Outcome", "bring", "fetch", "freshness", "stale"]


def __getattr__(name: str) -> Any:
    # a name is imported when it is used: asking how fresh a lake is must need no HTTP client
    if name in _ROOMS:
        return getattr(importlib.import_module(f"tenor.fetching.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'tenor.fetching' has no attribute {name!r}")
