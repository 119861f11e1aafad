"""The side of a contender: prepare once, then run a round whenever asked. Standard library only: it runs anywhere.

A contender is a script with a function ``prepare(arguments) -> run``; ``run()`` does one round of the job and returns
what it did as plain numbers (``{"work": 12_345.0}``). It ends with ``serve(prepare)``.
"""

from __future__ import annotations

import json
import os
import pathlib
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

Run = Callable[[], dict[str, Any]]


def serve(prepare: Callable[[dict[str, Any]], Run]) -> None:
    """Answer each line ``round`` on the input with the round's numbers as a line of JSON.

    The first argument of the process is a JSON object that `prepare` gets, the second the file that the answers go to,
    as its number: libraries may print what they like.
    """
    answers = os.fdopen(int(sys.argv[2]), "w", buffering=1)
    run = prepare(json.loads(sys.argv[1]))
    answers.write(json.dumps({"ready": True}) + "\n")
    for line in sys.stdin:
        if line.strip() != "round":
            break
        answers.write(json.dumps(measured(run)) + "\n")


def measured(run: Run) -> dict[str, Any]:
    """One round: ``wall`` and ``cpu`` in seconds, with ended children, ``peak`` in MiB, and what `run` gives."""
    before, begun = _cpu(), time.perf_counter()
    done = run()
    wall = time.perf_counter() - begun
    return {"wall": wall, "cpu": _cpu() - before, "peak": _peak()} | done


def _peak() -> float:
    """MiB; of this program alone: what `resource` gives is at least what the process had that started it."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
