"""Trained models by version, and the pointers to those in use, in a folder or an S3 bucket. Needs no torch.

``versions/<version>/`` holds a model's files and never changes: weights (safetensors), ONNX graph, settings, how its
sentiment was made, and its card. ``manifest.json`` has the SHA-256 of each and is written last: without it there is no
version. ``pointers.json`` names champion, previous champion and the one trained last, in one object that is moved by
compare-and-swap: of two who race, the second decides anew.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Protocol

from tenor.config import SentimentConfig, from_mapping, to_mapping
from tenor.errors import ConfigError, Conflict, MissingObject, ModelError, did_you_mean
from tenor.registry import manifest
from tenor.registry.manifest import DOCUMENT, FORMAT, MANIFEST, ONNX, WEIGHTS, dump, key_of, manifest_of, signed
from tenor.storage.object_store import ObjectStore, open_store

SENTIMENT, CARD = "sentiment.json", "card.json"
POINTERS = "pointers.json"
TRIES = 60
_VERSION = re.compile(r"[0-9a-f]{12}")


class Saveable(Protocol):
    """What the registry needs of a forecaster."""

    @property
    def version(self) -> str:
        """Twelve hex digits that name it."""

    def files(self) -> dict[str, bytes]:
        """Its settings and weights, as files by name."""

    def to_onnx(self) -> bytes:
        """Its graph."""


@dataclass(frozen=True)
class Pointers:
    """The versions that have a name: in use, in use before, and trained last; None where there is none (yet)."""

    champion: str | None = None
    previous: str | None = None
    latest: str | None = None


@dataclass(frozen=True)
class Entry:
    """A version, as its manifest tells of it.

    Attributes
    ----------
    created_at
        UTC, ISO 8601.
    tenor
        The version of tenor that trained it.
    fingerprint
        SHA-256 of its data.
    files
        Name -> SHA-256 of each file.
    names
        The pointers that are on it.
    """

    version: str
    created_at: str
    tenor: str
    fingerprint: str
    files: dict[str, str]
    names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {**asdict(self), "names": list(self.names)}


class Registry:
    """The model versions in `objects`.

    Parameters
    ----------
    folder
        Local; where work that is not part of any version is kept (checkpoints, companions, folds, searches).
    """

    def __init__(self, objects: ObjectStore, folder: Path) -> None:
        self.objects = objects
        self.folder = folder
        self.location = objects.location

    def add(self, model: Saveable, sentiment: SentimentConfig, card: Mapping[str, Any]) -> str:
        """Keep `model` under its version, point ``latest`` at it (and ``champion``, if there is none); the version.

        A version that is there already is left as it is. Killed at any point, this leaves no version or a whole one,
        and the same call again completes it.

        Parameters
        ----------
        sentiment
            How the sentiment that it was trained with was made, so that it can be made again for a forecast.
        card
            What is told of the model; JSON values, with the ``fingerprint`` of its data.
        """
        version = model.version
        if not self._exists(version):
            files = {
                **model.files(),
                ONNX: model.to_onnx(),
                SENTIMENT: dump(to_mapping(sentiment)),
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

    def promote(self, version: str, *, instead_of: str | None = None) -> Pointers:
        """Make `version` the champion and what was it the previous one.

        Parameters
        ----------
        instead_of
            The champion that it was compared with.

        Raises
        ------
        ModelError
            There is no such version.
        Conflict
            Somebody moved the champion away from `instead_of`.
        """
        self._require(version)

        def moved(now: Pointers) -> Pointers:
            if now.champion == version:
                return now
            if instead_of is not None and now.champion != instead_of:
                raise Conflict(f"the champion is {now.champion} by now, not {instead_of}: compare with that one.")
            return replace(now, champion=version, previous=now.champion)

        return self._move(moved)

    def rollback(self) -> Pointers:
        """Make the previous champion the champion again, and the other way round.

        Raises
        ------
        ModelError
            There is no previous one.
        Conflict
            Somebody moved the champion meanwhile.
        """
        begun, _ = self._pointers()
        if begun.previous is None:
            raise ModelError(f"no previous champion in {self.location}: there is nothing to go back to.")
        self._require(begun.previous)
        done = replace(begun, champion=begun.previous, previous=begun.champion)

        def moved(now: Pointers) -> Pointers:
            # a put whose answer was lost is tried again: what it did must not be undone
            if (now.champion, now.previous) not in ((begun.champion, begun.previous), (done.champion, done.previous)):
                raise Conflict(f"the champion is {now.champion} by now: look again with 'tenor models list'.")
            return replace(now, champion=done.champion, previous=done.previous)

        return self._move(moved)

    def pointers(self) -> Pointers:
        """The versions that have a name."""
        return self._pointers()[0]

    def champion(self) -> str:
        """The version in use; raises ModelError when nothing was trained yet."""
        return self.resolve("champion")

    def resolve(self, name: str | None) -> str:
        """The version that `name` stands for: ``champion`` (also None), ``previous``, ``latest``, or itself.

        Raises
        ------
        ModelError
            There is none.
        """
        name = name or "champion"
        if name not in ("champion", "previous", "latest"):
            self._require(name)
            return name
        found: str | None = getattr(self.pointers(), name)
        if found is None:
            if name == "previous":
                raise ModelError(f"no previous champion in {self.location}.")
            raise ModelError(f"no trained model under {self.location!r}: run 'tenor train' first.")
        return found

    def versions(self) -> tuple[str, ...]:
        """All versions, the one made first first."""
        return tuple(entry.version for entry in self.entries())

    def entries(self) -> list[Entry]:
        """All versions with what their manifests tell, the one made first first."""
        keys = self.objects.keys("versions/")
        found = [key.split("/")[1] for key in keys if key.endswith(f"/{MANIFEST}")]
        now = self.pointers()
        return sorted(
            (self._entry(version, now) for version in found), key=lambda entry: (entry.created_at, entry.version)
        )

    def entry(self, version: str) -> Entry:
        """What the manifest of `version` tells."""
        self._require(version)
        return self._entry(version, self.pointers())

    def read(self, version: str, *names: str) -> dict[str, bytes]:
        """The files `names` of `version`, by name.

        Raises
        ------
        ModelError
            There is no such version; or a file is missing, truncated or changed, which is named.
        """
        return manifest.read(self.objects, version, self.entry(version).files, names)

    def model(self, version: str) -> dict[str, bytes]:
        """The files that `Forecaster.from_files` takes."""
        return self.read(version, DOCUMENT, WEIGHTS)

    def sentiment(self, version: str) -> SentimentConfig:
        """How the sentiment that `version` was trained with was made."""
        text = self.read(version, SENTIMENT)[SENTIMENT]
        try:
            return from_mapping(SentimentConfig, json.loads(text), "sentiment")
        except (ValueError, ConfigError) as error:
            raise ModelError(
                f"{self.where(version)}/{SENTIMENT} is of another tenor ({error}): train the model again."
            ) from None

    def card(self, version: str) -> dict[str, Any]:
        """What is told of `version`: its card, and when and by which tenor it was made."""
        entry = self.entry(version)
        card: dict[str, Any] = json.loads(self.read(version, CARD)[CARD])
        return {"version": version, "created_at": entry.created_at, "tenor": entry.tenor, **card}

    def where(self, version: str) -> str:
        """Where the files of `version` lie, for people."""
        return f"{self.location}/versions/{version}"

    def companion(self, version: str, name: str) -> Path:
        """Where a model that `version` is compared with is kept, so that it is trained once."""
        return self.folder / "companions" / f"{version}-{name}"

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

    def _require(self, version: str) -> None:
        if not (_VERSION.fullmatch(version) and self._exists(version)):
            versions = self.versions()
            hint = did_you_mean(version, versions) or f" Known: {', '.join(versions) or 'none'}."
            raise ModelError(f"no model version {version[:40]!r} under {self.location!r}.{hint}")

    def _entry(self, version: str, now: Pointers) -> Entry:
        told = manifest_of(self.objects, version)
        names = tuple(name for name, pointed in asdict(now).items() if pointed == version)
        return Entry(version, told["created_at"], told["tenor"], told["fingerprint"], told["files"], names)

    def _pointers(self) -> tuple[Pointers, str | None]:
        try:
            found = self.objects.get(POINTERS)
        except MissingObject:
            return Pointers(), None
        try:
            told = json.loads(found.data)
            pointers = Pointers(**told)
            if not all(value is None or _VERSION.fullmatch(value) for value in told.values()):
                raise ValueError
        except (ValueError, TypeError):
            raise ModelError(
                f"{self.location}/{POINTERS} is damaged: remove it, and name the champion again with "
                "'tenor models promote VERSION --force'."
            ) from None
        return pointers, found.etag

    def _move(self, moved: Callable[[Pointers], Pointers]) -> Pointers:
        """Replace the pointers by what `moved` makes of them, however many others move them at the same time."""
        for attempt in range(TRIES):
            now, etag = self._pointers()
            wanted = moved(now)
            if wanted == now:
                return now
            try:
                self.objects.put(POINTERS, dump(asdict(wanted)), if_match=etag, if_absent=etag is None)
            except Conflict:
                time.sleep(random.uniform(0, min(0.5, 0.005 * 2**attempt)))  # noqa: S311 - no secret
                continue
            return wanted
        raise Conflict(f"the pointers in {self.location} were moved by others {TRIES} times in a row: try again.")


def registry_of(store: str) -> Registry:
    """The models trained on `store`: in ``models`` beside the lake's tables, a folder's or a bucket's.

    Work that is part of no version stays on this machine: for a bucket, in the folder ``models``.
    """
    if store.startswith("s3://"):
        return Registry(open_store(f"{store.rstrip('/')}/models"), Path("models"))
    folder = Path(store) / "models"
    return Registry(open_store(folder), folder)
