"""The catalogue of adapters: each is declared in a file of `tenor.adapters.models`."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import os
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tenor.adapters import models
from tenor.adapters.own import of_function
from tenor.adapters.rolling import Model
from tenor.errors import ConfigError, RaisedError, TenorError, did_you_mean, one_line
from tenor.user_code import load_object


@dataclass(frozen=True)
class Adapter:
    """How the models of a package are loaded.

    Attributes
    ----------
    package
        Name of the distribution for pip; its version is written to the forecast file.
    install
        How to install the package if it is missing.
    load
        Loads the model in a folder; called with None if there is no folder.
    folder
        Whether it needs the folder of a model: ``yes``, ``no``, or ``may`` if the package includes a model.
    """

    package: str
    install: str
    load: Callable[[Path | None], Model]
    folder: str = "yes"


def names() -> tuple[str, ...]:
    """The names of all adapters, whether or not their packages are installed."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(models.__path__)))


def load_model(name: str, folder: Path | None = None) -> Model:
    """Load the model of adapter `name` from `folder`; the model's name has the version and a hash of the folder.

    Parameters
    ----------
    name
        One of `names`, or ``path/to/file.py:function``: a function of closes and horizon (`of_function`).
    folder
        Folder of the model, or None. Nothing is downloaded.

    Returns
    -------
    Model
        The loaded model.

    Raises
    ------
    ConfigError
        There is no such adapter, package or folder.
    RaisedError
        The package can't load what is in the folder.
    """
    if ":" in name:
        return of_function(load_object(name), name=name.rpartition(":")[2])
    if name not in names():
        hint = did_you_mean(name, names()) or f" Known: {', '.join(names())}."
        raise ConfigError(f"there is no adapter {name!r}.{hint}")
    adapter: Adapter = importlib.import_module(f"{models.__name__}.{name}").ADAPTER
    if folder is None and adapter.folder == "yes":
        raise ConfigError(f"{name} needs the folder of a model: name it with --model-folder.")
    if folder is not None and adapter.folder == "no":
        raise ConfigError(f"{name} has no model in a folder: leave --model-folder out.")
    if folder is not None and not (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"no model in {str(folder)!r}: name the folder with its weights and settings.")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # load from the folder only, never look a name up on the hub
    try:
        with contextlib.redirect_stdout(sys.stderr):  # some packages print to stdout, which other programs may read
            model = adapter.load(folder)
    except TenorError:
        raise
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{name} needs the Python module {error.name!r}, which is not installed here: {adapter.install}."
        ) from None
    except Exception as error:
        raise RaisedError(
            f"{name} can't load {str(folder)!r} ({type(error).__name__}: {one_line(error, 200)}): is it a model of "
            "this kind, and whole?"
        ) from error
    parts = (model.name, _version(adapter.package), folder_hash(folder) if folder is not None else "")
    return replace(model, name=" ".join(filter(None, parts)))


def folder_hash(folder: Path) -> str:
    """A hash, twelve hex digits, of the names and contents of all files in `folder`."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix().encode()
        digest.update(len(name).to_bytes(8, "big") + name + path.stat().st_size.to_bytes(8, "big"))
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()[:12]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # a clone of a repository, not installed
        return ""
