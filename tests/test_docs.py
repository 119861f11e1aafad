"""The docs: pages from the code are current, blocks of code can be read, and the tutorial runs as it stands."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tenor.config import Config
from tenor.syntax import parsed

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
        parsed(text)
    for k, text in enumerate(blocks(page, "toml")):
        file = tmp_path / f"{k}.toml"
        # a network of one's own would be read from the file named
        file.write_text(re.sub(r"^network = .*$", "", text, flags=re.MULTILINE), encoding="utf-8")
        Config.read(file)


def test_words_are_spelled() -> None:
    texts = [*PAGES, *sorted(DOCS.glob("decisions/*.md")), *sorted(ROOT.glob("*.md")), ROOT / "deployment/README.md"]
    texts += [ROOT / "mkdocs.yml", ROOT / "CITATION.cff", *sorted((ROOT / "examples").glob("*.*"))]
    command = [sys.executable, "-m", "codespell_lib", *map(str, texts)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_targets_and_scripts_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = "\n".join([*(match[2] for match in BLOCK.findall(text)), *re.findall(r"`([^`\n]+)`", text)])
    targets = {folder: set(_targets(ROOT / folder / "Makefile")) for folder in ("", "deployment")}
    for folder, target in re.findall(r"(?<!keys )\bmake (?:-C (deployment) )?([a-z][a-z-]*)", code):
        assert target in targets[folder], f"{page.name}: make {target}"
    for script in re.findall(r"\bpython ((?:perf|scripts|deployment|examples)/\S+\.py|\w+\.py)", code):
        assert (ROOT / script).is_file(), f"{page.name}: python {script}"


def _targets(makefile: Path) -> list[str]:
    return re.findall(r"^([a-z][\w-]*):", makefile.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_two_commands_of_the_readme_are_those_that_check_install_runs() -> None:
    (first, *_) = blocks(ROOT / "README.md", "")
    assert re.findall(r"^make (\w+)", first, re.MULTILINE) == ["demo", "test"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/check_install.py"), "--help"], capture_output=True, text=True, check=False
    )
    assert {"demo", "test", "tutorial", "site"} <= set(re.findall(r"[a-z]+", done.stdout)), done.stderr


SCRIPTS = ("prepare_data.py", "train_model.py", "evaluate_model.py")
SMALL = """
symbols = ["AAPL", "XOM"]
[model]
hidden = 4
lookback = 10
[training]
seeds = [0]
epochs = 1
"""


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(900)
def test_the_scripts_of_the_readme_run_one_after_another(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"`python (\w+\.py)`", readme)) == SCRIPTS
    (tmp_path / "tenor.toml").write_text(SMALL, encoding="utf-8")
    for name in SCRIPTS:
        command = [sys.executable, str(ROOT / name), "--store", "lake"]
        command += [] if name == "prepare_data.py" else ["--config", "tenor.toml"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert list((tmp_path / "lake" / "models").iterdir())


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(1200)
def test_the_tutorial_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a shell, whose quotes are half of what can go wrong."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "tenor"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tenor "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    lines = [line for text in blocks(DOCS / "tutorial.md", "") for line in text.splitlines()]
    commands = [line for line in lines if line.startswith("tenor ")]
    assert [line.split()[1] for line in commands] == ["data", "data", "train", "predict", "evaluate", "serve"]
    for line in commands[:-1]:
        done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (line, done.stderr)
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_no_page_leaves_a_list_to_the_shell() -> None:
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            assert not re.search(r"--(?:set|grid) [\w.]+=[\[{\"]", line), f"{page.name}: {line}: needs single quotes"


def test_every_example_of_the_settings_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def f(bars):\n    return bars['close'].pct_change()\n", encoding="utf-8")
    (tmp_path / "macro.csv").write_text("session,rate\n2020-01-02,1.5\n", encoding="utf-8")
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    rows = 0
    for section, table in re.findall(r"^## `\[([\w.]+)\]`\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE):
        for line in re.findall(r"^\| `\w+` \|.*$", table, re.MULTILINE):
            example = re.split(r"(?<!\\)\|", line)[5].strip().strip("`").replace("\\|", "|")
            if example.startswith(("network", "options")):  # of a file with a network: tests/training has them
                continue
            file = tmp_path / "one.toml"
            file.write_text(f"[{section}]\n{example}\n", encoding="utf-8")
            Config.read(file)
            rows += 1
    assert rows > 80


def test_every_example_stands_on_its_page_with_what_it_prints() -> None:
    text = (DOCS / "examples.md").read_text(encoding="utf-8")
    names = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
    for shown in (r'"examples/(\w+)\.py"', r'"\.outputs/(\w+)\.txt"'):
        assert sorted(re.findall(f"^--8<-- {shown}$", text, re.MULTILINE)) == names


def anchors(page: Path) -> set[str]:
    """The names of the headings of `page`, as GitHub and the site make them from the text."""
    text = re.sub(BLOCK, "", page.read_text(encoding="utf-8"))
    headings = [re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", each) for each in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", each.strip().lower())) for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_stay_within_the_site_and_lead_to_headings(page: Path) -> None:
    text = re.sub(BLOCK, "", page.read_text(encoding="utf-8"))
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (page.parent / target).resolve() if target else page
        assert page.parent == ROOT or file.is_relative_to(DOCS), f"{page.name} links out of the site: {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{page.name} links to {target}#{anchor}, which is no heading"


def test_the_install_page_lists_every_extra() -> None:
    text = (DOCS / "install.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table = re.search(r"^\| extra \| for .*\n(?:\|.*\n)+", text, re.MULTILINE)
    assert table is not None
    assert set(re.findall(r"^\| `(\w+)` \|", table[0], re.MULTILINE)) == set(project["optional-dependencies"]) - {"dev"}


@pytest.mark.parametrize("page", [*PAGES[1:], *sorted(DOCS.glob("decisions/0*.md"))], ids=lambda page: page.name)
def test_lists_are_lists_on_the_site_as_well(page: Path) -> None:
    """GitHub begins a list within a paragraph and goes on with it at any indent; Markdown in Python does neither."""
    within = False
    lines = re.sub(
        r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    ).splitlines()
    for before, line in itertools.pairwise(["", *lines]):
        item = re.match(r"( *)(?:[-*]|\d+\.) ", line)
        if item and before.strip() and not within:
            raise AssertionError(f"{page.name}: an empty line is missing before the list: {line[:60]}")
        if within and not before.strip() and re.match(r" {1,3}\S", line) and not item:
            raise AssertionError(f"{page.name}: what goes on in a list has four spaces before it: {line[:60]}")
        within = bool(item) or (within and (not line.strip() or line.startswith(" ") or bool(before.strip())))
