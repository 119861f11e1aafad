"""The files of a model version, listed in a manifest with the SHA-256 of each. Needs only the standard library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tenor.errors import MissingObject, ModelError
from tenor.storage.files import read_json
from tenor.storage.object_store import ObjectStore

FORMAT = 2
MANIFEST = "manifest.json"
DOCUMENT = "forecaster.json"
WEIGHTS = "weights.safetensors"
ONNX = "model.onnx"
NETWORK = "network.py"
"""The code of a user's own network; a model with tenor's network has no such file."""
OWN = "own/"
"""The folder with the files of own features."""


def key_of(version: str, name: str) -> str:
    """The key of the file `name` of `version`."""
    return f"versions/{version}/{name}"


def dump(value: Mapping[str, Any]) -> bytes:
    """`value` as JSON, indented so that people can read it."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def signed(manifest: Mapping[str, Any]) -> bytes:
    """`manifest` with its own SHA-256 in it."""
    return dump({**manifest, "sha256": hashlib.sha256(dump(manifest)).hexdigest()})


def manifest_of(objects: ObjectStore, version: str) -> dict[str, Any]:
    """The manifest of `version`.

    Raises
    ------
    MissingObject
        There is no such version.
    ModelError
        The manifest is damaged, or of another tenor.
    """
    key = key_of(version, MANIFEST)
    text = objects.get(key).data
    try:
        contents: dict[str, Any] = read_json(text)
        del contents["sha256"]
        whole = signed(contents) == text and contents["version"] == version
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise changed(f"{objects.location}/{key}")
    if contents["format"] != FORMAT:
        raise ModelError(f"{objects.location}/{key} is of another tenor ({contents['tenor']}): train the model again.")
    return contents


def read_files(objects: ObjectStore, version: str, sums: Mapping[str, str], names: Iterable[str]) -> dict[str, bytes]:
    """The files `names` of `version`, whose SHA-256 must be those in `sums`.

    Raises
    ------
    ModelError
        A file is missing, truncated or changed; it is named.
    """
    files = {}
    for name in names:
        key = key_of(version, name)
        try:
            files[name] = objects.get(key).data
        except MissingObject:
            raise ModelError(f"{objects.location}/{key} is missing: train the model again.") from None
        if hashlib.sha256(files[name]).hexdigest() != sums.get(name):
            raise changed(f"{objects.location}/{key}")
    return files


def check(objects: ObjectStore, version: str) -> None:
    """Read every file of `version`; errors are those of `manifest_of` and `read_files`."""
    sums = manifest_of(objects, version)["files"]
    read_files(objects, version, sums, sums)


def changed(path: str) -> ModelError:
    """The error for a file that is not as it was saved."""
    return ModelError(f"{path} is truncated or was changed since it was saved (checksum): train or copy it again.")
