"""tenor beside what a user would pick instead: same data, same machine, one run, in turn (``make bench``).

``python perf/beside [--only training --only text] [--rounds 5]`` writes docs/performance.json, and from it the tables
and the figure of docs/performance.md. Peers are installed from the registry, pinned, in environments of their own
below ``.bench/``.
A contest is a module of ``contests/`` with a function ``contest(folder) -> Contest``, or with a mapping ``CONTESTS`` of
names to several such functions.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import growth
import limits
import results
from contest import Contest, judge, run_rounds


def contests() -> dict[str, Callable[[Path], Contest]]:
    """Name -> what prepares the contest in a folder of its own."""
    found: dict[str, Callable[[Path], Contest]] = {}
    for path in sorted((Path(__file__).parent / "contests").glob("*.py")):
        module = importlib.import_module(f"contests.{path.stem}")
        found |= getattr(module, "CONTESTS", None) or {path.stem: module.contest}
    return found


def main() -> None:
    """Run, print and write."""
    at_hand = contests()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=[*at_hand, growth.NAME], help="by default all")
    parser.add_argument("--rounds", type=int, help="of each contender; by default what the contest says")
    parser.add_argument("--no-write", action="store_true", help="print alone")
    arguments = parser.parse_args()
    failed = []
    for name in arguments.only or [*at_hand, growth.NAME]:
        try:
            record = growth.measure() if name == growth.NAME else hold(name, at_hand[name], arguments.rounds)
        except Exception:  # noqa: BLE001 - the other contests go on; the error is shown, and the end is 1
            traceback.print_exc()
            failed.append(name)
            continue
        if not arguments.no_write:
            known = results.read() | {name: record}  # read again: another run may have ended since
            results.write({each: known[each] for each in [*at_hand, growth.NAME] if each in known})
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def hold(name: str, prepare: Callable[[Path], Contest], rounds: int | None) -> dict[str, Any]:
    """Run a contest, print how its goals stand, and give what is stored of it."""
    with tempfile.TemporaryDirectory(prefix="tenor-bench-") as folder:
        contest = prepare(Path(folder))
        if rounds:
            contest = dataclasses.replace(contest, rounds=rounds)
        done = run_rounds(contest)
    for standing in judge(contest, done):
        print(
            f"{name}: {standing.goal.measure} {standing.ratio:.3g} times better than {standing.rival} "
            f"({standing.low:.3g} to {standing.high:.3g}), goal {standing.goal.ratio:g}: "
            f"{'met' if standing.met else 'missed'}",
            flush=True,
        )
    limit = {"flops_a_second": limits.flops_a_second(), "bytes_a_second": limits.bytes_a_second()}
    return results.record(contest, done, limit)


if __name__ == "__main__":
    main()
