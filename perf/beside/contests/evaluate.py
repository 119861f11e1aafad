"""`tenor evaluate` on the demo's data and settings, beside the tenor of an earlier commit: itself before."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from contest import Contender, Contest, Goal
from environments import PLACE, ROOT

BEFORE = "f912655"
"""The commit of 2026-11-27 at which work on speed began; its numbers are those of today."""


def contest(folder: Path) -> Contest:
    """Each round evaluates from a trained model on: two folds are trained, and judged beside all rivals."""
    before = f"tenor at commit {BEFORE}"
    return Contest(
        "evaluate",
        "tenor evaluate on the demo",
        (
            Contender("tenor", "tenor", "evaluate_demo.py", {"checkout": str(ROOT)}),
            Contender(before, "tenor", "evaluate_demo.py", {"checkout": str(checkout(BEFORE))}),
        ),
        (Goal(2.0, before), Goal(2.0, before, measure="wall")),
        {"folder": str(folder)},
        unit="run",
        warm_up=False,
    )


def checkout(commit: str) -> Path:
    """The files of a commit, below ``.bench/``."""
    place = PLACE / f"tenor-{commit}"
    if not place.exists():
        packed = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True).stdout
        part = place.with_name(f"{place.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(part, filter="data")
        part.rename(place)
    return place
