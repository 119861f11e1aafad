"""Rewrite requirements.lock: every package of every extra at one version, for Python 3.11 (``make lock``)."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
CUDA = ("cuda-", "nvidia-", "triton==")
HEADER = "# Every package at its exact version, for Python 3.11. Rebuilt by 'make lock'.\n"


def main() -> None:
    """Compile and replace the lock."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--all-extras", "--upgrade"]
    command += ["--no-annotate", "--no-header", "--python-version", "3.11", "--quiet"]
    if wheels := os.environ.get("PIP_FIND_LINKS"):
        command += ["--find-links", wheels]
    compiled = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    # a local build's label (torch==2.13.0+cpu) names a file that others do not have
    pins = [re.sub(r"\+\w+$", "", line) for line in compiled.splitlines() if not line.startswith("-")]
    # a CPU build of torch needs no CUDA package; a lock that named them would force gigabytes on everybody
    pins = [line for line in pins if not line.startswith(CUDA)]
    temporary = LOCK.with_suffix(".new")
    temporary.write_text(HEADER + "\n".join(pins) + "\n")
    temporary.replace(LOCK)
    print(f"{len(pins)} packages in {LOCK.name}")


if __name__ == "__main__":
    main()
