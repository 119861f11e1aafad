"""How time and memory of tenor grow with symbols, years, lookback and texts: a fresh process for every size."""

from __future__ import annotations

import datetime as dt
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contest import Contender, Contest, Running

NAME = "growth"


@dataclass(frozen=True)
class Axis:
    """One size that grows while the others stay.

    Attributes
    ----------
    name
        Of the size, as the contender's argument.
    job
        Of `contenders/growth.py`.
    sizes
        What is measured, in rising order.
    others
        The sizes that stay.
    """

    name: str
    job: str
    sizes: Sequence[float]
    others: Mapping[str, float]


AXES = (
    Axis("symbols", "model", (10, 100, 1_000, 10_000), {"years": 1, "lookback": 30}),
    Axis("symbols", "model", (10, 100, 1_000, 10_000), {"years": 1, "lookback": 30, "files": 1}),
    Axis("years", "model", (1, 5, 20), {"symbols": 50, "lookback": 30}),
    Axis("lookback", "model", (10, 30, 120, 240), {"symbols": 50, "years": 5}),
    Axis("texts", "counting", (10_000, 100_000, 1_000_000, 10_000_000), {}),
    Axis("texts", "scoring", (1_000, 10_000, 100_000), {}),
)


def measure(axes: Sequence[Axis] = AXES, script: str = "growth.py") -> dict[str, Any]:
    """Run every size once, each in a process that ends with it."""
    measured = []
    for axis in axes:
        rows = []
        for size in axis.sizes:
            arguments = {"job": axis.job, axis.name: size, **axis.others}
            contest = Contest(NAME, NAME, (), (), arguments)
            with Running(Contender(f"tenor at {size:g} {axis.name}", "tenor", script), contest) as running:
                rows.append({"size": size, **running.round()})
            print(f"{NAME}: {axis.job} at {size:g} {axis.name}: {rows[-1]}", flush=True)
        measured.append({"axis": axis.name, "job": axis.job, "others": dict(axis.others), "rows": rows})
    return {"on": dt.datetime.now(dt.UTC).date().isoformat(), "axes": measured}


def steps(axis: Mapping[str, Any]) -> list[str]:
    """The names of what was timed along an axis."""
    return [name for name, what in axis["rows"][0].items() if isinstance(what, dict)]


def exponent(axis: Mapping[str, Any], step: str, number: str) -> float:
    """The slope of the logarithm of CPU time, or of memory above the start, between the two largest sizes: 1 is linear.

    Small sizes are left out: their fixed costs would flatten a line through all.
    """
    before, last = (math.log(row["size"]) for row in axis["rows"][-2:])
    less, more = map(math.log, _values(axis, step, number)[-2:])
    return (more - less) / (last - before)


def _values(axis: Mapping[str, Any], step: str, number: str) -> list[float]:
    """CPU seconds, or MiB above what the process held before the first step; pages of mapped files do not count."""
    if number == "cpu":
        return [max(row[step]["cpu"], 1e-3) for row in axis["rows"]]
    return [max(row[step]["peak"] - row["before"], 1.0) for row in axis["rows"]]


def table(record: Mapping[str, Any]) -> str:
    """Sizes, costs and exponents."""
    lines = [
        "### How cost grows\n",
        "| along | step | CPU seconds at each size | exponent | peak memory above the start, MiB | exponent |",
        "|---|---|---|---|---|---|",
    ]
    for axis in record["axes"]:
        sizes = " / ".join(f"{row['size']:,}" for row in axis["rows"])
        others = ", ".join(
            "panel in files" if name == "files" else f"{value:g} {name}" for name, value in axis["others"].items()
        )
        where = f"{sizes} {axis['axis']}" + (f" ({others})" if others else "")
        for step in steps(axis):
            cells = [where, step]
            for number in ("cpu", "peak"):
                cells.append(
                    " / ".join(
                        f"{value:,.3g}" if value < 1_000 else f"{value:,.0f}" for value in _values(axis, step, number)
                    )
                )
                cells.append(f"{exponent(axis, step, number):.2f}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, f"\nMeasured on {record['on']}, one run a size."])


def draw(record: Mapping[str, Any]) -> str:
    """The figure as SVG: CPU time above, memory below, a column an axis, both on logarithmic scales."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "tenor"
    axes = record["axes"]
    figure, plots = plt.subplots(2, len(axes), figsize=(3 * len(axes), 6), layout="constrained", squeeze=False)
    for column, axis in zip(plots.T, axes, strict=True):
        sizes = [row["size"] for row in axis["rows"]]
        for plot, number, unit in zip(column, ("cpu", "peak"), ("CPU seconds", "MiB above the start"), strict=True):
            for step in steps(axis):
                slope = exponent(axis, step, number)
                plot.plot(sizes, _values(axis, step, number), marker="o", label=f"{step}: {slope:.2f}")
            plot.set(xscale="log", yscale="log", xlabel=axis["axis"], ylabel=unit)
            plot.minorticks_off()
            plot.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=7)
            low, high = plot.get_ylim()
            if math.log10(high / low) < 1.2:  # a flat line is drawn flat, and has a tick
                middle = math.sqrt(low * high)
                plot.set_ylim(middle / 4, middle * 4)
            plot.legend(fontsize=7, title="exponents", title_fontsize=7)
        column[0].set_title(
            "texts scored"
            if axis["job"] == "scoring"
            else "texts counted by day"
            if axis["job"] == "counting"
            else axis["axis"] + (", panel in files" if "files" in axis["others"] else ""),
            fontsize=10,
        )
    image = io.StringIO()
    figure.savefig(image, format="svg", metadata={"Date": None})
    plt.close(figure)
    return image.getvalue()
