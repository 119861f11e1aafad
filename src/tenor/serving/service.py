"""What a service serves from: a view of the board, what can be computed on request, and the bounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from tenor.errors import StoreError
from tenor.serving.events import Hub
from tenor.serving.keys import ApiKeys
from tenor.serving.limits import Gate, Limits
from tenor.serving.logs import LOGGER
from tenor.serving.metrics import Metrics
from tenor.serving.rendering import Renderer
from tenor.serving.view import View

if TYPE_CHECKING:
    from tenor.sentiment.scorer import Scorer

POLL_TIMEOUT = 30.0

log = logging.getLogger(LOGGER)


class Live(Protocol):
    """Makes a forecast from the latest bars, in the thread that calls it."""

    def __call__(self, symbol: str) -> Sequence[dict[str, Any]]:
        """The forecasts of `symbol` at every horizon, as `schema.Forecast.to_json` tells them."""


@dataclass
class Service:
    """What the routes serve from.

    Attributes
    ----------
    view
        The board's last good state.
    scorer
        Loads what scores texts.
    live
        Makes forecasts on request, or None.
    keys
        Those that open the service, or None for a service that is open.
    hosts, origins
        See `create_app`.
    poll
        Seconds between two looks at the board; 0 never looks after the start.
    """

    view: View
    limits: Limits = field(default_factory=Limits)
    keys: ApiKeys | None = None
    hosts: frozenset[str] | None = None
    origins: tuple[str, ...] = ()
    live: Live | None = None
    scorer: Callable[[], Scorer] | None = None
    poll: float = 5.0
    metrics: Metrics = field(default_factory=Metrics)
    hub: Hub = field(default_factory=Hub)
    _stale: bool = field(default=False, init=False)

    @cached_property
    def renderer(self) -> Renderer:
        """The view's answers."""
        return Renderer(self.view)

    @cached_property
    def gate(self) -> Gate:
        """Where texts to be scored and forecasts to be remade wait."""
        return Gate(self.limits.heavy, self.limits.waiting)

    @cached_property
    def loaded_scorer(self) -> Scorer:
        """What scores texts, loaded when it is first asked for."""
        if self.scorer is not None:
            return self.scorer()
        from tenor.sentiment.scorer import Scorer

        return Scorer.load()

    async def watch(self) -> None:
        """Look at the board again and again, and tell listeners what is new."""
        while True:
            await asyncio.sleep(self.poll)
            await self.look()

    async def look(self) -> None:
        """Look at the board once, and tell the log when forecasts become stale, and when they are fresh again."""
        await self._look()
        told = self.view.staleness() if self.view.ready else None
        if told is not None and told.stale != self._stale:
            self._stale = told.stale
            log.log(
                logging.WARNING if told.stale else logging.INFO,
                "stale" if told.stale else "fresh again",
                extra={"reasons": list(told.reasons)},
            )

    async def _look(self) -> None:
        # a place that does not answer keeps nobody waiting, and is told as a problem
        looking = asyncio.ensure_future(asyncio.to_thread(self.view.poll))
        try:
            changed = await asyncio.wait_for(asyncio.shield(looking), POLL_TIMEOUT)
        except TimeoutError:
            self.view.note("board", f"the board's place has not answered for {POLL_TIMEOUT:g} seconds")
            return
        if changed:
            self.hub.publish(self.view.snapshot, changed)
        if self.keys is not None:
            try:
                await asyncio.wait_for(asyncio.to_thread(self.keys.poll), POLL_TIMEOUT)
                self.view.note("keys", None)
            except (StoreError, TimeoutError):
                self.view.note("keys", "the keys can't be read: those known before still hold")
