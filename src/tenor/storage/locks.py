"""Locks on files (flock, or those of Windows), which the system releases when a process ends for any reason."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import time
from typing import IO, Any

_FAR = 0x7FFF_FFF0
"""The byte that Windows locks: far after the end of the file, because others can't read a locked byte there."""
_POLL = 0.05


def _module(name: str) -> Any:
    with contextlib.suppress(ImportError):
        return importlib.import_module(name)
    return None


_fcntl, _msvcrt = _module("fcntl"), _module("msvcrt")


def lock(file: int | IO[Any], *, wait: bool = True) -> None:
    """Lock the open `file` for this process alone, until it is closed or the process ends.

    Parameters
    ----------
    file
        The file or its descriptor, open for writing.
    wait
        Wait until the lock is free.

    Raises
    ------
    BlockingIOError
        Another process holds the lock, and `wait` is False.
    OSError
        The file system, or the system, has no such locks.
    """
    handle = file if isinstance(file, int) else file.fileno()
    if _fcntl is not None:
        _fcntl.flock(handle, _fcntl.LOCK_EX | (0 if wait else _fcntl.LOCK_NB))
    elif _msvcrt is not None:
        while not _locked_by_windows(handle):
            if not wait:
                raise BlockingIOError(errno.EWOULDBLOCK, "another process holds the lock")
            time.sleep(_POLL)
    else:
        raise OSError(errno.ENOTSUP, "this system has no locks on files")


def _locked_by_windows(handle: int) -> bool:
    place = os.lseek(handle, 0, os.SEEK_CUR)
    try:
        os.lseek(handle, _FAR, os.SEEK_SET)
        _msvcrt.locking(handle, _msvcrt.LK_NBLCK, 1)
    except PermissionError:
        return False
    finally:
        os.lseek(handle, place, os.SEEK_SET)
    return True
