"""The page of an ablation (do sentiment and attention help?): paired differences on all cells, by kind, by fold."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tenor.evaluation.ablation import SHUFFLED, WITH, WITHOUT
from tenor.evaluation.contrasts import RISK, Ablation, Contrast
from tenor.evaluation.news_value import NewsValue
from tenor.evaluation.significance import LEVEL, Difference
from tenor.evaluation.titles import RISK_TITLES, TITLES, MetricTitle
from tenor.report import style
from tenor.report.news_value import news_sections
from tenor.report.page import PageSection, Paragraph, Picture, TextTable, render_page, write_page
from tenor.report.results import interval_cell
from tenor.report.style import join_names, sentence_case, sessions_ahead

ABLATION_METRICS = (RISK, "loss", "direction", "rank_ic")
"""Metrics shown in the tables and the figure."""


def _title(metric: str) -> MetricTitle:
    return RISK_TITLES[metric] if metric in RISK_TITLES else TITLES[metric]


def write_ablation(
    path: Path,
    ablations: Mapping[int, Ablation],
    folds: str,
    *,
    attention: Mapping[int, Ablation] | None = None,
    own: Mapping[str, Mapping[int, Ablation]] | None = None,
    news: NewsValue | None = None,
    about: Mapping[str, str],
) -> Path:
    """Write the page of an ablation, for each horizon, as one self-contained HTML file.

    Parameters
    ----------
    path
        The file.
    ablations
        The ablation of sentiment, by horizon; empty if there was none.
    folds
        The folds as a table of dates, one line per fold.
    attention
        The ablation of attention, by horizon; None if there was none.
    own
        The ablation of each own feature, by feature and horizon; None if there was none.
    news
        The value of the news by kind and moment; None if it was not measured.
    about
        Data, settings and so on, shown in this order.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    UsageError
        `path` can't be written.
    """
    attention = attention or {}
    own = own or {}
    every = [
        ("the news", "News", ablations),
        ("attention", "Attention", attention),
        *((n, n, r) for n, r in own.items()),
    ]
    answered = [(what, part, results) for what, part, results in every if results]
    compared = [what for what, _, _ in answered]
    if news is not None and "the news" not in compared:
        compared = ["the news", *compared]
    first = next(iter(answered[0][2].values())) if answered else news
    assert first is not None
    text = render_page(
        title=f"{'Does' if len(compared) == 1 else 'Do'} {' and '.join(compared)} help?",
        subtitle=f"Walk-forward, {first.first} – {first.last}, {len(first.seeds)} seeds in each fold and arm",
        verdicts=[
            *([] if news is None else [("News", news.verdict)]),
            *(
                (f"{part}, {sessions_ahead(horizon)}", result.verdict)
                for _, part, results in answered
                for horizon, result in results.items()
            ),
        ],
        about=about,
        sections=[
            *([] if news is None else news_sections(news)),
            *([_question(news=bool(ablations), attention=bool(attention), own=tuple(own))] if answered else []),
            *(_sentiment_section(result) for result in ablations.values()),
            *(_plain_section(result, "attention", "Attention") for result in attention.values()),
            *(_plain_section(result, name, name) for name, results in own.items() for result in results.values()),
            *([_folds(folds)] if answered else []),
        ],
    )
    write_page(path, text)
    return path


def _question(*, news: bool, attention: bool, own: Sequence[str]) -> PageSection:
    texts = []
    if news:
        texts.append(
            "The news: there are three arms with the same folds, seeds and settings: with sentiment; without its "
            "columns; and with the same columns moved to other days (shuffled), which keeps their number and "
            "distribution and removes the news of the day. A gain over both no sentiment and shuffled sentiment is "
            "information; a gain over no sentiment alone comes from fitting more columns."
        )
    if attention:
        texts.append(
            "Attention: the same model is trained without it. That network has no gate over its features, and its "
            "forecast of risk starts from the plain mean of the variances of the lookback."
        )
    if own:
        texts.append(
            f"Own features ({', '.join(own)}): the same model is trained without their columns, on the same cells. "
            "A gain can come from what a column says, or from fitting one more."
        )
    texts.append(
        "Two hypotheses are tested, each on all cells: one about risk, which is the squared error of the forecast log "
        "variance, and one about returns, which is their squared error in units of volatility. All other rows only "
        "suggest where to look next: their p-values are not corrected for their number, and one of twenty would be "
        "below 5 % by chance."
    )
    return PageSection("What is compared", tuple(map(Paragraph, texts)))


def _sentiment_section(ablation: Ablation) -> PageSection:
    caption = (
        f"The ensemble {WITH} minus the one without it (filled) and minus the one with shuffled sentiment (hollow), "
        "with 95 % intervals from resampled days: blue where sentiment helps, orange where it hurts, grey where the "
        "interval contains zero."
    )
    tables = (_table(ablation, other, WITH) for other in (WITHOUT, SHUFFLED))
    title = f"News, {sessions_ahead(ablation.horizon)}"
    return PageSection(title, (_contrasts_picture(ablation, caption), *tables))


def _plain_section(ablation: Ablation, what: str, title: str) -> PageSection:
    """An ablation of two arms, with `what` and without it."""
    caption = (
        f"The ensemble with {what} minus the one without it, with 95 % intervals from resampled days: blue where "
        f"{what} helps, orange where it hurts, grey where the interval contains zero."
    )
    table = _table(ablation, f"without {what}", f"with {what}")
    title = f"{title}, {sessions_ahead(ablation.horizon)}"
    return PageSection(title, (_contrasts_picture(ablation, caption), table))


def _contrasts_picture(ablation: Ablation, caption: str) -> Picture:
    metrics = join_names([_title(metric).title for metric in ABLATION_METRICS])
    alt = f"Forest plot of paired differences in {metrics}, by kind of cell and by fold."
    return Picture(figure_contrasts(ablation), caption, alt)


def _table(ablation: Ablation, other: str, ours: str) -> TextTable:
    rows = tuple(
        (
            f"{contrast.cells}\n{contrast.days:,} days, {contrast.samples:,} forecasts",
            *(_cell(contrast.differences[metric], _digits(metric)) for metric in ABLATION_METRICS),
            _seeds(contrast),
        )
        for contrast in ablation.contrasts
        if contrast.other == other
    )
    columns = ("cells", *(_title(metric).title for metric in ABLATION_METRICS), "seeds with a smaller error of risk")
    return TextTable(columns, rows, f"{ours.capitalize()} minus {other}: difference, 95 % interval and p-value", 0)


def _digits(metric: str) -> int:
    # shares are shown as fractions here, beside an error that has no percent
    title = _title(metric)
    return title.difference_digits + (2 if title.unit == "%" else 0)


def _cell(difference: Difference, digits: int) -> str:
    text = interval_cell(difference, digits, as_percent=False)
    if "\n" in text and np.isfinite(difference.p):
        text += f", p {difference.p:.3f}"
    return text


def _seeds(contrast: Contrast) -> str:
    values = np.asarray(contrast.by_seed[RISK])
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
    """Forest plot: the first arm minus the other ones, by kind of cell, for the metrics of `ABLATION_METRICS`."""
    others = list(dict.fromkeys(contrast.other for contrast in ablation.contrasts))
    kinds = list(dict.fromkeys(contrast.cells for contrast in ablation.contrasts))
    figure = style.canvas(1.2 + 0.36 * len(kinds))
    panels = figure.subplots(1, len(ABLATION_METRICS), sharey=True)
    for axes, metric in zip(panels, ABLATION_METRICS, strict=True):
        axes.axvline(0, color=style.MUTED, lw=1)
        for place_of_other, other in enumerate(others):
            shift = 0.28 * (place_of_other - (len(others) - 1) / 2)
            by_kind = {c.cells: c.differences[metric] for c in ablation.contrasts if c.other == other}
            for place, kind in enumerate(kinds):
                if kind in by_kind and np.isfinite(by_kind[kind].value):
                    difference = by_kind[kind]
                    colour = _colour(difference, higher=_title(metric).higher_is_better)
                    axes.plot([difference.low, difference.high], [place + shift] * 2, color=colour, lw=1.6)
                    face = colour if other == others[0] else style.PAPER
                    axes.plot([difference.value], [place + shift], "o", color=colour, mfc=face, ms=5)
        axes.set_title(textwrap.fill(sentence_case(_title(metric).title), 24))
        axes.set_xlabel(_title(metric).direction)
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=3)
        axes.tick_params(axis="y", length=0, labelcolor=style.INK)
        style.plain_axis(axes.xaxis)
    panels[0].set_yticks(range(len(kinds)), kinds)
    panels[0].set_ylim(len(kinds) - 0.4, -0.6)
    return figure


def _colour(difference: Difference, *, higher: bool) -> str:
    if not (np.isfinite(difference.low + difference.high) and difference.p < LEVEL):
        return style.CALM
    return style.OURS if (difference.value > 0) == higher else style.AGAINST
