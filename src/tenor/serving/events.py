"""New forecasts as server-sent events."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from tenor.serving.published import SymbolEntry
from tenor.serving.view import Snapshot

BEAT = 15.0
"""Seconds without events after which a comment is sent, so that the connection is not considered dead."""
QUEUE = 200
"""How many events may wait for a slow listener; with more it is disconnected, and can connect again."""


class Hub:
    """Sends new forecasts to every listener; it belongs to one event loop."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._closed = False

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return len(self._listeners)

    def publish(self, snapshot: Snapshot, symbols: Sequence[str]) -> None:
        """Send the forecasts of `symbols`."""
        for symbol in symbols:
            entry = snapshot.index.entries.get(symbol)
            if entry is not None:
                self._send(_event("forecast", summary(symbol, entry), entry.digest[:16]))

    def close(self) -> None:
        """End every stream, because the service stops."""
        self._closed = True
        for queue in self._listeners:
            _put(queue, None)

    async def listen(
        self, hello: dict[str, Any], symbols: frozenset[str], *, seconds: float = math.inf
    ) -> AsyncIterator[str]:
        """The stream of one listener for at most `seconds`; with empty `symbols`, for all symbols.

        The time is limited because a listener that never reads looks like one that does, as long as buffers have room.
        """
        end = time.monotonic() + seconds
        queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE)
        self._listeners.add(queue)
        try:
            yield "retry: 3000\n" + _event("hello", hello)
            while not self._closed and (left := end - time.monotonic()) > 0:
                try:
                    text = await asyncio.wait_for(queue.get(), min(BEAT, left))
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if text is None:
                    return
                if not symbols or json.loads(text.split("data: ", 1)[1])["symbol"] in symbols:
                    yield text
        finally:
            self._listeners.discard(queue)

    def _send(self, text: str) -> None:
        for queue in list(self._listeners):
            if queue.full():
                queue.get_nowait()  # room for the end of the stream
                _put(queue, None)
                self._listeners.discard(queue)
            else:
                queue.put_nowait(text)


def summary(symbol: str, entry: SymbolEntry) -> dict[str, Any]:
    """The data of a symbol's event."""
    return {
        "symbol": symbol,
        "as_of": entry.as_of,
        "session": entry.session,
        "model_version": entry.model_version,
        "horizons": {horizon: dict(values) for horizon, values in entry.brief.items()},
    }


def _put(queue: asyncio.Queue[str | None], value: str | None) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(value)


def _event(name: str, data: dict[str, Any], identity: str = "") -> str:
    first = f"id: {identity}\n" if identity else ""
    return f"{first}event: {name}\ndata: {json.dumps(data)}\n\n"
