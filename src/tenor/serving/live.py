"""Forecasts made on request: one run at a time; no request waits longer than `SECONDS`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeAlias

from tenor.errors import LiveError, TenorError
from tenor.serving.limits import Gate

SECONDS = 20.0
"""The time limit of a run."""
REMEMBERED = 60.0
"""Seconds for which a failure is the answer to further requests, so that it is not computed again for each."""
ALL = ""
"""The key under which a failure of all symbols is remembered."""

_Outcome: TypeAlias = Sequence[dict[str, Any]] | TenorError | OSError
"""What a run returns: forecasts, or why there are none."""


class Live(Protocol):
    """Makes a forecast from the latest bars, in the thread that calls it."""

    def __call__(self, symbol: str) -> Sequence[dict[str, Any]]:
        """The forecasts of `symbol` at every horizon, as `schema.Forecast.to_json` returns them."""


class LiveRuns:
    """Calls `live`, one call at a time, in a separate thread.

    A thread can't be stopped from outside. So no new run begins while one exceeds its limit, and requests are refused
    at once. `live` itself ensures that a run ends (`tenor.pipeline.live`).

    Parameters
    ----------
    live
        Makes the forecasts; None for a service that makes none.
    waiting
        How many requests may wait for a run; see `gate`.
    """

    def __init__(self, live: Live | None, waiting: int) -> None:
        self._live = live
        self.gate = Gate(1, waiting)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tenor-live")
        self._running: Future[_Outcome] | None = None
        self._began = 0.0
        self._failures: dict[str, tuple[float, str]] = {}

    async def forecasts(self, symbol: str) -> Sequence[dict[str, Any]]:
        """The forecasts of `symbol`.

        Raises
        ------
        LiveError
            There are none: the run failed, now or within the last `REMEMBERED` seconds, or takes too long.
        """
        if self._live is None:
            raise LiveError("this service has no lake to make a forecast from")
        self._refuse_failed(symbol)
        try:
            async with asyncio.timeout(SECONDS), self.gate:
                self._refuse_failed(symbol)  # another run may have failed while this request waited
                return await self._run(self._live, symbol)
        except TimeoutError:
            message = f"no live forecast within {SECONDS:g} seconds"
            if self._late:
                self._failures[ALL] = time.monotonic(), message
            raise LiveError(message) from None
        except OSError as error:
            raise self._failed(symbol, error) from error
        except TenorError as error:
            if isinstance(error, LiveError):
                raise
            raise self._failed(symbol, error) from error

    async def _run(self, live: Live, symbol: str) -> Sequence[dict[str, Any]]:
        running = self._thread.submit(self._begin, live, symbol)
        self._running = running
        try:
            outcome = await asyncio.shield(asyncio.wrap_future(running))
        except asyncio.CancelledError:
            running.cancel()  # if it has not begun
            raise
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _begin(self, live: Live, symbol: str) -> _Outcome:
        self._began = time.monotonic()
        try:
            return live(symbol)
        except (TenorError, OSError) as error:
            return error  # raised, it would be logged as never retrieved if the service stopped meanwhile

    @property
    def _late(self) -> bool:
        """Whether a run goes on past its limit."""
        running = self._running is not None and self._running.running()
        return running and time.monotonic() - self._began >= SECONDS * 0.99

    def _failed(self, symbol: str, error: Exception) -> LiveError:
        message = f"no live forecast: {error}"
        self._failures[symbol] = time.monotonic(), message
        return LiveError(message)

    def _refuse_failed(self, symbol: str) -> None:
        if self._late:
            raise LiveError(f"the last live forecast still runs after {SECONDS:g} seconds")
        for name in (ALL, symbol):
            at, message = self._failures.get(name, (float("-inf"), ""))
            if time.monotonic() - at < REMEMBERED:
                raise LiveError(message)
            self._failures.pop(name, None)

    def close(self) -> None:
        """Cancel runs that have not begun."""
        stop = getattr(self._live, "stop", None)
        if stop is not None:
            stop()
        self._thread.shutdown(wait=False, cancel_futures=True)
