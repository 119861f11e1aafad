"""A user's own code: objects by the name ``path/to/file.py:name``, and source code that is saved with a model."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
import textwrap
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenor.errors import ConfigError, did_you_mean, one_line
from tenor.syntax import parsed


def load_object(spec: str) -> Any:
    """The object that `spec` names: ``path/to/file.py:name`` or ``package.module:name``. Its module is run.

    Raises
    ------
    ConfigError
        `spec` is not of this form; the file, module or name does not exist (a similar name is suggested); or the module
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
    sys.path.insert(0, folder)  # files beside it can be imported, as when it is run
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


@dataclass(frozen=True)
class Source:
    """Code that can be run on any machine: the text of one file, and the name of a function in it.

    Attributes
    ----------
    text
        The whole file.
    file
        The file's name, without folders.
    name
        The function's name.
    """

    text: str
    file: str
    name: str

    def load(self, *, fresh: bool = False) -> Any:
        """Run the text, and return the function. The same text is run only once in a process, or again with `fresh`.

        The result of running it again is used by later calls.

        Raises
        ------
        ConfigError
            The text can't be run, or defines no such function.
        """
        if fresh:
            _run.cache_clear()
        module = _run(self.text, self.file)
        value = module.get(self.name)
        if not callable(value):
            known = [n for n, member in module.items() if callable(member) and not n.startswith("_")]
            raise ConfigError(f"{self.file} has no function {self.name!r}.{did_you_mean(self.name, known)}")
        return value


def source_of(code: str | Callable[..., Any]) -> Source:
    """The source of a function: its whole file, or the function alone if it was defined in a notebook or script.

    Parameters
    ----------
    code
        ``path/to/file.py:name``, ``package.module:name``, or the function. A function of a notebook may use modules,
        numbers, texts and other functions of the notebook; these are saved with it.

    Raises
    ------
    ConfigError
        There is no such file or function. Or it can't be saved with a model, because it needs another file beside its
        own, has no source, or uses something in its notebook that is not a module, function or plain value.
    """
    if isinstance(code, str):
        return _source_of_spec(code)
    name = getattr(code, "__name__", "")
    if not inspect.isfunction(code) or name == "<lambda>":
        what = "a lambda" if name == "<lambda>" else f"{type(code).__name__}, not a function"
        raise ConfigError(f"{name or code!r} is {what}: its source can't travel with a model; define it with 'def'.")
    if code.__code__.co_freevars:
        raise ConfigError(
            f"{name} uses {', '.join(code.__code__.co_freevars)} of the function around it, which can't travel with a "
            "model: define it at the top level of a file."
        )
    path = inspect.getsourcefile(code)
    if code.__module__ != "__main__" and path and path.endswith(".py") and "<locals>" not in code.__qualname__:
        return _of_file(Path(path), name)
    return Source(_self_contained(code), f"{name}.py", name)


def _source_of_spec(spec: str) -> Source:
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise ConfigError(f"{spec!r} names no function: write path/to/file.py:function or package.module:function.")
    if place.endswith(".py") or "/" in place:
        path = Path(place)
        if not path.is_file():
            near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.py")]) if path.parent.is_dir() else ""
            raise ConfigError(f"no file {str(path)!r}.{near}")
        return _of_file(path, name)
    try:
        module = importlib.util.find_spec(place)
    except (ImportError, ValueError, AttributeError) as error:
        raise ConfigError(f"module {place!r} can't be imported: {_line(error)}.") from error
    if module is None or not module.origin or not module.origin.endswith(".py"):
        raise ConfigError(
            f"module {place!r} has no Python source that can travel with a model: write a file.py:{name}."
        )
    return _of_file(Path(module.origin), name)


def _of_file(path: Path, name: str) -> Source:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(path)!r} can't be read: {_line(error)}.") from None
    for module in _imports(text, path):
        here = path.parent / module.split(".")[0]
        if module.startswith(".") or here.with_suffix(".py").is_file() or (here / "__init__.py").is_file():
            raise ConfigError(
                f"{path.name} imports {module}, which lies beside it and does not travel with a model: put all of it "
                "into one file, or install it as a package."
            )
    return Source(text, path.name, name)


def _imports(text: str, path: Path) -> list[str]:
    """Every module that the file imports; relative ones begin with a dot."""
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ConfigError(f"{str(path)!r} can't be run: {type(error).__name__}: {_line(error)}.") from error
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append("." * node.level + (node.module or ""))
    return names


def _self_contained(function: Callable[..., Any]) -> str:
    """The text of a file that defines `function` and all that it uses of the module it was defined in."""
    lines = ["from __future__ import annotations", ""]
    blocks: list[str] = []
    _collect(function, lines, blocks, set())
    return "\n".join(lines) + "\n\n" + "\n\n".join(blocks) + "\n"


def _collect(function: Callable[..., Any], lines: list[str], blocks: list[str], seen: set[str]) -> None:
    name = function.__name__
    try:
        text = textwrap.dedent(inspect.getsource(function))
        tree = parsed(text)
        # of what `exec` defines, Python 3.13 takes the text of `python -c` for the source
        if getattr(tree.body[0], "name", "") != inspect.unwrap(function).__code__.co_name:
            raise OSError("the text found is another one's")
    except (OSError, TypeError, SyntaxError):
        raise ConfigError(
            f"{name} has no source that could travel with a model: write it into a file and name it file.py:{name}."
        ) from None
    seen.add(name)
    scope = function.__globals__
    used = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in scope]
    for each in dict.fromkeys(used):
        if each in seen:
            continue
        value = scope[each]
        seen.add(each)
        if inspect.ismodule(value):
            lines.append(f"import {value.__name__} as {each}")
        elif inspect.isfunction(value) and value.__module__ == function.__module__:
            _collect(value, lines, blocks, seen)
        elif callable(value) and getattr(value, "__module__", None) in sys.modules and _importable(value):
            lines.append(f"from {value.__module__} import {value.__name__} as {each}")
        elif _plain(value):
            blocks.append(f"{each} = {value!r}")
        else:
            raise ConfigError(
                f"{name} uses {each!r} ({type(value).__name__}), which can't travel with a model: pass it into the "
                f"function's own body, or write a file and name it file.py:{name}."
            )
    blocks.append(text.rstrip())


def _importable(value: Any) -> bool:
    module = sys.modules[value.__module__]
    name = getattr(value, "__name__", "")
    return module.__name__ not in ("__main__", "builtins") and getattr(module, name, None) is value


def _plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return all(map(_plain, [*value, *value.values()]))
    return value is None or type(value) in (bool, int, float, str)


@functools.lru_cache(maxsize=64)
def _run(text: str, file: str) -> dict[str, Any]:
    """What the code of one file defines."""
    name = f"tenor_own_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    module = types.ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module  # dataclasses and the like look their module up by name
    try:
        exec(compile(text, file, "exec"), module.__dict__)  # noqa: S102 - the user's own code, guarded by its hash
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(f"{file!r} can't be run: {type(error).__name__}: {_line(error)}.") from error
    return module.__dict__
