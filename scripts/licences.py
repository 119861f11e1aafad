"""The bill of materials and the licences of what ``tenor[all]`` installs, from this environment (``make licences``).

Writes ``dist/tenor.cdx.json`` (CycloneDX 1.6) and ``dist/licences.csv``. Names, versions, licences and what requires
what are read from the installed packages' own metadata; nothing is asked of a network.
"""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import re
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
NOT_SHIPPED = "dev"


def main() -> None:
    """Write both files and print a count of the licences."""
    packages = installed("tenor")
    target = ROOT / "dist"
    target.mkdir(exist_ok=True)
    (target / "tenor.cdx.json").write_text(json.dumps(bill(packages), indent=1) + "\n", encoding="utf-8")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("package", "version", "licence"))
    table.writerows((name, each.version, licence(each)) for name, each in sorted(packages.items()))
    (target / "licences.csv").write_text(text.getvalue(), encoding="utf-8")
    unknown = [name for name, each in packages.items() if licence(each) == "unknown"]
    print(
        f"{len(packages)} packages in dist/tenor.cdx.json and dist/licences.csv; licence unknown: {unknown or 'none'}"
    )


def installed(root: str) -> dict[str, importlib.metadata.Distribution]:
    """By name, the distribution `root`, what all its extras but `dev` require, and what that requires, if installed."""
    packages: dict[str, importlib.metadata.Distribution] = {}
    extras = set(importlib.metadata.metadata(root).get_all("Provides-Extra") or ()) - {NOT_SHIPPED}
    queue: list[tuple[str, set[str]]] = [(root, extras)]
    seen: set[tuple[str, str]] = set()
    while queue:
        name, wanted = queue.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        packages[normal(name)] = distribution
        for extra in {"", *wanted}:
            if (normal(name), extra) in seen:
                continue
            seen.add((normal(name), extra))
            for line in distribution.requires or ():
                requirement = Requirement(line)
                if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                    queue.append((requirement.name, set(requirement.extras)))
    return packages


def bill(packages: dict[str, importlib.metadata.Distribution]) -> dict[str, Any]:
    """A CycloneDX document; the same packages give the same one."""
    components = []
    for name, each in sorted(packages.items()):
        reference = f"pkg:pypi/{name}@{each.version}"
        components.append(
            {
                "type": "library", "bom-ref": reference, "name": name, "version": each.version, "purl": reference,
                "licenses": [{"license": {"name": licence(each)}}],
            }
        )  # fmt: skip
    main_component = next(each for each in components if each["name"] == "tenor")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**main_component, "type": "application"}},
        "components": [each for each in components if each is not main_component],
    }


def licence(distribution: importlib.metadata.Distribution) -> str:
    """What the metadata says, as short as it says it: an SPDX expression, a classifier or the first line of a text."""
    metadata: Any = distribution.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [
        line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or () if line.startswith("License :: ")
    ]
    named = [line for line in classifiers if line != "OSI Approved"]
    if named:
        return " AND ".join(named)
    text = str(metadata.get("License") or "").strip()
    return text.splitlines()[0][:80] if text else "unknown"


def normal(name: str) -> str:
    """The name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
