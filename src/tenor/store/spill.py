"""The folder for data of DuckDB that does not fit in memory; each process has its own, which is deleted after it ends.

A process holds a lock on a file beside its folder. The system releases the lock when the process ends for any reason.
So another process that gets the lock knows that the owner is gone, and deletes the folder. Process ids can't show this:
they are used again, and another container with the same folder has its own ids.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import secrets
import shutil
import tempfile
import threading
from pathlib import Path

from tenor.storage.locks import lock

_PREFIX = "tenor-duckdb-"
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)  # Windows has neither

_guard = threading.Lock()
_numbers = itertools.count()
_own: dict[int, Path] = {}  # by process id: a forked process makes its own folder


def spill_folder() -> Path:
    """The name of a folder for one database, which DuckDB creates if it needs it.

    The first call in a process deletes the folders of processes that were killed.
    """
    with _guard:
        pid = os.getpid()
        if pid not in _own:
            place = Path(tempfile.gettempdir())
            with contextlib.suppress(OSError):
                delete_abandoned(place)
            _own.clear()
            _own[pid] = _made(place)
        return _own[pid] / str(next(_numbers))


def delete_abandoned(place: Path) -> None:
    """Delete the folders in `place` that belong to processes of this user that have ended."""
    for file in place.glob(f"{_PREFIX}*.lock"):
        try:
            if hasattr(os, "getuid") and file.lstat().st_uid != os.getuid():
                continue
            handle = os.open(file, _FLAGS)
        except OSError:
            continue  # deleted meanwhile, or a link
        try:
            lock(handle, wait=False)
        except OSError:
            continue  # its owner lives
        else:
            shutil.rmtree(file.with_suffix(""), ignore_errors=True)
            if os.name != "nt":
                file.unlink(missing_ok=True)
        finally:
            os.close(handle)
        if os.name == "nt":  # an open file can't be deleted there
            file.unlink(missing_ok=True)


def _made(place: Path) -> Path:
    """A new folder in `place`, locked as long as this process lives."""
    while True:
        folder = place / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        file = folder.with_name(folder.name + ".lock")
        try:
            handle = os.open(file, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        except OSError:
            return folder  # nothing can be written here: DuckDB says so where it has to
        try:
            lock(handle, wait=False)
            taken = file.exists()
        except BlockingIOError:
            taken = False
        except OSError:  # a file system without locks: nobody will delete the folder of a process that was killed
            taken = True
        if not taken:  # somebody took it for abandoned before it was locked
            os.close(handle)
            continue
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700)
        atexit.register(_delete, folder, file, handle, os.getpid())
        return folder


def _delete(folder: Path, file: Path, handle: int, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
        if os.name == "nt":  # an open file can't be deleted there
            os.close(handle)
        file.unlink(missing_ok=True)
