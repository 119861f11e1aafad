"""The published forecasts in the memory of a server: the last good state, even if the store can't be reached."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenor.errors import StoreError, TenorError, UnknownSymbolError, one_line
from tenor.serving.published import Index, PublishedForecasts, SymbolEntry
from tenor.serving.schemas import Progress, Staleness
from tenor.serving.staleness import staleness
from tenor.storage.files import content_key, read_json
from tenor.storage.object_store import StoredObject, open_store
from tenor.symbols import known_as

READERS = 8
FIRST_REFRESH = "the first ones are being made"
NOTHING_PUBLISHED = "nothing was published yet: run 'tenor refresh'"

log = logging.getLogger("tenor.serving")


@dataclass(frozen=True)
class Snapshot:
    """One state of the published forecasts: an index, and its documents as the bytes that were published."""

    index: Index
    documents: Mapping[str, bytes]

    def find(self, symbol: str) -> str | None:
        """The published symbol that `symbol` stands for, in any notation; None if it is not published."""
        name = known_as(symbol, self.index.entries)
        return name if name in self.index.entries else None

    def name(self, symbol: str) -> str:
        """As `find`; raises UnknownSymbolError with a suggestion."""
        name = self.find(symbol)
        if name is None:
            raise UnknownSymbolError(symbol[:40], self.index.entries)
        return name

    def entry(self, symbol: str) -> SymbolEntry:
        """The entry of `symbol`, in any notation; raises UnknownSymbolError with a suggestion."""
        return self.index.entries[self.name(symbol)]


class SnapshotCache:
    """A copy of a bucket's forecasts on this machine, for a service that starts while the bucket can't be reached."""

    def __init__(self, copy: PublishedForecasts) -> None:
        self._copy = copy

    def save(self, snapshot: Snapshot) -> None:
        """Write `snapshot`: first the documents, then the index that names them; then old documents are deleted.

        If the call is killed at any point, the copy is still complete. If the disk is full, only the copy fails, which
        is logged.
        """
        try:
            present = set(self._copy.objects.keys("symbols/"))
            for symbol, entry in snapshot.index.entries.items():
                if entry.key not in present:  # a document never changes
                    self._copy.objects.put(entry.key, snapshot.documents[symbol])
            self._copy.set_index(snapshot.index)
            for key in present - {entry.key for entry in snapshot.index.entries.values()}:
                self._copy.objects.delete(key)
        except (TenorError, OSError) as error:
            log.warning("the published forecasts could not be copied", extra={"error": str(error)})

    def load(self) -> Snapshot | None:
        """The state saved last, without damaged documents; None if there is none."""
        with contextlib.suppress(TenorError, OSError):
            index = self._copy.index()
            documents = {}
            for symbol, entry in index.entries.items() if index else ():
                with contextlib.suppress(TenorError, OSError):
                    documents[symbol] = self._copy.read(entry)
            if index is not None and documents:
                return Snapshot(index.only(documents), documents)
        return None


def snapshot_cache(store: str) -> SnapshotCache | None:
    """The cache of `store` in the user's cache folder; None if the store is a folder, which needs no copy."""
    if not store.startswith("s3://"):
        return None
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = content_key(store.rstrip("/"), length=16)
    return SnapshotCache(PublishedForecasts(open_store(caches / "tenor" / "published" / name)))


class View:
    """The forecasts of `published` that are served.

    Parameters
    ----------
    published
        The forecasts.
    preload
        Read all documents at the start, so that they can be served if the store can't be reached later. Otherwise a
        document is read when it is first requested.
    cache
        Stores each new state. A state from an earlier run is served until the published forecasts have been read.
    clock
        Returns the Unix time.
    """

    def __init__(
        self,
        published: PublishedForecasts,
        *,
        preload: bool = True,
        cache: SnapshotCache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.published = published
        self.clock = clock
        self._cache = cache
        self._preload = preload
        self._snapshot: Snapshot | None = cache.load() if cache is not None else None
        self._problems: dict[str, str] = {}
        if self._snapshot is not None:
            self._problems["published"] = "the published forecasts have not been read yet"
        self._lock = threading.Lock()
        self._polling = threading.Lock()
        self.paper: StoredObject | None = None
        self.last_good = 0.0
        self.progress: Progress | None = None  # of a refresh that this process has started

    @property
    def snapshot(self) -> Snapshot:
        """The last good state.

        Raises
        ------
        StoreError
            There was none yet; the message says why.
        """
        if self._snapshot is None:
            reasons = FIRST_REFRESH if self.progress else "; ".join(self.problems) or NOTHING_PUBLISHED
            raise StoreError(f"there are no forecasts to serve: {reasons.rstrip('.')}.")
        return self._snapshot

    @property
    def ready(self) -> bool:
        """Whether there is anything to serve."""
        return self._snapshot is not None and bool(self._snapshot.index.entries)

    @property
    def problems(self) -> tuple[str, ...]:
        """Reasons why the view may differ from what is published now."""
        with self._lock:
            return tuple(self._problems.values())

    def note(self, name: str, problem: str | None) -> None:
        """Store a problem under `name`; None means that it is over."""
        with self._lock:
            if problem is None:
                self._problems.pop(name, None)
            else:
                self._problems[name] = problem

    def staleness(self, entry: SymbolEntry | None = None) -> Staleness:
        """How stale `entry` is; without an entry, how stale the freshest forecast is."""
        return staleness(self.snapshot.index, entry, self.clock(), self.problems)

    def document(self, symbol: str) -> dict[str, Any]:
        """The document of `symbol`.

        Raises
        ------
        UnknownSymbolError
            No such symbol is published.
        StoreError
            Its document can't be read.
        """
        snapshot = self.snapshot
        symbol = snapshot.name(symbol)
        entry = snapshot.index.entries[symbol]
        data = snapshot.documents.get(symbol)
        if data is None:
            data = self.published.read(entry)
            snapshot = Snapshot(snapshot.index, {**snapshot.documents, symbol: data})
            if self._snapshot is not None and self._snapshot.index is snapshot.index:
                self._snapshot = snapshot
        document: dict[str, Any] = read_json(data)
        return document

    def poll(self, *, wait: bool = False) -> tuple[str, ...]:
        """Read what has changed. It never raises; see `problems`.

        Parameters
        ----------
        wait
            Wait for a poll that another thread has begun; otherwise return at once in that case.

        Returns
        -------
        tuple of str
            The symbols whose documents are new.
        """
        if not self._polling.acquire(blocking=wait):
            return ()
        try:
            with contextlib.suppress(StoreError):  # the last good one is still served; the index reports the problem
                self.paper = self.published.paper(self.paper)
            return self._read()
        except (TenorError, OSError) as error:
            self.note("published", f"the published forecasts can't be read: {one_line(error, 200)}")
            return ()
        finally:
            self._polling.release()

    def _read(self) -> tuple[str, ...]:
        with self._lock:
            damaged_before = "documents" in self._problems  # they may have been repaired under the same index
        before = self._snapshot
        # the snapshot's index has no damaged documents; if there are any, the published index is read again
        index = self.published.index(None if before is None or damaged_before else before.index)
        if index is None:
            lost = before is not None
            gone = "the published forecasts are gone: their index does not exist any more"
            self.note("published", gone if lost else NOTHING_PUBLISHED)
            return ()
        self.last_good = self.clock()
        unchanged = before is not None and before.index.etag == index.etag
        if unchanged and not damaged_before:
            self.note("published", None)
            return ()
        known = dict(before.documents) if before else {}
        changed = [
            symbol
            for symbol, entry in index.entries.items()
            if before is None or symbol not in known or before.index.entries[symbol].digest != entry.digest
        ]
        documents = {symbol: known[symbol] for symbol in index.entries if symbol in known and symbol not in changed}
        entries, damaged = dict(index.entries), []
        if self._preload:
            with ThreadPoolExecutor(READERS) as pool:
                texts = list(pool.map(self._fetch, [entries[symbol] for symbol in changed]))
            for symbol, data in zip(changed, texts, strict=True):
                if data is not None:
                    documents[symbol] = data
                    continue
                damaged.append(symbol)
                entries.pop(symbol)
                if before is not None and symbol in known:  # its last good document is still served
                    entries[symbol], documents[symbol] = before.index.entries[symbol], known[symbol]
        self._snapshot = Snapshot(Index(index.head, entries, index.retired, index.etag), documents)
        if self._cache is not None and entries:
            self._cache.save(self._snapshot)
        self.note("published", None)
        problem = f"{len(damaged)} documents can't be read ({', '.join(damaged[:3])})" if damaged else None
        self.note("documents", problem)
        return tuple(symbol for symbol in changed if symbol not in damaged)

    def _fetch(self, entry: SymbolEntry) -> bytes | None:
        try:
            return self.published.read(entry)
        except (TenorError, OSError):
            return None
