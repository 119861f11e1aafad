"""Plain values as TOML text, which the standard library reads and does not write."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(values: Mapping[str, Any], *, comment: str = "") -> str:
    """`values` as a TOML document: `tomllib.loads` gives them back, tuples as lists, without those that are None.

    Parameters
    ----------
    values
        Texts, booleans, numbers, lists of these, and tables of these, by text keys.
    comment
        Put first, each line behind a ``#``.

    Raises
    ------
    TypeError
        A value that TOML has no word for.
    """
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    _table(values, (), lines)
    return "\n".join(lines).strip("\n") + "\n"


def _table(values: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    plain = {k: v for k, v in values.items() if v is not None and not isinstance(v, Mapping)}
    tables = {k: v for k, v in values.items() if isinstance(v, Mapping)}
    if path and (plain or not tables):
        lines += ["", f"[{'.'.join(map(_key, path))}]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, table in tables.items():
        _table(table, (*path, key), lines)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)  # nan, inf and 1e-05 are TOML as Python writes them
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    raise TypeError(f"{value!r} can't be written as TOML.")


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which JSON leaves bare, and surrogate pairs, which TOML has not
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
