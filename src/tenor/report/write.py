"""From an evaluation to the report's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenor.errors import UsageError
from tenor.evaluation.evaluate import Evaluation
from tenor.report import forecast, model, results
from tenor.report.forecast import forecast_cells
from tenor.report.page import PageSection, render_page, write_page
from tenor.report.style import format_day, sentence_case, sessions_ahead
from tenor.schema import Panel, Predictions


def write_report(
    path: Path,
    *,
    evaluations: Mapping[int, Evaluation],
    panel: Panel,
    predictions: Mapping[str, Predictions],
    attention: model.AttentionLike | None,
    rows: slice,
    history: Sequence[Mapping[str, Any]],
    symbols: Sequence[str],
    about: Mapping[str, str],
    extra_sections: Sequence[PageSection] = (),
    verdict: str | None = None,
    first_sections: Sequence[PageSection] = (),
) -> Path:
    """Write the report as one self-contained HTML file; an earlier one at `path` stays as it was if this fails.

    Parameters
    ----------
    path
        The file.
    evaluations
        Horizon -> its evaluation; the figures of single cells show the first horizon.
    panel
        Unscaled.
    predictions
        Those that were evaluated; the first is our model's.
    attention
        Of the sessions in `rows`; None for a model without attention.
    rows
        The test, on the panel's session axis.
    history
        Learning curves, one a seed: ``{"seed": 0, "train": [...], "valid": [...], "best_epoch": 3}``, the epochs
        counted from 1.
    symbols
        Those shown one by one with price and forecast.
    about
        Model version, data, split dates, config …, shown in this order.
    extra_sections
        Put after the report's own sections.
    verdict
        One sentence above those of the horizons; None for none.
    first_sections
        Put before the report's own sections.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    UnknownSymbolError
        A symbol that the panel does not have.
    UsageError
        `evaluations` or `predictions` is empty, or `path` can't be written.
    """
    if not evaluations or not predictions:
        raise UsageError("a report needs at least one evaluation and its predictions: evaluate first.")
    for symbol in symbols:
        panel.symbol_index(symbol)
    name, ours = next(iter(predictions.items()))
    cells = {horizon: forecast_cells(panel, rows, ours, horizon) for horizon in evaluations}
    first = next(iter(evaluations.values()))
    sections = [
        *first_sections,
        results.results_section(evaluations, name),
        results.differences_section(evaluations),
        forecast.prices_section(panel, rows, ours, symbols, cells[first.horizon]),
        forecast.outcomes_section(cells[first.horizon]),
        forecast.probabilities_section(evaluations, cells),
        forecast.intervals_section(evaluations, cells),
        results.years_and_stocks_section(first),
        *([model.attention_section(panel, rows, attention)] if attention is not None else []),
        model.training_section(history),
        *extra_sections,
    ]
    count = len(panel.symbols)
    text = render_page(
        title=f"Forecasts of {panel.symbols[0] if count == 1 else f'{count} stocks'}",
        subtitle=(
            f"Tested on {first.days:,} sessions, {format_day(first.first)} – {format_day(first.last)}, "
            f"{first.samples:,} forecasts {sessions_ahead(first.horizon)}"
        ),
        verdicts=[
            *([("Walk-forward, trained anew in every fold", verdict)] if verdict else []),
            *(
                (sentence_case(f"{'its own test part, ' if verdict else ''}{sessions_ahead(horizon)}"), result.verdict)
                for horizon, result in evaluations.items()
            ),
        ],
        about=about,
        sections=sections,
    )
    write_page(path, text)
    return path
