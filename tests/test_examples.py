"""Every script of examples/ runs to its end as a newcomer would run it: in an empty folder, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.mark.torch
@pytest.mark.timeout(900)
@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_it_runs(script: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "error::DeprecationWarning:__main__",
    }
    environment.pop("TENOR_STORE", None)
    before = {path: path.read_bytes() for path in EXAMPLES.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-B", str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip(), "it shows what it found"
    assert "Traceback" not in done.stderr
    assert before == {path: path.read_bytes() for path in EXAMPLES.rglob("*") if path.is_file()}


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.stem for script in SCRIPTS])
def test_it_reads_as_a_notebook(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.startswith("# %% [markdown]\n# # "), "it begins with a title"
    cells = text.split("# %%")[1:]
    assert sum(cell.startswith(" [markdown]") for cell in cells) >= 3, "it says what it does between the steps"


def test_there_are_examples() -> None:
    assert {"leak_hunt"} <= {script.stem for script in SCRIPTS}
