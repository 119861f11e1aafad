"""docs/settings.md: every key of the config, from the dataclasses that hold them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import griffe

from tenor.config import Config
from tenor.config.section import UNMAPPED, Section

HEAD = """# Settings

This page lists, for everybody who runs tenor, every setting with its type, default, range and an example. Settings
are given in a file (`--config run.toml`) or on the command line (`--set KEY=VALUE`).
A file needs only the keys that differ from the defaults:

```toml
symbols = ["AAPL", "MSFT"]

[model]
hidden = 32

[training]
seeds = [0, 1, 2]
```

On a command line, `--set model.hidden=32 --set 'training.seeds=[0,1,2]'` does the same. Put lists in single
quotes, so that the shell does not change them. An unknown key is refused, and the message suggests the nearest known
one. In Python each
section is a dataclass: `tenor.ModelConfig(hidden=32)`.

This page is written by `make docs-pages` from the code.
"""

SYMBOLS = """## `symbols`

The symbols to train on; empty means all symbols in the lake. A list of texts, by default `[]`.
"""


def page() -> str:
    """The text of the page."""
    parts = [
        HEAD,
        SYMBOLS,
    ]
    for section in sections():
        described = _attributes(section)
        parts.append(f"## `[{section.section}]`\n\n{_first_paragraph(section)}\n")
        rows = [("key", "type", "default", "range", "example", "meaning"), ("---",) * 6]
        for field in dataclasses.fields(section):
            if field.metadata == UNMAPPED or dataclasses.is_dataclass(_default(field)):
                continue
            kind, meaning = described[field.name]
            default = _default(field)
            rows.append(
                (
                    f"`{field.name}`",
                    kind,
                    f"`{_toml(default)}`",
                    _range(field),
                    f"`{_example(section, field, default)}`",
                    meaning,
                )
            )
        parts.append("".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows))
    return "\n".join(parts)


def sections(owner: Any = Config) -> Iterator[type[Section]]:
    """The dataclass of each section, in the order of the config; one within another comes after it."""
    for field in dataclasses.fields(owner):
        default = _default(field)
        if isinstance(default, Section):
            yield type(default)
            yield from sections(type(default))


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _range(field: dataclasses.Field[Any]) -> str:
    if "range" not in field.metadata:
        return ""
    _, least, most, above = field.metadata["range"]
    if most is not None:
        return f"{least} to {most}"
    return f"above {least}" if above else f"{least} or more"


def _example(section: type[Section], field: dataclasses.Field[Any], default: Any) -> str:
    """Another value than the default, where one can be told from its kind; otherwise the default."""
    if "range" in field.metadata and isinstance(default, (int, float)) and not isinstance(default, bool):
        kind, least, most, _ = field.metadata["range"]
        other = default * 2 if default else (least or 1)
        if most is not None and other > most:
            other = kind((least + default) / 2)
        return f"{field.name} = {_toml(kind(other))}"
    example = EXAMPLES.get(f"{section.section}.{field.name}", EXAMPLES.get(field.name, default))
    if isinstance(example, bool):
        example = not default
    return f"{field.name} = {_toml(example)}"


EXAMPLES: dict[str, Any] = {
    "prices": ["tiingo", "yahoo"],
    "news": ["yahoo", "feeds"],
    "feeds": ["https://example.com/news.rss"],
    "forums": ["stocks"],
    "urls": ["yahoo=https://proxy.example.com/yahoo"],
    "since": "2015-01-01",
    "when_stale": "refuse",
    "groups": ["returns", "volatility", "risk"],
    "horizons": [1, 5],
    "calendar": "XETR",
    "own": ["mine.py:f", "macro.csv"],
    "sources.events": ["edgar"],
    "sources.http.transport": "curl",
    "features.events": ["earnings"],
    "features.kinds": ["earnings", "any"],
    "features.topics": 20,
    "features.as_of": "open",
    "kinds_model": "my-kinds.npz",
    "topics_model": "4f1c2a9b7d3e",
    "dense": [64, 32],
    "rules": ["range > 4%", "missed"],
    "channels": ["email"],
    "symbols": ["AAPL", "MSFT"],
    "paper.rule": "each",
    "model": "path/to/weights",
    "source": "news",
    "network": "mine.py:Net",
    "options": {"width": 32},
    "seeds": [0, 1, 2],
    "train_end": "2019-12-31",
    "valid_end": "2020-12-31",
    "test_end": "2022-12-31",
    "scheme": "rolling",
}
"""What can't be told from the default, by the name of the key, with its section where sections differ."""


def _toml(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(each)}' for key, each in value.items())}}}"
    return "not set" if value is None else json.dumps(value)


def _docstring(section: type) -> list[griffe.DocstringSection]:
    return griffe.Docstring(section.__doc__ or "", parser=griffe.Parser.numpy).parse()


def _first_paragraph(section: type) -> str:
    return str(_docstring(section)[0].value)


def _attributes(section: type) -> dict[str, tuple[str, str]]:
    """Key -> its type and meaning, from the section's docstring."""
    described = {}
    for part in _docstring(section):
        if part.kind is griffe.DocstringSectionKind.attributes:
            for attribute in part.value:
                # names that share a description share an entry
                for name in re.split(r",\s*", attribute.name):
                    text = " ".join(str(attribute.description).split())
                    described[name] = (_type(str(attribute.annotation)), text)
    return described


def _type(annotation: str) -> str:
    """The type in the words of a TOML file."""
    words = {
        "tuple of str": "list of texts",
        "tuple of int": "list of whole numbers",
        "int": "whole number",
        "float": "number",
        "str": "text",
        "bool": "true or false",
        "dict": "table",
    }
    for name, text in words.items():
        annotation = re.sub(rf"\b{name}\b", text, annotation)
    choice = re.fullmatch(r"\{(.*)\}", annotation)
    if choice:
        return " or ".join(f"`{each.strip()}`" for each in choice[1].split(","))
    return annotation.replace("None", "nothing")
