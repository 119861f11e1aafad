"""A process that trains holds on to freed memory where its C library can."""

import ctypes
import sys

import pytest

from tenor.training.memory import hold_freed_memory


@pytest.fixture(autouse=True)
def asked_anew():
    hold_freed_memory.cache_clear()
    yield
    hold_freed_memory.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone has mallopt")
def test_glibc_takes_the_thresholds():
    assert hold_freed_memory()


@pytest.mark.parametrize("library", [object(), OSError("no such library"), TypeError("needs a name")])
def test_another_c_library_is_left_as_it_is(monkeypatch, library):
    def load(_name):
        if isinstance(library, Exception):
            raise library
        return library

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert hold_freed_memory() is False
