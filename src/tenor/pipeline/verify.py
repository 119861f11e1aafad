"""Check a store for damage: the lake's parts, the models, the published forecasts and the keys, file by file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tenor.errors import MissingObject, StoreError, TenorError
from tenor.registry import POINTERS, Registry, manifest
from tenor.serving.keys import ApiKeys
from tenor.serving.published import PublishedForecasts
from tenor.workspace import Workspace


@dataclass(frozen=True)
class Verified:
    """The result of `verify`.

    Attributes
    ----------
    parts
        Number of parts of the lake, including replaced ones.
    versions
        Number of model versions.
    documents
        Number of published documents of symbols.
    damaged
        One line for each file that was changed since it was written, or is from an older tenor, with the remedy.
    """

    parts: int
    versions: int
    documents: int
    damaged: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return asdict(self)


def verify(store: str) -> Verified:
    """Compare every file of `store` with the checksum that was written with it. Nothing is changed.

    Raises
    ------
    StoreError
        `store` is empty or can't be read.
    """
    workspace = Workspace(store)
    parts = list(workspace.lake.damage())
    damaged = [why for why in parts if why]
    versions, documents = _versions(workspace.registry), list(_documents(workspace.published))
    damaged += [why for faults in versions.values() for why in faults]
    damaged += _pointers(workspace.registry, versions)
    damaged += [why for why in documents if why]
    damaged += _problem(lambda: ApiKeys(workspace.published.objects).poll())
    if not (parts or versions or documents or damaged):
        raise StoreError(f"there is nothing in {store!r} to verify: check the path given to --store.")
    return Verified(len(parts), len(versions), len(documents), tuple(dict.fromkeys(damaged)))


def _versions(registry: Registry) -> dict[str, list[str]]:
    """By version, the faults of its files."""
    objects = registry.objects
    names = [key.split("/")[1] for key in objects.keys("versions/") if key.endswith(f"/{manifest.MANIFEST}")]
    return {name: list(_files(registry, name)) for name in names}


def _files(registry: Registry, version: str) -> Iterator[str]:
    objects = registry.objects
    try:
        sums = manifest.manifest_of(objects, version)["files"]
    except TenorError as error:
        yield str(error)
        return
    for name in sums:
        yield from _problem(functools.partial(manifest.read_files, objects, version, sums, [name]))


def _pointers(registry: Registry, versions: Container[str]) -> Iterator[str]:
    try:
        pointers = registry.pointers()
    except TenorError as error:
        yield str(error)
        return
    for kind, version in asdict(pointers).items():
        if version is not None and version not in versions:
            yield (
                f"{registry.location}/{POINTERS} names {version} as {kind}, which is not there: copy that version back "
                "or train again."
            )


def _documents(published: PublishedForecasts) -> Iterator[str]:
    try:
        index = published.index()
    except StoreError as error:
        yield f"{published.objects.location}: {error}"
        return
    for entry in index.entries.values() if index else ():
        try:
            published.read(entry)
        except MissingObject:
            yield f"{published.objects.location}/{entry.key} is missing: run 'tenor refresh'."
        except StoreError as error:
            yield f"{published.objects.location}: {error}"
        else:
            yield ""


def _problem(check: Callable[[], object]) -> list[str]:
    """What `check` raises, as text: none or one."""
    try:
        check()
    except TenorError as error:
        return [str(error)]
    return []
