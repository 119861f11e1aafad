"""The code of a user's network as a setting: read where it is named, and from then on a value like any other.

``mine.py:Net`` names a class in a file. What is trained must not change when the file does, so the text is read once
and the setting becomes ``mine.py:Net@0123456789ab``: file, class and the beginning of the text's SHA-256. That is what
keys, saved models and reports hold, and two paths to one text are one network.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
from pathlib import Path
from typing import NamedTuple

from tenor.config.toml import shown
from tenor.errors import ConfigError, did_you_mean, one_line
from tenor.syntax import parsed

LARGEST = 1_000_000
"""Bytes of a file with a network."""
_PINNED = re.compile(r"(?P<file>[^/\\:]+\.py):(?P<name>\w+)@(?P<digest>[0-9a-f]{12})")


class NetworkName(NamedTuple):
    """What ``mine.py:Net@0123456789ab`` says: the file's name, the class, and the digest of the text."""

    file: str
    name: str
    digest: str

    def __str__(self) -> str:
        return f"{self.file}:{self.name}@{self.digest}"


def pinned(network: str) -> NetworkName | None:
    """The parts of a network whose text was read before; None for one that names a path."""
    match = _PINNED.fullmatch(network)
    return NetworkName(**match.groupdict()) if match else None


def digest_of(code: str) -> str:
    """Twelve hex digits that stand for the text of a network's file."""
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def spelled(kind: object) -> str:
    """`` 'path/to/mine.py:Net'`` of a class that was handed over in place of a text; ``""`` where it has no file."""
    try:
        path = inspect.getsourcefile(kind) if isinstance(kind, type) else None
    except (OSError, TypeError):  # a class of a notebook or of a compiled module
        path = None
    return f" {f'{path}:{kind.__name__}'!r}" if path is not None and isinstance(kind, type) else ", path/to/mine.py:Net"


def read_network(network: str) -> tuple[NetworkName, str]:
    """Read the file that ``path/to/mine.py:Net`` names; nothing of it is run.

    Returns
    -------
    tuple of NetworkName and str
        Its name, and the text of the file.

    Raises
    ------
    ConfigError
        It is not of this form, there is no such file or class, the file is no Python, or it imports a file beside it,
        which would not travel with the model.
    """
    place, _, name = network.rpartition(":")
    if not place or not name.isidentifier():
        raise ConfigError(
            f"config key 'model.network' is {shown(network)}; write path/to/file.py:Class, or leave it out for tenor's "
            "own network."
        )
    path = Path(place)
    if path.suffix != ".py" or ":" in path.name:
        raise ConfigError(
            f"config key 'model.network' is {shown(network)}; its code travels with the model as one file, so name a "
            f"file that ends in .py, as in mine.py:{name}."
        )
    code = _text(path)
    tree = _parsed(path, code)
    known = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    if name not in known:
        hint = did_you_mean(name, known) or (f" It has {', '.join(known[:8])}." if known else " It has none.")
        raise ConfigError(f"{place} has no class {name!r}.{hint}")
    _refuse_neighbours(path, tree)
    return NetworkName(path.name, name, digest_of(code)), code


def _text(path: Path) -> str:
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.py")]) if path.parent.is_dir() else ""
        raise ConfigError(f"no file {str(path)!r} for model.network.{near}")
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError(
                f"{path} is larger than {LARGEST:,} bytes: keep the network in a file of code alone, it travels with "
                "every model."
            )
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {one_line(error, 200).rstrip('.')}.") from None


def _parsed(path: Path, code: str) -> ast.Module:
    try:
        return parsed(code)
    except SyntaxError as error:
        raise ConfigError(f"{path} is not Python: {error.msg} in line {error.lineno}.") from None
    except (ValueError, RecursionError) as error:  # a null byte; brackets within brackets
        raise ConfigError(f"{path} is not Python: {one_line(error, 200).rstrip('.')}.") from None


def _refuse_neighbours(path: Path, tree: ast.Module) -> None:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level] if node.level else [node.module or ""]
        for name in names:
            first = name.partition(".")[0]
            beside = not first or (path.parent / f"{first}.py").is_file() or (path.parent / first).is_dir()
            if beside and first not in ("torch", "tenor"):
                raise ConfigError(
                    f"{path}, line {getattr(node, 'lineno', 1)}, imports {name!r} from beside it, and only {path.name} "
                    "travels with the model: put all of the network into that one file."
                )
