"""How an ablation, a grid search and a published benchmark look in a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tenor.cli.console import horizon_text, line, table

if TYPE_CHECKING:
    from tenor.benchmarks import BenchmarkResult
    from tenor.evaluation.contrasts import Ablation
    from tenor.evaluation.news_value import NewsComparison, NewsValue
    from tenor.pipeline.ablate import AblationResult
    from tenor.pipeline.tune import TuneResult


def show_ablation(result: AblationResult) -> None:
    """The verdict of each horizon, then what is asked about minus each other arm, on all cells and on parts of them."""
    for fold in result.folds.splitlines():
        line(fold)
    if result.news is not None:
        _show_news(result.news)
    elif not result.horizons and not result.own:
        line("\nnews: the store has neither news nor sentiment to leave out")
    _show_contrasts("with sentiment", result.horizons)
    _show_contrasts("with attention", result.attention)
    for name, ablations in result.own.items():
        _show_contrasts(f"with {name}", ablations)


def _show_news(value: NewsValue) -> None:
    """The verdict, then what each arm changes, a table a horizon; then the parts of the cells, for the best arm."""
    from tenor.evaluation.news_value import ALL_CELLS, DIRECTION, QLIKE, RETURNS, VARIANCE, best_arm

    line(f"\nnews, {value.first} … {value.last}, by {len(value.seeds)} networks a fold: {value.verdict}")
    for fold in value.folds.splitlines():
        line(fold)
    line("\nchange of the loss against the same model without news, in per cent (below 0")
    line("is better); night: at the open against the close. p after Holm over arms and")
    line("moments, but for shuffled, night and kinds of sessions")
    for horizon in value.levels:
        for first, second in ((VARIANCE, QLIKE), (RETURNS, DIRECTION)):
            line(f"\n{horizon_text(horizon)}")
            _show_changes("arm", value.on(ALL_CELLS, horizon=horizon, metric=first), value, second)
    best = best_arm(value.comparisons, horizon=next(iter(value.levels)))
    if best is not None:
        line(f"\n{horizon_text(best.horizon)}, {best.arm} at the {best.moment}, by kind of session")
        parts = [
            c
            for c in value.comparisons
            if (c.moment, c.arm, c.horizon, c.metric) == (best.moment, best.arm, best.horizon, VARIANCE)
        ]
        _show_changes("cells", parts, value, QLIKE)


def _show_changes(head: str, comparisons: Sequence[NewsComparison], value: NewsValue, second: str) -> None:
    from tenor.evaluation.news_value import NEWS_TITLES, change_text, shown_p

    rows = []
    for c in comparisons:
        beside = value.find(c, metric=second)
        name = c.cells if head == "cells" else f"{c.arm}, {c.moment}"
        both = [(change_text(each), shown_p(each)) for each in (c, beside) if each is not None]
        rows.append((name, *(text for pair in both for text in pair)))
    titles = [NEWS_TITLES[metric] for metric in ((comparisons[0].metric, second) if comparisons else ())]
    if rows:
        table((head, titles[0], "p", titles[1], "p"), rows)


def _show_contrasts(arm: str, ablations: Mapping[int, Ablation]) -> None:
    from tenor.evaluation.significance import format_p

    for horizon, ablation in ablations.items():
        line(f"\n{horizon_text(horizon)}: {ablation.verdict}")
        rows = (
            (
                *(str(row[key]) for key in ("other", "cells", "days", "metric")),
                *(_signed(float(row[key])) for key in ("value", "low", "high")),
                format_p(float(row["p"])),
            )
            for row in ablation.rows()
        )
        columns = (f"{arm} minus", "cells", "days", "metric", "difference", "low", "high", "p")
        table(columns, rows)


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.5f}"


def show_benchmark(result: BenchmarkResult) -> None:
    """The table, our rows first, and its notes."""
    rows = ((row.model, row.accuracy, row.interval, row.mcc, row.remark) for row in result.rows())
    table(("model", "accuracy %", "95 %", "MCC", "remark"), rows)
    for note in result.notes:
        line(note)


def show_tuning(result: TuneResult) -> None:
    """The candidates, best first: mean and standard deviation over the folds of each measure."""
    search = result.search
    measures = tuple(search.best.scores)
    rows: list[tuple[str, ...]] = []
    for trial in search.trials:
        settings = ", ".join(f"{key} {value}" for key, value in trial.values.items())
        if trial.failed:
            scores = ["–"] * len(measures)
        else:
            scores = [_mean_and_sd(trial.mean(measure), trial.sd(measure)) for measure in measures]
        rows.append((str(trial.rank), settings, *scores, trial.failed or ""))
    table(("rank", "settings", *measures, ""), rows)
    if result.note:
        line(result.note)
    line(f"ranked by {search.scoring} over {len(search.folds)} folds; the best config: {result.best}")


def _mean_and_sd(mean: float, sd: float) -> str:
    return "–" if math.isnan(mean) else f"{mean:+.4f} ± {sd:.4f}"
