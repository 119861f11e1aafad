"""Exceptions that nothing has turned into a TenorError: what each means, or a report of a fault of tenor's own."""

from __future__ import annotations

import contextlib
import errno
import importlib.metadata
import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from tenor.cli.extras import missing
from tenor.errors import one_line

KEPT = 20
"""Reports that are kept, the latest ones."""
_LONGEST = 300
_SHORTEST_SECRET = 4
_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSW|CREDENTIAL|WEBHOOK|AUTH", re.IGNORECASE)
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)
# libraries whose errors speak of files and memory, not of a fault of tenor's
_DATA_LIBRARIES = ("pyarrow", "duckdb", "_duckdb", "safetensors", "onnxruntime", "obstore")


def explained(error: Exception) -> str | None:
    """What `error` means, in one line; None where it is a fault of tenor's own."""
    if isinstance(error, ModuleNotFoundError):
        ours = error.name is None or error.name.partition(".")[0] == "tenor"
        return None if ours else missing(str(error.name))
    if isinstance(error, OSError):
        remedy = ": free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return f"{error.strerror or one_line(error, _LONGEST)}: {error.filename or ''}".rstrip(": ") + remedy
    if isinstance(error, MemoryError):
        return "there is not enough memory: take fewer symbols or a shorter history, or a machine with more."
    if isinstance(error, RecursionError):
        return "something that was read is nested too deeply: check the files and settings given."
    library = type(error).__module__.partition(".")[0]
    if library in _DATA_LIBRARIES:
        return (
            f"{library.lstrip('_')} can't read or write what it was given ({hidden(one_line(error, _LONGEST))}): check "
            "the files, or the store with 'tenor data verify'."
        )
    return None


def reported(error: Exception, words: Sequence[str]) -> str:
    """One line about `error`, whose traceback is kept in a file of its own.

    The file can be read by its owner alone. It has no values of options, no variables, and none of what the environment
    holds as keys, tokens or passwords.
    """
    what = hidden(f"{type(error).__name__}: {one_line(error, _LONGEST)}".rstrip(": "))
    try:
        path = _write(_report(error, words))
    except OSError:
        return f"a fault of tenor's own ({what}); its report could not be saved."
    return f"a fault of tenor's own ({what}): please report it, with {path}"


def hidden(text: str) -> str:
    """`text` without the secrets of the environment, and without what in an address may be one."""
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "***")
    return _ADDRESS.sub(lambda address: _plain(address[0]), text)


def _plain(address: str) -> str:
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "***"
    # the path of a webhook is its secret; that of a bucket is a place
    path = parts.path if parts.scheme in ("s3", "file") else "/***" if parts.path.strip("/") else parts.path
    return f"{parts.scheme}://{host}{path}" + ("?***" if parts.query else "")


def _report(error: Exception, words: Sequence[str]) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    # no `importlib.metadata.version` of a copy of the sources, which no installer has seen
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        now += f" tenor {importlib.metadata.version('tenor')}"
    lines = [
        now,
        f"Python {platform.python_version()} on {platform.platform()}",
        f"tenor {' '.join(_verb(words))}",
        "",
        # not the frames' variables: they hold data and keys
        "".join(traceback.format_exception(error)),
    ]
    return hidden("\n".join(lines))


def _verb(words: Sequence[str]) -> Iterator[str]:
    """The verb and the names of its options; values and other arguments are the user's own."""
    for place, word in enumerate(words):
        if word.startswith("-"):
            yield re.split(r"[=\s]", word, maxsplit=1)[0][:40]
        else:
            yield word if place < 2 and re.fullmatch(r"[a-z]{2,12}", word) else "…"


def _write(text: str) -> Path:
    for folder in _folders():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(f"-{os.getpid()}.txt", f"{datetime.now(UTC):%Y%m%dT%H%M%S}-", folder)
        except OSError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:  # mkstemp's rights are 0600
            file.write(text)
        for old in sorted(folder.glob("????????T??????-*.txt"))[:-KEPT]:
            with contextlib.suppress(OSError):
                old.unlink()
        return Path(name)
    raise OSError("no folder can be written")


def _folders() -> Iterator[Path]:
    """The user's cache, or else the system's folder for what is temporary."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):  # noqa: PTH117 - an empty text is no path
        home = os.path.expanduser("~")  # noqa: PTH111 - `Path.home` raises where there is none
        cache = str(Path(home, "Library/Caches" if sys.platform == "darwin" else ".cache")) if home != "~" else ""
    if cache:
        yield Path(cache, "tenor", "reports")
    # Windows has no such numbers, and a folder of each user's own for what is temporary
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    yield Path(tempfile.gettempdir(), f"tenor-reports{user}")
