"""A made-up market, its services, and a fetch that asks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from live import ENVIRONMENT, PATIENT, Live
from services import serving
from world import World

from tenor.config import SourcesConfig
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.store import Lake


@pytest.fixture
def live_with(tmp_path: Path) -> Iterator[Callable[..., Live]]:
    """``live_with(world, **config)``: a new lake, and services about that world."""
    with ExitStack() as stack:

        def make(world: World, **settings: Any) -> Live:
            services = stack.enter_context(serving(world))
            urls = tuple(f"{name}={service.url}" for name, service in services.items())
            settings = {"prices": ("yahoo", "tiingo", "binance"), "since": "2024-01-02", "http": PATIENT, **settings}
            config = SourcesConfig(urls=urls, parallel=2, **settings)
            keys = SourceKeys.from_environment(ENVIRONMENT)
            http = stack.enter_context(Http(PATIENT, keys=keys, sleep=lambda _: None))
            return Live(world, services, Lake(tmp_path / "lake"), http, keys, config)

        yield make
