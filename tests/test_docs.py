"""The docs: pages from the code are current, blocks of code can be read, and the tutorial runs as it stands."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tenor.cli import main
from tenor.config import Config

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of `language`, without the indent of the list that they stand in."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, kind, text in found if kind == language]


def test_pages_from_the_code_are_current(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r}); import write_docs_pages as w; w.write(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.md"))
    assert len(written) >= 4
    for name in written:
        now = (DOCS / name).read_text(encoding="utf-8")
        assert now == (tmp_path / name).read_text(encoding="utf-8"), (
            f"docs/{name} is out of date: run 'make docs-pages'."
        )


def test_every_page_is_in_the_site() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = set(re.findall(r"(\S+\.md)$", nav, re.MULTILINE))
    assert listed == {page.name for page in DOCS.glob("*.md")} | {"decisions/index.md"}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_blocks_of_code_can_be_read(page: Path, tmp_path: Path) -> None:
    for text in blocks(page, "python"):
        ast.parse(text)
    for k, text in enumerate(blocks(page, "toml")):
        file = tmp_path / f"{k}.toml"
        # a network of one's own would be read from the file named
        file.write_text(re.sub(r"^network = .*$", "", text, flags=re.MULTILINE), encoding="utf-8")
        Config.read(file)


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(1200)
def test_the_tutorial_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for text in blocks(DOCS / "tutorial.md", "") for line in text.splitlines()]
    commands = [shlex.split(line.replace('"', '\\"')) for line in lines if line.startswith("tenor ")]
    assert [words[1] for words in commands] == ["data", "data", "train", "predict", "evaluate", "serve"]
    for words in commands[:-1]:
        assert main(words[1:]) == 0, words
    assert (tmp_path / "report.html").stat().st_size > 10_000
