"""AWS Lambda's two handlers: `api` answers what API Gateway sends, `refresh` runs after a market's close.

Nothing is opened or read from the environment at import: a snapshot taken then holds neither sockets nor secrets. What
they need comes from ``TENOR_STORE`` and, for a refresh, ``TENOR_SYMBOLS`` (fetched first, where given),
``TENOR_SOURCES`` (the config's ``[sources]``, as JSON: who is asked, and what stale bars do) and ``TENOR_MODEL``.
``TENOR_AUTH=gateway`` says that API Gateway has let the caller in already; otherwise API keys decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mangum import Mangum

from tenor.errors import ConfigError, ModelError, StoreError
from tenor.serving import logs
from tenor.serving.app import create_app
from tenor.serving.keys import Keys
from tenor.serving.limits import Limits
from tenor.serving.middleware import EVENTS
from tenor.serving.published import board_of
from tenor.serving.service import Service
from tenor.serving.view import View
from tenor.storage.object_store import ObjectStore, StoredObject

if TYPE_CHECKING:
    from tenor.inference.predictor import Predictor
    from tenor.registry import Registry
    from tenor.serving.refresh import Refreshed

LOOK = 15.0
"""Seconds for which an environment trusts what it read of the board: between two requests it does not run."""


# answers ------------------------------------------------------------------------------------------------------------


@dataclass
class _Running:
    """A warm environment."""

    service: Service
    adapter: Mangum
    loop: asyncio.AbstractEventLoop
    looked: float = float("-inf")

    def answer(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Look at the board when the last look is old, then answer."""
        if time.monotonic() - self.looked > LOOK:
            self.loop.run_until_complete(self.service.look())
            self.looked = time.monotonic()
        return self.adapter(event, context)


@functools.cache
def _running() -> _Running:
    logs.to_stream()
    board = board_of(_setting("TENOR_STORE"))
    keys = None if os.environ.get("TENOR_AUTH") == "gateway" else Keys(board.objects)
    # one request at a time comes in here: how many and how fast is API Gateway's business
    service = Service(View(board, preload=False), limits=Limits(), keys=keys, poll=0)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return _Running(service, Mangum(create_app(service), lifespan="off"), loop)


def api(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The answer to an HTTP API's event, payload format 2.0. A stream of events would never end: it is refused."""
    if event.get("rawPath") == EVENTS:
        body = {
            "title": "Not Implemented",
            "status": 501,
            "detail": "There are no event streams here: ask again later.",
        }
        return {
            "statusCode": 501,
            "headers": {"content-type": "application/problem+json"},
            "body": json.dumps({"type": "about:blank", **body}),
        }
    return _running().answer(event, context)


# refreshes ----------------------------------------------------------------------------------------------------------


def refresh(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Fetch, score, forecast and publish; the event may name ``symbols`` in place of the configured ones.

    An error ends the invocation as failed, so that it is tried again and, in the end, put into the dead-letter queue.
    """
    from tenor.config import SourcesConfig, from_mapping
    from tenor.ingest.fetch import fetch_or_fail
    from tenor.registry import registry_of
    from tenor.serving.refresh import refresh as run
    from tenor.store import Lake

    logs.to_stream()
    store = _setting("TENOR_STORE")
    symbols = list(event.get("symbols") or filter(None, os.environ.get("TENOR_SYMBOLS", "").split(",")))
    sources = from_mapping(SourcesConfig, json.loads(os.environ.get("TENOR_SOURCES") or "{}"), "sources")
    model = os.environ.get("TENOR_MODEL", "champion")
    registry = registry_of(store)
    done = run(
        Lake(store),
        board_of(store),
        _predictor(registry, model),
        fetch=functools.partial(fetch_or_fail, store, symbols, sources) if symbols else None,
        symbols=symbols or None,
        versions=registry.versions(),
        sources=sources,
    )
    print(json.dumps(_metrics(done)))  # noqa: T201 - CloudWatch reads metrics out of the log
    told = {"skipped": done.skipped, "stale": done.stale}
    return {"version": done.version, "as_of": done.as_of, "symbols": len(done.symbols), **told}


@dataclass
class Kept:
    """Objects of which a model version's files, which never change, are kept in `folder` once they were read.

    The registry compares every file with the version's checksums, wherever it came from.
    """

    behind: ObjectStore
    folder: ObjectStore

    def __post_init__(self) -> None:
        self.location = self.behind.location

    def get(self, key: str) -> StoredObject:
        """See `ObjectStore.get`."""
        if not key.startswith("versions/"):
            return self.behind.get(key)
        with contextlib.suppress(StoreError):
            return self.folder.get(key)
        found = self.behind.get(key)
        with contextlib.suppress(StoreError):  # a full disk costs the copy alone
            self.folder.put(key, found.data)
        return found

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
        """See `ObjectStore.put`."""
        return self.behind.put(key, data, if_match=if_match, if_absent=if_absent)

    def keys(self, prefix: str = "") -> list[str]:
        """See `ObjectStore.keys`."""
        return self.behind.keys(prefix)

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        self.behind.delete(key)


def _predictor(registry: Registry, model: str) -> Predictor:
    """The model, from the files that an earlier invocation left in ``/tmp`` where they are whole."""
    from tenor.inference.predictor import Predictor
    from tenor.registry import Registry
    from tenor.storage.object_store import open_store

    version = None if model == "champion" else model
    place = Path(tempfile.gettempdir()) / "tenor" / hashlib.sha256(registry.location.encode()).hexdigest()[:16]
    near = Registry(Kept(registry.objects, open_store(place)), registry.folder)
    try:
        return Predictor.load(near, version)
    except ModelError:  # there is none, or a copy here is damaged: ask where it came from
        shutil.rmtree(place, ignore_errors=True)
        return Predictor.load(registry, version)


def _metrics(done: Refreshed) -> dict[str, Any]:
    """`done` in CloudWatch's embedded metric format, for the template's alarms."""
    coverage = [check.value for check in done.monitor.checks if check.kind == "coverage"]
    behind = [check.value for check in done.monitor.checks if check.kind == "staleness"]
    values: dict[str, float] = {"Symbols": len(done.symbols), "SessionsBehind": max(behind, default=0)}
    if coverage:
        values["IntervalCoverage"] = min(coverage)
    stack = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "tenor").removesuffix("-refresh")
    return {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": "tenor", "Dimensions": [["Stack"]], "Metrics": [{"Name": name} for name in values]}
            ],
        },
        "Stack": stack,
        **values,
    }


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigError(f"the environment variable {name} is not set: the template sets it for both functions.")
    return value
