"""The interface between what is computed and where it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from tenor.engines.local import LocalEngine
from tenor.errors import ConfigError

if TYPE_CHECKING:
    from tenor.engines.ray_cluster import RayEngine

Given = TypeVar("Given")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs a function on each of many tasks."""

    @property
    def cores(self) -> int:
        """The number of tasks that run at the same time."""

    @property
    def shares_files(self) -> bool:
        """Whether tasks can access the files of this machine, so that they can save results and checkpoints there."""

    @property
    def processor(self) -> str:
        """The kind or kinds of processor that tasks run on; results are bit-identical on one kind."""

    def map(
        self,
        function: Callable[[Any, Given], Result],
        tasks: Sequence[Given],
        *,
        shared: Any = None,
        done: Callable[[int, Result], None] | None = None,
    ) -> Iterator[Result]:
        """Call ``function(shared, task)`` for each of `tasks`, and yield the results in the order of the tasks.

        Parameters
        ----------
        function
            A function at the top level of a module, so that other processes can import it.
        tasks
            The tasks, each small: data common to all belong in `shared`.
        shared
            Plain data that all tasks read and none changes. A cluster copies it once to each node.
        done
            Called with the index of a task and its result as soon as the task ends, in order of completion: to save the
            result, so that a later run does not compute it again.

        Raises
        ------
        TenorError
            The error that `function` raised.
        TrainingError
            Processes were killed, and the retries are used up.
        """


Workers: TypeAlias = int | Engine | None
"""Where tasks run: this number of processes on this machine (None: one for each CPU core), or an engine."""


def engine_of(workers: Workers) -> Engine:
    """The engine for `workers`."""
    return LocalEngine(workers) if workers is None or isinstance(workers, int) else workers


def from_address(address: str | None, workers: int | None = None) -> LocalEngine | RayEngine:
    """The engine at `address`.

    Parameters
    ----------
    address
        ``local`` or None: processes on this machine. ``ray``: the Ray cluster of which this machine is a node, else a
        new one on this machine alone. ``ray://host:port``: a cluster by its client port.
    workers
        Most tasks at the same time; None means one for each core.

    Returns
    -------
    LocalEngine or RayEngine
        The engine.

    Raises
    ------
    ConfigError
        The address has another form.
    ServiceError
        No usable Ray cluster was found.
    """
    if address is None or address == "local":
        return LocalEngine(workers)
    if address == "ray" or address.startswith("ray://"):
        from tenor.engines.ray_cluster import RayEngine

        return RayEngine(address, workers)
    raise ConfigError(f"engine {address!r} is unknown: it is local, ray, or ray://host:10001.")
