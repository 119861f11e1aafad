"""How a judgement looks in a terminal: the verdict, what to doubt, what could not be judged, losses by horizon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenor.cli.console import bold, horizon_text, line, table

if TYPE_CHECKING:
    from tenor.pipeline.judge import Judgement
    from tenor.referee.result import HorizonResult, LossTable, ModelResult, Pairwise


def show_judgement(judgement: Judgement) -> None:
    """Each model's verdict; then what is behind it; then the models beside each other."""
    for model in judgement.models:
        _show_model(model)
    for pair in judgement.pairwise:
        _show_pair(pair)
    line("")
    for label, text in judgement.about.items():
        line(f"{label}: {text}")


def _show_model(model: ModelResult) -> None:
    from tenor.referee.words import opening

    bold(f"{opening(model)}.")
    for outcome in model.outcomes:
        line(f"  {outcome.sentence}")
    line(f"{model.judged:,} of {model.rows:,} forecasts could be judged, {model.counted:,} count")
    for unjudged in model.unjudged:
        line(f"  not judged: {unjudged.describe()}")
    for finding in model.findings:
        line(f"  {finding.kind}: {finding.text}{' (left out of the verdict)' if finding.excluded else ''}")
    for note in model.notes:
        line(f"  note: {note}")
    for horizon, result in model.horizons.items():
        for losses in result.losses.values():
            _show_losses(losses, model.name, horizon)
        _show_calibration(result)
    line("")


def _show_losses(losses: LossTable, name: str, horizon: int) -> None:
    from tenor.evaluation.significance import format_p
    from tenor.evaluation.titles import loss_title

    title = loss_title(losses.measure)
    bold(f"\n{title.heading}, {horizon_text(horizon)}")
    rows = []
    for other, value in losses.values.items():
        comparison = losses.comparisons.get(other)
        bounds = (
            ""
            if value.low != value.low
            else f" [{value.low * title.scale:.{title.digits}f}, {value.high * title.scale:.{title.digits}f}]"
        )
        change = "–" if comparison is None else f"{100 * comparison.change:+.1f}"
        p = "–" if comparison is None else format_p(comparison.holm)
        best = losses.confidence_set.get(other, math.nan)
        rows.append((other, f"{value.value * title.scale:.{title.digits}f}{bounds}", change, p, format_p(best)))
    table(("model", "loss", f"change of {name}, %", "p, Holm", "p, best"), rows)


def _show_calibration(result: HorizonResult) -> None:
    if result.coverage:
        parts = (f"{percent} %: {100 * share.value:.1f} %" for percent, share in result.coverage.items())
        line(f"returns inside the intervals, {horizon_text(result.horizon)}: {', '.join(parts)}")
    if not math.isnan(result.level):
        line(f"realised over forecast variance, {horizon_text(result.horizon)}: {result.level:.2f}")


def _show_pair(pair: Pairwise) -> None:
    from tenor.evaluation.significance import format_p
    from tenor.evaluation.titles import loss_title
    from tenor.referee.words import pairwise_sentence

    sentence = pairwise_sentence(pair)
    bold(f"{sentence[:1].upper()}{sentence[1:]}")
    title = loss_title(pair.measure)
    table(
        ("model", title.heading, "p, best"),
        (
            (name, f"{value.value * title.scale:.{title.digits}f}", format_p(pair.confidence_set[name]))
            for name, value in pair.values.items()
        ),
    )
    table(
        ("model", "against", "change, %", "p, Holm"),
        (
            (model, other, f"{100 * test.change:+.1f}", format_p(test.holm))
            for (model, other), test in pair.tests.items()
        ),
    )
