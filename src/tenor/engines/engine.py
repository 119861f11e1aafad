"""The seam between what is computed and where."""

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
        """How many tasks run at the same time."""

    @property
    def shares_files(self) -> bool:
        """Whether the tasks see the files of this machine, so that they may leave results and checkpoints there."""

    @property
    def processor(self) -> str:
        """The kind of processor that tasks run on, or the kinds: results are the same to the bit on one kind."""

    def map(
        self,
        function: Callable[[Any, Given], Result],
        tasks: Sequence[Given],
        *,
        shared: Any = None,
        done: Callable[[int, Result], None] | None = None,
    ) -> Iterator[Result]:
        """``function(shared, task)`` for each of `tasks`, in their order.

        Parameters
        ----------
        function
            Of a module, so that other processes can import it.
        tasks
            Each small: what they have in common is `shared`.
        shared
            Plain data that every task reads and none changes. A cluster copies it to each node once.
        done
            Called with the place of a task and its result as soon as it is there, in order of completion: to save it,
            so that a later run need not compute it again.

        Raises
        ------
        TenorError
            What `function` raised.
        TrainingError
            Processes were killed more often than they are started again.
        """


Workers: TypeAlias = int | Engine | None
"""Where something runs: this many processes of this machine (None: one a core), or an engine."""


def engine_of(workers: Workers) -> Engine:
    """The engine that `workers` stands for."""
    return LocalEngine(workers) if workers is None or isinstance(workers, int) else workers


def from_address(address: str | None, workers: int | None = None) -> LocalEngine | RayEngine:
    """The engine at `address`.

    Parameters
    ----------
    address
        ``local`` or None: processes of this machine. ``ray``: the Ray cluster that this machine is a node of, else one
        of this machine alone. ``ray://host:port``: a cluster by its client port.
    workers
        At most so many tasks at the same time; None is one a core.

    Raises
    ------
    ConfigError
        Another address.
    ServiceError
        There is no Ray cluster that can be used.
    """
    if address is None or address == "local":
        return LocalEngine(workers)
    if address == "ray" or address.startswith("ray://"):
        from tenor.engines.ray_cluster import RayEngine

        return RayEngine(address, workers)
    raise ConfigError(f"engine {address!r} is unknown: it is local, ray, or ray://host:10001.")
