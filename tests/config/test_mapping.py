import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from tenor.config import from_mapping, to_mapping
from tenor.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    hidden: int = 32
    rate: float = 1e-3
    kind: Literal["lstm", "gru"] = "lstm"


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    names: tuple[str, ...] = ("a",)
    until: str | None = None
    fast: bool = False


def test_values_travel_to_json_and_back_unchanged() -> None:
    config = Outer(inner=Inner(hidden=8, rate=0.5, kind="gru"), names=("x", "y"), until="2015-01-01", fast=True)
    assert from_mapping(Outer, json.loads(json.dumps(to_mapping(config)))) == config


def test_missing_keys_keep_defaults_and_whole_numbers_serve_as_floats() -> None:
    config = from_mapping(Outer, {"inner": {"rate": 1}})
    assert config.inner.rate == 1.0
    assert isinstance(config.inner.rate, float)
    assert config.names == ("a",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"inner": {"hiden": 3}}, r"unknown config key 'inner\.hiden'\. Did you mean 'hidden'\?"),
        ({"zzz": 3}, r"unknown config key 'zzz'\. Known: fast, inner, names, until\."),
        ({"inner": {"hidden": "many"}}, r"'inner\.hidden' takes a whole number, not 'many'"),
        ({"inner": {"hidden": True}}, r"'inner\.hidden' takes a whole number, not True"),
        ({"inner": {"hidden": 1.5}}, r"'inner\.hidden' takes a whole number, not 1\.5"),
        ({"inner": {"kind": "lstn"}}, r"takes one of \['lstm', 'gru'\]\. Did you mean 'lstm'\?"),
        ({"inner": 3}, r"'inner' is a table, not 3: write it as \[inner\]"),
        ({"names": "abc"}, r"'names' takes a list, not 'abc': write \['abc'\]\."),
        # what a shell leaves of names=["a","b"]
        (
            {"names": "[a,b]"},
            r"the texts in quotes, and all of it between single ones: 'names=\[\"a\",\"b\"\]'\.",
        ),
        ({"names": ["a", 3]}, r"'names\[1\]' takes a text, not 3"),
        ({"until": 2015}, r"'until' takes a text, not 2015"),
        ({"fast": 1}, r"'fast' takes true or false, not 1"),
    ],
)
def test_bad_settings_are_refused_with_their_path_and_the_remedy(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(Outer, values)
