"""The services of a made-up market, and an HTTP client that does not sleep between tries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from live import ENVIRONMENT, PATIENT
from services import Service, serving
from wire import SERVICES
from world import World

from tenor.config import SourcesConfig
from tenor.ingest.services import PRICE_SOURCES
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys

WAITING = replace(PATIENT, backoff_seconds=0.01)
"""With waits that differ from none."""


@dataclass
class Made:
    """What a test of the sources has at hand; `slept` are the waits that were asked for."""

    world: World
    services: dict[str, Service]
    http: Http
    keys: SourceKeys
    config: SourcesConfig
    slept: list[float] = field(default_factory=list)


@pytest.fixture(scope="module")
def _running() -> Iterator[tuple[World, dict[str, Service]]]:
    world = World(
        splits={"AAPL": {"2024-05-13": 4.0}},
        dividends={"AAPL": {"2024-03-14": 0.6, "2024-06-13": 0.2}},
    )
    for symbol in {SERVICES[name].symbol for name in PRICE_SOURCES}:  # the first look into a calendar takes its time
        world.bars(symbol, world.now.tz_localize(None))
    with serving(world) as services:
        yield world, services


@pytest.fixture
def made(_running: tuple[World, dict[str, Service]]) -> Iterator[Made]:
    world, services = _running
    for service in services.values():
        service.requests.clear()
        service.faults.clear()
        service.choose, service.retry_after = None, "0"
    keys = SourceKeys.from_environment(ENVIRONMENT)
    slept: list[float] = []
    urls = tuple(f"{name}={services[name].url}" for name in PRICE_SOURCES)
    config = SourcesConfig(prices=PRICE_SOURCES, urls=urls, http=WAITING)
    with Http(WAITING, keys=keys, sleep=slept.append) as http:
        yield Made(world, services, http, keys, config, slept)
