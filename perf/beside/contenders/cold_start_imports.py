"""A process that imports what a forecast with torch and transformers needs first, and ends."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from started import cpu_of_children, with_bytecode
from worker import Run, serve


def prepare(arguments: dict[str, Any]) -> Run:
    """Nothing but bytecode is kept: each round is a new process."""
    with_bytecode(arguments["bytecode"])

    def run() -> dict[str, Any]:
        before = cpu_of_children()
        subprocess.run([sys.executable, "-c", arguments["imports"]], check=True)
        used = cpu_of_children() - before
        return {"cpu": used, "serve": used, "function": used}

    return run


if __name__ == "__main__":
    serve(prepare)
