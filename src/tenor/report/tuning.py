"""The page of a grid search: heat maps, all trials, and the best config."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tenor.report import style
from tenor.report.page import PageSection, Paragraph, Picture, TextTable, render_page, write_page
from tenor.report.style import format_number
from tenor.training.grid import to_text
from tenor.training.search import HeatMap, Search, Trial

MOST_MAPS = 6
"""Number of pairs of keys with a heat map, those with the most values first."""


def write_tuning(path: Path, search: Search, *, toml: str, about: Mapping[str, str]) -> Path:
    """Write the page of `search` as one self-contained HTML file.

    Parameters
    ----------
    path
        The file.
    search
        The result of the search.
    toml
        The best config in TOML, as ``tenor train --config`` reads it.
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
    best = search.best
    settings = ", ".join(f"{key} {to_text(value)}" for key, value in best.values.items())
    text = render_page(
        title="Which settings are best?",
        subtitle=f"{len(search.trials)} configurations on {len(search.folds)} folds before the test part",
        verdicts=[(f"By mean {search.scoring}", search_verdict(search))],
        about={"Best": settings, **about},
        sections=[
            PageSection("Heat maps", (*_maps(search),)),
            PageSection("Trials", (_trials(search),)),
            PageSection("Folds", (_folds(search),)),
            PageSection("Best config", (_config(toml),)),
        ],
    )
    write_page(path, text)
    return path


def _config(toml: str) -> TextTable:
    settings = tomllib.loads(toml)
    rows = tuple(
        (f"{section}.{key}" if section else key, to_text(value))
        for section, table in [("", {k: v for k, v in settings.items() if not isinstance(v, dict)}), *settings.items()]
        if isinstance(table, dict)
        for key, value in table.items()
    )
    return TextTable(("key", "value"), rows, "All settings of the best, as 'tenor train --config' takes them")


def search_verdict(search: Search) -> str:
    """A sentence on the best settings: how much better than the second best, and in how many folds."""
    best, scoring = search.best, search.scoring
    settings = ", ".join(f"{key} {to_text(value)}" for key, value in best.values.items())
    value, sd = format_number(best.mean(scoring), 4), format_number(best.sd(scoring), 4)
    opening = f"Best is {settings}: {scoring} {value} ± {sd} over the folds. "
    others = [trial for trial in search.trials[1:] if np.isfinite(trial.mean(scoring))]
    if not others:
        return opening + "There is nothing to compare it with."
    second = others[0]
    differences = np.asarray(best.scores[scoring]) - np.asarray(second.scores[scoring])
    better = int((differences > 0).sum())
    return opening + (
        f"It is better than the next by {format_number(float(differences.mean()), 4)}, and better in {better} of "
        f"{len(differences)} folds. As the best of {len(search.trials)}, it is expected to score lower on new sessions."
    )


def _maps(search: Search) -> list[Picture | Paragraph]:
    keys = sorted(
        (key for key, values in search.grid.items() if len(values) > 1), key=lambda key: -len(search.grid[key])
    )
    pairs = list(itertools.combinations(keys, 2))[:MOST_MAPS]
    if not pairs:
        return [Paragraph("A heat map needs two keys with several values each; see the trials below.")]
    return [
        Picture(
            figure_heat(search.heat_map(x, y)),
            f"Mean {search.scoring} over the folds, the best over all values of the other keys. Darker is better; a "
            "dash: every fit failed.",
            f"Heat map of {search.scoring} by {x} and {y}.",
        )
        for x, y in pairs
    ]


def _trials(search: Search) -> TextTable:
    measures = tuple(search.best.scores)
    columns = ("settings", "rank", *measures, "seconds", "")
    rows = tuple(
        (
            ", ".join(f"{key} {to_text(value)}" for key, value in trial.values.items()),
            str(trial.rank),
            *(_score(trial, measure) for measure in measures),
            format_number(trial.seconds, 1),
            trial.failed or "",
        )
        for trial in search.trials
    )
    caption = f"Every configuration, ranked by mean {search.scoring}; mean ± deviation over the folds"
    return TextTable(columns, rows, caption, 0)


def _score(trial: Trial, measure: str) -> str:
    value = trial.mean(measure)
    return f"{format_number(value, 4)}\n± {format_number(trial.sd(measure), 4)}" if np.isfinite(value) else "–"


def _folds(search: Search) -> TextTable:
    rows = tuple((str(i), *fold["fit"], *fold["score"]) for i, fold in enumerate(search.folds, 1))
    columns = ("fold", "fitted from", "to", "scored from", "to")
    return TextTable(columns, rows, "Sessions of each fold, none in the test part")


@style.styled
def figure_heat(heat_map: HeatMap) -> Figure:
    """Draw `heat_map`, with the numbers in its cells."""
    rows, columns = heat_map.scores.shape
    figure = style.canvas(1.4 + 0.5 * rows)
    axes = figure.subplots()
    known = heat_map.scores[np.isfinite(heat_map.scores)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    axes.imshow(
        heat_map.scores, aspect="auto", cmap=style.ramp(), vmin=low, vmax=high or low + 1e-9, interpolation="none"
    )
    for place in np.ndindex(rows, columns):
        value = float(heat_map.scores[place])
        axes.text(place[1], place[0], format_number(value, 4), ha="center", va="center", color=style.INK, size=10)
    axes.set_xticks(range(columns), list(heat_map.x_values))
    axes.set_yticks(range(rows), list(heat_map.y_values))
    axes.set_xlabel(heat_map.x)
    axes.set_ylabel(heat_map.y)
    axes.set_title(f"Mean {heat_map.scoring}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(length=0, labelcolor=style.INK)
    axes.grid(visible=False)
    return figure
