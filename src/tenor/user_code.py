"""A user's own code, run from where it lies: an object by the name ``path/to/file.py:name``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from tenor.errors import ConfigError, did_you_mean, one_line


def load_object(spec: str) -> Any:
    """What `spec` names: ``path/to/file.py:name`` or ``package.module:name``. Its module is run.

    Raises
    ------
    ConfigError
        `spec` is not of this form, the file, module or name is not there (a near name is suggested), or the module
        raises when it is run.
    """
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise ConfigError(f"{spec!r} names no function: write path/to/file.py:function or package.module:function.")
    module = _from_file(Path(place)) if place.endswith(".py") or "/" in place else _from_package(place)
    value = getattr(module, name, None)
    if value is None:
        known = [n for n, member in vars(module).items() if callable(member) and not n.startswith("_")]
        shown = f" It has {', '.join(sorted(known)[:8])}." if known else " It has none."
        raise ConfigError(f"{place} has no function {name!r}.{did_you_mean(name, known) or shown}")
    return value


def _from_file(path: Path) -> Any:
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.py")]) if path.parent.is_dir() else ""
        raise ConfigError(f"no file {str(path)!r}.{near}")
    spec = importlib.util.spec_from_file_location(f"tenor_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{str(path)!r} is no Python file: its name ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and the like look their module up by name
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # what lies beside the file can be imported, as when it is run
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise ConfigError(f"{str(path)!r} can't be run: {type(error).__name__}: {_line(error)}.") from error
    finally:
        sys.path.remove(folder)
    return module


def _from_package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"module {name!r} can't be imported: {type(error).__name__}: {_line(error)}.") from error


def _line(error: BaseException) -> str:
    return one_line(error, 200).rstrip(".")
