"""`tenor evaluate`, killed for good in its middle, goes on where it was and says the same as one that never was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenor.cli import main
from tenor.schema import Bars

pytestmark = pytest.mark.torch
CONFIG = """
[training]
seeds = [0, 1]
epochs = 3
[model]
hidden = 6
lookback = 10
[folds]
folds = 3
valid_sessions = 60
test_sessions = 40
"""
EVALUATE = "import sys; from tenor.cli import main; sys.exit(main(sys.argv[1:]))"


def start(lake: Path, config: Path, report: Path) -> subprocess.Popen[bytes]:
    arguments = ("evaluate", "--store", lake, "--config", config, "--report", report, "--workers", "2")
    return subprocess.Popen(
        [sys.executable, "-c", EVALUATE, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )


def kept(lake: Path) -> dict[str, int]:
    """Every file of a finished fold and when it was written."""
    return {str(p): p.stat().st_mtime_ns for p in lake.rglob("folds/*/*.safetensors")}


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_and_comes_to_the_same(tmp_path: Path, bars_of: Callable[..., Bars]) -> None:
    config, killed, whole = tmp_path / "c.toml", tmp_path / "killed", tmp_path / "whole"
    config.write_text(CONFIG)
    bars_of(symbols=5, sessions=420, seed=3).frame.to_csv(tmp_path / "bars.csv", index=False)
    assert main(["data", "import", str(tmp_path / "bars.csv"), "--store", str(killed)]) == 0
    assert main(["train", "--store", str(killed), "--config", str(config), "--workers", "1"]) == 0
    shutil.copytree(killed, whole)

    first = start(killed, config, tmp_path / "killed.html")
    limit = time.monotonic() + 120
    while not (before := kept(killed)) and first.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL, "it was over before it could be killed"
    assert before
    before = kept(killed)
    assert not (tmp_path / "killed.html").exists()

    again = start(killed, config, tmp_path / "killed.html")
    uncut = start(whole, config, tmp_path / "whole.html")
    assert again.wait() == uncut.wait() == 0
    assert before.items() <= kept(killed).items()  # what was finished was not trained again
    assert len(kept(killed)) == 6

    def told(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((tmp_path / f"{name}.json").read_text())
        return {**found, "report": None}

    assert told("killed") == told("whole")
