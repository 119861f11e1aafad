"""What every verb prints with: lines, JSON and tables on stdout, notes on stderr."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:  # rich is imported by the first table or bar: most verbs, and a server's start, need none
    from rich.text import Text

# what moves a terminal's cursor or changes its colours; a line break and a tab are text
_CONTROL = dict.fromkeys(code for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A))
_WIDTH_OF_FILES = 240


def plain(text: str) -> str:
    """`text` without control characters, which a terminal would obey, and without halves of characters."""
    return text.translate(_CONTROL).encode("utf-8", "backslashreplace").decode()


def line(text: str) -> None:
    """One line of text on stdout, as it is."""
    typer.echo(plain(text))


def bold(text: str) -> None:
    """One line of bold text on stdout."""
    typer.secho(plain(text), bold=True)


def note(text: str) -> None:
    """One line on stderr, for whoever watches."""
    typer.echo(plain(text), err=True)


def entry(label: str, text: str, *, width: int = 10) -> None:
    """A label and a text on stdout; on a terminal the text is wrapped, further lines under its first."""
    indent = " " * (width + 1)
    columns = max(shutil.get_terminal_size().columns, 40) if sys.stdout.isatty() else 0
    lines = textwrap.wrap(text, columns - len(indent), break_on_hyphens=False) if columns else [text]
    first = label.ljust(width) if len(label) <= width else f"{label}\n{indent[:-1]}" if columns else label
    line("\n".join([f"{first} {lines[0] if lines else ''}".rstrip(), *(indent + each for each in lines[1:])]))


def raw(text: str) -> None:
    """`text` on stdout, byte by byte."""
    typer.echo(text, nl=False)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object, on one line of stdout."""
    raw(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """A table on stdout; into a file or pipe it is as wide as it needs to be."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        grid.add_column(Text(plain(column)), justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:  # a string is text: brackets in it are no markup
        grid.add_row(*(Text(plain(cell)) if isinstance(cell, str) else cell for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    console.print(grid)


def horizon_text(horizon: int) -> str:
    """``next session``, ``5 sessions ahead``."""
    return "next session" if horizon == 1 else f"{horizon} sessions ahead"
