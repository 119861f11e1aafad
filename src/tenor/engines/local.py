"""Processes of this machine."""

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
"""After which a process that nothing came for ends."""
KILLED = (
    "a process was killed, most likely because memory ran out. Run the same command again: what was finished is not "
    "computed again; with one worker it takes less memory."
)


class LocalEngine:
    """Up to `workers` processes of this machine; one runs in this process itself.

    Parameters
    ----------
    workers
        None is one a core.
    """

    shares_files = True

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers

    @property
    def cores(self) -> int:
        """How many tasks run at the same time."""
        return self._workers or available_cores()

    @property
    def processor(self) -> str:
        """The kind of this machine's."""
        return processor_name()

    def map(
        self,
        function: Callable[[Any, Given], Result],
        tasks: Sequence[Given],
        *,
        shared: Any = None,
        done: Callable[[int, Result], None] | None = None,
    ) -> Iterator[Result]:
        """As `tenor.engines.Engine.map`. A process whose owner was killed ends with the task that it is at."""
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
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 (a file of Linux; elsewhere there is none)
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def available_cores() -> int:
    """The cores that this process may use."""
    import joblib  # of the extra that trains

    return int(joblib.cpu_count())


def end_idle_processes() -> None:
    """End the processes that wait for the next task; to be called before joblib starts its own.

    loky has one reusable executor for each process. joblib takes an executor that `worker_processes` left for one of
    its own, looks for the folder of arrays that its own have, and fails because this one has none.
    """
    from joblib.externals.loky import get_reusable_executor

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
    from joblib.externals.loky import get_reusable_executor

    # a process that grew ends before its next task and another takes its place: nothing that a user could mend
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)
    return get_reusable_executor(max_workers=count, timeout=IDLE_SECONDS)


def _unless_orphaned(function: Callable[[Any, Given], Result], shared: Any, task: Given, owner: int) -> Result:
    end_if_orphaned(owner)
    result = function(shared, task)
    end_if_orphaned(owner)
    return result
