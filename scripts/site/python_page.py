"""docs/python-api.md: a directive of mkdocstrings for each public name of `tenor`, by subject."""

from __future__ import annotations

import re
import sys

import tenor

HEAD = """# Python API

This page documents, for programmers, everything that `import tenor` offers. The site shows signatures and
descriptions from the docstrings; in Python,
`help(tenor.fit)` shows the same.

This page is written by `make docs-pages` from the code.
"""
SUBJECTS = {
    "From a DataFrame to a forecast": r"fit|load|evaluate|FittedModel|WalkForwardEvaluation|judge|Judgement",
    "Settings": r"\w+Config|Config",
    "Data": r"Bars|News|Panel|DailySentiment|Lake|Scorer|\w+_of|build_panel|embedded_\w+",
    "Everything else": r"\w+",
}
"""Subject -> the names that belong to it, if to none before it."""


def page() -> str:
    """The text of the page; each name stands under the first subject that it belongs to."""
    left = list(tenor.__all__)
    parts = [HEAD]
    for subject, pattern in SUBJECTS.items():
        names = [name for name in left if re.fullmatch(pattern, name)]
        left = [name for name in left if name not in names]
        parts.append(f"## {subject}\n")
        parts += [f"::: {_place(name)}\n    options:\n      heading: tenor.{name}\n" for name in names]
    return "\n".join(parts)


def _place(name: str) -> str:
    """Where `name` is defined, as mkdocstrings finds it."""
    thing = getattr(tenor, name)
    return f"{sys.modules[thing.__module__].__name__}.{thing.__qualname__}"
