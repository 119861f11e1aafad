"""What the contests found: one JSON file, and from it the tables and the figure of docs/performance.md."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import platform
import re
from collections.abc import Mapping, Sequence
from typing import Any

import growth
from contest import Contest, Round, Standing, judge, median
from environments import ROOT, versions

from tenor.storage.files import write_whole

FILE = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"
FIGURE = ROOT / "docs" / "images" / "performance.svg"
GROWTH = ROOT / "docs" / "images" / "growth.svg"
MEASURES = {
    "to_loss": "CPU seconds to the loss",
    "cpu": "CPU time",
    "wall": "wall time",
    "p50": "seconds of half the forecasts or requests",
    "p99": "seconds of 99 in 100",
    "a_second": "requests a second",
    "serve": "CPU seconds of a server",
    "function": "CPU seconds of the function",
}
"""What tables call a number of a round; others by their own name."""
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
                "measures": {
                    goal.measure: _finite(median(rounds[one.name], goal.measure))
                    for goal in contest.goals
                    if goal.measure not in ("cpu", "wall")
                },
            }
            for one in contest.contenders
        ],
        "goals": [_goal(standing) for standing in standings],
    }


def _goal(standing: Standing) -> dict[str, Any]:
    return {
        "of": standing.goal.of, "beside": standing.rival, "measure": standing.goal.measure, "goal": standing.goal.ratio,
        "ratio": _finite(standing.ratio), "low": _finite(standing.low), "high": _finite(standing.high),
        "met": standing.met,
    }  # fmt: skip


def _finite(number: float) -> float | None:
    """Null for what was never reached: JSON knows no infinity."""
    return number if math.isfinite(number) else None


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
    contests = {name: one for name, one in results.items() if name != growth.NAME}
    blocks, figures = [BEGIN], {}
    if contests:
        blocks += [goals_table(contests), contenders_tables(contests)]
        figures[FIGURE] = draw(contests)
    if growth.NAME in results:
        blocks.append(growth.table(results[growth.NAME]))
        figures[GROWTH] = growth.draw(results[growth.NAME])
    tables = "\n\n".join([*blocks, END])
    page = re.sub(f"{BEGIN}.*{END}", lambda _: tables, PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    document = json.dumps(results, indent=1, allow_nan=False) + "\n"
    for path, text in {FILE: document, PAGE: page, **figures}.items():
        write_whole(path, text.encode())


def goals_table(results: Mapping[str, Any]) -> str:
    """How each goal stands."""
    lines = [
        "| job | beside | compared | tenor is better by | rounds from … to | goal | |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {_job(contest, goal)} | {goal['beside']} | {_measure(goal['measure'])} "
        f"| **{_ratio(goal['ratio'])}** "
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
        measures = list(contest["contenders"][0]["measures"])
        heads = [
            f"CPU time a {unit}", f"wall time a {unit}", *(_measure(each) for each in measures),
            "peak memory, MiB", "share of the physical limit",
        ]  # fmt: skip
        lines = [f"### {contest['title']}\n", f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
        for one in contest["contenders"]:
            cells = [one["name"], _seconds(one["cpu"]), _seconds(one["wall"])]
            cells += [_measured(one["measures"][each]) for each in measures]
            cells += [f"{one['peak']:,.0f}", "–" if one["share"] is None else format(one["share"], ".1%")]
            lines.append(f"| {' | '.join(cells)} |")
        blocks.append("\n".join([*lines, f"\nMeasured on {contest['on']}, {contest['machine']}."]))
    return "\n\n".join(blocks)


def _job(contest: Mapping[str, Any], goal: Mapping[str, Any]) -> str:
    return f"{contest['title']}: {goal['of']}" if goal["of"] else str(contest["title"])


def _measure(name: str) -> str:
    return MEASURES.get(name, name)


def _measured(number: float | None) -> str:
    return "never" if number is None else f"{number:.3g}"


def _ratio(number: float | None) -> str:
    if number is None:  # no rival ever reached it
        return "∞"
    return f"{number:.3g}×" if number < 1_000 else f"{number:,.0f}×"


def _seconds(number: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e-9:.3g} ns"


def draw(results: Mapping[str, Any]) -> str:
    """The figure as SVG: bars of the ratios on a logarithmic axis, with the goal of each as a mark."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "tenor"
    rows = [
        (f"{_job(contest, goal)}\nbeside {goal['beside']}, by {_measure(goal['measure'])}", goal)
        for contest in results.values()
        for goal in contest["goals"]
    ]
    figure, axes = plt.subplots(figsize=(9, 0.5 * len(rows) + 1), layout="constrained")
    most = max((goal["ratio"] for _, goal in rows if goal["ratio"] is not None), default=1.0)
    for place, (_, goal) in enumerate(rows):
        if goal["ratio"] is None:  # no rival ever reached it: past all others
            axes.barh(place, 10 * most, color="#2a6f97", height=0.6, hatch="/")
            continue
        axes.barh(place, goal["ratio"], color="#2a6f97" if goal["met"] else "#c8553d", height=0.6)
        axes.plot([goal["low"], goal["high"] or goal["ratio"]], [place, place], color="black", linewidth=1)
        axes.plot(goal["goal"], place, marker="|", color="black", markersize=14, markeredgewidth=2)
    axes.set_xscale("log")
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("times better (median)\nblue: goal met, red: missed\n|: goal; line: all rounds")
    image = io.StringIO()
    figure.savefig(image, format="svg", metadata={"Date": None})
    plt.close(figure)
    return image.getvalue()
