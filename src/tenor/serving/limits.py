"""Limits on requests: rate, number at the same time, size, nesting and duration."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import ipaddress
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tenor.errors import ConfigError, did_you_mean

CALLERS = 10_000
"""The number of callers whose rate is remembered; the one not seen for the longest time is forgotten first."""
PIECE = 32 * 1024
"""Bytes of an answer that are handed to a connection at a time; at most this much of each answer waits in memory."""
SYMBOLS = 10
"""This many symbols of a batch count as much work as one request."""


@dataclass(frozen=True)
class Limits:
    """The limits of a service.

    Attributes
    ----------
    rate
        The most work per second of one key (or address, without keys); 0 means no limit. Each request is 1, plus more
        for batches (`SYMBOLS`) and for texts to score.
    burst
        The most work of one key or address at once.
    in_flight
        The most requests that are worked on at the same time; further ones are answered with 503.
    in_flight_each
        The most of these from one address; 0 means no limit.
    streams
        The most event streams at the same time.
    streams_each
        The most of these for one key or address; 0 means no limit.
    stream_seconds
        Seconds after which a stream ends; clients connect again.
    body
        The most bytes of a request's body.
    depth
        The deepest nesting of its JSON.
    body_seconds
        Seconds within which the body must arrive.
    header_seconds
        Seconds within which the head must arrive.
    write_seconds
        Seconds within which a client must read each `PIECE` of an answer; a slower client is cut.
    linger_seconds
        Seconds for which the rest of the body of a refused request is still read and thrown away. Otherwise a client
        that goes on sending would find a reset connection in place of the answer.
    linger_bytes
        The most bytes of this rest.
    connections
        The most open connections. For one more, a connection that waits for its client is cut: the one that has waited
        longest, of the address with the most connections.
    connections_each
        The most connections from one address; 0 means no limit. Behind a proxy, all have the proxy's address.
    heavy
        The most requests at the same time that score texts or make forecasts.
    waiting
        How many requests may wait for this, and as many for an answer with many symbols.
    cache_megabytes
        Memory for answers that may be requested again; the one not requested for the longest time is dropped first.
    """

    rate: float = 0.0
    burst: int = 40
    in_flight: int = 512
    in_flight_each: int = 256
    streams: int = 100
    streams_each: int = 20
    stream_seconds: float = 3600.0
    body: int = 256 * 1024
    depth: int = 32
    body_seconds: float = 10.0
    header_seconds: float = 10.0
    write_seconds: float = 10.0
    linger_seconds: float = 10.0
    linger_bytes: int = 16 * 1024 * 1024
    connections: int = 2000
    connections_each: int = 500
    heavy: int = 2
    waiting: int = 16
    cache_megabytes: float = 64.0

    def __post_init__(self) -> None:
        if not 0 <= self.rate < math.inf:
            raise ConfigError(f"serving: rate is {self.rate:g}; it takes work per second, or 0 for no limit.")
        for name, value in vars(self).items():
            if name.endswith(("_seconds", "_megabytes")) and not 0 < value < math.inf:
                raise ConfigError(f"serving: {name} is {value:g}; it takes a number above 0.")
            least = 0 if name.endswith("_each") else 1
            if isinstance(value, int) and name != "rate" and value < least:
                raise ConfigError(f"serving: {name} is {value}; it takes {least} or more.")

    def changed(self, settings: Sequence[str]) -> Limits:
        """These limits with `settings`, each ``name=number``; raises ConfigError for one that can't be read."""
        changes: dict[str, float] = {}
        known = {field.name: field for field in dataclasses.fields(self)}
        for text in settings:
            name, _, number = (part.strip() for part in text.partition("="))
            if name not in known:
                hint = did_you_mean(name, known) or f" Known: {', '.join(known)}."
                raise ConfigError(f"unknown limit {name[:40]!r}.{hint}")
            whole = known[name].type == "int"
            try:
                changes[name] = int(number) if whole else float(number)
            except ValueError:
                kind = "a whole number" if whole else "a number"
                example = f"{name}={known[name].default}"
                raise ConfigError(f"limit {name} takes {kind}, not {number[:40]!r}: as {example}.") from None
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


class Buckets:
    """A token bucket for each caller."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._callers: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str) -> float:
        """Take a token of `caller`; returns 0 if there was one, else the seconds until there is."""
        return self._take(caller, least=1.0, cost=1.0)

    def charge(self, caller: str, cost: float) -> float:
        """Take `cost` more tokens, for work that turned out to be larger.

        A caller may get into debt once, but not deeper. Returns 0, or the seconds until the debt is paid.
        """
        return self._take(caller, least=0.0, cost=cost)

    def _take(self, caller: str, *, least: float, cost: float) -> float:
        if not self._rate:
            return 0.0
        now = self._clock()
        tokens, before = self._callers.pop(caller, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - before) * self._rate)
        missing = max(0.0, least - tokens)
        self._callers[caller] = (tokens if missing else tokens - cost, now)
        if len(self._callers) > CALLERS:
            self._callers.popitem(last=False)
        return missing / self._rate


class Slots:
    """At most `total` slots, and at most `each` for one caller (0: no limit for a caller)."""

    def __init__(self, total: int, each: int) -> None:
        self._total, self._each = total, each
        self._taken: Counter[str] = Counter()
        self.taken = 0

    def take(self, caller: str) -> bool:
        """Take a slot; returns False if there is none left for `caller`."""
        if self.taken >= self._total or (self._each and self._taken[caller] >= self._each):
            return False
        self._taken[caller] += 1
        self.taken += 1
        return True

    def give_back(self, caller: str) -> None:
        """Give a slot back."""
        self.taken -= 1
        self._taken[caller] -= 1
        if self._taken[caller] <= 0:
            del self._taken[caller]


@functools.lru_cache(4096)
def network_of(host: str) -> str:
    """The address by which limits count: for IPv6 the network of 64 bits, since one client gets all of it."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if not address.is_loopback:
            return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


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
