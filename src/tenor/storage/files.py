"""Results as JSON values, and files that are written whole or not at all."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any


def json_values(value: Any) -> Any:
    """`value` in JSON's types, however deep: a number that is undefined is None, a tuple a list.

    A dataclass is what its `to_json` says, or, where it has none, a mapping of its fields.
    """
    if isinstance(value, dict):
        return {key: json_values(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return json_values(value.to_json() if hasattr(value, "to_json") else asdict(value))
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write `value` to `path` as JSON, whole or not at all."""
    write_text(path, json.dumps(value, allow_nan=False, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
