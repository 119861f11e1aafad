"""Frozen config dataclasses from and to TOML and JSON mappings, strictly: unknown keys and wrong types are refused."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar, get_args, get_origin

from tenor.config.toml import shown
from tenor.errors import ConfigError, did_you_mean

T = TypeVar("T")


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build the frozen dataclass `cls` from `values`.

    Nested dataclasses take nested mappings, tuples take lists, floats take ints. Keys that are left out keep their
    defaults; `cls` checks ranges itself in ``__post_init__``.

    Parameters
    ----------
    where
        Dotted path of `values` inside its file, for messages (``"model"``).

    Raises
    ------
    ConfigError
        An unknown key (with the nearest known one) or a value of the wrong type.
    """
    return cls(**_converted(cls, values, where))


def changed(config: T, changes: Mapping[str, Any], where: str = "") -> T:
    """`config` with `changes`, which are converted and refused as `from_mapping` does; all else stays as it is."""
    values: dict[str, Any] = _converted(type(config), changes, where)
    return typing.cast(T, dataclasses.replace(typing.cast(Any, config), **values))


def keys_of(config: Any) -> tuple[str, ...]:
    """The keys that a config file may set in `config`, a dataclass or one of its class."""
    return tuple(f.name for f in dataclasses.fields(config) if f.init and _mapping(f) != "never")


def to_mapping(config: Any) -> dict[str, Any]:
    """The dataclass `config` as plain dicts, lists and scalars, fit for JSON; `from_mapping` reads it back."""
    plain: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        mapped = _mapping(field)
        if mapped == "never" or (mapped == "unless empty" and not value):
            continue
        if mapped == "unless default" and value == field.default:
            continue
        if dataclasses.is_dataclass(value):
            value = to_mapping(value)
        elif isinstance(value, tuple):
            value = list(value)
        plain[field.name] = value
    return plain


def _converted(cls: type[Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    assert dataclasses.is_dataclass(cls)
    hints = typing.get_type_hints(cls)
    known = keys_of(cls)
    kwargs: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{where}.{key}" if where else key
        if key not in known:
            within = [] if where else [f"{part}.{key}" for part in known if key in _keys_within(hints[part])]
            hint = f" Did you mean {' or '.join(map(repr, within))}?" if within else did_you_mean(key, known)
            hint = hint or f" Known: {', '.join(sorted(known))}."
            raise ConfigError(f"unknown config key {shown(path)}.{hint}")
        kwargs[key] = _convert(hints[key], value, path)
    return kwargs


def _keys_within(hint: Any) -> tuple[str, ...]:
    """The keys of a setting that is a table; none of any other."""
    return keys_of(hint) if isinstance(hint, type) and dataclasses.is_dataclass(hint) else ()


def _convert(hint: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"config key {path!r} is a table, not {shown(value)}: write it as [{path}].")
        return from_mapping(hint, value, path)
    origin = get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in get_args(hint):
            return None
        inner = [a for a in get_args(hint) if a is not type(None)]
        if isinstance(value, bool) and bool in inner:
            return value
        return _convert(inner[0], value, path)
    if origin is typing.Literal:
        choices = get_args(hint)
        if not isinstance(value, str) or value not in choices:
            hint_text = did_you_mean(value[:80], map(str, choices)) if isinstance(value, str) else ""
            raise ConfigError(f"config key {path!r} is {shown(value)}; it takes one of {list(choices)}.{hint_text}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"config key {path!r} takes a list, not {shown(value)}: write {_as_list(value, path)}.")
        item = get_args(hint)[0]
        return tuple(_convert(item, v, f"{path}[{i}]") for i, v in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"config key {path!r} is a table, not {shown(value)}: write it as [{path}].")
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"config key {path!r} takes a number, not {shown(value)}.") from None
    if hint is str and isinstance(value, date):  # TOML has dates of its own, without quotes
        return value.isoformat()
    if hint in (int, float, str, bool) and (type(value) is not hint):
        raise ConfigError(f"config key {path!r} takes {_a(hint)}, not {shown(value)}.")
    return value


def _as_list(value: Any, path: str) -> str:
    """How the list is written that `value` was to be."""
    text = value.strip() if isinstance(value, str) else ""
    if not (text.startswith("[") and text.endswith("]")):
        return f"[{shown(value)}]"
    # a shell took its quotes away, so that it is no TOML any more
    items = ",".join(f'"{item.strip()}"' for item in text[1:-1].split(","))
    return f"the texts in quotes, and all of it between single ones: '{path}=[{items[:120]}]'"


def _mapping(field: dataclasses.Field[Any]) -> str:
    """Whether mappings hold `field`: see `tenor.config.section`."""
    return str(field.metadata.get("mapping", "always"))


def _a(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}[kind]
