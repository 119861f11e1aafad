"""What every verb prints with: lines, JSON, tables and progress bars. Text goes to stdout, progress to stderr."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tenor.progress import ProgressBars, bars_on

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def line(text: str) -> None:
    """One line of text on stdout, as it is."""
    stdout.print(text, soft_wrap=True, markup=False)


def bold(text: str) -> None:
    """One line of bold text on stdout."""
    stdout.print(Text(text, style="bold"), soft_wrap=True)


def entry(label: str, text: str, *, width: int = 10) -> None:
    """A label and a text on stdout; on a terminal the text is wrapped, further lines under its first."""
    indent = " " * (width + 1)
    columns = max(stdout.width, 40) if stdout.is_terminal else 0
    lines = textwrap.wrap(text, columns - len(indent), break_on_hyphens=False) if columns else [text]
    first = label.ljust(width) if len(label) <= width else f"{label}\n{indent[:-1]}" if columns else label
    line("\n".join([f"{first} {lines[0] if lines else ''}".rstrip(), *(indent + each for each in lines[1:])]))


def print_json(value: dict[str, Any]) -> None:
    """One JSON object, on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """A table on stdout; into a file or pipe it is as wide as it needs to be."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        grid.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        grid.add_row(*row)
    if stdout.is_terminal:
        stdout.print(grid)
    else:
        Console(highlight=False, width=240).print(grid)


def horizon_text(horizon: int) -> str:
    """``next session``, ``5 sessions ahead``."""
    return "next session" if horizon == 1 else f"{horizon} sessions ahead"


@contextmanager
def progress_bars(quiet: bool) -> Iterator[ProgressBars]:
    """Progress bars on stderr, where that is a terminal."""
    with bars_on(stderr, quiet=quiet) as bars:
        yield bars
