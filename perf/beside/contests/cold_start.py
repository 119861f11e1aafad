"""From nothing to the first answer: `tenor predict`, the server, and the function on Lambda, beside two imports."""

from __future__ import annotations

from pathlib import Path

from contest import Contender, Contest, Goal
from small_store import small_store


def contest(folder: Path) -> Contest:
    """Make a store; each round starts processes of its own, up to their first answer, and adds up what they used."""
    store = small_store(folder)
    imports = "import of torch and transformers"
    return Contest(
        "cold_start",
        "cold start: predict (cpu), serve, Lambda's function",
        (
            Contender("tenor", "tenor", "cold_start_tenor.py"),
            Contender(imports, "transformers", "cold_start_imports.py", {"imports": "import torch, transformers"}),
            Contender(
                "import of torch and of a pipeline of transformers",
                "transformers",
                "cold_start_imports.py",
                {"imports": "import torch; from transformers import pipeline"},
            ),
        ),
        tuple(Goal(4.0, imports, measure=measure) for measure in ("cpu", "serve", "function")),
        {"store": store, "bytecode": str(folder / "bytecode")},
        unit="start",
    )
