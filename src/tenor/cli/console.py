"""What every verb prints with: lines, JSON, tables and progress bars. Text goes to stdout, progress to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def line(text: str) -> None:
    """One line of text on stdout, as it is."""
    stdout.print(text, soft_wrap=True, markup=False)


def bold(text: str) -> None:
    """One line of bold text on stdout."""
    stdout.print(Text(text, style="bold"), soft_wrap=True)


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


class ProgressBars:
    """Progress bars; each method reports one kind of work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def epoch(self, seed: int, epoch: int, epochs: int, train_loss: float, valid_loss: float) -> None:
        """One more epoch of a seed is done."""
        del train_loss
        self._update(f"seed {seed}", epoch, epochs, f"validation {valid_loss:.4f}")

    def texts(self, done: int, total: int) -> None:
        """`done` of `total` texts are scored."""
        self._update("texts scored", done, total, "")

    def steps(self, done: int, total: int) -> None:
        """`done` of `total` steps of a training are done."""
        self._update("steps", done, total, "")

    def symbols(self, done: int, total: int) -> None:
        """`done` of `total` symbols are fetched."""
        self._update("symbols fetched", done, total, "")

    def objects(self, done: int, total: int) -> None:
        """`done` of `total` objects are at their destination."""
        self._update("objects", done, total, "")

    def windows(self, done: int, total: int) -> None:
        """`done` of `total` windows are forecast."""
        self._update("windows forecast", done, total, "")

    def arm(self, arm: str, done: int, total: int) -> None:
        """`done` of `total` networks of one arm of an ablation are trained."""
        self._update(arm, done, total, "")

    def fits(self, done: int, total: int, seconds_left: float | None) -> None:
        """`done` of `total` fits of a search are done."""
        self._update("fits", done, total, "" if seconds_left is None else f"about {seconds_left:.0f} s left")

    def _update(self, title: str, done: int, total: int, note: str) -> None:
        if title not in self._tasks:
            self._tasks[title] = self._progress.add_task(title, note=note)
        task = self._tasks[title]
        if done < self._progress.tasks[task].completed:
            self._progress.reset(task)  # the seed starts again: another model is trained with it
        self._progress.update(task, completed=done, total=total, note=note)


@contextmanager
def progress_bars(quiet: bool) -> Iterator[ProgressBars]:
    """Progress bars on stderr, where that is a terminal."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=stderr,
        disable=quiet or not stderr.is_terminal,
    )
    with progress:
        yield ProgressBars(progress)
