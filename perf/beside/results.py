"""What the contests found: one JSON file, and from it the tables and the figure of docs/performance.md."""

from __future__ import annotations

import datetime as dt
import json
import platform
import re
from collections.abc import Mapping, Sequence
from typing import Any

from contest import Contest, Round, Standing, judge, median
from environments import ROOT, versions

FILE = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"
FIGURE = ROOT / "docs" / "images" / "performance.svg"
BEGIN, END = "<!-- written by make bench -->", "<!-- end of what make bench wrote -->"


def record(contest: Contest, rounds: Mapping[str, Sequence[Round]], limits: Mapping[str, float]) -> dict[str, Any]:
    """What is stored of a contest: every round of everyone, the medians, and how each goal stands."""
    standings = judge(contest, rounds)
    return {
        "title": contest.title,
        "unit": contest.unit,
        "on": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "limits": dict(limits),
        "contenders": [
            {
                "name": one.name,
                "environment": versions(one.environment),
                "rounds": [dict(single) for single in rounds[one.name]],
                "cpu": median(rounds[one.name], "cpu"),
                "wall": median(rounds[one.name], "wall"),
                "peak": max(float(single["peak"]) for single in rounds[one.name]),
                "share": _share(rounds[one.name], limits),
            }
            for one in contest.contenders
        ],
        "goals": [_goal(standing) for standing in standings],
    }


def _goal(standing: Standing) -> dict[str, Any]:
    return {
        "beside": standing.rival, "measure": standing.goal.measure, "goal": standing.goal.ratio,
        "ratio": standing.ratio, "low": standing.low, "high": standing.high, "met": standing.met,
    }  # fmt: skip


def _share(rounds: Sequence[Round], limits: Mapping[str, float]) -> float | None:
    """The share of the physical limit: of the core's multiplications a second, or of its memory's bytes a second."""
    for done, limit in (("flops", "flops_a_second"), ("bytes", "bytes_a_second")):
        if done in rounds[0]:
            return sorted(float(one[done]) / float(one["cpu"]) / limits[limit] for one in rounds)[len(rounds) // 2]
    return None


def read() -> dict[str, Any]:
    """All contests that are stored, by name."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}  # type: ignore[no-any-return]


def write(results: Mapping[str, Any]) -> None:
    """Store the contests, and write the tables and the figure from them."""
    FILE.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    tables = f"{BEGIN}\n\n{goals_table(results)}\n\n{contenders_tables(results)}\n\n{END}"
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: tables, page, flags=re.DOTALL), encoding="utf-8")
    draw(results)


def goals_table(results: Mapping[str, Any]) -> str:
    """How each goal stands."""
    lines = [
        "| job | beside | compared | tenor is better by | rounds from … to | goal | |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {contest['title']} | {goal['beside']} | {goal['measure']} | **{_ratio(goal['ratio'])}** "
        f"| {_ratio(goal['low'])} … {_ratio(goal['high'])} | {_ratio(goal['goal'])} "
        f"| {'met' if goal['met'] else 'missed'} |"
        for contest in results.values()
        for goal in contest["goals"]
    ]
    return "\n".join(lines)


def contenders_tables(results: Mapping[str, Any]) -> str:
    """The medians of everyone, a table for each contest."""
    blocks = []
    for contest in results.values():
        unit = contest["unit"]
        lines = [
            f"### {contest['title']}\n",
            f"| | CPU time a {unit} | wall time a {unit} | peak memory, MiB | share of the physical limit |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {one['name']} | {_seconds(one['cpu'])} | {_seconds(one['wall'])} | {one['peak']:,.0f} "
            f"| {'–' if one['share'] is None else format(one['share'], '.1%')} |"
            for one in contest["contenders"]
        ]
        blocks.append("\n".join([*lines, f"\nMeasured on {contest['on']}, {contest['machine']}."]))
    return "\n\n".join(blocks)


def _ratio(number: float) -> str:
    return f"{number:.3g}×" if number < 1_000 else f"{number:,.0f}×"


def _seconds(number: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e-9:.3g} ns"


def draw(results: Mapping[str, Any]) -> None:
    """Bars of the ratios on a logarithmic axis, with the goal of each as a mark."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "tenor"
    rows = [
        (f"{contest['title']}\nbeside {goal['beside']}", goal)
        for contest in results.values()
        for goal in contest["goals"]
    ]
    figure, axes = plt.subplots(figsize=(9, 0.5 * len(rows) + 1), layout="constrained")
    for place, (_, goal) in enumerate(rows):
        axes.barh(place, goal["ratio"], color="#2a6f97" if goal["met"] else "#c8553d", height=0.6)
        axes.plot([goal["low"], goal["high"]], [place, place], color="black", linewidth=1)
        axes.plot(goal["goal"], place, marker="|", color="black", markersize=14, markeredgewidth=2)
    axes.set_xscale("log")
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("times better than the rival (median of the rounds; line: least to largest; bar |: goal)")
    figure.savefig(FIGURE, metadata={"Date": None})
    plt.close(figure)
