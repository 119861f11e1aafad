"""Runs tasks on a Ray cluster: tasks are sent to its nodes and results returned; no shared folder is needed.

Data shared by the tasks goes into Ray's object store, which copies it once to each node and maps it into the memory of
its processes. Only this machine writes results, checkpoints included. If a node is lost, only the tasks that were
running on it are computed again, on another node.
"""

from __future__ import annotations

import contextlib
import platform
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from tenor.engines.local import processor_name
from tenor.errors import ServiceError, TrainingError, one_line

Given = TypeVar("Given")
Result = TypeVar("Result")

TRIES = 3
"""Number of attempts to start Ray on this machine: its raylet gives up after 15 s on a busy machine."""
LOST_NODES = 3
"""Number of retries of a task whose process or node was lost."""
AHEAD = 2
"""Tasks sent per core: one that runs and one that waits, so that no core is idle until this machine sends the next."""


@dataclass(frozen=True)
class Node:
    """The software versions on a node of the cluster."""

    name: str
    cores: float
    python: str
    tenor: str
    processor: str


class RayEngine:
    """The cores of a Ray cluster.

    Parameters
    ----------
    address
        ``ray``: the cluster of which this machine is a node, else a new one on this machine alone.
        ``ray://host:port``: a cluster by its client port, 10001 by default.
    workers
        Most tasks at the same time; None means one for each core of the cluster.

    Raises
    ------
    ModuleNotFoundError
        Ray is not installed.
    ServiceError
        The cluster can't be reached, Ray does not start here, or a node runs another version of Python or tenor.
    """

    shares_files = False

    def __init__(self, address: str = "ray", workers: int | None = None) -> None:
        import ray

        self._ray = ray
        self._workers = workers
        self._address = address
        self._connect()
        self._check()

    @property
    def cores(self) -> int:
        """The number of tasks that run at the same time."""
        whole = max(1, int(sum(node.cores for node in self.nodes)))
        return whole if self._workers is None else min(self._workers, whole)

    @property
    def processor(self) -> str:
        """The kinds of processor of the nodes."""
        return ", ".join(sorted({node.processor for node in self.nodes}))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The software versions of the nodes; each is queried by a task that runs on it."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ask = self._ray.remote(num_cpus=0, max_retries=0)(_versions)
        alive = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
        answers = [
            ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote()
            for node in alive
        ]
        nodes = []
        for node, answer in zip(alive, answers, strict=True):
            name = str(node["NodeManagerHostname"])
            try:
                versions = self._ray.get(answer, timeout=120)
            except self._ray.exceptions.RayError as error:
                raise ServiceError(
                    f"node {name} of the Ray cluster does not run tenor ({one_line(_cause(error), 200)}): install "
                    f"tenor {_tenor()} there, in the environment that runs Ray."
                ) from None
            nodes.append(Node(name, float(node["Resources"]["CPU"]), **versions))
        return tuple(nodes)

    def map(
        self,
        function: Callable[[Any, Given], Result],
        tasks: Sequence[Given],
        *,
        shared: Any = None,
        done: Callable[[int, Result], None] | None = None,
    ) -> Iterator[Result]:
        """See `tenor.engines.Engine.map`."""
        ray = self._ray
        run = ray.remote(num_cpus=1, max_retries=LOST_NODES)(_run)
        together = ray.put((function, shared))
        left = deque(enumerate(tasks))
        running: dict[Any, int] = {}
        results: dict[int, Result] = {}
        following = 0
        try:
            while left or running or results:
                # few at a time: the cluster keeps sent tasks, and results not yet fetched, in memory
                while left and len(running) < AHEAD * self.cores:
                    place, task = left.popleft()
                    running[run.remote(together, task)] = place
                if running:
                    finished, _ = ray.wait(list(running), num_returns=1)
                    for answer in finished:
                        place = running.pop(answer)
                        results[place] = self._result(answer)
                        if done is not None:
                            done(place, results[place])
                while following in results:
                    yield results.pop(following)
                    following += 1
        finally:
            for answer in running:
                ray.cancel(answer, force=True)

    def _result(self, answer: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(answer)
        except errors.RayTaskError as error:
            raise _cause(error) from None
        except errors.RayError as error:
            raise TrainingError(
                f"a task was lost on the Ray cluster {LOST_NODES + 1} times ({one_line(error, 200)}): most likely "
                "memory ran out there. Run the same command again: what was finished is not computed again; with "
                "fewer workers a node takes less memory."
            ) from None

    def _connect(self) -> None:
        ray = self._ray
        if ray.is_initialized():
            return
        settings: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}
        problem: BaseException | None = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about later versions of Ray
            if self._address != "ray":
                _show_token()
                try:
                    ray.init(address=self._address, **settings)
                except (ConnectionError, OSError, RuntimeError, ValueError) as error:
                    raise ServiceError(
                        f"no Ray cluster answers at {self._address} ({one_line(error, 200)}): start one with 'ray "
                        "start --head --ray-client-server-port 10001', give its token in RAY_AUTH_TOKEN where it asks "
                        "for one, or leave --engine out."
                    ) from None
                return
            try:
                ray.init(address="auto", **settings)
            except ConnectionError:
                pass  # this machine is not a node of a cluster
            else:
                return
            for _ in range(TRIES):
                try:
                    ray.init(include_dashboard=False, num_cpus=self._workers, **settings)
                except Exception as error:  # noqa: BLE001 (Ray raises a bare Exception where its raylet gives up)
                    problem = error
                    ray.shutdown()
                else:
                    return
        raise ServiceError(
            f"Ray did not start on this machine in {TRIES} tries ({one_line(problem or OSError(), 200)}): it gives up "
            "after 15 s on a busy one. Try again when it is idle, or use --engine local."
        )

    def _check(self) -> None:
        here = _versions()
        for node in self.nodes:
            if node.tenor != here["tenor"]:
                raise ServiceError(
                    f"node {node.name} of the Ray cluster runs tenor {node.tenor}, this machine {here['tenor']}: "
                    "install the same on all."
                )


def _show_token() -> None:
    """Let a Ray client send the token of this machine: Ray 2.60 does this by itself except for clients.

    A head node with a token on its machine (Ray writes one at its first start) requires it, and a client that sends
    none waits for an answer until it gives up.
    """
    try:
        from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
    except ImportError:  # a version of Ray without tokens, or with another place for this
        return
    with contextlib.suppress(Exception):  # an internal of Ray: without a token, the error of the connection is clear
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "tenor": _tenor(), "processor": processor_name()}


def _tenor() -> str:
    try:
        return version("tenor")
    except PackageNotFoundError:
        return "unknown"


def _run(together: tuple[Callable[[Any, Any], Any], Any], task: Any) -> Any:
    """Run a task on a node. Shared arrays are read-only mapped memory, about which torch would warn."""
    function, shared = together
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return function(shared, task)


def _cause(error: BaseException) -> BaseException:
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, BaseException) else error
