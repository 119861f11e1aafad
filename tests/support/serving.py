"""A service under test: what it is refreshed from, and how it is run on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import uvicorn
from httpx._config import DEFAULT_TIMEOUT_CONFIG

from tenor.calendars import exchange
from tenor.pipeline.refresh import Refreshed
from tenor.schema import Bars, News, news_id
from tenor.serving.app import create_app
from tenor.serving.connections import protocol
from tenor.serving.published import PublishedForecasts
from tenor.serving.server import Server, bind
from tenor.serving.service import Service

# a request of a test that names no time-out: httpx gives up after 5 seconds, which a busy machine may take to answer
for _part in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, _part, 60.0)

GOOD = "The plant in the north sold more than planned and raised its outlook"
BAD = "A fault in the depot cost the firm its largest client and its profit"


def written_news(bars: Bars) -> News:
    """Two items on every third of the last 60 sessions of the first two symbols."""
    days = bars.frame["session"].drop_duplicates().sort_values().tail(60)[::3]
    rows = []
    for symbol in bars.symbols[:2]:
        for i, day in enumerate(days):
            for text in (f"{GOOD}, day {i}.", f"{BAD}, day {i}."):
                published = exchange("XNYS").close(day) - pd.Timedelta(hours=3)
                rows.append((news_id("test", text + symbol), published, symbol, text, "test", "https://example.org/a"))
    return News(pd.DataFrame(rows, columns=["id", "published_at", "symbol", "text", "source", "url"]))


def run_refresh(store: Path, **options: Any) -> Refreshed:
    """`refresh` of everything in `store`."""
    from tenor.pipeline.refresh import refresh
    from tenor.workspace import Workspace

    workspace = Workspace(str(store))
    if "published" in options:
        workspace.published = options.pop("published")
    predictor = options.pop("predictor", None)
    return refresh(workspace, workspace.predictor if predictor is None else lambda: predictor, **options)


def clock_of(published: PublishedForecasts) -> Callable[[], float]:
    """A clock that stopped when the forecasts were published."""
    index = published.index()
    assert index is not None
    moment = float(index.head["published_at"])
    return lambda: moment


def until(condition: Callable[[], object], seconds: float = 60.0, *, pause: float = 0.01) -> None:
    """Wait until `condition` is true, with a `pause` between two looks; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not true within {seconds:g} seconds")
        time.sleep(pause)


@dataclass
class Running:
    """A service on a port of this machine."""

    url: str
    service: Service
    server: Server
    thread: threading.Thread

    def measured(self, name: str) -> float | None:
        """The present value of the metric `name`."""
        return self.service.metrics.registry.get_sample_value(name)

    def stop(self) -> None:
        """Stop it as a signal would."""
        self.server.handle_exit(15, None)
        self.thread.join(60)


Serve = Callable[..., Running]


def run_service(service: Service, *, port: int = 0) -> Running:
    """`service` on `port` (0: a free one), once it answers."""
    listening: socket.socket = bind("127.0.0.1", port)
    config = uvicorn.Config(
        create_app(service), http=protocol(service.limits, service.metrics), ws="none", log_config=None,
        access_log=False, timeout_graceful_shutdown=3, timeout_keep_alive=15,
    )  # fmt: skip
    server = Server(config, service)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    until(lambda: server.started)
    return Running(url, service, server, thread)
