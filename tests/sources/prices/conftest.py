"""The services of a made-up market, and an HTTP client that does not sleep between tries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from services import Service, serving
from world import World

from tenor.sources.config import HttpConfig, SourcesConfig
from tenor.sources.http import Http
from tenor.sources.keys import Keys

ENVIRONMENT = {"TIINGO_API_KEY": "tiingo-key-5f3a", "ALPHAVANTAGE_API_KEY": "alpha-key-91c2"}
PATIENT = HttpConfig(
    connect_seconds=5.0, read_seconds=10.0, deadline_seconds=20.0, attempts=2, backoff_seconds=0.01,
    max_megabytes=1.0, trips=1000, requests_per_minute=1e6,
)  # fmt: skip


@dataclass
class Made:
    """What a test of the sources has at hand; `slept` are the waits that were asked for."""

    world: World
    services: dict[str, Service]
    http: Http
    keys: Keys
    config: SourcesConfig
    slept: list[float] = field(default_factory=list)


@pytest.fixture(scope="module")
def _running() -> Iterator[tuple[World, dict[str, Service]]]:
    world = World(
        splits={"AAPL": {"2024-05-13": 4.0}},
        dividends={"AAPL": {"2024-03-14": 0.6, "2024-06-13": 0.2}},
    )
    for symbol in ("AAPL", "BTC-USD"):  # the first look into a calendar takes its time
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
    keys = Keys.from_environment(ENVIRONMENT)
    slept: list[float] = []
    prices = ("yahoo", "stooq", "tiingo", "alphavantage", "binance")
    config = SourcesConfig(prices=prices, urls=tuple(f"{n}={services[n].url}" for n in prices), http=PATIENT)
    with Http(PATIENT, keys=keys, sleep=slept.append) as http:
        yield Made(world, services, http, keys, config, slept)
