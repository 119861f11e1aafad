"""How often a host is asked: a pace for each host, and a rest for one that fails again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable

Clock = Callable[[], float]


class RateLimit:
    """At most one request to a host every `gap` seconds, over all threads.

    Parameters
    ----------
    clock
        Gives monotonic seconds.
    sleep
        Waits for so many seconds.
    """

    def __init__(self, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._clock, self._sleep = clock, sleep
        self._next_turn: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, host: str, gap: float) -> None:
        """Return when a request may be sent to `host`."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next_turn.get(host, now))
            self._next_turn[host] = turn + gap
        if turn > now:
            self._sleep(turn - now)


class CircuitBreaker:
    """A host that failed `trips` times in a row rests for `rest` seconds; then one request may try again.

    Parameters
    ----------
    trips
        Failures in a row.
    rest
        Seconds.
    clock
        Gives monotonic seconds.
    """

    def __init__(self, trips: int, rest: float, clock: Clock) -> None:
        self._trips, self._rest, self._clock = trips, rest, clock
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def resting(self, host: str) -> float:
        """Seconds that `host` still rests; 0 where a request may be sent: after a rest, a single one."""
        with self._lock:
            until = self._until.get(host)
            if until is None:
                return 0.0
            seconds = until - self._clock()
            if seconds > 0:
                return seconds
            # half open: the others wait for the result of this one
            self._until[host] = self._clock() + self._rest
            return 0.0

    def succeeded(self, host: str) -> None:
        """An answer came."""
        with self._lock:
            self._failures.pop(host, None)
            self._until.pop(host, None)

    def failed(self, host: str, *, rest: float | None = None) -> None:
        """No answer came; `rest` is the number of seconds for which the host itself asked."""
        with self._lock:
            self._failures[host] = self._failures.get(host, 0) + 1
            if rest is not None:
                self._until[host] = self._clock() + rest
            elif self._failures[host] >= self._trips:
                self._until[host] = self._clock() + self._rest
