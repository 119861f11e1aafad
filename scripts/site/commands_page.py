"""docs/commands.md: every command with its arguments and options, from the code of the command line."""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from tenor.cli import app

HEAD = """# Commands

This page lists every command with its arguments and options; `tenor COMMAND --help` shows the same. Most commands
accept `--json`, which prints one JSON object, or one for each row, to standard
output. The exit code is 0 for success, 1 for a failure (one line on standard error says why), and 2 for wrong usage.
`--store` is a folder or
`s3://bucket/prefix`.

This page is written by `make docs-pages` from the code.
"""


def page() -> str:
    """The text of the page."""
    root = typer.main.get_command(app)
    return "\n".join([HEAD, *(_section(name, command) for name, command in _commands(root, "tenor"))])


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """(full name, command) of all that can be run, in the order of the help."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child, each in children.items():
        if not each.hidden:
            yield from _commands(each, f"{name} {child}")


def _section(name: str, command: Any) -> str:
    text = " ".join((command.help or "").split())
    lines = [f"## `{name}`\n", f"{text}\n"]
    hints = typing.get_type_hints(command.callback, include_extras=True)
    defaults = inspect.signature(command.callback).parameters
    rows = [_row(each, hints[each.name], defaults[each.name].default) for each in command.params if each.name in hints]
    if rows:
        lines.append("| argument or option | takes | default | meaning |\n| --- | --- | --- | --- |")
        lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _row(parameter: Any, hint: Any, default: Any) -> tuple[str, str, str, str]:
    argument = parameter.param_type_name == "argument"
    name = f"`{parameter.name.upper()}`" if argument else ", ".join(f"`{option}`" for option in parameter.opts)
    if parameter.secondary_opts:
        name += " / " + ", ".join(f"`{option}`" for option in parameter.secondary_opts)
    takes = _takes(typing.get_args(hint)[0])
    shown = f"`{default}`" if isinstance(default, (str, int, float, Path)) and takes else ""
    return name, takes, "required" if parameter.required else shown, " ".join((parameter.help or "").split())


def _takes(kind: Any) -> str:
    """What values of the type `kind` are called; nothing for a flag."""
    of = typing.get_args(kind)
    if typing.get_origin(kind) is list:
        return f"{_takes(of[0])}, repeated"
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(f"`{each}`" for each in of)
    if of:  # with None
        return _takes(next(each for each in of if each is not type(None)))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    return WORDS[kind]


WORDS: dict[Any, str] = {str: "text", int: "whole number", float: "number", Path: "path", bool: ""}
