"""What keeps a host from being asked too often: a pace, and a rest after a row of failures."""

from __future__ import annotations

import threading
from collections.abc import Callable

Clock = Callable[[], float]


class Pace:
    """At most one request to a host every `gap` seconds, over all threads.

    Parameters
    ----------
    clock, sleep
        Monotonic seconds, and how to wait.
    """

    def __init__(self, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._clock, self._sleep = clock, sleep
        self._free: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, host: str, gap: float) -> None:
        """Return when `host` may be asked."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._free.get(host, now))
            self._free[host] = turn + gap
        if turn > now:
            self._sleep(turn - now)


class Breaker:
    """A host that failed `trips` times in a row rests for `rest` seconds; then one request may try again.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, trips: int, rest: float, clock: Clock) -> None:
        self._trips, self._rest, self._clock = trips, rest, clock
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def resting(self, host: str) -> float:
        """Seconds that `host` still rests, 0 where it may be asked. Whoever is let through after a rest is alone."""
        with self._lock:
            until = self._until.get(host)
            if until is None:
                return 0.0
            left = until - self._clock()
            if left > 0:
                return left
            # half open: the next ones wait for what becomes of this one
            self._until[host] = self._clock() + self._rest
            return 0.0

    def succeeded(self, host: str) -> None:
        """An answer came."""
        with self._lock:
            self._failures.pop(host, None)
            self._until.pop(host, None)

    def failed(self, host: str, *, rest: float | None = None) -> None:
        """No answer came; with `rest` the host itself asked for so many seconds."""
        with self._lock:
            self._failures[host] = self._failures.get(host, 0) + 1
            if rest is not None:
                self._until[host] = self._clock() + rest
            elif self._failures[host] >= self._trips:
                self._until[host] = self._clock() + self._rest
