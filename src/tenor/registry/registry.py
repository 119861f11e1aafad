"""Trained models by version, and the pointers to those in use, in a folder or an S3 bucket. Needs no torch.

``versions/<version>/`` holds a model's files and never changes: weights (safetensors), ONNX graph, settings (also of
its sentiment), and its card. ``manifest.json`` has the SHA-256 of each file and is written last; without it the version
does not exist. ``pointers.json`` names the champion, the previous champion and the version trained last. It is changed
by compare-and-swap: if two processes change it at the same time, the second has to decide again. ``contests.json`` says
why a version was promoted or not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Protocol

from tenor.errors import Conflict, MissingObject, ModelError, did_you_mean
from tenor.registry import manifest
from tenor.registry.manifest import (
    DOCUMENT,
    FORMAT,
    MANIFEST,
    NETWORK,
    ONNX,
    OWN,
    WEIGHTS,
    dump,
    key_of,
    manifest_of,
    signed,
)
from tenor.storage.files import read_json
from tenor.storage.object_store import ObjectStore, change, open_store

CARD = "card.json"
POINTERS, CONTESTS = "pointers.json", "contests.json"
MODELS, POLICIES = "models", "policies"
"""The folders of the two registries of a store."""
_VERSION = re.compile(r"[0-9a-f]{12}")


class Saveable(Protocol):
    """The methods that the registry needs of a forecaster."""

    @property
    def version(self) -> str:
        """Twelve hex digits that name it."""

    def files(self) -> dict[str, bytes]:
        """Its settings and weights, as files by name."""

    def to_onnx(self) -> bytes:
        """Its ONNX graph."""


@dataclass(frozen=True)
class Pointers:
    """The versions with a special name: champion (in use), previous (used before), latest (trained last); or None."""

    champion: str | None = None
    previous: str | None = None
    latest: str | None = None


@dataclass(frozen=True, eq=False)
class Version:
    """An opened version in the registry. Its manifest is read and checked at once, its files when they are needed.

    Attributes
    ----------
    name
        Twelve hex digits.
    created_at
        UTC, ISO 8601.
    tenor
        The version of tenor that trained it.
    fingerprint
        SHA-256 of its data.
    files
        From the name of each file to its SHA-256.
    pointers
        The special names that point to it: ``champion``, ``previous``, ``latest``.
    location
        The place of its files, for people.
    """

    name: str
    created_at: str
    tenor: str
    fingerprint: str
    files: dict[str, str]
    pointers: tuple[str, ...]
    location: str
    _objects: ObjectStore = field(repr=False)

    def read(self, *names: str) -> dict[str, bytes]:
        """The files `names`, by name; each file takes one request.

        Raises
        ------
        ModelError
            A file is missing, truncated or changed, which is named.
        """
        return manifest.read_files(self._objects, self.name, self.files, names)

    def model(self) -> dict[str, bytes]:
        """The files that `Forecaster.from_files` takes."""
        names = [name for name in self.files if name == NETWORK or name.startswith(OWN)]
        return self.read(DOCUMENT, WEIGHTS, *names)

    def own(self) -> dict[str, bytes]:
        """The files of its own features, by name."""
        return self.read(*(name for name in self.files if name.startswith(OWN)))

    def manifest(self) -> bytes:
        """Its manifest, as it is stored; raises ModelError if it is damaged."""
        return signed(manifest_of(self._objects, self.name))

    def card(self) -> dict[str, Any]:
        """Its data, parts, settings and validation metrics, and when and by which tenor it was made."""
        card: dict[str, Any] = read_json(self.read(CARD)[CARD])
        return {"version": self.name, "created_at": self.created_at, "tenor": self.tenor, **card}

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "version": self.name,
            "created_at": self.created_at,
            "tenor": self.tenor,
            "fingerprint": self.fingerprint,
            "files": self.files,
            "names": list(self.pointers),
        }


class Registry:
    """The model versions in `objects`.

    Parameters
    ----------
    folder
        Local folder for work that belongs to no version (checkpoints, companions, folds, searches).
    """

    def __init__(self, objects: ObjectStore, folder: Path) -> None:
        self.objects = objects
        self.folder = folder
        self.location: str = objects.location

    def add(self, model: Saveable, card: Mapping[str, Any]) -> str:
        """Save `model` under its version and return the version; ``latest``, and a missing ``champion``, point to it.

        A version that already exists is unchanged. If the call is killed at any point, there is no version or a
        complete one, and the same call completes it.

        Parameters
        ----------
        card
            The description of the model for people, as JSON values, with the ``fingerprint`` of its data.
        """
        version = model.version
        if not self._exists(version):
            files = {
                **model.files(),
                ONNX: model.to_onnx(),
                CARD: dump(dict(card)),
            }
            manifest = {
                "format": FORMAT,
                "version": version,
                "created_at": datetime.now(UTC).isoformat(timespec="microseconds"),
                "tenor": installed("tenor"),
                "fingerprint": str(card.get("fingerprint", "")),
                "files": {name: self._keep(key_of(version, name), data) for name, data in files.items()},
            }
            self._keep(key_of(version, MANIFEST), signed(manifest))
        self._move(lambda now: replace(now, latest=version, champion=now.champion or version))
        return version

    def copy(self, version: Version) -> str:
        """Copy `version` of another registry, byte for byte, under its name; pointers change as in `add`.

        Raises
        ------
        ModelError
            A file of it is missing, truncated or changed; it is named.
        """
        if not self._exists(version.name):
            for name, data in version.read(*version.files).items():
                self._keep(key_of(version.name, name), data)
            self._keep(key_of(version.name, MANIFEST), version.manifest())
        self._move(lambda now: replace(now, latest=version.name, champion=now.champion or version.name))
        return version.name

    def promote(self, version: str, *, instead_of: str | None = None) -> Pointers:
        """Make `version` the champion, and the present champion the previous one.

        Parameters
        ----------
        instead_of
            The champion that it was compared with.

        Raises
        ------
        ModelError
            There is no such version.
        Conflict
            Somebody changed the champion, which is no longer `instead_of`.
        """
        self.open(version)

        def moved(now: Pointers) -> Pointers:
            if now.champion == version:
                return now
            if instead_of is not None and now.champion != instead_of:
                raise Conflict(f"the champion is {now.champion} by now, not {instead_of}: compare with that one.")
            return replace(now, champion=version, previous=now.champion)

        return self._move(moved)

    def note_contest(self, version: str, *, against: str | None, promoted: bool, why: str) -> None:
        """Save why `version` became the champion, or did not; it replaces an earlier note on the version."""
        at = datetime.now(UTC).isoformat(timespec="seconds")

        def noted(data: bytes | None) -> bytes:
            known: dict[str, Any] = read_json(data) if data is not None else {}
            return dump({**known, version: {"at": at, "against": against, "promoted": promoted, "why": why}})

        change(self.objects, CONTESTS, noted)

    def contests(self) -> dict[str, dict[str, Any]]:
        """For each version with a note ``at`` (UTC, ISO 8601), ``against``, ``promoted`` and ``why``."""
        try:
            known: dict[str, dict[str, Any]] = read_json(self.objects.get(CONTESTS).data)
        except (MissingObject, ValueError):
            return {}
        return known

    def rollback(self) -> Pointers:
        """Exchange the champion and the previous champion.

        Raises
        ------
        ModelError
            There is no previous one.
        Conflict
            Somebody changed the champion meanwhile.
        """
        begun = self.pointers()
        if begun.previous is None:
            raise ModelError(f"no previous champion in {self.location}: there is nothing to go back to.")
        self.open(begun.previous)
        done = replace(begun, champion=begun.previous, previous=begun.champion)

        def moved(now: Pointers) -> Pointers:
            # a put whose answer was lost is tried again, but must not undo what it did
            if (now.champion, now.previous) not in ((begun.champion, begun.previous), (done.champion, done.previous)):
                raise Conflict(f"the champion is {now.champion} by now: look again with 'tenor models list'.")
            return replace(now, champion=done.champion, previous=done.previous)

        now = self._move(moved)
        self.note_contest(
            str(done.champion), against=done.previous, promoted=True, why="it was rolled back to, by hand."
        )
        return now

    def pointers(self) -> Pointers:
        """The versions with a special name."""
        try:
            data: bytes | None = self.objects.get(POINTERS).data
        except MissingObject:
            data = None
        return self._read_pointers(data)

    def champion(self) -> str:
        """The version in use; raises ModelError when nothing was trained yet."""
        return self.resolve("champion")

    def resolve(self, name: str | None) -> str:
        """The version that `name` stands for: ``champion`` (also None), ``previous``, ``latest``, or itself.

        Raises
        ------
        ModelError
            There is no such version.
        """
        return self.open(name).name

    def open(self, name: str | None = None) -> Version:
        """Open the version `name`, or the one to which ``champion`` (by default), ``previous`` or ``latest`` points.

        It reads the pointers and the manifest, once each.

        Raises
        ------
        ModelError
            There is no such version, or its manifest is damaged.
        """
        name = name or "champion"
        pointers = self.pointers()
        version = name
        if name in ("champion", "previous", "latest"):
            pointed: str | None = getattr(pointers, name)
            if pointed is None and name == "previous":
                raise ModelError(f"no previous champion in {self.location}.")
            if pointed is None:
                raise ModelError(f"no trained model under {self.location!r}: run 'tenor train' first.")
            version = pointed
        try:
            if not _VERSION.fullmatch(version):
                raise MissingObject(version)
            return self._open(version, pointers)
        except MissingObject:
            if ".py:" in version:
                raise ModelError(
                    f"{version[:80]!r} names a network, and here --model is a version: train it with 'tenor train "
                    f"--model {version[:80]}', then name the version, or latest."
                ) from None
            known = self.versions()
            hint = did_you_mean(version, known) or f" Known: {', '.join(known) or 'none'}."
            raise ModelError(f"no model version {version[:40]!r} under {self.location!r}.{hint}") from None

    def versions(self) -> tuple[str, ...]:
        """The names of all versions, the oldest first."""
        return tuple(version.name for version in self.all())

    def all(self) -> list[Version]:
        """All versions, opened, the oldest first."""
        keys = self.objects.keys("versions/")
        names = [key.split("/")[1] for key in keys if key.endswith(f"/{MANIFEST}")]
        pointers = self.pointers()
        return sorted((self._open(name, pointers) for name in names), key=lambda each: (each.created_at, each.name))

    def where(self, version: str) -> str:
        """The place of the files of `version`, for people."""
        return f"{self.location}/versions/{version}"

    def _keep(self, key: str, data: bytes) -> str:
        """Put `data` unless there is something already, and return the SHA-256 of what is there then.

        What a killed call or another trainer of the same version put there stays: no object of a version ever changes.
        """
        try:
            self.objects.put(key, data, if_absent=True)
        except Conflict:
            data = self.objects.get(key).data
        return hashlib.sha256(data).hexdigest()

    def _exists(self, version: str) -> bool:
        try:
            self.objects.get(key_of(version, MANIFEST))
        except MissingObject:
            return False
        return True

    def _open(self, version: str, pointers: Pointers) -> Version:
        contents = manifest_of(self.objects, version)
        names = tuple(name for name, pointed in asdict(pointers).items() if pointed == version)
        return Version(
            version,
            contents["created_at"],
            contents["tenor"],
            contents["fingerprint"],
            contents["files"],
            names,
            self.where(version),
            self.objects,
        )

    def _read_pointers(self, data: bytes | None) -> Pointers:
        if data is None:
            return Pointers()
        try:
            values = read_json(data)
            pointers = Pointers(**values)
            if not all(value is None or _VERSION.fullmatch(value) for value in values.values()):
                raise ValueError
        except (ValueError, TypeError):
            raise ModelError(
                f"{self.location}/{POINTERS} is damaged: remove it, and name the champion again with "
                "'tenor models promote VERSION --force'."
            ) from None
        return pointers

    def _move(self, moved: Callable[[Pointers], Pointers]) -> Pointers:
        """Replace the pointers by what `moved` makes of them, however many others move them at the same time."""
        pointers = Pointers()

        def make(data: bytes | None) -> bytes | None:
            nonlocal pointers
            before = self._read_pointers(data)
            pointers = moved(before)
            return None if pointers == before else dump(asdict(pointers))

        change(self.objects, POINTERS, make)
        return pointers


def policies_of(store: str) -> Registry:
    """The registry of policies of trading agents, in ``policies`` beside the lake's tables."""
    if store.startswith("s3://"):
        return Registry(open_store(f"{store.rstrip('/')}/{POLICIES}"), Path(POLICIES))
    folder = Path(store) / POLICIES
    return Registry(open_store(folder), folder)


def registry_of(store: str) -> Registry:
    """The registry of models trained on `store`, in ``models`` beside the lake's tables, in a folder or bucket.

    Work that belongs to no version stays on this machine; for a bucket, in the folder ``models``.
    """
    if store.startswith("s3://"):
        return Registry(open_store(f"{store.rstrip('/')}/{MODELS}"), Path(MODELS))
    folder = Path(store) / MODELS
    return Registry(open_store(folder), folder)
