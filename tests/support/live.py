"""A lake, the services that it is fetched from, and how to fetch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from services import Service
from wire import ENVIRONMENT
from world import World

from tenor.config import HttpConfig, SourcesConfig
from tenor.ingest.fetch import FetchResult, fetch
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.store import Lake

__all__ = ["ENVIRONMENT", "PATIENT", "Live"]
PATIENT = HttpConfig(
    connect_seconds=5.0, read_seconds=10.0, deadline_seconds=20.0, attempts=2, backoff_seconds=0.0,
    max_megabytes=1.0, trips=10_000, requests_per_minute=1e6,
)  # fmt: skip


@dataclass
class Live:
    """A lake, and what it is fetched from."""

    world: World
    services: dict[str, Service]
    lake: Lake
    http: Http
    keys: SourceKeys
    config: SourcesConfig

    def fetch(self, *symbols: str, day: str | None = None, **options: Any) -> FetchResult:
        """Fetch at 23:30 UTC of `day`, New York and Frankfurt being closed."""
        if day is not None:
            self.world.now = pd.Timestamp(f"{day} 23:30", tz="UTC")
        options = {"news": False, **options}
        config = options.pop("config", self.config)
        return fetch(self.lake.location, symbols, config, now=self.world.now, http=self.http, keys=self.keys, **options)

    def bars(self, symbol: str) -> pd.DataFrame:
        """The rows that count, with their source."""
        return self.lake.rows("bars", [symbol])
