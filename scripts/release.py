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
HOMEPAGE = re.compile(r'^Homepage = "([^"]+)"$', re.MULTILINE)
ADDRESSES = {
    "Documentation": "/tree/main/docs",
    "Changelog": "/blob/main/CHANGELOG.md",
    "Issues": "/issues",
}
"""What follows the homepage in the project's other addresses."""


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

    A version is prepared where the changelog has its section without a date: then that section gets its date. Otherwise
    what stands under Unreleased becomes the version's section.

    Raises
    ------
    ValueError
        `version` is none, or not later than the last one; the changelog has nothing for it, or lines under Unreleased
        beside a prepared section; or the project's address is still a placeholder.
    """
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    before = re.search(r'^version = "([^"]+)"$', project, re.MULTILINE)
    if before is None:
        raise ValueError("pyproject.toml has no version")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"version {version!r} is not MAJOR.MINOR.PATCH, as 0.2.0")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    prepared = re.search(r"^## \[(\d+\.\d+\.\d+)\]$", changelog, re.MULTILINE)
    if prepared is not None and version != prepared[1]:
        raise ValueError(f"version {version} can't come before {prepared[1]}, which CHANGELOG.md has without a date")
    if prepared is None and _numbers(version) <= _numbers(before[1]):
        raise ValueError(f"version {version} is not later than {before[1]}, the one in pyproject.toml")
    homepage = HOMEPAGE.search(project)
    if homepage is None:
        raise ValueError("pyproject.toml has no Homepage under [project.urls]")
    if PLACEHOLDER in homepage[1].split("/"):
        raise ValueError(
            f"Homepage in pyproject.toml says {PLACEHOLDER} where the project's owner belongs: put it there"
        )
    _, heading, rest = changelog.partition(UNRELEASED)
    body = re.split(r"^## \[", rest, maxsplit=1, flags=re.MULTILINE)[0]
    if prepared is not None:
        if body.strip():
            raise ValueError(f"CHANGELOG.md has lines under Unreleased: move them into the section of {version}")
        changelog = changelog.replace(f"{prepared[0]}\n", f"{prepared[0]} - {day}\n", 1)
    elif heading and body.strip():
        changelog = changelog.replace(heading, f"{heading}\n## [{version}] - {day}\n", 1)
    else:
        raise ValueError("CHANGELOG.md has nothing under Unreleased")
    recipe = (root / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    return {
        root / "pyproject.toml": addressed(project.replace(before[0], f'version = "{version}"', 1), homepage[1]),
        root / "CHANGELOG.md": changelog,
        root / "CITATION.cff": cited((root / "CITATION.cff").read_text(encoding="utf-8"), version, homepage[1], day),
        root / "conda" / "recipe.yaml": re.sub(
            r'^  version: ".*"$', f'  version: "{version}"', recipe, flags=re.MULTILINE
        ),
    }


def addressed(project: str, homepage: str) -> str:
    """pyproject.toml with the other addresses made from its homepage."""
    for name, rest in ADDRESSES.items():
        project = re.sub(rf'^{name} = ".*"$', f'{name} = "{homepage}{rest}"', project, count=1, flags=re.MULTILINE)
    return project


def cited(citation: str, version: str, homepage: str, day: dt.date) -> str:
    """CITATION.cff of `version`, with its date and the project's address."""
    dated = f"version: {version}\ndate-released: {day}\n"
    citation = re.sub(r"^version: .*\n(date-released: .*\n)?", dated, citation, flags=re.MULTILINE)
    return re.sub(r"^repository-code: .*$", f"repository-code: {homepage}", citation, flags=re.MULTILINE)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


if __name__ == "__main__":
    main()
