"""What README and docs promise: the ten lines run, links lead to files, and commands have the options named."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
import typer

import tenor
from tenor.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [page.name for page in PAGES]


def python_block(page: Path) -> str:
    match = re.search(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None
    return match[1]


def commands(text: str) -> list[str]:
    """What follows ``tenor`` in blocks of code and between backticks."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`tenor ([a-z][^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = [line for block in blocks for line in re.findall(r"^tenor ([a-z].*)$", block, re.MULTILINE)]
    return lines + [" ".join(each.split()) for each in inline]


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(900)
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict[str, object] = {}
    exec(python_block(ROOT / "README.md"), names)
    forecasts = names["forecasts"]
    assert isinstance(forecasts, pd.DataFrame)
    promised = ["symbol", "session", "horizon", "price", "volatility", "q05", "q95", "p_up"]
    assert set(promised) <= set(forecasts.columns)
    assert set(forecasts["symbol"]) == {"AAPL", "JNJ", "MSFT", "XOM"}
    assert tenor.load("my-model").predict().equals(forecasts)
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_exist_with_the_options_named(page: Path) -> None:
    for line in commands(page.read_text(encoding="utf-8")):
        words = shlex.split(line, comments=True)
        command = typer.main.get_command(app)
        while words and hasattr(command, "commands"):
            verb = words.pop(0)
            assert verb in command.commands, f"{page.name}: tenor {line}"
            command = command.commands[verb]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in known, f"{page.name}: tenor {line}"
