from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenor.storage.files import json_values, write_json


@dataclass(frozen=True)
class Plain:
    value: float
    inner: tuple[float, ...]


@dataclass(frozen=True)
class Telling:
    hidden: Plain

    def to_json(self) -> dict[str, Any]:
        return {"told": self.hidden}


def test_what_is_undefined_is_none_however_deep() -> None:
    made = {
        "a": [1.5, math.nan, (math.inf, -math.inf)],
        "b": {"c": np.float64("nan"), "d": np.float64(2.0)},
        "e": Plain(math.nan, (1.0, math.nan)),
        "f": [Telling(Plain(0.5, ()))],
        "g": ["text", True, None, 3],
    }
    found = json_values(made)
    assert found == {
        "a": [1.5, None, [None, None]],
        "b": {"c": None, "d": 2.0},
        "e": {"value": None, "inner": [1.0, None]},
        "f": [{"told": {"value": 0.5, "inner": []}}],
        "g": ["text", True, None, 3],
    }
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert made["a"][2] == (math.inf, -math.inf)  # what was given stays


def test_what_can_not_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "told.json"
    write_json(path, json_values({"p": math.nan}))
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"p": math.nan})
    assert json.loads(path.read_text()) == {"p": None}
