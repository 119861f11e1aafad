"""Python code as a tree, and literals as their values."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _no_collection() -> Iterator[None]:
    # Python 3.11 raises SystemError if a finalizer that the collector runs while text becomes a tree parses too, as
    # formatting a traceback does.
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def parsed(text: str) -> ast.Module:
    """The syntax tree of `text`, as :func:`ast.parse` returns it.

    Raises
    ------
    SyntaxError
        `text` is not Python.
    ValueError
        It contains a null byte (with newer Pythons: SyntaxError).
    RecursionError
        It is nested too deeply.
    """
    with _no_collection():
        return ast.parse(text)


def literal(text: str) -> Any:
    """The value that `text` writes as Python does, as :func:`ast.literal_eval` returns it.

    Raises
    ------
    SyntaxError
        `text` is not Python.
    ValueError
        It is no literal.
    TypeError
        It is a literal that has no value, as a set of lists.
    RecursionError
        It is nested too deeply.
    MemoryError
        It is nested too deeply for the parser.
    """
    with _no_collection():
        return ast.literal_eval(text)
