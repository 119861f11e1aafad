"""AWS Lambda's two handlers: `api` answers API Gateway's events, `refresh` runs after a market's close.

Nothing is opened or read from the environment at import: a snapshot taken then holds neither sockets nor secrets. The
settings are ``TENOR_STORE`` and, for a refresh, ``TENOR_SYMBOLS`` (fetched first, where given), ``TENOR_SOURCES`` (the
config's ``[sources]``, as JSON: which services, and what is done with stale bars) and ``TENOR_MODEL``.
With ``TENOR_AUTH=gateway`` API Gateway has checked the caller already; otherwise API keys decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
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
from tenor.serving.keys import ApiKeys
from tenor.serving.limits import Limits
from tenor.serving.middleware import EVENTS
from tenor.serving.published import published_forecasts
from tenor.serving.responses import PROBLEM_JSON, SECURITY_HEADERS, fields_of, problem
from tenor.serving.service import Service
from tenor.serving.view import View
from tenor.storage.files import read_json
from tenor.storage.object_store import ObjectStore, StoredObject

if TYPE_CHECKING:
    from tenor.inference.predictor import Predictor
    from tenor.pipeline.refresh import Refreshed
    from tenor.registry import Registry

POLL_INTERVAL = 15.0
"""Seconds before an environment reads the published forecasts again: it can do so with a request alone."""


# requests -----------------------------------------------------------------------------------------------------------


@dataclass
class _Running:
    """A warm environment."""

    service: Service
    adapter: Mangum
    loop: asyncio.AbstractEventLoop
    polled: float = float("-inf")

    def answer(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Poll the published forecasts when the last poll is old, then answer."""
        if time.monotonic() - self.polled > POLL_INTERVAL:
            self.loop.run_until_complete(self.service.update())
            self.polled = time.monotonic()
        return self.adapter(event, context)


@functools.cache
def _running() -> _Running:
    logs.log_to_stream()
    published = published_forecasts(_setting("TENOR_STORE"))
    keys = None if os.environ.get("TENOR_AUTH") == "gateway" else ApiKeys(published.objects)
    # one request at a time arrives here: API Gateway limits their rate
    service = Service(View(published, preload=False), limits=Limits(), keys=keys, poll=0)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return _Running(service, Mangum(create_app(service), lifespan="off"), loop)


def api(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The response to an HTTP API's event, payload format 2.0; event streams, which would never end, are refused."""
    if event.get("rawPath") == EVENTS:
        why = problem(501, "There are no event streams here: poll the forecasts instead.")
        headers = {"content-type": PROBLEM_JSON, "cache-control": "no-store"}
        return {
            "statusCode": 501,
            "headers": {**headers, **{name.decode(): value.decode() for name, value in SECURITY_HEADERS}},
            "body": json.dumps(fields_of(why)),
        }
    return _running().answer(event, context)


# refreshes ----------------------------------------------------------------------------------------------------------


def refresh(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Fetch, score, forecast and publish; the event may name ``symbols`` in place of the configured ones.

    An error makes the invocation fail, so that Lambda tries it again and in the end puts it into the dead-letter queue.
    """
    from tenor.config import SourcesConfig, from_mapping
    from tenor.ingest.fetch import fetch_or_fail
    from tenor.pipeline.refresh import refresh as run
    from tenor.workspace import Workspace

    logs.log_to_stream()
    store = _setting("TENOR_STORE")
    symbols = list(event.get("symbols") or filter(None, os.environ.get("TENOR_SYMBOLS", "").split(",")))
    sources = from_mapping(SourcesConfig, read_json(os.environ.get("TENOR_SOURCES") or "{}"), "sources")
    model = os.environ.get("TENOR_MODEL", "champion")
    workspace = Workspace(store)
    result = run(
        workspace,
        functools.partial(_predictor, workspace.registry, model),
        fetch=functools.partial(fetch_or_fail, store, symbols, sources) if symbols else None,
        symbols=symbols or None,
        sources=sources,
        webhook=os.environ.get("TENOR_WEBHOOK"),
    )
    print(json.dumps(_metrics(result)))  # noqa: T201 - CloudWatch reads metrics from the log
    return {
        "version": result.version,
        "as_of": result.as_of,
        "symbols": len(result.symbols),
        "skipped": result.skipped,
        "stale": result.stale,
    }


@dataclass
class CachedStore:
    """An object store with a cache for the files of model versions, which never change once they are written.

    The registry compares every file with the version's checksums, whether it comes from the cache or not.

    Attributes
    ----------
    store
        The store.
    cache
        Where the files of versions are cached once they were read.
    """

    store: ObjectStore
    cache: ObjectStore

    def __post_init__(self) -> None:
        self.location: str = self.store.location

    def get(self, key: str) -> StoredObject:
        """See `ObjectStore.get`."""
        if not key.startswith("versions/"):
            return self.store.get(key)
        with contextlib.suppress(StoreError):
            return self.cache.get(key)
        stored = self.store.get(key)
        with contextlib.suppress(StoreError):  # a full disk costs the cache alone
            self.cache.put(key, stored.data)
        return stored

    def digest(self, key: str) -> str:
        """See `ObjectStore.digest`."""
        return self.store.digest(key)

    def changed(self, key: str, etag: str) -> StoredObject | None:
        """See `ObjectStore.changed`."""
        return self.store.changed(key, etag)

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
        """See `ObjectStore.put`."""
        return self.store.put(key, data, if_match=if_match, if_absent=if_absent)

    def keys(self, prefix: str = "") -> list[str]:
        """See `ObjectStore.keys`."""
        return self.store.keys(prefix)

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        self.store.delete(key)


def _predictor(registry: Registry, model: str) -> Predictor:
    """The model, from the files that an earlier invocation cached in ``/tmp`` where they are undamaged."""
    from tenor.inference.predictor import Predictor
    from tenor.registry import Registry
    from tenor.storage.files import content_key
    from tenor.storage.object_store import open_store

    version = None if model == "champion" else model
    folder = Path(tempfile.gettempdir()) / "tenor" / content_key(registry.location, length=16)
    cached = Registry(CachedStore(registry.objects, open_store(folder)), registry.folder)
    try:
        return Predictor.load(cached, version)
    except ModelError:  # there is no such version, or the cache is damaged: the store itself decides
        shutil.rmtree(folder, ignore_errors=True)
        return Predictor.load(registry, version)


def _metrics(result: Refreshed) -> dict[str, Any]:
    """`result` in CloudWatch's embedded metric format, for the template's alarms."""
    coverage = [check.value for check in result.monitor.checks if check.kind == "coverage"]
    behind = [check.value for check in result.monitor.checks if check.kind == "staleness"]
    values: dict[str, float] = {"Symbols": len(result.symbols), "SessionsBehind": max(behind, default=0)}
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
