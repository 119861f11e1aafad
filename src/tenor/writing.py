"""Files that are written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write `value` to `path` as JSON, whole or not at all."""
    write_text(path, json.dumps(value, allow_nan=False, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
