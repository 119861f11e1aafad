"""The service as a process: uvicorn with limits of connections that it lacks (`tenor.serving.connections`)."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from tenor.errors import ConfigError
from tenor.serving.app import create_app
from tenor.serving.connections import protocol
from tenor.serving.limits import Limits
from tenor.serving.logs import LOGGER
from tenor.serving.service import Service

GRACE = 10
"""Seconds for running requests to finish when the service stops."""
IDLE = 15
LARGEST_HEAD = 32 * 1024
UNSENT = 128 * 1024
"""The most bytes of an answer that the system buffers for a slow client; by default it would buffer megabytes."""
WAITING = 2048
"""How many connections may wait to be accepted; the default of uvicorn."""
OTHER_FILES = 200
"""Number of open files other than connections."""

log = logging.getLogger(LOGGER)


class Server(uvicorn.Server):
    """uvicorn's server, which first ends the event streams on a signal, because it would wait for them."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the streams, then stop."""
        self._service.hub.close()
        super().handle_exit(sig, frame)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket (port 0: any free port); raises ConfigError if the address can't be used.

    Clients can connect from now on; their requests wait until the server is ready.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    if os.name != "nt":  # there it would let two servers have one port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)  # of the connections accepted from it
        listening.bind((host, port))
        listening.listen(WAITING)
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
        The service.
    listening
        The socket, from `bind`.
    keep_fresh
        Function that runs in a separate thread until its event is set.
    """
    config: dict[str, Any] = {
        "http": protocol(_possible(service.limits), service.metrics),
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


def _possible(limits: Limits) -> Limits:
    """`limits` with as many connections as this process may open files: without a file none can be accepted at all."""
    try:
        import resource
    except ImportError:  # not a Unix
        return limits
    files = limits.connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < files:
        soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft >= files:
        return limits
    room = max(1, soft - min(OTHER_FILES, soft // 2))
    log.warning("fewer connections than configured: the limit of open files is low", extra={"connections": room})
    return dataclasses.replace(limits, connections=room)
