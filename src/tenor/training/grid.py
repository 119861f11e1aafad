"""The grid of a search, read from a TOML file and the command line, as full config keys with valid values."""

from __future__ import annotations

import itertools
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenor.config import keys_of
from tenor.config.toml import read_toml, shown
from tenor.errors import ConfigError, did_you_mean, one_line
from tenor.features.catalogue import check_groups
from tenor.training.estimator import SECTIONS, with_changes

Grid = dict[str, tuple[Any, ...]]
"""From each full config key (``model.hidden``) to the values to try, in the types of the config."""

KEYS = tuple(f"{section}.{key}" for section, config in SECTIONS.items() for key in keys_of(config))
OPTIONS = "model.options."
"""Prefix of the keyword arguments of a user's own network; any name may follow."""
ALIASES = {"lr": "training.learning_rate"}
FIXED = {
    "features.calendar": "folds are sessions of one calendar",
    "model.options": "name one of its keys, as in model.options.width=16,32",
    "split": "a search takes its folds from what comes before the test part",
    "sentiment": "daily sentiment is computed before the search: train with another [sentiment] and compare",
    "symbols": "scores over different symbols can't be compared",
}


def read_grid(path: Path | None = None, words: Sequence[str] = ()) -> Grid:
    """The grid in the [grid] table of the TOML file `path`, then each ``key=value,value`` of `words`.

    A key is written in full (``model.hidden``), or only its last part if that is unique (``hidden``); ``lr`` is the
    learning rate. A value that is itself a list, such as ``features.groups``, is a list in TOML, and on the command
    line is joined by +: ``groups=returns,returns+trend``.

    Examples
    --------
    >>> read_grid(words=["hidden=16,32", "groups=returns,returns+trend"])
    {'model.hidden': (16, 32), 'features.groups': (('returns',), ('returns', 'trend'))}

    Raises
    ------
    ConfigError
        There is no such file; a key is unknown (the most similar one is suggested) or can't be searched; or it has no
        value, the same value twice, or one that the config refuses.
    """
    values = _read(path) if path else {}
    for word in words:
        key, separator, text = word.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"grid {word!r} is not KEY=VALUE,VALUE, for example hidden=16,32.")
        full = full_key(key.strip())
        values[full] = _values(full, text)
    if not values:
        raise ConfigError("the grid is empty: name a key and the values to try, for example hidden=16,32.")
    return {key: _checked(key, of_key) for key, of_key in values.items()}


def full_key(key: str) -> str:
    """The full config key that `key` stands for; raises ConfigError with a suggestion if there is none or several."""
    if key in KEYS and key not in FIXED:
        return key
    if (option := key.removeprefix("model.")).startswith("options."):
        return f"model.{option}"
    full = ALIASES.get(key) or [k for k in KEYS if k.rpartition(".")[2] == key]
    if isinstance(full, str):
        return full
    if len(full) > 1:
        raise ConfigError(f"grid key {key!r} can be {' or '.join(map(repr, full))}: write it in full.")
    # a bare word that is the last part of one key (sentiment: features.sentiment) means that key, not the section
    for name in full or (key, key.partition(".")[0]):
        if name in FIXED:
            raise ConfigError(f"grid key {key!r} can't be searched: {FIXED[name]}.")
    if full:
        return full[0]
    short = [k.rpartition(".")[2] for k in KEYS]
    hint = did_you_mean(key, [*KEYS, *short, *ALIASES]) or f" Known: {', '.join(k for k in KEYS if k not in FIXED)}."
    raise ConfigError(f"unknown grid key {key!r}.{hint}")


def candidates(grid: Grid) -> list[dict[str, Any]]:
    """All combinations of the values; the last key varies fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def configs_of(values: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The configs of `base` (by section) with `values` (by full key); raises ConfigError for an impossible value."""
    changes: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        changes.setdefault(section, {})[name] = value
    return {section: with_changes(config, section, changes.get(section, {})) for section, config in base.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        table = read_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no grid file {str(path)!r}: check its path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"grid file {str(path)!r} can't be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"grid file {str(path)!r} is not TOML: {one_line(error, 200)}.") from None
    except ValueError as error:
        raise ConfigError(f"grid file {str(path)!r} can't be read: {error}.") from None
    others = [name for name in table if name != "grid"]
    if others or not isinstance(table.get("grid"), dict):
        content = f"it has {', '.join(map(repr, others))}" if others else "it has none"
        raise ConfigError(f"grid file {str(path)!r} holds one table, [grid], with lists by config key; {content}.")
    values: dict[str, Any] = {}
    for key, of_key in _flat(table["grid"]):
        full = full_key(key)
        if full in values:
            raise ConfigError(f"grid file {str(path)!r} names {full!r} twice, the second time as {key!r}.")
        values[full] = of_key
    return values


def _flat(table: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    pairs = []
    for key, value in table.items():
        path = f"{above}{key}"
        pairs += _flat(value, f"{path}.") if isinstance(value, Mapping) else [(path, value)]
    return pairs


def _values(key: str, text: str) -> list[Any]:
    """The values in `text`, as TOML where it is: ``16,32``, ``["returns"],["trend"]``; else bare words: ``a,a+b``."""
    try:
        values: list[Any] = read_toml(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError:
        values = [_value(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ConfigError(f"the values of {key}, {shown(text)}: {error}.") from None
    if not _takes_lists(key):
        return values
    return [value if isinstance(value, list) else [_value(v) for v in str(value).split("+")] for value in values]


def _value(text: str) -> Any:
    try:
        return read_toml(f"value = {text}")["value"]
    except ValueError:
        return text  # a bare word needs no quotes on a command line


def _takes_lists(key: str) -> bool:
    if key.startswith(OPTIONS):
        return False
    section, _, name = key.partition(".")
    return typing.get_origin(typing.get_type_hints(SECTIONS[section])[name]) is tuple


def _checked(key: str, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list):
        raise ConfigError(
            f"grid key {key!r} takes a list of values to try, not {shown(values)}: write [{shown(values)}]."
        )
    if not values:
        raise ConfigError(f"grid key {key!r} has no value to try: give it one or leave it out.")
    section, _, name = key.partition(".")
    checked: list[Any] = []
    if key.startswith(OPTIONS) or key == "model.network":
        # these are arguments of a network, which only a candidate has; until then the network is a path
        if len(set(map(to_text, values))) < len(values):
            raise ConfigError(f"grid key {key!r} has a value twice: once is enough.")
        for value in values if key == "model.network" else ():
            with_changes(SECTIONS[section](), section, {name: value})
        return tuple(values)
    for value in values:
        # in the types of the config: a whole number becomes a float where one is expected, a list becomes a tuple
        as_config = getattr(with_changes(SECTIONS[section](), section, {name: value}), name)
        if key == "features.groups":
            check_groups(as_config)
        if as_config in checked:
            raise ConfigError(f"grid key {key!r} has {to_text(as_config)} twice: once is enough.")
        checked.append(as_config)
    return tuple(checked)


def to_text(value: Any) -> str:
    """A value as a text for tables."""
    return "+".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
