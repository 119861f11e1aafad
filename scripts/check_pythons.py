"""Install the wheel with each extra on every Python at hand, from wheels alone, and use it (``make check-pythons``).

Each pair of a Python and an extra gets an environment of its own, which is deleted again. It takes ``tenor --help``, a
training of two symbols where the extra brings torch, and a prediction of a model that was trained before. For Pythons
and systems that are not at hand, ``--resolve`` asks the package index whether every package has a wheel there.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {
    "Linux x86_64": "x86_64-manylinux_2_28",
    "Linux arm64": "aarch64-manylinux_2_28",
    "macOS 14 arm64": "aarch64-apple-darwin",
    "Windows x86_64": "x86_64-pc-windows-msvc",
}
SYMBOLS = ("AAPL", "XOM")
SETTINGS = """
symbols = ["AAPL", "XOM"]
[model]
hidden = 4
lookback = 10
[training]
seeds = [0]
epochs = 1
"""
TORCH = {"train", "all"}
SMOKE = """
import sys, tenor
bars = tenor.embedded_bars()
assert tenor.__version__ == sys.argv[1], tenor.__version__
assert len(bars.frame) > 100_000
"""


@dataclass(frozen=True)
class Installation:
    """What became of one extra on one Python.

    Attributes
    ----------
    python, extra
        Which.
    seconds
        Of the installation, with the package cache as it was.
    packages, megabytes
        What lies in the environment afterwards.
    failure
        The last line of what failed; empty where all worked.
    """

    python: str
    extra: str
    seconds: float
    packages: int
    megabytes: float
    failure: str


def extras() -> list[str]:
    """Those for users: none, and each but `dev`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return ["", *(name for name in project["optional-dependencies"] if name != "dev")]


def uv(*arguments: str, python: Path | None = None, system: str = "") -> subprocess.CompletedProcess[str]:
    """Run uv, which reads pip's extra places of wheels only where they are handed on."""
    environment = {
        **os.environ,
        "UV_FIND_LINKS": os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS", ""),
    }
    if system == "aarch64-apple-darwin":
        environment["MACOSX_DEPLOYMENT_TARGET"] = "14.0"
    command = [sys.executable, "-m", "uv", *arguments, *(["--python", str(python)] if python else [])]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def pythons() -> dict[str, Path]:
    """The interpreters at hand by version: of the path, of pyenv, and those that uv installed."""
    on_path = [shutil.which(f"python{version}") for version in VERSIONS]
    places = [Path(found) for found in on_path if found]
    places += sorted(Path.home().glob(".pyenv/versions/*/bin/python3"), reverse=True)
    places.append(Path(sys.executable))
    places += sorted(Path.home().glob(".local/share/uv/python/*/bin/python3"), reverse=True)
    by_version: dict[str, Path] = {}
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for place in places:
        done = subprocess.run([str(place), "-c", ask], capture_output=True, text=True, check=False)
        version = done.stdout.strip()
        if done.returncode == 0 and version in VERSIONS:
            by_version.setdefault(version, place)
    return dict(sorted(by_version.items()))


def bare_environment(home: Path, *, cold: bool = False) -> dict[str, str]:
    """The variables of a first day: an empty `home`, the system's path, and what leads to packages.

    Parameters
    ----------
    home
        A folder without files.
    cold
        Download every package again, where otherwise uv's cache of this machine is read.
    """
    paths = [str(Path(found).parent) for found in (shutil.which("git"), shutil.which("make")) if found]
    leads = ("PIP_CERT", "PIP_FIND_LINKS", "PIP_INDEX_URL", "SSL_CERT_FILE", "SYSTEMROOT", "UV_FIND_LINKS")
    environment = {name: os.environ[name] for name in leads if name in os.environ}
    if not cold:
        cache = subprocess.run([sys.executable, "-m", "uv", "cache", "dir"], capture_output=True, text=True, check=True)
        environment["UV_CACHE_DIR"] = cache.stdout.strip()
    search = os.pathsep.join(dict.fromkeys([*paths, *os.defpath.split(os.pathsep)]))
    return {**environment, "HOME": str(home), "USERPROFILE": str(home), "PATH": search}


def main() -> None:
    """Check, print a table, and end with 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", action="append", help="a version, as 3.12; by default every one at hand")
    parser.add_argument("--extra", action="append", help="an extra ('' for none); by default each")
    parser.add_argument("--constraint", type=Path, help="a file of versions, as requirements.lock")
    parser.add_argument("--resolve", action="store_true", help="only ask whether wheels are there, for every system")
    parser.add_argument("--json", type=Path, help="a file for the results as well")
    arguments = parser.parse_args()
    wanted = extras() if arguments.extra is None else arguments.extra
    if unknown := sorted(set(wanted) - set(extras())):
        parser.error(f"no extra {unknown[0]!r}; known: {', '.join(extras()[1:])}")
    if arguments.resolve:
        failed = resolve(arguments.python or VERSIONS, wanted)
    else:
        failed = install(arguments.python, wanted, arguments.json, arguments.constraint)
    sys.exit(1 if failed else 0)


def resolve(versions: Sequence[str], wanted: Sequence[str]) -> bool:
    """Print for each Python and system which extras can't be had from wheels alone."""
    failed = False
    pairs = [(version, system) for version in versions for system in SYSTEMS]
    for version, system in pairs:
        with ThreadPoolExecutor(2) as pool:
            lacking = [line for line in pool.map(functools.partial(_lacking, version, system), wanted) if line]
        print(f"Python {version}, {system}: {'; '.join(lacking) or 'every extra'}", flush=True)
        failed = failed or bool(lacking)
    return failed


def _lacking(version: str, system: str, extra: str) -> str:
    """`extra` and the package that has no wheel; empty where all have one."""
    arguments = ["pip", "compile", "pyproject.toml", "--quiet", "--no-header", "--only-binary", ":all:"]
    arguments += ["--python-version", version, "--python-platform", SYSTEMS[system]]
    done = uv(*arguments, *(["--extra", extra] if extra else []), system=SYSTEMS[system])
    if done.returncode == 0:
        return ""
    named = re.search(r"Because ([\w.-]+)", done.stderr)
    return f"{extra or 'tenor itself'} (no wheel of {named[1] if named else '?'})"


def install(
    versions: Sequence[str] | None, wanted: Sequence[str], target: Path | None, constraint: Path | None
) -> bool:
    """Install and use each extra on each Python."""
    at_hand = pythons()
    if missing := sorted(set(versions or ()) - set(at_hand)):
        print(f"Python {missing[0]} is not at hand; at hand: {', '.join(at_hand)}")
        return True
    results: list[Installation] = []
    with tempfile.TemporaryDirectory(prefix="tenor-pythons-") as name:
        folder = Path(name)
        done = uv("build", "--quiet", "--wheel", "--out-dir", str(folder))
        if done.returncode:
            print(done.stderr)
            return True
        (wheel,) = folder.glob("tenor-*.whl")
        (folder / "settings.toml").write_text(SETTINGS)
        # the extras that train come first: the others predict with what they trained
        order = sorted(wanted, key=lambda extra: extra not in TORCH)
        for version in versions or at_hand:
            for extra in order:
                result = _tried(folder, wheel, version, at_hand[version], extra, constraint)
                results.append(result)
                verdict = result.failure or "works"
                print(
                    f"Python {version} {extra or '(no extra)':<12} {result.packages:>4} packages "
                    f"{result.megabytes:>6.0f} MB {result.seconds:>6.1f} s  {verdict}",
                    flush=True,
                )
    if target is not None:
        target.write_text(json.dumps([result.__dict__ for result in results], indent=1) + "\n")
    return any(result.failure for result in results)


def _tried(folder: Path, wheel: Path, version: str, python: Path, extra: str, constraint: Path | None) -> Installation:
    place = folder / "environment"
    shutil.rmtree(place, ignore_errors=True)
    made = uv("venv", "--quiet", str(place), python=python)
    binaries = place / ("Scripts" if os.name == "nt" else "bin")
    start = time.perf_counter()
    requirement = f"tenor[{extra}] @ {wheel.as_uri()}" if extra else f"tenor @ {wheel.as_uri()}"
    pins = ["--constraint", str(constraint)] if constraint else []
    done = uv("pip", "install", "--quiet", "--only-binary", ":all:", *pins, requirement, python=binaries / "python")
    seconds = time.perf_counter() - start
    failure = last_line(made.stderr) if made.returncode else last_line(done.stderr) if done.returncode else ""
    failure = failure or next(_failures(folder, wheel, binaries, version, extra), "")
    packages, size = contents(place)
    shutil.rmtree(place, ignore_errors=True)
    return Installation(version, extra, round(seconds, 1), packages, round(size / 1e6, 1), failure)


def _failures(folder: Path, wheel: Path, binaries: Path, version: str, extra: str) -> Iterator[str]:
    """What goes wrong when the installation is used, one line each."""
    lake = folder / "lake"
    tenor = str(binaries / "tenor")
    number = wheel.name.split("-")[1]
    commands = [
        [str(binaries / "python"), "-W", "error::SyntaxWarning", "-c", SMOKE, number],
        [tenor, "--version"],
        [tenor, "--help"],
    ]
    if extra in TORCH:
        own = folder / f"lake-{version}-{extra}"
        commands.append([tenor, "data", "import", "embedded", "--store", str(own)])
        commands.append([tenor, "train", "--store", str(own), "--config", str(folder / "settings.toml"), "--json"])
        commands.append([tenor, "predict", "AAPL", "--store", str(own), "--json"])
    elif lake.exists():
        commands.append([tenor, "predict", "AAPL", "--store", str(lake), "--json"])
    home = folder / "home"
    home.mkdir(exist_ok=True)
    if extra == "sentiment":
        commands.append([tenor, "sentiment", "evaluate"])
    environment = {**bare_environment(home), "OMP_NUM_THREADS": "1"}
    for command in commands:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"{' '.join(command[1:3])[:60]}: {last_line(done.stderr)}"
            return
    if extra in TORCH:
        if lake.exists():
            shutil.rmtree(folder / f"lake-{version}-{extra}")
        else:
            (folder / f"lake-{version}-{extra}").rename(lake)


def contents(place: Path) -> tuple[int, float]:
    """Packages and bytes in an environment."""
    files = [file for file in place.rglob("*") if file.is_file() and not file.is_symlink()]
    return len(list(place.rglob("*.dist-info"))), float(sum(file.stat().st_size for file in files))


def last_line(text: str) -> str:
    """The last line of an output that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "failed without a word"


if __name__ == "__main__":
    main()
