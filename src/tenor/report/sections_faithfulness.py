"""The section on whether attention tells what forecasts rest on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.faithfulness import LATEST, LEAST, MOST, RANDOM, Deletion, Faithfulness
from tenor.report import style
from tenor.report.page import Paragraph, Picture, Section
from tenor.report.style import ahead

COLOURS = {MOST: style.OURS, RANDOM: style.CALM, LEAST: style.FOURTH, LATEST: style.AGAINST}


def faithfulness_section(found: Faithfulness) -> Section:
    """The deletion curves, and what they say in plain words."""
    before = Paragraph(
        "If attention tells what a forecast rests on, then hiding what it attends to most must change the forecast "
        "more, "
        f"and hurt it more, than hiding as much at random. That was tried on {found.forecasts} forecasts "
        f"{ahead(found.horizon)}, on {found.days} days of the test. {plainly(found.time)} {plainly(found.features)}"
    )
    pictures = [
        Picture(
            figure_deletion(one),
            f"Hiding up to {max(one.hidden)} of {one.of} {one.what}. Left: how far the forecast moves. Right: how "
            "much its "
            "squared error grows; below zero it got better. Bands are 95 % intervals from resampled days. Blue must "
            "lie above "
            f"grey. Permutation test against random rankings: p {one.p:.3f}.",
            f"Curves of the change of forecast and of error by how many {one.what} were hidden, most attended, random, "
            "least attended.",
        )
        for one in (found.time, found.features)
    ]
    return Section("Is the attention honest?", (before, *pictures))


def plainly(found: Deletion) -> str:
    """Two sentences at most: whether hiding the most attended moves forecasts more, and whether it hurts more."""
    over, error = found.moved_over_random, found.error_over_random
    what = found.what
    if not (np.isfinite(over.low) and np.isfinite(error.low)):
        return f"There are too few days to tell for {what}."
    if found.honest:
        moves = f"Hiding the most-attended {what} moves the forecast more than hiding random ones (p {found.p:.3f})"
    else:
        moves = f"Hiding the most-attended {what} moves the forecast no more than hiding random ones (p {found.p:.3f})"
    if error.low > 0:
        hurts = "and hurts more in squared error"
    elif error.high < 0:
        hurts = "and hurts less in squared error: what it attends to most was no help"
    else:
        hurts = "but hurts no more" if found.honest else "and hurts no more: these weights explain nothing"
    latest = ""
    if LATEST in found.moved:
        most, last = (float(np.mean([one.value for one in found.moved[arm]])) for arm in (MOST, LATEST))
        if last > most:
            latest = (
                f" Hiding the latest {what} moves it further still, {last / most:.1f} times as far." if most else ""
            )
    return f"{moves} {hurts}.{latest}"


@style.styled
def figure_deletion(found: Deletion) -> Figure:
    """Change of the forecast, and of its squared error, by how many items were hidden."""
    figure = style.canvas(3.5)
    left, right = figure.subplots(1, 2)
    for axes, curves, title in (
        (left, found.moved, "Change of the forecast, in volatilities"),
        (right, found.error, "Growth of the squared error, in squared volatilities"),
    ):
        for arm, values in curves.items():
            _curve(axes, found.hidden, values, COLOURS[arm], arm)
        axes.axhline(0, color=style.MUTED, lw=0.8)
        axes.set_title(title)
        axes.set_xlabel(f"{found.what} hidden, of {found.of}")
        axes.set_xticks([0, *found.hidden])
        style.plain_axis(axes.yaxis)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper right", ncols=len(labels), frameon=False, fontsize=9, labelcolor=style.MUTED
    )
    return figure


def _curve(axes: Axes, hidden: Sequence[int], values: Sequence[ConfidenceInterval], colour: str, name: str) -> None:
    at = [0, *hidden]  # hiding nothing changes nothing
    axes.fill_between(at, [0, *(v.low for v in values)], [0, *(v.high for v in values)], color=colour, alpha=0.13, lw=0)
    axes.plot(at, [0, *(v.value for v in values)], color=colour, marker="o", ms=4, label=name)
