"""Follow the docs in a fresh clone on every Python at hand: set-up, tutorial, site, tests (``make check-install``).

Each Python gets a clone of its own of what is committed, a home without files and an environment without variables but
those that lead to packages. The commands are those of the docs, read from there. ``make check-install`` runs
``check_pythons.py``, the wheel with each extra, as well.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from check_pythons import ROOT, bare_environment, contents, last_line, pythons

USUAL = ("setup", "tutorial", "site")
STARTS_WITHIN = 120
"""Seconds until the dashboard has to answer."""


@dataclass(frozen=True)
class Step:
    """What became of one part of the docs on one Python.

    Attributes
    ----------
    python, part
        Which.
    seconds
        It took, with the package cache as it was.
    packages, megabytes
        What lies in the environment that it made or used.
    failure
        The last line of what failed; empty where all worked.
    """

    python: str
    part: str
    seconds: float
    packages: int
    megabytes: float
    failure: str


class PromiseError(Exception):
    """A command ended with an error, or did not do what the docs promise."""


@dataclass(frozen=True)
class Clone:
    """A fresh clone for one Python.

    Attributes
    ----------
    folder
        The working tree.
    python
        The interpreter.
    environment
        All variables.
    output
        What the commands print goes there.
    """

    folder: Path
    python: Path
    environment: dict[str, str]
    output: Path

    def run(self, command: str, *, cwd: Path | None = None) -> None:
        """Run a line of shell.

        Raises
        ------
        PromiseError
            It ended with another status than 0.
        """
        with self.output.open("a", encoding="utf-8") as output:
            output.write(f"$ {command}\n")
            output.flush()
            start = output.tell()
            done = subprocess.run(
                command, shell=True, cwd=cwd or self.folder, env=self.environment, stdout=output, stderr=output,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        if done.returncode:
            printed = self.output.read_bytes()[start:].decode(errors="replace")
            raise PromiseError(f"{command[:60]}: {last_line(printed)}")

    def make(self, target: str) -> None:
        """Run a target of the Makefile on this Python."""
        self.run(f"make {target} PYTHON={shlex.quote(str(self.python))}")


def tutorial_commands(text: str) -> list[str]:
    """The lines of shell in the tutorial that begin with ``tenor``, in their order."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.startswith("tenor ")]


def follow_tutorial(clone: Clone) -> None:
    """Run the tutorial's commands in an empty folder, in the environment that ``make setup`` made.

    Raises
    ------
    PromiseError
        A command failed, the report is not there, or the dashboard does not answer or end.
    """
    commands = tutorial_commands((clone.folder / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    activated = f". {shlex.quote(str(clone.folder / '.venv' / 'bin' / 'activate'))} && "
    with tempfile.TemporaryDirectory(prefix="tenor-tutorial-") as name:
        folder = Path(name)
        for command in commands:
            if command.startswith("tenor serve"):
                look_at_dashboard(clone, activated, command, folder)
            else:
                clone.run(activated + command, cwd=folder)
        if (folder / "report.html").stat().st_size < 10_000:
            raise PromiseError("report.html has under 10 kB")


def look_at_dashboard(clone: Clone, activated: str, command: str, folder: Path) -> None:
    """Start the server, open the page, end it by Ctrl-C."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with clone.output.open("a", encoding="utf-8") as output:
        server = subprocess.Popen(
            f"{activated}exec {command} --port {port}", shell=True, cwd=folder, env=clone.environment,
            stdout=output, stderr=output, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + STARTS_WITHIN
            page = b""
            while not page and server.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                    page = answer.read()
                time.sleep(0.2)
            if b"<html" not in page:
                raise PromiseError(f"{command}: no dashboard at port {port}")
            server.send_signal(signal.SIGINT)
            server.wait(60)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()


PARTS: dict[str, tuple[Callable[[Clone], None], str]] = {
    "setup": (lambda clone: clone.make("setup"), ".venv"),
    "demo": (lambda clone: clone.make("demo"), ".venv"),
    "tutorial": (follow_tutorial, ".venv"),
    "quick": (lambda clone: clone.make("quick"), ".venv"),
    "test": (lambda clone: clone.make("test"), ".venv"),
    "site": (lambda clone: clone.make("site"), ".site-venv"),
}
"""Each part, and the environment whose size is printed with it. They run in this order."""


def followed(clone: Clone, version: str, part: str) -> Step:
    """Run one part and measure it."""
    act, place = PARTS[part]
    start = time.perf_counter()
    failure = ""
    try:
        act(clone)
    except (PromiseError, OSError, subprocess.TimeoutExpired) as error:
        failure = str(error)
    seconds = time.perf_counter() - start
    packages, size = contents(clone.folder / place)
    return Step(version, part, round(seconds, 1), packages, round(size / 1e6, 1), failure)


def main() -> None:
    """Follow, print a table, and end with 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", action="append", help="a version, as 3.12; by default every one at hand")
    parser.add_argument("--part", action="append", choices=PARTS, help=f"by default: {', '.join(USUAL)}")
    parser.add_argument("--cold", action="store_true", help="with an empty package cache, as on a first day")
    parser.add_argument("--json", type=Path, help="a file for the results as well")
    parser.add_argument("--output", type=Path, help="a folder for what the commands print")
    arguments = parser.parse_args()
    at_hand = pythons()
    if missing := sorted(set(arguments.python or ()) - set(at_hand)):
        parser.error(f"Python {missing[0]} is not at hand; at hand: {', '.join(at_hand)}")
    # everything but the set-up runs in what the set-up made
    parts = [part for part in PARTS if part == "setup" or part in (arguments.part or USUAL)]
    steps: list[Step] = []
    with tempfile.TemporaryDirectory(prefix="tenor-install-") as name:
        logs = arguments.output or Path(name)
        logs.mkdir(parents=True, exist_ok=True)
        for version in arguments.python or at_hand:
            place = Path(name) / version
            (place / "home").mkdir(parents=True)
            environment = bare_environment(place / "home", cold=arguments.cold)
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place / "tenor")], check=True)
            clone = Clone(place / "tenor", at_hand[version], environment, logs / f"{version}.txt")
            for part in parts:
                step = followed(clone, version, part)
                steps.append(step)
                print(
                    f"Python {version} {part:<9} {step.packages:>4} packages {step.megabytes:>6.0f} MB "
                    f"{step.seconds:>7.1f} s  {step.failure or 'works'}",
                    flush=True,
                )
                if step.failure and part == "setup":
                    break
            shutil.rmtree(place)  # gigabytes
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(step) for step in steps], indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if any(step.failure for step in steps) else 0)


if __name__ == "__main__":
    main()
