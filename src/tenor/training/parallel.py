"""Several seeds, one after another or side by side on the cores; the outcome is the same to the bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import joblib
from joblib.externals.loky import get_reusable_executor

from tenor.errors import TrainingError
from tenor.model.reproducible import reproducible
from tenor.schema import Float32
from tenor.training import checkpoint
from tenor.training.trainer import History, Task, Trainer

Given = TypeVar("Given")
Result = TypeVar("Result")

IDLE_SECONDS = 300
"""After which a process that nothing came for ends."""
POLL_SECONDS = 0.2
"""Between two looks at the checkpoints of the processes."""


class Progress(Protocol):
    """Is called after every epoch of every seed, in the caller's own process and thread."""

    def __call__(self, seed: int, epoch: int, epochs: int, train_loss: float, valid_loss: float) -> None:
        """`epoch` of `epochs` is over. When a seed stops early, its last call has `epochs` equal to `epoch`."""


@dataclass(frozen=True)
class TrainedSeed:
    """A seed's best weights and its learning curves."""

    seed: int
    weights: dict[str, Float32]
    history: History


def available_cores() -> int:
    """The cores that this process may use."""
    return int(joblib.cpu_count())


def end_idle_processes() -> None:
    """End the processes that wait for the next training; to be called before joblib starts its own.

    loky has one reusable executor for each process. joblib takes an executor that `train_seeds` left for one of its
    own, looks for the folder of arrays that its own have, and fails because this one has none.
    """
    get_reusable_executor(reuse=True).shutdown(wait=True)


def orphaned(owner: int) -> bool:
    """Whether this is a process that works for process `owner`, its parent, which is gone."""
    return os.getpid() != owner and os.getppid() != owner


def end_if_orphaned(owner: int) -> None:
    """End this process if `owner` was killed: nobody waits for its result any more."""
    if orphaned(owner):
        os._exit(1)  # not sys.exit, which waits for threads and writes to pipes that nobody reads


def worker_processes(count: int) -> Any:
    """The `count` processes that all side-by-side work of this process shares; they end when nothing came for long.

    loky, not concurrent.futures: its processes do not import the caller's ``__main__`` again, so a script needs no
    guard.
    """
    return get_reusable_executor(max_workers=count, timeout=IDLE_SECONDS)


def each_in_a_process(function: Callable[[Given], Result], tasks: Sequence[Given], workers: int) -> Iterator[Result]:
    """The result of `function` for each of `tasks`, in order, computed in `workers` processes, or here if that is one.

    A process whose owner was killed ends with the task that it is at.
    """
    if workers == 1:
        yield from map(function, tasks)
        return
    executor = worker_processes(workers)
    running = [executor.submit(_unless_orphaned, function, task, os.getpid()) for task in tasks]
    try:
        for future in running:
            yield future.result()
    finally:
        for future in running:
            future.cancel()


def _unless_orphaned(function: Callable[[Given], Result], task: Given, owner: int) -> Result:
    end_if_orphaned(owner)
    result = function(task)
    end_if_orphaned(owner)
    return result


def train_seeds(
    tasks: Sequence[Task], folders: Sequence[Path], *, workers: int, progress: Progress | None
) -> list[TrainedSeed]:
    """Train each of `tasks`, with its checkpoint in the folder at the same place, in up to `workers` processes.

    Raises
    ------
    TenorError
        What the training of a seed raised.
    TrainingError
        One of the processes was killed.
    """
    reporters = [_Reporter(task, progress) for task in tasks]
    if min(workers, len(tasks)) > 1:
        return _side_by_side(tasks, folders, reporters, min(workers, len(tasks)))
    return [_train(*each) for each in zip(tasks, folders, reporters, strict=True)]


class _Reporter:
    """Reports those epochs of a history that were not reported yet."""

    def __init__(self, task: Task, progress: Progress | None) -> None:
        self._task = task
        self._progress = progress
        self._reported = 0

    def __call__(self, history: History) -> None:
        config, epochs = self._task.training, len(history.train)
        for epoch in range(self._reported + 1, epochs + 1):
            stopped = epoch == epochs and epoch - history.best_epoch >= config.patience
            if self._progress is not None:
                losses = history.train[epoch - 1], history.valid[epoch - 1]
                self._progress(self._task.seed, epoch, epoch if stopped else config.epochs, *losses)
        self._reported = epochs


def _train(task: Task, folder: Path, report: Callable[[History], None]) -> TrainedSeed:
    """Train `task` to its end, from its checkpoint where there is one; each state is reported, then saved."""
    with reproducible():
        trainer = Trainer(task)
        checkpoint.restore(folder, trainer)
        report(trainer.history)
        while not trainer.finished:
            trainer.run_epoch()
            report(trainer.history)
            checkpoint.save(folder, trainer)
    return TrainedSeed(task.seed, {name: value.numpy() for name, value in trainer.best.items()}, trainer.history)


def _side_by_side(
    tasks: Sequence[Task], folders: Sequence[Path], reporters: Sequence[_Reporter], workers: int
) -> list[TrainedSeed]:
    executor = worker_processes(workers)
    running: list[Future[TrainedSeed]] = []
    try:
        running += [executor.submit(_in_child, *each, os.getpid()) for each in zip(tasks, folders, strict=True)]
        pending = set(running)
        while pending:
            done, pending = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for folder, report in zip(folders, reporters, strict=True):
                report(checkpoint.saved_history(folder))
            for future in done:
                future.result()
        return [future.result() for future in running]
    except BrokenExecutor:
        raise TrainingError(
            "a training process was killed, most likely because memory ran out. Run the same command again: it goes on "
            "from the last checkpoint; with one worker it takes less memory."
        ) from None
    finally:
        if any(not future.done() for future in running):  # an error or Ctrl-C: leave nobody behind
            executor.shutdown(wait=True, kill_workers=True)


def _in_child(task: Task, folder: Path, parent: int) -> TrainedSeed:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent as well, which ends its children
    return _train(task, folder, lambda _: end_if_orphaned(parent))
