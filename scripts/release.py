"""Prepare a version: its number everywhere, and its section of the changelog (``make release VERSION=0.2.0``).

It changes files and commits nothing: look at the diff, commit it, and push the tag. docs/releasing.md has the rest.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNRELEASED = "## [Unreleased]\n"
PLACEHOLDER = "OWNER"


def main() -> None:
    """Change the files, or say in one line why not."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("version", help="as 0.2.0, later than the one in pyproject.toml")
    version = parser.parse_args().version
    try:
        changed = released(ROOT, version, dt.datetime.now(dt.UTC).date())
    except ValueError as error:
        sys.exit(f"release: {error}")
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    print(f"next: git commit, then git tag v{version} and push it")


def released(root: Path, version: str, day: dt.date) -> dict[Path, str]:
    """The files of `root` that change, with their new text.

    Raises
    ------
    ValueError
        `version` is none, or not later than the last one; the changelog has nothing unreleased; or the project's
        address is still a placeholder.
    """
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    before = re.search(r'^version = "([^"]+)"$', project, re.MULTILINE)
    if before is None:
        raise ValueError("pyproject.toml has no version")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"version {version!r} is not MAJOR.MINOR.PATCH, as 0.2.0")
    if _numbers(version) <= _numbers(before[1]):
        raise ValueError(f"version {version} is not later than {before[1]}, the one in pyproject.toml")
    if f"/{PLACEHOLDER}/" in project:
        raise ValueError(
            f"pyproject.toml and CITATION.cff say {PLACEHOLDER} where the project's owner belongs: put it there"
        )
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    _, heading, rest = changelog.partition(UNRELEASED)
    body = re.split(r"^## \[", rest, maxsplit=1, flags=re.MULTILINE)[0]
    if not heading or not body.strip():
        raise ValueError("CHANGELOG.md has nothing under Unreleased")
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    dated = f"version: {version}\ndate-released: {day}\n"
    citation = re.sub(r"^version: .*\n(date-released: .*\n)?", dated, citation, flags=re.MULTILINE)
    recipe = (root / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    return {
        root / "pyproject.toml": project.replace(before[0], f'version = "{version}"', 1),
        root / "CHANGELOG.md": changelog.replace(heading, f"{heading}\n## [{version}] - {day}\n", 1),
        root / "CITATION.cff": citation,
        root / "conda" / "recipe.yaml": re.sub(
            r'^  version: ".*"$', f'  version: "{version}"', recipe, flags=re.MULTILINE
        ),
    }


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


if __name__ == "__main__":
    main()
