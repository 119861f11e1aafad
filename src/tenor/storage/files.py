"""Files that are written completely or not at all, results as JSON values, and keys computed from content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from tenor.storage.locks import lock


def write_whole(path: Path, data: bytes, *, fresh: Path | None = None) -> None:
    """Write `data` to `path`, completely or not at all, so that it survives a power cut; folders are made as needed.

    Each call writes its own file beside `path` and renames it. So writers in several threads and processes do not
    disturb each other, and the last one wins. A call that is killed can leave its file, ``.NAME.*.new``.

    Parameters
    ----------
    path
        The file.
    data
        The content of the file.
    fresh
        The name of the temporary file, on the same disk. Callers that hold a lock always give the same name, so that
        calls that were killed leave at most one file.

    Raises
    ------
    OSError
        The folder can't be written; the call leaves no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = fresh or path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        with fresh.open("wb") as file:
            # until the file is closed, this lock shows others that its writer is alive; some file systems have no
            # locks
            with contextlib.suppress(OSError):
                lock(file, wait=False)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    sync_names(path.parent)


def sync_names(folder: Path) -> None:
    """Write renamed and deleted names in `folder` to disk, so that they survive a power cut."""
    if os.name == "nt":  # folders can't be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, completely or not at all."""
    write_whole(path, text.encode("utf-8"))


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write `value` to `path` as JSON, completely or not at all."""
    write_text(path, json.dumps(value, allow_nan=False, indent=1))


def read_json(data: str | bytes) -> Any:
    """The JSON value in `data`.

    Raises
    ------
    ValueError
        `data` is not JSON or not UTF-8, is nested too deeply, or has a number with thousands of digits.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def json_values(value: Any) -> Any:
    """`value` in JSON's types, at every depth: NaN and infinity become None, and tuples become lists.

    A dataclass becomes the result of its `to_json` or, without one, a mapping of its fields.
    """
    if isinstance(value, dict):
        return {key: json_values(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return json_values(value.to_json() if hasattr(value, "to_json") else asdict(value))
    return value


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The values of nested mappings by dotted path.

    >>> flat({"model": {"hidden": 64}, "name": "LSTM"})
    {'model.hidden': 64, 'name': 'LSTM'}
    """
    by_path: dict[str, Any] = {}
    for key, value in values.items():
        by_path |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return by_path


def content_key(*parts: Any, length: int = 24) -> str:
    """A key of `length` hex digits from `parts`; equal content has the same key in every process, on every machine.

    Parameters
    ----------
    *parts
        Bytes (or objects with the buffer protocol, such as a contiguous array), values of JSON's types, or dataclasses.
        The order of a mapping's keys does not matter; the order of the parts does.
    length
        Number of hex digits, 1 to 64.

    Examples
    --------
    >>> content_key({"b": 1, "a": 2}) == content_key({"a": 2, "b": 1})
    True
    >>> content_key(b"ab", b"c") == content_key(b"a", b"bc")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, (str, int, float, dict, list, tuple)) or part is None or is_dataclass(part):
            data = memoryview(json.dumps(json_values(part), sort_keys=True).encode())
            kind = b"j"
        else:
            data, kind = memoryview(part).cast("B"), b"b"
        # type and size first, so that the end of one part can't be read as the beginning of the next
        digest.update(kind + len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:length]
