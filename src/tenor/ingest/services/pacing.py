"""Rate limits for each host, and a circuit breaker for hosts that fail repeatedly."""

from __future__ import annotations

import threading
from collections.abc import Callable

Clock = Callable[[], float]


class RateLimit:
    """At most one request to a host every `gap` seconds, over all threads.

    Parameters
    ----------
    clock
        Returns monotonic seconds.
    sleep
        Waits for a number of seconds.
    """

    def __init__(self, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._clock, self._sleep = clock, sleep
        self._next_turn: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, host: str, gap: float) -> None:
        """Wait until a request may be sent to `host`."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next_turn.get(host, now))
            self._next_turn[host] = turn + gap
        if turn > now:
            self._sleep(turn - now)


class CircuitBreaker:
    """After `trips` failures in a row, a host gets no request for `rest` seconds; then a single request may try again.

    Parameters
    ----------
    trips
        Number of failures in a row.
    rest
        Seconds without requests.
    clock
        Returns monotonic seconds.
    """

    def __init__(self, trips: int, rest: float, clock: Clock) -> None:
        self._trips, self._rest, self._clock = trips, rest, clock
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def resting(self, host: str) -> float:
        """Seconds for which `host` still gets no request; 0 if one may be sent (after a rest, only a single one)."""
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
        """Record that the host answered."""
        with self._lock:
            self._failures.pop(host, None)
            self._until.pop(host, None)

    def failed(self, host: str, *, rest: float | None = None) -> None:
        """Record that the host did not answer; `rest` is the number of seconds that the host itself asked to wait."""
        with self._lock:
            self._failures[host] = self._failures.get(host, 0) + 1
            if rest is not None:
                self._until[host] = self._clock() + rest
            elif self._failures[host] >= self._trips:
                self._until[host] = self._clock() + self._rest
