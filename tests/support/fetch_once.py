"""A fetch in a process of its own, to be killed: the settings come as JSON in the first argument."""

from __future__ import annotations

import json
import sys

import pandas as pd

from tenor.config import SourcesConfig, from_mapping
from tenor.ingest.fetch import fetch
from tenor.ingest.fetch_events import fetch_events
from tenor.ingest.services.http import Http
from tenor.ingest.services.keys import SourceKeys
from tenor.store import Lake


def main() -> None:
    """Fetch once, after saying so."""
    settings = json.loads(sys.argv[1])
    config = from_mapping(SourcesConfig, settings["config"])
    keys = SourceKeys.from_environment(settings["environment"])
    print("ready", flush=True)
    with Http(config.http, keys=keys, sleep=lambda _: None) as http:
        now = pd.Timestamp(settings["now"])
        if settings.get("only") == "events":
            fetch_events(Lake(settings["store"]), settings["symbols"], config, now=now, http=http, keys=keys)
            return
        fetch(settings["store"], settings["symbols"], config, now=now, http=http, keys=keys)


if __name__ == "__main__":
    main()
