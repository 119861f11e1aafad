"""An installation that lacks packages: run as a script, it hides them and then runs `tenor` verbs in this process.

Standard input is one JSON object: `modules` and `distributions` to hide, `commands` (lists of arguments; none: the
``--help`` of every verb). Standard output is a JSON list with `argv`, `code`, `out` and `err` of each command.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.metadata
import io
import json
import re
import sys
import tomllib
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]


def normal(name: str) -> str:
    """The name of a distribution as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def extras() -> dict[str, list[str]]:
    """The extras that pyproject.toml offers to users, with their requirements; `dev` is for developers."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return {name: _expanded(name, declared) for name in declared if name != "dev"}


def _expanded(extra: str, declared: dict[str, list[str]]) -> list[str]:
    """The requirements of `extra`, those of the extras that it names (``tenor[live]``) among them."""
    wanted: list[str] = []
    for line in declared[extra]:
        own = re.fullmatch(r"tenor\[([\w,-]+)\]", line)
        wanted += [each for name in own[1].split(",") for each in _expanded(name, declared)] if own else [line]
    return list(dict.fromkeys(wanted))


def hidden(extra: str | None) -> dict[str, list[str]]:
    """Installed modules and distributions that ``pip install tenor`` (or ``tenor[extra]``) does not bring."""
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(extras()[extra] if extra else ())]
    queue = [Requirement(line) for line in wanted]
    brought: set[tuple[str, str]] = set()
    while queue:
        requirement = queue.pop()
        name = normal(requirement.name)
        # "" are the distribution's own requirements, the others those of its extras
        for part in {"", *requirement.extras}:
            if (name, part) in brought:
                continue
            brought.add((name, part))
            try:
                lines = importlib.metadata.requires(name) or []
            except importlib.metadata.PackageNotFoundError:
                continue  # of another platform
            for line in lines:
                below = Requirement(line)
                if below.marker is None or below.marker.evaluate({"extra": part}):
                    queue.append(below)
    installed = {"tenor", *(name for name, _ in brought)}
    modules = {
        module
        for module, names in importlib.metadata.packages_distributions().items()
        if not any(normal(name) in installed for name in names)
    }
    distributions = {normal(each.name) for each in importlib.metadata.distributions()} - installed
    return {"modules": sorted(modules), "distributions": sorted(distributions)}


class Without:
    """The finder of modules on the path, which does not see those that are hidden."""

    def __init__(self, modules: Iterable[str], distributions: Iterable[str]) -> None:
        self.modules = frozenset(modules)
        self.names = frozenset(distributions)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] in self.modules:
            return None
        return importlib.machinery.PathFinder.find_spec(name, path, target)

    def find_distributions(
        self, context: importlib.metadata.DistributionFinder.Context
    ) -> Iterator[importlib.metadata.Distribution]:
        for each in importlib.metadata.MetadataPathFinder.find_distributions(context):
            if normal(each.name) not in self.names:
                yield each

    def invalidate_caches(self) -> None:
        importlib.machinery.PathFinder.invalidate_caches()

    def hide(self) -> None:
        """Take the place of the usual finder; forget what was imported already."""
        sys.meta_path[:] = [self if each is importlib.machinery.PathFinder else each for each in sys.meta_path]
        for name in [name for name in sys.modules if name.partition(".")[0] in self.modules]:
            del sys.modules[name]


def verbs() -> list[list[str]]:
    """Every verb of the command line, groups before their verbs."""
    import typer

    from tenor.cli import app

    def below(command: Any, path: list[str]) -> Iterator[list[str]]:
        yield path
        for name, each in sorted(getattr(command, "commands", {}).items()):
            yield from below(each, [*path, name])

    return list(below(typer.main.get_command(app), []))


def run(argv: list[str]) -> dict[str, Any]:
    """Run one command line in this process; what it raises is a traceback for its user, and code 70."""
    from tenor.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(argv)
        except Exception:  # noqa: BLE001 - whatever it is, a user would see its traceback
            traceback.print_exc()
            code = 70
    return {"argv": argv, "code": code, "out": out.getvalue(), "err": err.getvalue()}


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    Without(request["modules"], request["distributions"]).hide()
    commands = request["commands"] or [[*path, "--help"] for path in verbs()]
    print(json.dumps([run(argv) for argv in commands]))


if __name__ == "__main__":
    main()
