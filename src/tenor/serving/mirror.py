"""A copy of a bucket's board on this machine: a service that starts while the bucket is away has a last state."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from pathlib import Path

from tenor.errors import TenorError
from tenor.serving.published import PublishedForecasts
from tenor.serving.view import Snapshot
from tenor.storage.object_store import open_store

log = logging.getLogger("tenor.serving")


def mirror_of(store: str) -> PublishedForecasts | None:
    """Where the board of `store` is copied to; None for a folder, which is as near as a copy would be."""
    if not store.startswith("s3://"):
        return None
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(store.rstrip("/").encode()).hexdigest()[:16]
    return PublishedForecasts(open_store(caches / "tenor" / "boards" / name))


def keep(mirror: PublishedForecasts, snapshot: Snapshot) -> None:
    """Make `mirror` hold `snapshot`: documents first, then the index that names them, then what is over goes.

    Killed at any point it leaves a state that is whole. A disk that is full costs the copy alone, and is logged.
    """
    try:
        lying = set(mirror.objects.keys("symbols/"))
        for symbol, entry in snapshot.index.entries.items():
            if entry.key not in lying:  # a document never changes
                mirror.objects.put(entry.key, snapshot.documents[symbol])
        mirror.copy(snapshot.index)
        for key in lying - {entry.key for entry in snapshot.index.entries.values()}:
            mirror.objects.delete(key)
    except (TenorError, OSError) as error:
        log.warning("no copy of the board", extra={"error": str(error)})


def kept(mirror: PublishedForecasts) -> Snapshot | None:
    """The state that `mirror` holds, without what was damaged; None where there is none."""
    with contextlib.suppress(TenorError, OSError):
        index = mirror.index()
        documents = {}
        for symbol, entry in index.entries.items() if index else ():
            with contextlib.suppress(TenorError, OSError):
                documents[symbol] = mirror.read(entry)
        if index is not None and documents:
            return Snapshot(index.only(documents), documents)
    return None
