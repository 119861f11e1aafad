"""From nothing to the first answer: `tenor predict`, the server, and the function on Lambda, beside two imports."""

from __future__ import annotations

from pathlib import Path

from contest import Contender, Contest, Goal
from small_store import small_store

IMPORTS = "import torch, transformers"


def contest(folder: Path) -> Contest:
    """Make a store; each round of a contender starts a process of its own, up to its first answer."""
    store = small_store(folder)

    def start(name: str, environment: str, what: str) -> Contender:
        return Contender(name, environment, "cold_start.py", {"what": what, "store": store})

    imports = "import of torch and transformers"
    return Contest(
        "cold_start",
        "cold start of `tenor predict AAPL`, in CPU time",
        (
            start("tenor predict", "tenor", "predict"),
            start("tenor serve, to the first answer", "tenor", "serve"),
            start("Lambda function, import and first event", "tenor", "lambda"),
            start(imports, "transformers", "imports"),
            start("import of torch and of a pipeline of transformers", "transformers", "pipeline"),
        ),
        (
            Goal(4.0, imports),
            Goal(4.0, imports, measure="serve"),
            Goal(4.0, imports, measure="lambda"),
        ),
        unit="start",
    )
