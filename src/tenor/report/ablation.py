"""The page on whether sentiment helps: paired differences on all cells, by news, by volatility, and fold by fold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tenor.evaluation.ablation import HEADLINE, HIGHER_IS_BETTER, SHUFFLED, WITHOUT, Ablation, Contrast
from tenor.evaluation.significance import LEVEL, Difference
from tenor.report import style
from tenor.report.page import Paragraph, Picture, Section, Table, render_page, write_page
from tenor.report.style import format_number, sessions_ahead

TITLES = {"loss": "Squared error, in volatilities", "direction": "Direction right", "rank_ic": "Rank IC"}
HEADINGS = {"loss": "squared error", "skill": "skill", "direction": "direction right", "rank_ic": "rank IC"}
DIGITS = {"loss": 5, "skill": 5, "direction": 4, "rank_ic": 4}


def write_ablation(path: Path, ablations: Mapping[int, Ablation], folds: str, *, about: Mapping[str, str]) -> Path:
    """Write the page of an ablation, by horizon, as one self-contained HTML file.

    Parameters
    ----------
    folds
        The folds as a table of dates, a line a fold.

    Raises
    ------
    UsageError
        `path` can't be written.
    """
    first = next(iter(ablations.values()))
    text = render_page(
        title="Does the news help?",
        subtitle=f"Walked forward {first.first} – {first.last}, {len(first.seeds)} seeds a fold and arm",
        verdicts=[(sessions_ahead(horizon).capitalize(), found.verdict) for horizon, found in ablations.items()],
        about=about,
        sections=[_asked(), *(_horizon(found) for found in ablations.values()), _folds(folds)],
    )
    write_page(path, text)
    return path


def _asked() -> Section:
    return Section(
        "What was compared",
        (
            Paragraph(
                "Three arms, same folds, seeds and settings: with sentiment; without its columns; and with the same "
                "columns put on other days (shuffled), which keeps their number and distribution and takes away the "
                "news of the day. What it gains over no sentiment and over shuffled sentiment alike is worth "
                "something; what it gains over no sentiment alone is the chance to fit more columns."
            ),
            Paragraph(
                "The question is the squared error on all cells, against none and against shuffled. Everything "
                "below that is where to look next: its p-values are not corrected for being many, and one of twenty "
                "would lie below 5 % by luck."
            ),
        ),
    )


def _horizon(found: Ablation) -> Section:
    tables = [_table(found, other) for other in (WITHOUT, SHUFFLED)]
    picture = Picture(
        figure_contrasts(found),
        "With sentiment less without (filled) and less shuffled (hollow), the ensembles, with 95 % intervals from "
        "resampled "
        "days: blue where sentiment helps, orange where it hurts, grey where the interval holds zero.",
        "Forest plot of paired differences in squared error, direction and rank IC, by kind of cell and by fold.",
    )
    return Section(sessions_ahead(found.horizon).capitalize(), (picture, *tables))


def _table(found: Ablation, other: str) -> Table:
    metrics = tuple(TITLES)
    rows = tuple(
        (
            f"{one.cells}\n{one.days:,} days, {one.samples:,} forecasts",
            *(_cell(one.differences[metric], DIGITS[metric]) for metric in metrics),
            _seeds(one),
        )
        for one in found.contrasts
        if one.other == other
    )
    columns = ("cells", *(HEADINGS[metric] for metric in metrics), "seeds with a smaller error")
    return Table(columns, rows, f"With sentiment less {other}: difference, 95 % interval and p-value", 0)


def _cell(found: Difference, digits: int) -> str:
    if not np.isfinite(found.value):
        return "–"
    if not np.isfinite(found.low + found.high):
        return format_number(found.value, digits)
    told = f"[{format_number(found.low, digits)}, {format_number(found.high, digits)}]"
    if np.isfinite(found.p):
        told += f", p {found.p:.3f}"
    return f"{format_number(found.value, digits)}\n{told}"


def _seeds(found: Contrast) -> str:
    values = np.asarray(found.by_seed[HEADLINE])
    return f"{int((values < 0).sum())} of {len(values)}"


def _folds(folds: str) -> Section:
    head, *rows = [re.split(r"\s{2,}", line.strip()) for line in folds.splitlines() if line.strip()]
    if all(len(row) == len(head) for row in rows):
        return Section("Folds", (Table(tuple(head), tuple(map(tuple, rows)), "First and last session of each part"),))
    return Section("Folds", tuple(Paragraph(line) for line in folds.splitlines() if line.strip()))


@style.styled
def figure_contrasts(found: Ablation) -> Figure:
    """Forest plot: with sentiment less the other arms, by kind of cell, for the metrics of `TITLES`."""
    kinds = list(dict.fromkeys(one.cells for one in found.contrasts))
    figure = style.canvas(1.2 + 0.36 * len(kinds))
    panels = figure.subplots(1, len(TITLES), sharey=True)
    for axes, (metric, title) in zip(panels, TITLES.items(), strict=True):
        axes.axvline(0, color=style.MUTED, lw=1)
        for other, shift in ((WITHOUT, -0.14), (SHUFFLED, 0.14)):
            chosen = {one.cells: one.differences[metric] for one in found.contrasts if one.other == other}
            for place, kind in enumerate(kinds):
                if kind in chosen and np.isfinite(chosen[kind].value):
                    one = chosen[kind]
                    colour = _colour(one, higher=HIGHER_IS_BETTER[metric])
                    axes.plot([one.low, one.high], [place + shift] * 2, color=colour, lw=1.6)
                    face = colour if other == WITHOUT else style.PAPER
                    axes.plot([one.value], [place + shift], "o", color=colour, mfc=face, ms=5)
        axes.set_title(title)
        axes.set_xlabel("lower is better" if not HIGHER_IS_BETTER[metric] else "higher is better")
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(axis="y", length=0, labelcolor=style.INK)
        style.plain_axis(axes.xaxis)
    panels[0].set_yticks(range(len(kinds)), kinds)
    panels[0].set_ylim(len(kinds) - 0.4, -0.6)
    return figure


def _colour(found: Difference, *, higher: bool) -> str:
    if not (np.isfinite(found.low + found.high) and found.p < LEVEL):
        return style.CALM
    return style.OURS if (found.value > 0) == higher else style.AGAINST
