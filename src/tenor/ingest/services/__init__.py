"""Services on the network that have bars, news or dates of events.

Each module of `tenor.ingest.services.prices`, `tenor.ingest.services.news` and `tenor.ingest.services.events` is one
source, and its name is the source's. None of them is imported here, because reading their names must need neither an
HTTP client nor a feed parser.
"""

import pkgutil
from pathlib import Path

_HERE = Path(__file__).parent


def _modules(folder: str) -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(_HERE / folder)])))


PRICE_SOURCES = _modules("prices")
NEWS_SOURCES = _modules("news")
EVENT_SOURCES = _modules("events")
