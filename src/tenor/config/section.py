"""What every section of the config has in common: fields that declare their range, and one wording of refusals."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

from tenor.config.toml import shown
from tenor.errors import ConfigError


def whole(default: int, least: int, most: int | None = None) -> Any:
    """A field that takes a whole number from `least` to `most`."""
    return field(default=default, metadata={"range": (int, least, most, False)})


def number(default: float, least: float, most: float | None = None, *, above: bool = False) -> Any:
    """A field that takes a finite number from `least` to `most`; with `above`, `least` itself is refused."""
    return field(default=default, metadata={"range": (float, least, most, above)})


LATER = {"mapping": "unless empty"}
"""Metadata of a field that mappings leave out while it is empty, its default: what was made before it existed keeps its
keys, and a saved model its version."""
USUAL = {"mapping": "unless default"}
"""Metadata of a field that mappings leave out while it has its default value, which no later version may change."""
UNMAPPED = {"mapping": "never"}
"""Metadata of a field that is no key of a config file."""


@dataclass(frozen=True)
class Section:
    """A section of the config: its fields are checked by the ranges that they declare.

    Raises
    ------
    ConfigError
        A value is out of its range; the message has the key, the value and the range.
    """

    section: ClassVar[str]

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            if "range" in each.metadata:
                kind, least, most, above = each.metadata["range"]
                value = getattr(self, each.name)
                right_kind = type(value) is int if kind is int else isinstance(value, (int, float))
                if not (
                    right_kind
                    and (type(value) is int or math.isfinite(value))
                    and (value > least if above else value >= least)
                    and (most is None or value <= most)
                ):
                    self.refuse(each.name, f"it must be {_range_text(kind, least, most, above=above)}")

    def refuse(self, key: str, what: str) -> NoReturn:
        """Raise the ConfigError of `key`; `what` says what it must be."""
        value = getattr(self, key)
        value = list(value) if isinstance(value, tuple) else value
        raise ConfigError(f"config key '{self.section}.{key}' is {shown(value)}; {what}.")


def _range_text(kind: type, least: float, most: float | None, *, above: bool) -> str:
    name = "a whole number" if kind is int else "a number"
    if most is not None:
        return f"{name} from {least} to {most}"
    return f"{name} above {least}" if above else f"{name} >= {least}"
