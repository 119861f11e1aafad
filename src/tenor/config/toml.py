"""TOML to values: whatever stands in the text, it is read or refused in one line."""

from __future__ import annotations

import reprlib
import tomllib
from collections.abc import Mapping
from typing import Any

DEEPEST = 16
"""Tables and lists inside one another; no setting has more than four."""
_WHOLE = range(-(2**63), 2**63)  # what TOML promises of its whole numbers

_short = reprlib.Repr()
_short.maxlevel, _short.maxdict = 4, 4
_short.maxlist = _short.maxtuple = 12
_short.maxstring = _short.maxother = _short.maxlong = 80


def read_toml(text: str) -> dict[str, Any]:
    """The values in the TOML `text`.

    Raises
    ------
    ValueError
        It is not TOML (then it is a `tomllib.TOMLDecodeError`), is nested too deeply, or has a whole number of more
        than 64 bits.
    """
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} deep") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # Python refuses to read whole numbers of more than 4,300 digits
        raise ValueError("it has a whole number of thousands of digits") from None
    level: list[Any] = [values]
    for _ in range(DEEPEST):  # level by level: recursion would end where the nesting does not
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    return values


def shown(value: Any) -> str:
    """`value` for a message: a repr of bounded length, whatever it is."""
    try:
        return _short.repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "a number of thousands of digits"


def _inside(value: Any) -> list[Any]:
    if type(value) is int and value not in _WHOLE:
        raise ValueError("it has a whole number of more than 64 bits")
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []
