"""What does reading a whole market cost, before and after compaction? Each question in a process of its own.

    python perf/lake_reads.py [--symbols 5000] [--years 20] [--daily 365] [--times 3]

The lake is made up as a year of fetches leaves it: 200 symbols a part, then the last `--daily` sessions a part each. It
and a copy of it that was compacted are asked in turn.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from lake_at_size import SYMBOLS_A_BATCH, some_bars

from tenor.store import Lake

QUESTIONS: dict[str, Callable[[Lake], object]] = {
    "bars of one symbol": lambda lake: lake.bars(["S00000"]),
    "bars of 50 symbols": lambda lake: lake.bars([f"S{i:05d}" for i in range(50)]),
    "SELECT count(*) FROM bars": lambda lake: lake.query("SELECT count(*) FROM bars"),
    "all bars": lambda lake: lake.bars(),
}
WORK: dict[str, Callable[[Lake], object]] = {
    "compact": lambda lake: lake.compact(),
    "compact, an hour later": lambda lake: lake.compact(keep=timedelta(0)),
}


def build(folder: Path, symbols: int, years: int, daily: int) -> None:
    """History a batch of symbols at a time, then a session at a time."""
    rng, lake = np.random.default_rng(0), Lake(folder)
    names = [f"S{i:05d}" for i in range(symbols)]
    days = pd.bdate_range("2005-01-03", periods=252 * years).as_unit("us")
    for i in range(0, symbols, SYMBOLS_A_BATCH):
        lake.append_bars(some_bars(names[i : i + SYMBOLS_A_BATCH], days[: len(days) - daily], rng), source="bench")
    for i in range(len(days) - daily, len(days)):
        lake.append_bars(some_bars(names, days[i : i + 1], rng), source="bench")


def ask(folder: Path, what: str) -> tuple[float, float]:
    """Seconds, and the peak of the process in MiB."""
    start = time.perf_counter()
    (QUESTIONS | WORK)[what](Lake(folder))
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def asked(folder: Path, what: str) -> tuple[float, float]:
    """`ask` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(ask, (folder, what))


def compared(folders: list[Path], what: str, times: int) -> None:
    """Print medians over `times` processes for each of the lakes, which are asked in turn."""
    found = [[asked(folder, what) for folder in folders] for _ in range(times)]
    for folder, each in zip(folders, zip(*found, strict=True), strict=True):
        seconds, peak = (statistics.median(column) for column in zip(*each, strict=True))
        show(folder, what, seconds, peak)


def show(folder: Path, what: str, seconds: float, peak: float) -> None:
    """One line."""
    parts = sum(1 for _ in folder.rglob("*.parquet"))
    print(f"{parts:5d} parts   {what:28s} {seconds:7.2f} s   peak {peak:6.0f} MiB", flush=True)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--symbols", type=int, default=5000)
    parser.add_argument("--years", type=int, default=20)
    parser.add_argument("--daily", type=int, default=365)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tenor-reads-") as folder:
        many, few = Path(folder, "many"), Path(folder, "few")
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # a child begins with its parent's peak
            pool.apply(build, (many, options.symbols, options.years, options.daily))
        shutil.copytree(many, few)
        for what in WORK:
            show(few, what, *asked(few, what))
        for what in QUESTIONS:
            compared([many, few], what, options.times)


if __name__ == "__main__":
    main()
