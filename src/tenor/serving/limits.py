"""Limits on requests: rate, number at once, size, nesting and time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from tenor.errors import ConfigError

CALLERS = 10_000
"""Callers whose rate is remembered; the one not seen for longest is forgotten first."""


@dataclass(frozen=True)
class Limits:
    """The bounds of a service.

    Attributes
    ----------
    rate
        Requests a second of one key (or address, without keys); 0 is no limit.
    burst
        Its requests at once.
    in_flight
        Requests worked on at once; further ones are answered with 503.
    streams
        Event streams at once.
    body
        Bytes of a request's body.
    depth
        Nesting of its JSON.
    body_seconds
        In which the body must have arrived.
    header_seconds
        In which the head must have arrived.
    connections
        Open at once.
    heavy
        Requests at once that score texts or make forecasts.
    waiting
        Requests that wait for that.
    """

    rate: float = 0.0
    burst: int = 40
    in_flight: int = 512
    streams: int = 100
    body: int = 256 * 1024
    depth: int = 32
    body_seconds: float = 10.0
    header_seconds: float = 10.0
    connections: int = 2000
    heavy: int = 2
    waiting: int = 16

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ConfigError(f"serving: rate is {self.rate}; it takes requests a second, or 0 for no limit.")
        for name in ("burst", "in_flight", "streams", "body", "depth", "connections", "heavy", "waiting"):
            if getattr(self, name) < 1:
                raise ConfigError(f"serving: {name} is {getattr(self, name)}; it takes 1 or more.")


class Buckets:
    """A token bucket a caller."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._callers: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str) -> float:
        """Take a token of `caller`; 0 if there was one, else the seconds until there is."""
        if not self._rate:
            return 0.0
        now = self._clock()
        tokens, before = self._callers.pop(caller, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - before) * self._rate)
        missing = max(0.0, 1.0 - tokens)
        self._callers[caller] = (tokens if missing else tokens - 1.0, now)
        if len(self._callers) > CALLERS:
            self._callers.popitem(last=False)
        return missing / self._rate


class Gate:
    """At most `width` requests at once, and `waiting` that wait for one of them to end; further ones are refused."""

    def __init__(self, width: int, waiting: int) -> None:
        self._room = asyncio.Semaphore(width)
        self._most = width + waiting
        self._count = 0

    def full(self) -> bool:
        """Whether one more would be refused."""
        return self._count >= self._most

    async def __aenter__(self) -> None:
        self._count += 1
        try:
            await self._room.acquire()
        except BaseException:
            self._count -= 1
            raise

    async def __aexit__(self, *exception: object) -> None:
        self._count -= 1
        self._room.release()


def depth(data: bytes) -> int:
    """How deeply the brackets of a JSON text are nested; brackets in strings do not count."""
    deepest = level = 0
    quoted = escaped = False
    for byte in data:
        if quoted:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                quoted = False
        elif byte == 0x22:
            quoted = True
        elif byte in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif byte in b"]}":
            level = max(0, level - 1)
    return deepest
