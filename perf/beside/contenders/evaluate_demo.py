"""`tenor evaluate` as `make demo` runs it, by the sources of a checkout; each round on a copy of the trained model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from worker import Run, serve

JUDGED = ("risk", "use", "walk_forward", "evaluations", "risk_ablation", "trading", "attention")
"""Parts of the report that have the numbers."""


def prepare(arguments: dict[str, Any]) -> Run:
    """Import the embedded data and train."""
    checkout = Path(arguments["checkout"])
    store = Path(tempfile.mkdtemp(dir=arguments["folder"])) / "lake"
    settings = str(checkout / "examples" / "demo.toml")

    def tenor(*words: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "MPLBACKEND": "Agg"}
        command = [sys.executable, "-W", "ignore", "-m", "tenor", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment, cwd=checkout)

    tenor("data", "import", "embedded", "--store", str(store))
    tenor("train", "--store", str(store), "--config", settings)

    def run() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=arguments["folder"]) as folder:
            copy, report = Path(folder) / "lake", Path(folder) / "report.html"
            shutil.copytree(store, copy)  # what a round has trained is not there in the next
            tenor("evaluate", "--store", str(copy), "--config", settings, "--report", str(report))
            judged = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
        require_same({part: judged[part] for part in JUDGED}, Path(arguments["folder"]) / "numbers.json")
        return {}

    return run


def require_same(numbers: dict[str, Any], known: Path) -> None:
    """Compare with the numbers of whoever came first; keys that only one of the two has do not count.

    Raises
    ------
    ValueError
        A number differs, or hardly any are there to be compared.
    """
    if not known.exists():
        known.write_text(json.dumps(numbers), encoding="utf-8")
        return
    mine, first = _leaves(numbers), _leaves(json.loads(known.read_text(encoding="utf-8")))
    both = mine.keys() & first.keys()
    other = sorted(place for place in both if mine[place] != first[place])
    if other or len(both) < 1000:
        raise ValueError(f"{len(other)} of {len(both)} numbers differ: {[(p, mine[p], first[p]) for p in other[:3]]}")


def _leaves(value: Any, place: str = "") -> dict[str, Any]:
    """Every number and text by its place."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    else:
        return {place: value}
    return {name: leaf for key, part in parts for name, leaf in _leaves(part, f"{place}/{key}").items()}


if __name__ == "__main__":
    serve(prepare)
