"""The style of all figures: colours that follow the reader's theme, number formats, and export as inline SVG."""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

P = ParamSpec("P")

PAPER, INK, MUTED, GRID = "#fefefe", "#1c2127", "#59636f", "#e2e6ea"
OURS, AGAINST, CALM, THIRD, FOURTH = "#0b62a4", "#b34a0c", "#87919d", "#0d7a61", "#8c469b"

# colour in a figure -> its name and its light and dark value on the page; blue, orange, green and purple stay apart for
# colour-blind readers, and each dark value keeps a contrast of 4.5 on the dark page
THEME: dict[str, tuple[str, str, str]] = {
    PAPER: ("paper", "#ffffff", "#15181c"),
    INK: ("ink", INK, "#e7eaed"),
    MUTED: ("muted", MUTED, "#a5afba"),
    GRID: ("grid", GRID, "#2c333b"),
    OURS: ("ours", OURS, "#62b2ec"),
    AGAINST: ("against", AGAINST, "#f19a58"),
    CALM: ("calm", CALM, "#87919d"),
    THIRD: ("third", THIRD, "#3ebd9c"),
    FOURTH: ("fourth", FOURTH, "#cd93da"),
}
SERIES = (OURS, THIRD, FOURTH, AGAINST)

WIDTH = 10.0  # inches: 960 CSS pixels, so that 10 pt on the figure is 13.3 px on the page
SMALL_WIDTH = 4.8  # two of them stand beside each other on the page
SHARPNESS = 192  # dots an inch of rasterised parts: two a CSS pixel

_RC: Any = {
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "axes.edgecolor": CALM,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.color": MUTED,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "text.parse_math": False,  # a symbol may contain a dollar sign
    "xtick.color": CALM,
    "ytick.color": CALM,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "svg.fonttype": "none",  # real text: it can be searched, read aloud and copied
    "svg.hashsalt": "tenor",
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorator: draw in tenor's style, whatever matplotlib settings the process has."""

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(_RC):
            return draw(*args, **kwargs)

    return inside


def canvas(height: float) -> Figure:
    """An empty figure as wide as the page and `height` inches high; its labels never overlap its axes."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def small_canvas(height: float = 2.7) -> Figure:
    """An empty figure for one of several pictures side by side; it fits on a phone without scrolling."""
    return Figure(figsize=(SMALL_WIDTH, height), layout="constrained")


def notebook_axes(width: float, height: float) -> Axes:
    """New axes of a figure that pyplot knows, so that a notebook shows it; sizes in inches."""
    from matplotlib import pyplot as plt  # pages need no window system

    axes: Axes = plt.subplots(figsize=(width, height), layout="constrained")[1]
    return axes


def svg(figure: Figure, prefix: str, tips: Mapping[str, str] | None = None) -> str:
    """`figure` as inline SVG: transparent, its colours taken from the page's theme, its ids starting with `prefix`.

    Parameters
    ----------
    figure
        The figure.
    prefix
        Prefix of the ids in the SVG.
    tips
        Tooltips of parts of the figure, by their group id (`gid`).

    Returns
    -------
    str
        The SVG element.
    """
    out = io.StringIO()
    with mpl.rc_context(_RC):
        figure.savefig(out, format="svg", facecolor="none", dpi=SHARPNESS)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href=", "href=")
    box = re.search(r'viewBox="[^"]*"', text)
    assert box is not None
    text = re.sub(r"<svg[^>]*>", f'<svg {box[0]} aria-hidden="true" focusable="false">', text, count=1)
    for part, tip in (tips or {}).items():
        text = text.replace(f'<g id="{part}">', f"<g><title>{escape(tip)}</title>", 1)
    text = _own_ids(text, prefix)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--font)", text)
    for colour, (name, _, _) in THEME.items():
        text = text.replace(colour, f"var(--{name})")
    return re.sub(r"\n\s*", "\n", text)


def _own_ids(text: str, prefix: str) -> str:
    # a page has several figures: ids that nothing refers to are removed, the others get the prefix of the figure
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r'\sid="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", text)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", text)


def ramp(colour: str = "#2f83c8") -> ListedColormap:
    """Colour map from transparent to `colour`; readable on a white and on a dark page."""
    steps = np.linspace(0.04, 1.0, 256)
    return ListedColormap(np.column_stack([np.tile(to_rgb(colour), (256, 1)), steps]), name="clear_to_colour")


def both_ways() -> ListedColormap:
    """Colour map from orange (less) through transparent to blue (more); readable on a white and on a dark page."""
    less, more = ramp("#d9772b").colors, ramp().colors
    return ListedColormap(np.vstack([np.asarray(less)[::-2], np.asarray(more)[::2]]), name="less_clear_more")


def date_ticks(axes: Axes, sessions: pd.DatetimeIndex, places: NDArray[np.float64] | None = None) -> None:
    """Set ticks at the first session of each month, with the year below its first label; days for less than two months.

    Parameters
    ----------
    places
        Position of each session on the x axis; by default its date.
    """
    at: Any = sessions if places is None else places
    months = sessions.to_period("M")
    chosen = [i for i in range(1, len(sessions)) if months[i] != months[i - 1]]
    form = "%b"
    if len(chosen) < 2:
        chosen, form = list(range(len(sessions))), "%-d %b"
    chosen = chosen[:: -(-len(chosen) // 9) or 1]
    years = [0, *(sessions[i].year for i in chosen)]
    labels = [
        f"{sessions[i].strftime(form)}\n{year}" if year != before else sessions[i].strftime(form)
        for i, before, year in zip(chosen, years, years[1:], strict=False)
    ]
    axes.set_xticks(at[chosen], labels, rotation=0)


def percent_axis(axis: Any) -> None:
    """Format tick labels of a share or return (0.01) as percent (1 %), with as many digits as needed."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value * 100) + "\u00a0%"))


def plain_axis(axis: Any, scale: float = 1) -> None:
    """Format tick labels, multiplied by `scale`, with thousands separators and as many digits as needed."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value * scale)))


def _short(value: float) -> str:
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "−")


def format_number(value: float, digits: int = 2) -> str:
    """`value` with thousands separators and a true minus sign; a dash where it is undefined."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def format_signed(value: float, digits: int = 2) -> str:
    """A difference or change, formatted like `format_number`, with a plus sign if it is above zero.

    Examples
    --------
    >>> format_signed(1.234), format_signed(-0.001), format_signed(math.nan)
    ('+1.23', '0.00', '–')
    """
    text = format_number(value, digits)
    return f"+{text}" if value > 0 and float(text.replace(",", "")) > 0 else text


def format_percent(value: float, digits: int = 2) -> str:
    """A share or return (0.01) as percent (1.00 %); a dash where it is undefined."""
    return f"{format_number(value * 100, digits)}\u00a0%" if math.isfinite(value) else "–"


def sessions_ahead(horizon: int) -> str:
    """``1 session ahead``, ``5 sessions ahead``."""
    return f"{horizon} session{'s' if horizon > 1 else ''} ahead"


def format_day(moment: pd.Timestamp) -> str:
    """A date in the form 4 Jan 2016."""
    return f"{moment.day} {moment:%b %Y}"


def sentence_case(text: str) -> str:
    """`text` with a capital first letter; the rest is unchanged, so that abbreviations keep their capitals."""
    return text[:1].upper() + text[1:]


def join_names(names: Sequence[str], most: int = 4) -> str:
    """``a, b and c``; if there are more than `most` names, the last item is the number of the others."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def legend(axes: Axes, *, columns: int) -> None:
    """Draw the legend of a panel in one line above its right end, next to the title."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        ncols=columns,
        frameon=False,
        borderpad=0,
        handlelength=1.4,
        columnspacing=1.4,
        labelcolor=MUTED,
        fontsize=9,
    )
