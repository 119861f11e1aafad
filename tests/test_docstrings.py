"""Docstrings of the package are numpydoc: griffe reads them, and what they name is in the signature."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import griffe
import pytest

import tenor

SECTIONS = "Parameters|Attributes|Returns|Yields|Raises|Examples|Notes|See Also|Warns|References"
# an entry is a name, or a name and its type; names that share a description may share an entry
ENTRY = re.compile(r"^\*{0,2}[A-Za-z_]\w*(\[\w+\])?(, [A-Za-z_]\w*)*( : \S.*)?$")
TWO_FIELDS = re.compile(r"[.:;] +`?\w+`?(, `?\w+`?)* : ")


@cache
def package() -> griffe.Module:
    loaded = griffe.load("tenor", search_paths=[Path(tenor.__file__).parents[1]], resolve_aliases=False)
    assert isinstance(loaded, griffe.Module)
    return loaded


def public(owner: griffe.Module | griffe.Class) -> Iterator[griffe.Object]:
    """`owner` and everything public in it that is defined there."""
    yield owner
    for name, member in owner.members.items():
        if member.is_alias or (name.startswith("_") and not (isinstance(member, griffe.Module) and name == "__main__")):
            continue
        if isinstance(member, (griffe.Module, griffe.Class)):
            yield from public(member)
        elif isinstance(member, griffe.Function):
            yield member


def accepted(thing: griffe.Object) -> set[str] | None:
    """The names that an entry of Parameters or Attributes may have; none: any."""
    if isinstance(thing, griffe.Function):
        return {p.name for p in thing.parameters}
    if isinstance(thing, griffe.Class):
        names = {name for name, member in thing.members.items() if not name.startswith("__")}
        init = thing.members.get("__init__")
        if isinstance(init, griffe.Function):
            names |= {p.name for p in init.parameters}
        for base in thing.bases:
            owner = package()
            above = str(base).rpartition(".")[2]
            for other in public(owner):
                if isinstance(other, griffe.Class) and other.name == above and other is not thing:
                    names |= accepted(other) or set()
        return names
    return None


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Title and text of each section of a docstring."""
    parts = re.split(rf"^({SECTIONS})\n-{{3,}}\n", text, flags=re.MULTILINE)
    yield from zip(parts[1::2], parts[2::2], strict=True)


def faults(thing: griffe.Object) -> list[str]:
    """What is wrong with the docstring of `thing`."""
    if thing.docstring is None:
        return []
    text = thing.docstring.value
    plain = re.findall(rf"^(?:{SECTIONS})(?=\n[^\n-])", text, flags=re.MULTILINE)
    wrong = [f"'{title}' is not underlined" for title in plain]
    names = accepted(thing)
    for title, body in sections(text):
        lines = [line for line in body.splitlines() if line and not line.startswith(" ")]
        if title in ("Parameters", "Attributes"):
            for line in lines:
                if not ENTRY.match(line):
                    wrong.append(f"no entry: {line!r}")
                    continue
                # parameters that share a description may share an entry (numpydoc, section 4)
                listed = [name.lstrip("*") for name in line.split(" : ")[0].split(", ")]
                known = listed if names is None else [name.lstrip("*") for name in names]
                wrong += [f"{name!r} is not in the signature: {line!r}" for name in listed if name not in known]
            indented = set(re.findall(r"^ +(\w+)$", body, flags=re.MULTILINE))
            wrong += [
                f"{name!r} is indented, so it is part of another's description"
                for name in sorted(indented & (names or set()))
            ]
        elif title == "Raises":
            wrong += [f"no exception: {line!r}" for line in lines if not re.fullmatch(r"[A-Z]\w+", line)]
        elif title in ("Returns", "Yields"):
            wrong += [f"not a type: {line!r}" for line in lines if line.endswith((".", ";", ","))]
    if any(title in ("Parameters", "Attributes") for title, _ in sections(text)):
        for line in text.partition("\nExamples\n")[0].splitlines():
            if TWO_FIELDS.search(line):
                wrong.append(f"two fields on one line: {line.strip()!r}")
    parsed = {section.kind.value for section in thing.docstring.parse("numpy", warnings=False)}
    for title, _ in sections(text):
        kind = title.lower()
        if kind in ("parameters", "attributes", "raises", "returns", "yields") and kind not in parsed:
            wrong.append(f"griffe reads no section {title!r}")
    return wrong


def rooms() -> list[str]:
    return sorted(name for name, member in package().members.items() if isinstance(member, griffe.Module))


@pytest.mark.parametrize("room", rooms())
def test_docstrings_of_a_room_are_numpydoc(room: str) -> None:
    module = package().members[room]
    assert isinstance(module, griffe.Module)
    wrong = [f"{thing.path}: {fault}" for thing in public(module) for fault in faults(thing)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("docstring", "fault"),
    [
        ("Do.\n\n    Parameters\n    ----------\n    a : int. `b` : str\n        Text.\n    ", "two fields"),
        ("Do.\n\n    Parameters\n    ----------\n    a, d : int\n        Text.\n    ", "'d' is not in the signature"),
        ("Do.\n\n    Parameters\n    ----------\n    c : int\n        Text.\n    ", "not in the signature"),
        ("Do.\n\n    Raises\n    ------\n    ValueError, KeyError\n        Text.\n    ", "no exception"),
        (
            "Do.\n\n    Parameters\n    ----------\n    a\n        Text.\n        b\n        Text.\n    ",
            "'b' is indented",
        ),
        ("Do.\n\n    Parameters\n    a : int\n        Text.\n    ", "not underlined"),
    ],
)
def test_what_is_no_numpydoc_is_noticed(docstring: str, fault: str) -> None:
    module = griffe.visit("m", Path("m.py"), f'def f(a, b):\n    """{docstring}"""\n')
    assert any(fault in each for each in faults(module.members["f"]))


def test_a_good_docstring_passes() -> None:
    text = "Do.\n\n    Parameters\n    ----------\n    a : int\n        Text.\n    *b\n        More.\n    "
    module = griffe.visit("m", Path("m.py"), f'def f(a, *b):\n    """{text}"""\n')
    assert faults(module.members["f"]) == []
