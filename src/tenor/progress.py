"""Progress: bars in a terminal or notebook; elsewhere a line of text once a minute."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS_A_LINE = 60.0
"""Seconds between two lines of progress if there are no bars, as in the log of a job."""


class ProgressBars:
    """Progress bars; each method reports one kind of work.

    Parameters
    ----------
    progress
        The bars.
    line
        Called with a line of progress once a minute if bars are not shown; by default there are no lines.
    """

    def __init__(self, progress: Progress, line: Callable[[str], None] | None = None) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}
        self._line = line
        self._last_line = time.monotonic()

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

    def months(self, done: int, total: int) -> None:
        """`done` of `total` months of news are read."""
        self._update("months of news", done, total, "")

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
            self._progress.reset(task)  # the same seed begins again, in another model
        self._progress.update(task, completed=done, total=total, note=note)
        now = time.monotonic()
        if self._line is not None and now - self._last_line >= SECONDS_A_LINE:
            self._last_line = now
            self._line(f"tenor: {title}: {done:,} of {total:,}{f', {note}' if note else ''}")


@contextmanager
def progress_bars(*, quiet: bool = False) -> Iterator[ProgressBars]:
    """Progress bars on stderr, if it is a terminal or a notebook.

    In a file or a pipe a line of progress is printed once a minute. With `quiet` nothing is shown.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, highlight=False)

    def line(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    live = console.is_terminal or (console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not live,
    )
    with progress:
        yield ProgressBars(progress, None if quiet or live or console.is_jupyter else line)
