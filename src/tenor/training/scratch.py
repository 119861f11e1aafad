"""Where a training puts its copies of a panel: in memory, or, if the panel lies in files, in files beside it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tenor.errors import StoreError
from tenor.schema import Panel
from tenor.storage.locks import lock

PREFIX = "training-"
"""What the folders of copies are named by, beside the panel's own files."""


class Zeros(Protocol):
    """Makes an array of zeros that can be written, as `np.zeros` does."""

    def __call__(self, shape: tuple[int, ...], dtype: DTypeLike, /) -> NDArray[Any]:
        """An array of `shape`."""


def zeros_beside(panel: Panel) -> Zeros:
    """`np.zeros` for a panel in memory; for one that lies in files, what makes files beside them.

    Such a file goes when nothing refers to its array any more, or the process ends; what a killed process left goes the
    next time that a training begins on the same panel.
    """
    if not isinstance(panel.values, np.memmap) or panel.values.filename is None:
        return np.zeros
    return _Folder.beside(Path(panel.values.filename)).zeros


class Mapped(NamedTuple):
    """An array in a file as it travels to another process of the same machine: by name."""

    path: str
    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, array: NDArray[Any]) -> Mapped | None:
        """The name of a whole array of `zeros_beside`; None for any other."""
        if not isinstance(array, np.memmap) or array.filename is None or not array.flags.c_contiguous:
            return None
        path = Path(array.filename)
        return cls(str(path), array.shape, array.dtype.str) if path.stat().st_size == array.nbytes else None

    def open(self) -> NDArray[Any]:
        """It; what is written to it stays with this process."""
        return np.memmap(self.path, dtype=self.dtype, mode="c", shape=self.shape)


class _Folder:
    """A folder that is locked while its process lives, and goes with the last of its arrays."""

    def __init__(self, path: Path, held: IO[bytes]) -> None:
        self.path = path
        self._names = itertools.count()
        weakref.finalize(self, _remove, path, held)

    @classmethod
    def beside(cls, file: Path) -> _Folder:
        """A new one beside `file`, or among the system's temporary files where nothing may be written there."""
        _sweep(file.parent)
        for parent in (file.parent, Path(tempfile.gettempdir())):
            with contextlib.suppress(PermissionError, FileNotFoundError):
                descriptor, name = tempfile.mkstemp(prefix=PREFIX, suffix=".lock", dir=parent)
                held = os.fdopen(descriptor, "r+b")
                with contextlib.suppress(OSError):  # without locks leftovers stay: no reason not to train
                    lock(held, wait=False)
                folder = Path(name).with_suffix("")
                folder.mkdir()
                return cls(folder, held)
        raise StoreError(f"{file.parent} and {tempfile.gettempdir()}: neither can be written; set TMPDIR to a folder.")

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike, /) -> NDArray[Any]:
        """An array of zeros in a file of its own.

        Raises
        ------
        StoreError
            The disk has no room for it.
        """
        path, kind = self.path / str(next(self._names)), np.dtype(dtype)
        size = max(1, int(np.prod(shape)) * kind.itemsize)
        try:
            with path.open("xb") as file:
                _reserve(file, size)
        except OSError as error:
            raise StoreError(
                f"{self.path}: a training on a panel in files writes copies of it, the next of "
                f"{size / 2**20:,.0f} MiB, and that failed ({error.strerror}): free disk, or train on fewer symbols or "
                "sessions."
            ) from None
        array = np.memmap(path, dtype=kind, mode="r+", shape=shape)
        weakref.finalize(array, _forget, path, self)
        return array


def _reserve(file: IO[bytes], size: int) -> None:
    """Give `file` its size on disk: writing to a mapping of what the disk has no room for would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        for written in range(0, size, 2**20):
            file.write(bytes(min(2**20, size - written)))


def _forget(path: Path, _folder: _Folder) -> None:
    """Remove the file of an array that is gone; its folder lives as long as this is to be called."""
    with contextlib.suppress(OSError):
        path.unlink()


def _remove(path: Path, held: IO[bytes]) -> None:
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        path.with_suffix(".lock").unlink()
    held.close()


def _sweep(parent: Path) -> None:
    """Remove what killed processes left in `parent`: the folders whose locks nobody holds."""
    for path in _locks(parent):
        with contextlib.suppress(OSError), path.open("r+b") as held:
            lock(held, wait=False)
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink()


def _locks(parent: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from parent.glob(f"{PREFIX}*.lock")
