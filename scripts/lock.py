"""Rewrite requirements.lock: every package of every extra but Ray at one version, for each Python (``make lock``).

Two sets of versions where Pythons need them: from 3.13 on the one release of statsforecast that allows pandas 3 has no
wheel. A line that holds for some Pythons or systems says so by its marker, so pip and uv read one file on all of them.
Versions stay as they are unless ``--upgrade`` is given.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
LOWER, UPPER = "3.11", "3.13"
"""The first Python of each set."""
NOT_LOCKED = {"ray"}
"""Extras whose version is not tenor's to choose: a cluster has the one that its nodes run."""
CUDA = ("cuda-", "nvidia-", "triton==")
HEADER = "# Every package at its exact version, for Python 3.11 to 3.14. Rebuilt by 'make lock'.\n"


def main() -> None:
    """Compile and replace the lock."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args().upgrade
    lines = merged(*(compiled(python, upgrade=upgrade) for python in (LOWER, UPPER)))
    temporary = LOCK.with_suffix(".new")
    temporary.write_text(HEADER + "\n".join(lines) + "\n")
    temporary.replace(LOCK)
    print(f"{len(lines)} lines in {LOCK.name}")


def _extras() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def compiled(python: str, *, upgrade: bool) -> dict[str, tuple[str, str]]:
    """Name -> pin and marker, of what `python` and the ones after it take from wheels alone."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal"]
    command += [f"--extra={extra}" for extra in sorted(_extras() - NOT_LOCKED)]
    command += ["--no-annotate", "--no-header", "--python-version", python, "--quiet"]
    # what only a wheel can be, for this Python, is decided without the other systems
    wheels = [*(word for word in command if word != "--universal"), "--only-binary", ":all:"]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("" if upgrade else "\n".join(current(python)))
        chosen = _run([*wheels, "--constraint", str(constraints)])
        constraints.write_text("\n".join(chosen))
        lines = _run([*command, "--constraint", str(constraints)])
    pins: dict[str, tuple[str, str]] = {}
    for line in lines:
        pin, _, marker = line.partition(" ; ")
        # a CPU build of torch needs no CUDA package; a lock that named them would force gigabytes on everybody
        if not pin.startswith(CUDA) and "sys_platform == 'emscripten'" not in marker:
            pins[pin.partition("==")[0]] = pin, marker
    return pins


def current(python: str) -> list[str]:
    """The pins of the lock as it is that hold for `python`."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    pins = []
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pins.append(line.partition(" ; ")[0])
    return pins


def merged(lower: dict[str, tuple[str, str]], upper: dict[str, tuple[str, str]]) -> list[str]:
    """One line where both sets agree, otherwise one each."""
    lines: list[str] = []
    for name in sorted({*lower, *upper}):
        if lower.get(name) == upper.get(name):
            lines.append(_line(*lower[name]))
            continue
        for pins, condition in ((lower, f"python_version < '{UPPER}'"), (upper, f"python_version >= '{UPPER}'")):
            if name in pins:
                pin, marker = pins[name]
                lines.append(_line(pin, f"({marker}) and {condition}" if marker else condition))
    return lines


def _line(pin: str, marker: str) -> str:
    return f"{pin} ; {marker}" if marker else pin


def _run(command: list[str]) -> list[str]:
    # no extra place of wheels: a local build's label (torch==2.13.0+cpu) names a file that others do not have
    environment = {key: value for key, value in os.environ.items() if key != "UV_FIND_LINKS"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    return [re.sub(r"\+\w+", "", line) for line in done.splitlines() if "==" in line]


if __name__ == "__main__":
    main()
