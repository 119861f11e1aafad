"""Train several seeds: one after another, at the same time on the cores, or on a cluster, with identical results."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tenor.engines import Engine
from tenor.engines.local import end_if_orphaned, worker_processes
from tenor.errors import TrainingError
from tenor.model.reproducible import reproducible
from tenor.schema import Float32
from tenor.training import checkpoint
from tenor.training.sequences import Sequences
from tenor.training.trainer import History, Task, Trainer

POLL_SECONDS = 0.2
"""Seconds between two checks of the processes' checkpoints."""


class Progress(Protocol):
    """A function that is called after every epoch of every seed, in the caller's own process and thread."""

    def __call__(self, seed: int, epoch: int, epochs: int, train_loss: float, valid_loss: float) -> None:
        """`epoch` of `epochs` is finished. When a seed stops early, its last call has `epochs` equal to `epoch`."""


@dataclass(frozen=True)
class TrainedSeed:
    """A seed's best weights and its learning curves."""

    seed: int
    weights: dict[str, Float32]
    history: History


def train_seeds(
    tasks: Sequence[Task], folders: Sequence[Path], *, engine: Engine, progress: Progress | None
) -> list[TrainedSeed]:
    """Train each of `tasks` on `engine`, with its checkpoint in the folder at the same place of `folders`.

    Raises
    ------
    TenorError
        The training of a seed raised it.
    TrainingError
        One of the processes was killed.
    """
    reporters = [_Reporter(task, progress) for task in tasks]
    if tasks and tasks[0].training.device == "cuda":
        return _on_a_card(tasks, folders, reporters)
    if not engine.shares_files:
        return _far_away(tasks, folders, reporters, engine)
    if min(engine.cores, len(tasks)) > 1:
        return _side_by_side(tasks, folders, reporters, min(engine.cores, len(tasks)))
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
    return _trained(trainer)


def _trained(trainer: Trainer) -> TrainedSeed:
    weights = {name: value.cpu().numpy() for name, value in trainer.best.items()}
    return TrainedSeed(trainer.task.seed, weights, trainer.history)


def _on_a_card(tasks: Sequence[Task], folders: Sequence[Path], reporters: Sequence[_Reporter]) -> list[TrainedSeed]:
    """All of tenor's own networks together, and those of the user's one after another."""
    from tenor.training.stack import train_stacked

    if tasks[0].model.network:
        return [_train(*each) for each in zip(tasks, folders, reporters, strict=True)]
    half = tasks[0].training.precision == "bfloat16"
    return [_trained(trainer) for trainer in train_stacked(tasks, folders, reporters, half=half)]


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
        if any(not future.done() for future in running):  # after an error or Ctrl-C, end all processes
            executor.shutdown(wait=True, kill_workers=True)


def _in_child(task: Task, folder: Path, parent: int) -> TrainedSeed:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent as well, which ends its children
    return _train(task, folder, lambda _: end_if_orphaned(parent))


@dataclass(frozen=True)
class _Trip:
    """A task without its data, which is sent once for all tasks that share it, and the checkpoint to continue from."""

    task: Task
    data: int
    checkpoint: bytes


def _far_away(
    tasks: Sequence[Task], folders: Sequence[Path], reporters: Sequence[_Reporter], engine: Engine
) -> list[TrainedSeed]:
    """Each task on a machine that does not see `folders`: its last checkpoint comes back and is saved at once."""
    distinct = list({id(task.data): task.data for task in tasks}.values())
    place_of = {id(data): place for place, data in enumerate(distinct)}
    trips = [
        _Trip(replace(task, data=distinct[0].empty()), place_of[id(task.data)], checkpoint.saved_bytes(folder))
        for task, folder in zip(tasks, folders, strict=True)
    ]

    def save(place: int, state: bytes) -> None:
        checkpoint.save_bytes(folders[place], state)
        reporters[place](checkpoint.saved_history(folders[place]))

    shared = [data.in_memory() for data in distinct]
    for _ in engine.map(_on_a_node, trips, shared=shared, done=save):
        pass
    # each has its last checkpoint by now, so nothing is trained here
    return [_train(*each) for each in zip(tasks, folders, reporters, strict=True)]


def _on_a_node(data: Sequence[Sequences], trip: _Trip) -> bytes:
    with tempfile.TemporaryDirectory(prefix="tenor-") as passing:
        folder = Path(passing)
        if trip.checkpoint:
            checkpoint.save_bytes(folder, trip.checkpoint)
        _train(replace(trip.task, data=data[trip.data]), folder, lambda _: None)
        return checkpoint.saved_bytes(folder)
