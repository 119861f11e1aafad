"""Tasks for engines, in a module that other processes can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tenor.errors import DataError


def product(factor: int, task: int) -> tuple[int, int]:
    """`factor` times `task`, and the process that computed it."""
    if task < 0:
        raise DataError(f"{task} is below zero.")
    return factor * task, os.getpid()


def die(shared: None, task: int) -> int:
    """Kills its process for task 2."""
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def slow_product(factor: int, task: int) -> int:
    """As `product`, in half a second."""
    time.sleep(0.5)
    return factor * task


def note(folder: str, task: int) -> int:
    """Leaves a file that says that `task` ran."""
    with (Path(folder) / f"task-{task}").open("a") as file:
        file.write("ran\n")
    return task
