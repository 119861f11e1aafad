"""Put together what a function runs: the same bytes from the same sources, whoever builds it and when.

``python deployment/package.py api --architecture arm64 --out deployment/build/api.zip`` zips the function that answers;
``python deployment/package.py refresh --architecture arm64 --out FOLDER`` fills the folder that the image is made of.
Both print their size by part. They are for the version of Python that builds them.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LIMIT = 250 * 2**20
"""Bytes that a function may have unzipped."""
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
PYTHONS = ((3, 11), (3, 12), (3, 13))
GLIBC = range(34, 16, -1)
"""Minor versions of the C library that wheels may ask for: Lambda's Pythons from 3.12 on have 2.34."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip can hold; every file gets it."""
# of these packages only the named parts are ever read
ONLY = {"plotly": ("plotly/package_data/plotly.min.js",)}
DROPPED = re.compile(
    r"(^|/)(tests|__pycache__|examples?|docs?|include|bin|share)/|\.(pyi|c|h|hpp|pyx|pxd|md|rst|a)$|/(RECORD|INSTALLER|REQUESTED|direct_url\.json)$"
)


def main() -> None:
    """Build, check the limit, print the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("function", choices=sorted(FUNCTIONS))
    parser.add_argument("--architecture", choices=sorted(ARCHITECTURES), default="arm64")
    parser.add_argument("--out", type=Path, required=True, help="A zip file; or a folder, which must be new.")
    options = parser.parse_args()
    function = FUNCTIONS[options.function]
    if sys.version_info[:2] not in PYTHONS:
        sys.exit("a function's bytecode is made by the Python that it runs on: use 3.12, as the template says.")
    zipped = options.out.suffix == ".zip"
    if not zipped and options.out.exists():
        sys.exit(f"{options.out} is there already: name a new folder, or remove it.")
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        install(pins(function), options.architecture, tree)
        shutil.copytree(ROOT / "src" / "tenor", tree / "tenor", ignore=function.unneeded)
        name_version(tree)
        precompile(tree)
        files = sorted((path for path in tree.rglob("*") if path.is_file()), key=Path.as_posix)
        size = sum(path.stat().st_size for path in files)
        if zipped and size > LIMIT:
            sys.exit(f"unzipped it has {size / 2**20:.0f} MiB, and Lambda takes {LIMIT / 2**20:.0f}: drop a part.")
        if zipped:
            write(tree, files, options.out)
        report(tree, files)
        if zipped:
            packed = options.out.read_bytes()
            print(f"{len(packed) / 2**20:8.1f} MiB  zipped: {options.out}, sha256 {hashlib.sha256(packed).hexdigest()}")
        else:
            shutil.move(tree, options.out)


@dataclass(frozen=True)
class Function:
    """What a function is made of: its requirements, and the subpackages of tenor that it never imports."""

    requirements: str
    left_out: frozenset[str]

    def unneeded(self, folder: str, names: list[str]) -> set[str]:
        """Which of `names` in `folder` are not packed."""
        inside = Path(folder).name == "tenor"
        return {name for name in names if name == "__pycache__" or (inside and name in self.left_out)}


TRAINING_ONLY = frozenset({"benchmarks", "data", "leakcheck", "model", "report", "training"})
FUNCTIONS = {
    "api": Function(
        "requirements-api.txt",
        TRAINING_ONLY | {"cli", "evaluation", "features", "inference", "ingest", "pipeline", "store"},
    ),
    "refresh": Function("requirements-refresh.txt", TRAINING_ONLY),
}


def pins(function: Function) -> list[str]:
    """The packages of `function` at the versions of the lock."""
    # the functions run on Python 3.12: the lock's lines for later ones are not meant
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if ">= '3.13'" not in line]
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", "\n".join(lines), re.M))
    wanted = [line for line in (HERE / function.requirements).read_text().split("\n") if line and line[0] != "#"]
    missing = [name for name in wanted if name not in locked]
    if missing:
        sys.exit(f"requirements.lock has no {', '.join(missing)}: add them to an extra and run 'make lock'.")
    return [f"{name}=={locked[name]}" for name in wanted]


def install(requirements: list[str], architecture: str, tree: Path) -> None:
    """Unpack the wheels of `requirements` for `architecture` into `tree`, less what no function reads."""
    raw = tree.with_name("raw")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-compile",
    ]
    command += [
        "--only-binary=:all:",
        "--python-version",
        "{}.{}".format(*sys.version_info),
        "--implementation",
        "cp",
        "--target",
        str(raw),
    ]
    machine = ARCHITECTURES[architecture]
    for minor in GLIBC:
        command += ["--platform", f"manylinux_2_{minor}_{machine}"]
    command += ["--platform", f"manylinux2014_{machine}"]
    subprocess.run([*command, *requirements], check=True)
    for path in sorted(raw.rglob("*")):
        name = path.relative_to(raw).as_posix()
        only = ONLY.get(name.split("/", 1)[0])
        if path.is_dir() or DROPPED.search(name) or (only is not None and name not in only):
            continue
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)


def name_version(tree: Path) -> None:
    """Say in `tree` which tenor it holds, as an installation would."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    folder = tree / f"tenor-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: tenor\nVersion: {version}\n")


def precompile(tree: Path) -> None:
    """Put bytecode in the place of sources: half of a cold start would go into compiling.

    It is checked neither against time nor content, since the zip never changes; paths in tracebacks are the function's.
    """
    done = compileall.compile_dir(
        tree,
        quiet=1,
        legacy=True,
        stripdir=str(tree),
        prependdir="/var/task",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not done:
        sys.exit("a source file could not be compiled: see above.")
    for source in tree.rglob("*.py"):
        source.unlink()


def write(tree: Path, files: list[Path], out: Path) -> None:
    """Zip `files` in the order of their names with one time and one mode, whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_suffix(".new")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), EPOCH)
            entry.external_attr = (0o100755 if os.access(path, os.X_OK) or path.suffix == ".so" else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    fresh.replace(out)


def report(tree: Path, files: list[Path]) -> None:
    """Print the parts, largest first, and their sum."""
    parts: Counter[str] = Counter()
    for path in files:
        parts[path.relative_to(tree).parts[0]] += path.stat().st_size
    for name, size in parts.most_common(12):
        print(f"{size / 2**20:8.1f} MiB  {name}")
    rest = sum(size for _, size in parts.most_common()[12:])
    print(f"{rest / 2**20:8.1f} MiB  {max(0, len(parts) - 12)} more")
    print(f"{sum(parts.values()) / 2**20:8.1f} MiB  together")


if __name__ == "__main__":
    main()
