"""Runs tasks in processes on this machine."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from typing import Any, TypeVar

from tenor.errors import TrainingError

Given = TypeVar("Given")
Result = TypeVar("Result")

IDLE_SECONDS = 300
"""Seconds without a task after which a process ends."""
KILLED = (
    "a process was killed, most likely because memory ran out. Run the same command again: what was finished is not "
    "computed again; with one worker it takes less memory."
)


class LocalEngine:
    """Up to `workers` processes on this machine; with one worker, tasks run in this process itself.

    Parameters
    ----------
    workers
        Number of processes; None means one for each CPU core.
    """

    shares_files = True

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers

    @property
    def cores(self) -> int:
        """The number of tasks that run at the same time."""
        return self._workers or available_cores()

    @property
    def processor(self) -> str:
        """The kind of processor of this machine."""
        return processor_name()

    def map(
        self,
        function: Callable[[Any, Given], Result],
        tasks: Sequence[Given],
        *,
        shared: Any = None,
        done: Callable[[int, Result], None] | None = None,
    ) -> Iterator[Result]:
        """See `tenor.engines.Engine.map`. If this process is killed, worker processes end after their current task."""
        processes = min(self.cores, len(tasks))
        if processes <= 1:
            for place, task in enumerate(tasks):
                result = function(shared, task)
                if done is not None:
                    done(place, result)
                yield result
            return
        executor = worker_processes(processes)
        running = [executor.submit(_unless_orphaned, function, shared, task, os.getpid()) for task in tasks]
        try:
            yield from _in_order(running, done)
        except BrokenExecutor:
            raise TrainingError(KILLED) from None
        finally:
            for future in running:
                future.cancel()


def _in_order(running: list[Future[Result]], done: Callable[[int, Result], None] | None) -> Iterator[Result]:
    if done is None:
        for future in running:
            yield future.result()
        return
    places = {future: place for place, future in enumerate(running)}
    pending, following = set(running), 0
    while pending:
        finished, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in finished:
            done(places[future], future.result())
        while following < len(running) and running[following] not in pending:
            yield running[following].result()
            following += 1


def processor_name() -> str:
    """The kind of processor of this machine."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 (exists only on Linux)
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def available_cores() -> int:
    """The number of cores that this process may use."""
    import joblib  # installed with the extra `train`

    return int(joblib.cpu_count())


def end_idle_processes() -> None:
    """End the idle worker processes; call this before joblib starts its own.

    loky has one reusable executor for each process. joblib would reuse an executor of `worker_processes` as if it were
    its own, look for the folder of arrays that its own executors have, and fail because this one has none.
    """
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor(reuse=True).shutdown(wait=True)


def orphaned(owner: int) -> bool:
    """Whether this process works for its parent `owner`, and that one has ended."""
    return os.getpid() != owner and os.getppid() != owner


def end_if_orphaned(owner: int) -> None:
    """End this process if `owner` was killed: its result is not needed any more."""
    if orphaned(owner):
        os._exit(1)  # not sys.exit, which waits for threads and writes to pipes without a reader


def worker_processes(count: int) -> Any:
    """The executor of `count` processes shared by all parallel work of this process; they end after a long idle time.

    loky, not concurrent.futures: its processes do not import the caller's ``__main__`` again, so a script needs no
    guard.
    """
    from joblib.externals.loky import get_reusable_executor

    # loky replaces a process whose memory has grown before its next task: nothing the user has to act on
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)
    return get_reusable_executor(max_workers=count, timeout=IDLE_SECONDS)


def _unless_orphaned(function: Callable[[Any, Given], Result], shared: Any, task: Given, owner: int) -> Result:
    end_if_orphaned(owner)
    result = function(shared, task)
    end_if_orphaned(owner)
    return result
