from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tenor.errors import ConfigError
from tenor.user_code import load_object, source_of


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "sibling.py").write_text("WINDOW = 5\n")
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import dataclass\nfrom sibling import WINDOW\n\n@dataclass\nclass Own:\n    x: int = 1\n"
    )
    return path


def test_any_object_of_a_file_is_loaded_and_its_siblings_are_importable(module: Path) -> None:
    path = list(sys.path)
    assert load_object(f"{module}:WINDOW") == 5
    assert load_object(f"{module}:Own")().x == 1
    assert sys.path == path


def test_an_object_of_a_package_is_loaded() -> None:
    assert load_object("tenor.user_code:load_object") is load_object


@pytest.mark.parametrize(
    ("name", "message"), [("Onw", "has no function 'Onw'. Did you mean 'Own'"), ("", "names no function")]
)
def test_an_object_that_is_not_there_is_refused(module: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_object(f"{module}:{name}")


def test_a_source_is_run_from_its_text_once_or_anew(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("calls = []\n\ndef f():\n    calls.append(1)\n    return len(calls)\n")
    source = source_of(f"{path}:f")
    path.unlink()
    assert (source.file, source.name) == ("mine.py", "f")
    assert [source.load()(), source.load()()] == [1, 2]
    assert source.load(fresh=True)() == 1
