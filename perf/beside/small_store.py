"""A store of the embedded data with a model of one short epoch, as a first user makes one: for contests of serving."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STEPS = (
    ("data", "import", "embedded"),
    # the network is the default one, at its full size and with all its seeds; how well it learns costs nothing later
    ("train", "--set", "training.epochs=1", "--workers", "1"),
    ("refresh",),
)


def small_store(folder: Path) -> str:
    """Make the store below `folder`: bars and sentiment of 88 stocks, a champion, and its published forecasts."""
    store = str(folder / "lake")
    for step in STEPS:
        subprocess.run([sys.executable, "-m", "tenor", *step, "--store", store], check=True, stdout=subprocess.DEVNULL)
    return store
