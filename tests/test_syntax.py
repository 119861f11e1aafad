import ast
import gc
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tenor.syntax import literal, parsed

TEXT = "\n".join(f"a{i} = [{i}, ({i}, {i} + 1)]" for i in range(2000))
LIST = str(list(range(2000)))


class Finalized:
    """Parses and formats a traceback when it is collected, as an abandoned future does that logs its exception."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        ast.parse("a = 1")
        try:
            raise ValueError(str(1) + "x")
        except ValueError:
            traceback.format_exc()


@pytest.fixture
def often() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(50, 2, 2)
    yield
    gc.set_threshold(*before)
    gc.collect()  # what is left would be finalized while pytest itself parses


def within(depth: int, made: Callable[[], Any]) -> Any:
    return within(depth - 1, made) if depth else made()


def test_the_tree_is_that_of_the_text_whatever_the_collector_finalizes(often: None) -> None:
    expected = None
    for depth in range(30):  # the fault depends on how deep the calls are
        Finalized()
        tree = ast.dump(within(depth, lambda: parsed(TEXT)))
        expected = expected or tree
        assert tree == expected
        Finalized()
        assert within(depth, lambda: literal(LIST)) == list(range(2000))
    assert gc.isenabled()


@pytest.mark.parametrize("text", ["a b", "(" * 5000, "f(\0)"])
def test_what_is_not_python_raises_and_the_collector_goes_on(text: str) -> None:
    with pytest.raises((SyntaxError, ValueError, RecursionError, MemoryError)):
        parsed(text)
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        parsed("a = 1")
        assert not gc.isenabled()
    finally:
        gc.enable()
