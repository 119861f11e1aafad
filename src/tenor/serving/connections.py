"""Connections: uvicorn's HTTP/1.1 with time limits for slow clients, and limits on the number of connections.

uvicorn limits neither how slowly a request's head arrives nor how slowly a client reads an answer, and its limit of
connections counts all clients together. Here each wait for a client has a time limit. If there are too many
connections, one that waits for its client is closed in favour of a new one, so idle connections can't shut others out.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import secrets
import socket
import struct
import sys
from collections import defaultdict
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from tenor.serving.limits import Limits, network_of
from tenor.serving.logs import LOGGER
from tenor.serving.metrics import Metrics
from tenor.serving.responses import PROBLEM_JSON, SECURITY_HEADERS, fields_of, problem

MANY = 200
"""After this many connections have ended, memory is given back to the system."""
SOON = 1.0

log = logging.getLogger(LOGGER)


def protocol(limits: Limits, metrics: Metrics | None = None) -> type[H11Protocol]:
    """The class of HTTP/1.1 connections of one server, with `limits`.

    Parameters
    ----------
    limits
        Limits of time and number.
    metrics
        Counts connections that were cut.
    """
    opened = Connections(limits, metrics or Metrics())

    class Connection(TimedProtocol):
        """A connection of this server."""

        open = opened

    return Connection


class Connections:
    """The open connections of a server, by client address."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits = limits
        self.metrics = metrics
        self._by_address: defaultdict[str, set[TimedProtocol]] = defaultdict(set)
        self._count = self._peak = 0

    def add(self, connection: TimedProtocol) -> bool:
        """Add `connection`; returns False if there is no room, and no other connection that can be cut."""
        own = self._by_address[connection.address]
        each = self.limits.connections_each
        rivals: set[TimedProtocol] | None = None
        if each and len(own) >= each:
            rivals = own
        elif self._count >= self.limits.connections:
            rivals = max(self._by_address.values(), key=len)
        if rivals is not None:
            waiting = [(rival.waiting_since, rival) for rival in rivals if rival.waiting_since is not None]
            if not waiting:
                self._forget_empty(connection.address)
                return False
            min(waiting, key=lambda pair: pair[0])[1].cut("room")
        self._by_address[connection.address].add(connection)
        self._count += 1
        self._peak = max(self._peak, self._count)
        return True

    def discard(self, connection: TimedProtocol) -> None:
        """Forget `connection`, which is closed or was not added."""
        own = self._by_address.get(connection.address, set())
        if connection in own:
            own.remove(connection)
            self._count -= 1
            self._forget_empty(connection.address)
            if self._peak >= MANY and self._count <= self._peak // 4:
                self._peak = self._count
                connection.loop.call_later(SOON, connection.loop.run_in_executor, None, give_memory_back)

    def _forget_empty(self, address: str) -> None:
        if not self._by_address[address]:
            del self._by_address[address]


class LingeringTransport:
    """A transport that writes the head of an answer together with what follows, and whose `close` asks its connection
    first: its client may still be sending.
    """

    def __init__(self, transport: asyncio.Transport, connection: TimedProtocol) -> None:
        self._transport = transport
        self._connection = connection
        self._head = b""
        self._answered: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more will be answered."""
        return self._connection.lingers or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write `data`; the head of an answer waits for its body until the loop's next turn: one call of the system."""
        cycle = self._connection.cycle
        if self._head:
            data, self._head = self._head + data, b""
        elif cycle is not self._answered and cycle.response_started:
            self._answered, self._head = cycle, data
            self._connection.loop.call_soon(self.flush)
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write a head that waits."""
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)

    def close(self) -> None:
        """Close, or linger: see `TimedProtocol.linger`."""
        self.flush()
        if not self._connection.linger():
            self._transport.close()


class TimedProtocol(H11Protocol):
    """A connection that is cut if its client sends a head, or reads an answer, too slowly.

    There are three clocks. The first runs while the server waits for a complete head. The second runs while bytes of an
    answer are unsent because the client does not read. The third runs while the rest of a body arrives whose request
    was answered early. A connection that is cut is aborted, because closing it would wait for these bytes.
    """

    open: Connections
    address = ""
    _is_cut = False
    _head_clock: asyncio.TimerHandle | None = None
    _write_clock: asyncio.TimerHandle | None = None
    _body_clock: asyncio.TimerHandle | None = None
    _unread = 0
    lingers = False
    _quiet_since = 0.0
    _asked_at = 0.0
    _paused_at: float | None = None

    @property
    def waiting_since(self) -> float | None:
        """Since when this connection has waited for its client, or sent requests without pause; then it may be cut.

        It is None while one of its requests is being worked on.
        """
        if self._paused_at is not None:
            return self._paused_at
        if self.lingers or self._between_requests:
            return self._quiet_since
        # reading is paused because its next requests are already here; ordinary clients wait for the answer first
        ahead = self.flow.read_paused
        return self._asked_at if self.cycle.more_body or ahead else None

    @property
    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _still_sending(self) -> bool:
        """Whether the client may be in the middle of a request that is answered."""
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR)

    def linger(self) -> bool:
        """End the answer, but go on reading what the client sends; False if the connection can be closed at once.

        Closing a socket with unread bytes resets the connection, and the client may lose an answer that it has not read
        yet. So the rest is read and thrown away until the client stops, or exceeds the limits of size and time.
        """
        if self.lingers or self._is_cut or self.transport.is_closing() or not self._still_sending:
            return False
        self.lingers = True
        self._quiet_since = self.loop.time()
        self._stop_head_clock()
        self._unset_keepalive_if_required()
        self._start_body_clock()
        self.transport.write_eof()
        self.flow.resume_reading()
        return True

    def cut(self, why: str) -> None:
        """End the connection at once, even with unsent bytes."""
        if self._is_cut:
            return
        self._is_cut = True
        self.open.metrics.cut.labels(why).inc()
        self.open.discard(self)
        connected = self.transport.get_extra_info("socket")
        if connected is not None and self._paused_at is not None:
            # otherwise the system would keep unsent bytes for minutes, for a client that does not read them
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    # asyncio's protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the head."""
        super().connection_made(transport)
        self.transport = LingeringTransport(transport, self)  # type: ignore[assignment]
        # be notified when the system accepts no more bytes, and again when it has sent them all
        transport.set_write_buffer_limits(high=0)
        self.address = network_of(self.client[0]) if self.client else "unknown"
        self._quiet_since = self.loop.time()
        if not self.open.add(self):
            self.cut("full")
            return
        self._start_head_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_head_clock()
        self._stop_write_clock()
        self._stop_body_clock()
        self.open.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Stop the clock when a head is complete, start it when the next begins; discard bytes of refused bodies."""
        unwanted = self.lingers or (self._between_requests and self._still_sending)
        if not self.lingers:
            super().data_received(data)
        if unwanted and self._exceeds(len(data)):
            return
        if not self._between_requests:
            self._stop_head_clock()
        elif self.lingers or self._still_sending:
            self._start_body_clock()
        else:
            if unwanted:
                self._stop_body_clock()  # the body is whole, and the next request may follow
            if self._head_clock is None and not self.transport.is_closing():
                self._start_head_clock()

    def pause_writing(self) -> None:
        """Start the clock of an answer, because the system accepts no more unsent bytes."""
        super().pause_writing()
        if self._paused_at is None:
            self._paused_at = self.loop.time()
            self._write_clock = self.loop.call_later(self.open.limits.write_seconds, self.cut, "slow reader")

    def resume_writing(self) -> None:
        """Stop the clock of the answer, because the client has read some of it."""
        self._stop_write_clock()
        self._quiet_since = self.loop.time()
        super().resume_writing()

    # uvicorn's

    def handle_events(self) -> None:
        """Note when a request begins; later pieces of its body are not counted."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._asked_at = self.loop.time()

    def on_response_complete(self) -> None:
        """Between two requests uvicorn's own clock runs."""
        self._stop_head_clock()
        self._quiet_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP with problem details, like all errors; then close."""
        if self.cycle is not None and not self.cycle.response_complete:
            # the request under way will not be answered: its body can't be read
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()  # no other answer can be sent in the middle of one
            return
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        status = status if status in STATUS_PHRASES else 400
        request_id = secrets.token_hex(8)
        body = json.dumps(fields_of(problem(status, msg, request_id=request_id))).encode()
        self.open.metrics.refused.labels("no http").inc()
        log.info("no http", extra={"status": status, "caller": f"address {self.address}", "request_id": request_id})
        headers: list[tuple[bytes, bytes]] = [
            *self.server_state.default_headers,
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-request-id", request_id.encode()),
            *SECURITY_HEADERS,
            (b"connection", b"close"),
        ]
        events: tuple[Any, ...] = (
            h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status]),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.close()

    # clocks

    def _start_head_clock(self) -> None:
        self._head_clock = self.loop.call_later(self.open.limits.header_seconds, self._head_is_late)

    def _stop_head_clock(self) -> None:
        if self._head_clock is not None:
            self._head_clock.cancel()
            self._head_clock = None

    def _head_is_late(self) -> None:
        self._head_clock = None
        if self._between_requests:
            self.cut("slow head")

    def _exceeds(self, count: int) -> bool:
        """Count bytes of a body that is thrown away; cut the connection where they are too many."""
        self._unread += count
        if self._unread > self.open.limits.linger_bytes:
            self.cut("unread body")
        return self._is_cut

    def _start_body_clock(self) -> None:
        if self._body_clock is None and not self._is_cut:
            self._body_clock = self.loop.call_later(self.open.limits.linger_seconds, self.cut, "unread body")

    def _stop_body_clock(self) -> None:
        self._unread = 0
        if self._body_clock is not None:
            self._body_clock.cancel()
            self._body_clock = None

    def _stop_write_clock(self) -> None:
        self._paused_at = None
        if self._write_clock is not None:
            self._write_clock.cancel()
            self._write_clock = None


def give_memory_back() -> None:
    """Give freed memory of connections back to the system; glibc keeps it as long as any byte above it is in use."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library has no such call
        ctypes.CDLL(None).malloc_trim(0)
