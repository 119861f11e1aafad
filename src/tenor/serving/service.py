"""The objects that the routes share: the published forecasts, computations on request, and the limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from tenor.errors import StoreError
from tenor.serving.events import Hub
from tenor.serving.keys import ApiKeys
from tenor.serving.limits import Gate, Limits
from tenor.serving.live import Live, LiveRuns
from tenor.serving.logs import LOGGER
from tenor.serving.metrics import Metrics
from tenor.serving.responses import BodyCache
from tenor.serving.view import View

if TYPE_CHECKING:
    from tenor.sentiment.scorer import Scorer

POLL_TIMEOUT = 30.0
RENDERERS = 2
"""Number of threads that make answers."""
T = TypeVar("T")

log = logging.getLogger(LOGGER)


@dataclass
class Service:
    """The objects that the routes share.

    Attributes
    ----------
    view
        The last good state of the published forecasts.
    limits
        How much one caller, and all together, may request.
    keys
        The API keys that are accepted, or None for a service without keys.
    hosts, origins
        See `create_app`.
    live
        Makes forecasts on request, or None.
    scorer
        Loads the model that scores texts; by default the shipped one.
    as_of
        A past session (ISO date) with which the dashboard opens, and whose forecasts the API returns unless a request
        names another session; None means the newest.
    poll
        Seconds between two polls of the published forecasts; with 0, they are read only at the start.
    metrics
        The counters.
    hub
        The event streams.
    bodies
        The cache of rendered answers.
    """

    view: View
    limits: Limits = field(default_factory=Limits)
    keys: ApiKeys | None = None
    hosts: frozenset[str] | None = None
    origins: tuple[str, ...] = ()
    live: Live | None = None
    scorer: Callable[[], Scorer] | None = None
    as_of: str | None = None
    poll: float = 5.0
    metrics: Metrics = field(default_factory=Metrics)
    hub: Hub = field(default_factory=Hub)
    bodies: BodyCache = field(init=False)
    _stale: bool = field(default=False, init=False)
    _unready: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        self.bodies = BodyCache(int(self.limits.cache_megabytes * 2**20))
        self.live_runs = LiveRuns(self.live, self.limits.waiting)
        self._renderers = ThreadPoolExecutor(RENDERERS, thread_name_prefix="tenor-render")

    @cached_property
    def gate(self) -> Gate:
        """The gate for requests that score texts or make forecasts."""
        return Gate(self.limits.heavy, self.limits.waiting)

    @cached_property
    def batches(self) -> Gate:
        """The gate for requests for many symbols."""
        return Gate(self.limits.heavy, self.limits.waiting)

    async def rendered(self, render: Callable[[], T]) -> T:
        """The result of `render`, computed in a thread so that other requests are answered meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._renderers, render)

    def close(self) -> None:
        """End the streams and running computations, because the service stops."""
        self.hub.close()
        self.live_runs.close()
        self._renderers.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def loaded_scorer(self) -> Scorer:
        """The model that scores texts, loaded at the first request."""
        if self.scorer is not None:
            return self.scorer()
        from tenor.sentiment.scorer import Scorer

        return Scorer.load()

    async def watch(self) -> None:
        """Poll the published forecasts repeatedly, and send new ones to listeners."""
        while True:
            await asyncio.sleep(self.poll)
            await self.update()

    async def update(self) -> None:
        """Poll the published forecasts once; log when they become stale, and when they are fresh again."""
        await self._poll()
        self._log_unready()
        staleness = self.view.staleness() if self.view.ready else None
        if staleness is not None and staleness.stale != self._stale:
            self._stale = staleness.stale
            log.log(
                logging.WARNING if staleness.stale else logging.INFO,
                "stale" if staleness.stale else "fresh again",
                extra={"reasons": list(staleness.reasons)},
            )

    def _log_unready(self) -> None:
        """Log why there is nothing to serve, which strangers are not told."""
        problems = () if self.view.ready else self.view.problems
        if problems and problems != self._unready:
            log.warning("not ready", extra={"reasons": list(problems)})
        self._unready = problems

    async def _poll(self) -> None:
        # if the store does not answer, nobody waits: the poll goes on in its thread, and is noted as a problem
        polling = asyncio.ensure_future(asyncio.to_thread(self.view.poll))
        try:
            changed = await asyncio.wait_for(asyncio.shield(polling), POLL_TIMEOUT)
        except TimeoutError:
            problem = f"the place of the published forecasts has not answered for {POLL_TIMEOUT:g} seconds"
            self.view.note("published", problem)
            return
        if changed:
            self.hub.publish(self.view.snapshot, changed)
        if self.keys is not None:
            try:
                await asyncio.wait_for(asyncio.to_thread(self.keys.poll), POLL_TIMEOUT)
                self.view.note("keys", None)
            except (StoreError, TimeoutError):
                self.view.note("keys", "the keys can't be read: those known before stay valid")
