"""What an engine takes for a task beside the task, and what that means for many cores.

    python perf/scheduler.py                      # processes of this machine
    PYTHONPATH=.ray python perf/scheduler.py --engine ray

Empty tasks in growing number are run and timed, interleaved, a few rounds; a line through the medians gives the start
and the seconds a task, and a line through their logarithms the exponent of growth: 1 is linear. With the seconds a task
a simulation of one machine that hands out tasks to many cores says which share of these works: a core asks for its next
task when it is done, and the machine answers one after another.
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
import time
from typing import Any

import numpy as np

from tenor.engines import from_address

CORES = (16, 64, 256, 1024, 4096, 16384)
TASKS = {
    "a fold's seed (60 s)": 60.0,
    "8,192 texts (20 s)": 20.0,
    "a block of symbols (5 s)": 5.0,
    "a GARCH fit (0.5 s)": 0.5,
}
"""What a task of each kind takes, about, on one core of the machine of docs/scale.md."""


def nothing(_shared: Any, task: int) -> int:
    """An empty task."""
    return task


def fitted(counts: list[int], seconds: list[float]) -> dict[str, float]:
    """The line through `seconds` by `counts`, and the exponent of their growth."""
    slope, start = np.polyfit(counts, seconds, 1)
    exponent = np.polyfit(np.log(counts), np.log(seconds), 1)[0]
    return {"seconds a task": float(slope), "seconds of the start": float(start), "exponent": float(exponent)}


def share_at_work(cores: int, seconds: float, dispatch: float, rounds: int = 20) -> float:
    """The share of `cores` that works, where each task takes `seconds` and handing it out `dispatch`.

    Task times spread by a quarter of their mean, so that cores do not ask in step.
    """
    rng = np.random.default_rng(0)
    free = [(0.0, core) for core in range(cores)]
    heapq.heapify(free)
    handed = worked = end = 0.0
    for _ in range(rounds * cores):
        asked, core = heapq.heappop(free)
        handed = max(handed, asked) + dispatch
        took = seconds * float(rng.uniform(0.75, 1.25))
        worked += took
        end = max(end, handed + took)
        heapq.heappush(free, (handed + took, core))
    return worked / (cores * end)


def main() -> None:
    """Measure, fit, simulate; print lines of JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("--engine", default="local")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--counts", type=int, nargs="+", default=[100, 300, 1000, 3000, 10_000])
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    engine = from_address(given.engine, given.workers)
    list(engine.map(nothing, range(8)))  # processes start
    taken: dict[int, list[float]] = {count: [] for count in given.counts}
    for _ in range(given.rounds):
        for count in given.counts:
            begun = time.perf_counter()
            results = list(engine.map(nothing, range(count)))
            taken[count].append(time.perf_counter() - begun)
            if results != list(range(count)):
                raise SystemExit("results are not those of the tasks")
    medians = [statistics.median(taken[count]) for count in given.counts]
    line = fitted(given.counts, medians)
    print(json.dumps({"engine": given.engine, "workers": given.workers, "tasks": given.counts, "seconds": medians}))
    print(json.dumps(line))
    for name, seconds in TASKS.items():
        shares = {cores: round(share_at_work(cores, seconds, line["seconds a task"]), 3) for cores in CORES}
        half = seconds / line["seconds a task"]
        print(
            json.dumps({"task": name, "share of cores at work": shares, "cores that one machine serves": round(half)})
        )


if __name__ == "__main__":
    main()
