"""Copy a whole store to another place: the lake's parts, versions, the published forecasts, and the pointers last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tenor.errors import ConfigError, Conflict, MissingObject
from tenor.registry.manifest import MANIFEST
from tenor.registry.registry import CONTESTS, MODELS, POINTERS, POLICIES
from tenor.serving.published import INDEX
from tenor.storage.object_store import ObjectStore, open_store
from tenor.store.tables import TABLES
from tenor.topics import saved as topics

REGISTRIES = (MODELS, POLICIES)
Progress = Callable[[int, int], None]
"""Called with the number of objects that are at the target, and of all objects."""


@dataclass(frozen=True)
class Uploaded:
    """Numbers of objects and bytes that were sent, and of objects that were already there."""

    sent: int
    bytes: int
    present: int


def upload(source: str, target: str, *, progress: Progress | None = None) -> Uploaded:
    """Copy the store `source` to `target`, both a folder or ``s3://bucket/prefix``.

    Files that never change are copied first, and only if they are missing. A version's manifest follows its files; the
    pointers to champion and published forecasts come last. If a copy is interrupted, readers of the target see no
    change, and the next call continues. API keys are not copied: each place has its own.

    Raises
    ------
    ConfigError
        Both are the same place, or `source` holds nothing.
    Conflict
        Somebody else changed a pointer of the target meanwhile.
    StoreError
        A place can't be read or written.
    """
    if source.rstrip("/") == target.rstrip("/"):
        raise ConfigError(f"--to is {target!r}, the store itself: name another place.")
    here, there = open_store(source), open_store(target)
    immutable = list(_immutable(here))
    # files that may change, in the order in which they need each other: published forecasts name a champion
    registries = (f"{place}/{name}" for place in REGISTRIES for name in (CONTESTS, POINTERS))
    changing = (*registries, f"{topics.FOLDER}/{topics.CURRENT}", f"serving/{INDEX}")
    pointers = [key for key in changing if _holds(here, key)]
    if not immutable:
        raise ConfigError(f"{source!r} holds neither bars nor a model: import and train first.")
    present = set(there.keys())
    sent = size = 0
    for done, key in enumerate(immutable):
        if key not in present:
            data = here.get(key).data
            try:
                there.put(key, data, if_absent=True)
                sent, size = sent + 1, size + len(data)
            except Conflict:  # somebody else wrote the same object
                pass
        if progress is not None:
            progress(done + 1, len(immutable) + len(pointers))
    for key in pointers:
        data = here.get(key).data
        try:
            before: str | None = there.get(key).etag
        except MissingObject:
            before = None
        there.put(key, data, if_match=before, if_absent=before is None)
        sent, size = sent + 1, size + len(data)
    if progress is not None:
        progress(len(immutable) + len(pointers), len(immutable) + len(pointers))
    return Uploaded(sent, size, len(immutable) + len(pointers) - sent)


def _immutable(objects: ObjectStore) -> Iterator[str]:
    for table in TABLES:
        yield from objects.keys(f"{table.name}/")
    for place in REGISTRIES:
        yield from sorted(objects.keys(f"{place}/versions/"), key=lambda key: key.endswith(MANIFEST))
    yield from objects.keys(f"{topics.FOLDER}/{topics.VERSIONS}")
    yield from objects.keys("serving/symbols/")


def _holds(objects: ObjectStore, key: str) -> bool:
    try:
        objects.get(key)
    except MissingObject:
        return False
    return True
