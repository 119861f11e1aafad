"""The page on whether sentiment helps: paired differences on all cells, by news, by volatility, and fold by fold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tenor.evaluation.ablation import HEADLINE, SHUFFLED, WITH, WITHOUT, Ablation, Contrast
from tenor.evaluation.significance import LEVEL, Difference
from tenor.evaluation.titles import TITLES
from tenor.report import style
from tenor.report.page import PageSection, Paragraph, Picture, TextTable, render_page, write_page
from tenor.report.results import interval_cell
from tenor.report.style import join_names, sentence_case, sessions_ahead

ABLATION_METRICS = ("loss", "direction", "rank_ic")
"""Metrics that the tables and the figure show."""


def write_ablation(path: Path, ablations: Mapping[int, Ablation], folds: str, *, about: Mapping[str, str]) -> Path:
    """Write the page of an ablation, by horizon, as one self-contained HTML file.

    Parameters
    ----------
    path
        The file.
    ablations
        Horizon -> what sentiment is worth there.
    folds
        The folds as a table of dates, a line a fold.
    about
        Data, settings …, shown in this order.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    UsageError
        `path` can't be written.
    """
    first = next(iter(ablations.values()))
    text = render_page(
        title="Does the news help?",
        subtitle=f"Walk-forward, {first.first} – {first.last}, {len(first.seeds)} seeds in each fold and arm",
        verdicts=[(sentence_case(sessions_ahead(horizon)), result.verdict) for horizon, result in ablations.items()],
        about=about,
        sections=[_question(), *(_horizon_section(result) for result in ablations.values()), _folds(folds)],
    )
    write_page(path, text)
    return path


def _question() -> PageSection:
    return PageSection(
        "What is compared",
        (
            Paragraph(
                "There are three arms with the same folds, seeds and settings: with sentiment; without its columns; "
                "and with the same columns moved to other days (shuffled), which keeps their number and distribution "
                "and removes the news of the day. A gain over both no sentiment and shuffled sentiment is information; "
                "a gain over no sentiment alone comes from fitting more columns."
            ),
            Paragraph(
                "The hypothesis tested is about the squared error on all cells, against no sentiment and against "
                "shuffled sentiment. All other rows only suggest where to look next: their p-values are not corrected "
                "for their number, and one of twenty would be below 5 % by chance."
            ),
        ),
    )


def _horizon_section(ablation: Ablation) -> PageSection:
    tables = [_table(ablation, other) for other in (WITHOUT, SHUFFLED)]
    metrics = join_names([TITLES[metric].title for metric in ABLATION_METRICS])
    picture = Picture(
        figure_contrasts(ablation),
        f"The ensemble {WITH} minus the one without it (filled) and minus the one with shuffled sentiment (hollow), "
        "with 95 % intervals from resampled days: blue where sentiment helps, orange where it hurts, grey where the "
        "interval contains zero.",
        f"Forest plot of paired differences in {metrics}, by kind of cell and by fold.",
    )
    return PageSection(sentence_case(sessions_ahead(ablation.horizon)), (picture, *tables))


def _table(ablation: Ablation, other: str) -> TextTable:
    rows = tuple(
        (
            f"{contrast.cells}\n{contrast.days:,} days, {contrast.samples:,} forecasts",
            *(_cell(contrast.differences[metric], _digits(metric)) for metric in ABLATION_METRICS),
            _seeds(contrast),
        )
        for contrast in ablation.contrasts
        if contrast.other == other
    )
    columns = ("cells", *(TITLES[metric].title for metric in ABLATION_METRICS), "seeds with a smaller error")
    return TextTable(columns, rows, f"{WITH.capitalize()} minus {other}: difference, 95 % interval and p-value", 0)


def _digits(metric: str) -> int:
    # shares are shown as fractions here, beside an error that has no percent
    title = TITLES[metric]
    return title.difference_digits + (2 if title.unit == "%" else 0)


def _cell(difference: Difference, digits: int) -> str:
    text = interval_cell(difference, digits, as_percent=False)
    if "\n" in text and np.isfinite(difference.p):
        text += f", p {difference.p:.3f}"
    return text


def _seeds(contrast: Contrast) -> str:
    values = np.asarray(contrast.by_seed[HEADLINE])
    return f"{int((values < 0).sum())} of {len(values)}"


def _folds(folds: str) -> PageSection:
    head, *rows = [re.split(r"\s{2,}", line.strip()) for line in folds.splitlines() if line.strip()]
    if all(len(row) == len(head) for row in rows):
        return PageSection(
            "Folds", (TextTable(tuple(head), tuple(map(tuple, rows)), "First and last session of each part"),)
        )
    return PageSection("Folds", tuple(Paragraph(line) for line in folds.splitlines() if line.strip()))


@style.styled
def figure_contrasts(ablation: Ablation) -> Figure:
    """Forest plot: with sentiment minus the other arms, by kind of cell, for the metrics of `ABLATION_METRICS`."""
    kinds = list(dict.fromkeys(contrast.cells for contrast in ablation.contrasts))
    figure = style.canvas(1.2 + 0.36 * len(kinds))
    panels = figure.subplots(1, len(ABLATION_METRICS), sharey=True)
    for axes, metric in zip(panels, ABLATION_METRICS, strict=True):
        axes.axvline(0, color=style.MUTED, lw=1)
        for other, shift in ((WITHOUT, -0.14), (SHUFFLED, 0.14)):
            by_kind = {c.cells: c.differences[metric] for c in ablation.contrasts if c.other == other}
            for place, kind in enumerate(kinds):
                if kind in by_kind and np.isfinite(by_kind[kind].value):
                    difference = by_kind[kind]
                    colour = _colour(difference, higher=TITLES[metric].higher_is_better)
                    axes.plot([difference.low, difference.high], [place + shift] * 2, color=colour, lw=1.6)
                    face = colour if other == WITHOUT else style.PAPER
                    axes.plot([difference.value], [place + shift], "o", color=colour, mfc=face, ms=5)
        axes.set_title(sentence_case(TITLES[metric].title))
        axes.set_xlabel(TITLES[metric].direction)
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(axis="y", length=0, labelcolor=style.INK)
        style.plain_axis(axes.xaxis)
    panels[0].set_yticks(range(len(kinds)), kinds)
    panels[0].set_ylim(len(kinds) - 0.4, -0.6)
    return figure


def _colour(difference: Difference, *, higher: bool) -> str:
    if not (np.isfinite(difference.low + difference.high) and difference.p < LEVEL):
        return style.CALM
    return style.OURS if (difference.value > 0) == higher else style.AGAINST
