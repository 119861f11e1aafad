"""The environments of the peers: each of its own, from the registry, pinned, below ``.bench/``."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".bench"
TENOR = "tenor"

# name -> what is installed. PyTorch is the build that tenor's own lock names, so that all run on the same one.
PINNED: dict[str, tuple[str, ...]] = {}


def python_of(name: str) -> Path:
    """The interpreter of an environment, which is made first where it is not there.

    Parameters
    ----------
    name
        ``tenor`` for the environment that runs this, else a name of `PINNED`.
    """
    if name == TENOR:
        return Path(sys.executable)
    wanted = PINNED[name]
    folder = PLACE / name
    stamp, content = folder / ".installed", hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != content:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [
            str(folder / "bin" / "pip"),
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
        ]
        subprocess.run([*pip, *wanted], check=True)
        stamp.write_text(content)
    return folder / "bin" / "python"


def versions(name: str) -> str:
    """What an environment was asked to hold, for the table."""
    return "this version" if name == TENOR else ", ".join(PINNED[name])
