"""The service as a process: uvicorn, with a time limit for the head of a request, which it lacks."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tenor.errors import ConfigError
from tenor.serving.app import create_app
from tenor.serving.limits import Limits
from tenor.serving.logs import LOGGER
from tenor.serving.service import Service

GRACE = 10
"""Seconds that requests under way have when the service stops."""
IDLE = 15
LARGEST_HEAD = 32 * 1024

log = logging.getLogger(LOGGER)


def protocol(limits: Limits) -> type[H11Protocol]:
    """HTTP/1.1 in which the head of a request must arrive whole within `limits.header_seconds`."""

    class TimedProtocol(H11Protocol):
        """Closes a connection on which a head arrives too slowly, and those beyond `limits.connections`."""

        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Start the clock."""
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.close()
                return
            self._start()

        def connection_lost(self, exc: Exception | None) -> None:
            """Stop it."""
            self._stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            """Stop the clock when a head is whole; start it when the next begins."""
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()
            elif self._timer is None and not self.transport.is_closing():
                self._start()

        def on_response_complete(self) -> None:
            """Between two requests uvicorn's own clock runs."""
            self._stop()
            super().on_response_complete()

        def _start(self) -> None:
            self._timer = self.loop.call_later(limits.header_seconds, self._time_out)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _time_out(self) -> None:
            self._timer = None
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()

    return TimedProtocol


class Server(uvicorn.Server):
    """uvicorn's server, which on a signal ends the event streams first, since it waits for them."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the streams, then stop."""
        self._service.hub.close()
        super().handle_exit(sig, frame)


def bind(host: str, port: int) -> socket.socket:
    """A socket to serve on, port 0 for any; raises ConfigError where the address can't be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigError(f"can't serve on {host} port {port}: {error.strerror}; take another --port.") from error
    return listening


def serve(
    service: Service, listening: socket.socket, *, keep_fresh: Callable[[threading.Event], None] | None = None
) -> None:
    """Serve until the process gets a signal to stop.

    Parameters
    ----------
    service
        What is served.
    listening
        The socket, see `bind`.
    keep_fresh
        Runs in a thread of its own, until its event is set.
    """
    config: dict[str, Any] = {
        "http": protocol(service.limits),
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "date_header": True,
        "proxy_headers": False,
        "backlog": 2048,
        "timeout_keep_alive": IDLE,
        "timeout_graceful_shutdown": GRACE,
        "h11_max_incomplete_event_size": LARGEST_HEAD,
    }
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    server = Server(uvicorn.Config(create_app(service), **config), service)
    stop = threading.Event()
    if keep_fresh is not None:
        threading.Thread(target=keep_fresh, args=(stop,), name="refresh", daemon=True).start()
    host, port = listening.getsockname()[:2]
    log.info("serving", extra={"host": host, "port": port})
    try:
        server.run([listening])
    finally:
        stop.set()
        log.info("stopped")
