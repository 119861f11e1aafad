"""A model as files: a document, weights, and the user's code and tables. Changed files are refused when read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tenor.errors import ModelError
from tenor.registry.manifest import DOCUMENT, WEIGHTS, changed
from tenor.storage.files import read_json

FORMAT = 3


class Saved(NamedTuple):
    """The contents of a saved model.

    Attributes
    ----------
    document
        Its settings, scaler and calibration.
    weights
        Weights of its networks.
    others
        The user's files that are saved with it, by name: the code of a network, and code and tables of own features.
    """

    document: dict[str, Any]
    weights: bytes
    others: Mapping[str, bytes] = {}


def packed(saved: Saved) -> dict[str, bytes]:
    """The files of a model by name; the SHA-256 of the other files and of the document are added to the document."""
    body = {"format": FORMAT, **saved.document}
    files = {WEIGHTS: saved.weights, **saved.others}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    sums[DOCUMENT] = hashlib.sha256(_dump(body)).hexdigest()
    return {**files, DOCUMENT: _dump({**body, "sha256": sums})}


def unpacked(files: Mapping[str, bytes], where: str | Path) -> Saved:
    """The model saved in `files`; `where` names their folder in messages.

    Raises
    ------
    ModelError
        A file is missing, truncated, changed or of another format; the message names it.
    """
    document, sums = _document(files[DOCUMENT], where)
    for name, expected in sums.items():
        if name == DOCUMENT:
            continue
        if name not in files:
            raise ModelError(f"{where}/{name} is missing: copy the whole model, or train it again.")
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise changed(f"{where}/{name}")
    others = {name: files[name] for name in sums if name not in (DOCUMENT, WEIGHTS)}
    return Saved(document, files[WEIGHTS], others)


def document_of(text: bytes, where: str | Path) -> dict[str, Any]:
    """The document alone; raises ModelError for the same reasons as `unpacked`."""
    return _document(text, where)[0]


def write_folder(folder: Path, saved: Saved) -> None:
    """Write the files into `folder`, in place of a model that is already there.

    They are first written beside it and then renamed, so that no half-written model can be read.

    Raises
    ------
    ModelError
        `folder` holds something that is not a saved model, or can't be written.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / DOCUMENT).exists() or not any(folder.iterdir()))):
        raise ModelError(f"{folder} exists and is not a saved model: choose another folder, nothing was overwritten.")
    fresh, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{what}") for what in ("new", "old"))
    try:
        fresh.mkdir(parents=True)
        for name, content in packed(saved).items():
            (fresh / name).parent.mkdir(exist_ok=True)
            (fresh / name).write_bytes(content)
        if folder.exists():
            folder.replace(old)
        fresh.replace(folder)
    except OSError as error:
        raise ModelError(f"the model can't be saved in {folder}: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists() and not folder.exists():
            old.replace(folder)
        shutil.rmtree(old, ignore_errors=True)


def read_folder(folder: Path) -> Saved:
    """The model saved in `folder`.

    Raises
    ------
    ModelError
        A file is missing, truncated, changed or of another format; the message names it.
    """
    text = _bytes(folder / DOCUMENT)
    _, sums = _document(text, folder)  # a damaged document is reported before missing weights
    return unpacked({name: text if name == DOCUMENT else _bytes(folder / name) for name in sums}, folder)


def _document(text: bytes, where: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        document = read_json(text)
        sums = document.pop("sha256")
        whole = (
            _dump({**document, "sha256": sums}) == text
            and sums[DOCUMENT] == hashlib.sha256(_dump(document)).hexdigest()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise changed(f"{where}/{DOCUMENT}")
    if document.pop("format") != FORMAT:
        raise ModelError(
            f"{where}/{DOCUMENT} was written by tenor {document.get('tenor')} in a format that this tenor does not "
            "read: train the model again."
        )
    return document, sums


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path} is missing: name the folder of a saved model, or train one first.") from None
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror or error}.") from None


def _dump(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()
