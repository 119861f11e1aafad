"""How results look in a terminal: tables, one-line texts, progress bars. Text goes to stdout, progress to stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # a verb pays for the rooms that it uses, not for those whose results could be shown
    from tenor.benchmarks import BenchmarkResult
    from tenor.evaluation.bootstrap import ConfidenceInterval
    from tenor.evaluation.evaluate import Evaluation
    from tenor.evaluation.significance import Difference
    from tenor.evaluation.walkforward_summary import Walked
    from tenor.ingest.importing import Collected
    from tenor.pipeline.ablate import Ablated
    from tenor.pipeline.train import Trained
    from tenor.pipeline.tune import TuneResult
    from tenor.schema import Forecast
    from tenor.sentiment import Explanation, Scores
    from tenor.sentiment.training.evaluate import Comparison

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)

SHOWN_REFUSALS = 20
SHOWN_TEXT = 60
SCORE_KEYS = ("positive", "neutral", "negative", "score")
# metric -> its title and how its value is told
METRICS = {
    "return_rmse": ("RMSE of returns, %", "{:.3f}", 100.0),
    "return_mae": ("MAE of returns, %", "{:.3f}", 100.0),
    "price_rmse": ("RMSE of prices", "{:.3f}", 1.0),
    "price_mae": ("MAE of prices", "{:.3f}", 1.0),
    "skill": ("skill against persistence, %", "{:+.2f}", 100.0),
    "mase": ("MASE", "{:.4f}", 1.0),
    "direction": ("direction right, %", "{:.2f}", 100.0),
    "mcc": ("MCC", "{:+.3f}", 1.0),
    "auc": ("AUC", "{:.3f}", 1.0),
    "rank_ic": ("rank IC", "{:+.3f}", 1.0),
    "icir": ("ICIR", "{:+.3f}", 1.0),
}


def line(text: str) -> None:
    """One line of text on stdout, as it is."""
    stdout.print(text, soft_wrap=True, markup=False)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object, on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """A table on stdout; into a file or pipe it is as wide as it needs to be."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        drawn.add_column(column, justify="left" if place == 0 else "right", no_wrap=True)
    for row in rows:
        drawn.add_row(*row)
    if stdout.is_terminal:
        stdout.print(drawn)
    else:
        Console(highlight=False, width=240).print(drawn)


def show_collected(collected: Collected) -> None:
    """What an import did, file by file."""
    for file in collected.files if len(collected.files) <= SHOWN_REFUSALS else ():
        line(file.describe())
    for text in collected.refused[:SHOWN_REFUSALS]:
        line(f"refused: {text}")
    if (more := len(collected.refused) - SHOWN_REFUSALS) > 0:
        line(f"… and {more} more refused; --json tells all.")
    for what, appended in (("bars", collected.bars), ("news", collected.news), ("sentiment", collected.sentiment)):
        if appended.new or appended.revised or appended.unchanged:
            line(f"{what}: {appended.new} new, {appended.revised} revised, {appended.unchanged} already there")


def show_trained(trained: Trained) -> None:
    """The new version and its learning, seed by seed; and which one is in use now."""
    line(trained.parts)
    rows = (
        (str(c["seed"]), str(len(c["valid"])), str(c["best_epoch"]), f"{min(c['train']):.4f}", f"{min(c['valid']):.4f}")
        for c in trained.forecaster.curves()
    )
    table(("seed", "epochs", "best", "train loss", "validation loss"), rows)
    version = trained.forecaster.version
    line(f"version: {version} in {trained.folder}")
    if trained.contest is not None:
        line(trained.contest.why)
    if trained.champion == version:
        line(f"champion: {version}")
    else:
        line(f"champion: still {trained.champion}; 'tenor models promote {version} --force' takes the new one instead")


def show_walked(walked: Walked) -> None:
    """The verdict; the folds as dates; then by horizon each fold, each test against another model, and the doubts."""
    stdout.print(Text(walked.verdict, style="bold"), soft_wrap=True)
    seeds = f"{walked.seeds} seed{'' if walked.seeds == 1 else 's'} each"
    line(f"\n{walked.scheme} folds, {seeds}, {walked.purge} sessions purged between parts")
    for row in walked.table.splitlines():
        line(row)
    for horizon, evaluation in walked.evaluations.items():
        span = f"{evaluation.first:%Y-%m-%d} … {evaluation.last:%Y-%m-%d}"
        stdout.print(Text(f"\nWalk-forward, {_ahead(horizon)}", style="bold"))
        line(f"{evaluation.samples:,} forecasts on {evaluation.days} days, {span}; 95 % intervals from resampled days")
        folds = (
            (str(row.fold), str(row.days), *(_one_line(row.metrics[m], m) for m in row.metrics), _plain_p(row.p))
            for row in walked.folds[horizon]
        )
        titles = (METRICS[metric][0] for metric in walked.folds[horizon][0].metrics)
        table(("fold", "days", *titles, "p, persistence"), folds)
        tests = (
            (
                test.other,
                f"{evaluation.table[test.other]['skill'].value:+.2%}",
                "–" if math.isnan(test.squared_error.statistic) else f"{test.squared_error.statistic:+.2f}",
                _plain_p(test.squared_error.p),
                _plain_p(test.holm),
                *(_one_line(test.differences[m], m, finer=True) for m in test.differences),
                _plain_p(test.other_direction.by_day.p),
            )
            for test in evaluation.tests
        )
        line("Against each model: Diebold-Mariano (below zero, ours is better), paired differences, and its direction")
        heads = (METRICS[metric][0] for metric in evaluation.tests[0].differences)
        table(("less", "its skill", "DM", "p", "Holm", *heads, "PT p"), tests)
        ours = evaluation.tests[0]
        line(f"direction of {ours.model}: Pesaran-Timmermann by day, p {_plain_p(ours.direction.by_day.p)}")
        _show_doubts(walked, horizon)


def _show_doubts(walked: Walked, horizon: int) -> None:
    found = walked.uncertainty[horizon]
    line(
        f"P(up): Brier {found.brier:.4f} (always the share of rises: {found.brier_constant:.4f}), "
        f"calibration error {100 * found.ece:.2f} points"
    )
    rows = []
    for kind, held in found.coverage.items():
        shares = (held.overall, held.volatile_days, *(fold[kind].overall for fold in found.by_fold))
        rows.append((kind, *(_share(share) for share in shares), f"{held.width:.2%}"))
    folds = (f"fold {number}" for number in range(1, len(found.by_fold) + 1))
    table(("90 % intervals hold, %", "overall", "volatile days", *folds, "width"), rows)
    spoken = [f"{100 * s.cells:.0f} % of forecasts {100 * s.accuracy.value:.1f} %" for s in found.abstention]
    if spoken:
        line(f"direction right where it is surest: {', '.join(reversed(spoken))}")


def _share(found: ConfidenceInterval) -> str:
    bounds = "" if math.isnan(found.low) else f" [{100 * found.low:.1f}, {100 * found.high:.1f}]"
    return "–" if math.isnan(found.value) else f"{100 * found.value:.1f}{bounds}"


def _one_line(found: ConfidenceInterval | Difference, metric: str, *, finer: bool = False) -> str:
    _, form, scale = METRICS[metric]
    if finer:  # differences are smaller than values, and have a sign
        form = "{:+.4f}"
    if math.isnan(found.value):
        return "–"
    value, low, high = (form.format(bound * scale) for bound in (found.value, found.low, found.high))
    return value if math.isnan(found.low) else f"{value} [{low}, {high}]"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.5f}"


def _plain_p(p: float) -> str:
    return "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def show_evaluation(evaluation: Evaluation) -> None:
    """One horizon: the verdict, then every model's metrics with their 95 % intervals."""
    ahead = _ahead(evaluation.horizon)
    stdout.print(Text(f"\n{ahead.capitalize()}", style="bold"))
    span = f"{evaluation.first:%Y-%m-%d} … {evaluation.last:%Y-%m-%d}"
    line(f"{evaluation.samples:,} forecasts on {evaluation.days} days, {span}; 95 % intervals from resampled days")
    line(evaluation.verdict)
    rows: Iterator[tuple[str | Text, ...]] = (
        (title, *(_cell(evaluation.table[model][key], form, scale) for model in evaluation.table))
        for key, (title, form, scale) in METRICS.items()
    )
    table(("", *evaluation.table), rows)


def show_ablation(ablation: dict[int, Evaluation]) -> None:
    """Whether the sentiment helped: the model less the same model without sentiment, on the same days."""
    for horizon, evaluation in ablation.items():
        ((without, differences),) = evaluation.against.items()
        span = f"{evaluation.first:%Y-%m-%d} … {evaluation.last:%Y-%m-%d}"
        line(f"\nWith sentiment less {without}, {_ahead(horizon)}, {evaluation.days} days with sentiment, {span}:")
        for key, better in (("return_rmse", -1), ("direction", 1), ("rank_ic", 1)):
            title, _, scale = METRICS[key]
            found = differences[key]
            if math.isnan(found.low):
                judged = "undefined"
            else:
                side = better * (int(found.low > 0) - int(found.high < 0))
                judged = {1: "sentiment helps at 5 %", 0: "no difference at 5 %", -1: "sentiment hurts at 5 %"}[side]
            value, low, high = (f"{bound * scale:+.4f}" for bound in (found.value, found.low, found.high))
            line(f"  {title}: {value} [{low}, {high}]: {judged}")


def show_ablated(ablated: Ablated) -> None:
    """The verdict of each horizon, then with sentiment less each other arm on all cells and on parts of them."""
    for folds in ablated.folds.splitlines():
        line(folds)
    for horizon, ablation in ablated.horizons.items():
        line(f"\n{_ahead(horizon)}: {ablation.verdict}")
        rows = (
            (
                f"less {row['other']}",
                *(str(row[key]) for key in ("cells", "days", "metric")),
                *(_signed(float(row[key])) for key in ("value", "low", "high")),
                _plain_p(float(row["p"])),
            )
            for row in ablation.rows()
        )
        table(("with sentiment", "cells", "days", "metric", "difference", "low", "high", "p"), rows)


def show_benchmark(result: BenchmarkResult) -> None:
    """The table, our rows first, and its caveats."""
    rows = ((row.model, row.accuracy, row.interval, row.mcc, row.remark) for row in result.rows())
    table(("model", "accuracy %", "95 %", "MCC", "remark"), rows)
    for note in result.notes:
        line(note)


def show_tuned(tuned: TuneResult) -> None:
    """The candidates, best first: mean and spread over the folds of all that was measured."""
    found = tuned.search
    measures = tuple(found.best.scores)
    rows: list[tuple[str, ...]] = []
    for trial in found.trials:
        values = ", ".join(f"{key} {value}" for key, value in trial.values.items())
        if trial.failed:
            told = ["–"] * len(measures)
        else:
            told = [_spread(trial.mean(measure), trial.sd(measure)) for measure in measures]
        rows.append((str(trial.rank), values, *told, trial.failed or ""))
    table(("rank", "settings", *measures, ""), rows)
    line(f"ranked by {found.scoring} over {len(found.folds)} folds; the best config: {tuned.best}")


def _spread(mean: float, sd: float) -> str:
    return "–" if math.isnan(mean) else f"{mean:+.4f} ± {sd:.4f}"


def show_forecast(forecast: Forecast) -> None:
    """One forecast, and what it looked at most."""
    move, said = math.expm1(forecast.expected_return), forecast.to_json()
    line(
        f"{forecast.symbol} for {said['target_session']} ({forecast.horizon} "
        f"session{'' if forecast.horizon == 1 else 's'} after {said['session']})"
    )
    line(f"  as of      {forecast.as_of:%Y-%m-%d %H:%M} UTC")
    line(f"  return     {move:+.2%} (log {forecast.expected_return:+.5f})")
    line(f"  price      {forecast.price:.2f}, adjusted; last {forecast.last_price:.2f}")
    line(f"  90 %       {forecast.lower:.2f} … {forecast.upper:.2f}")
    line(f"  P(up)      {forecast.p_up:.3f}")
    for title, weights in (("sessions", forecast.attention_time), ("features", forecast.attention_features)):
        top = sorted(weights.items(), key=lambda item: -item[1])[:3]
        if top:
            line(f"  {title:<10} " + ", ".join(f"{name} {weight:.1%}" for name, weight in top))
    line(f"  model      {forecast.model_version}")


def show_scores(texts: Sequence[str], scores: Scores) -> None:
    """A row a text, in their order."""
    rows: list[Sequence[str | Text]] = []
    for text, row in zip(texts, scores.rows(), strict=True):
        numbers = ("–",) * 4 if row["empty"] else tuple(f"{row[key]:.3f}" for key in SCORE_KEYS)
        note = "empty" if row["empty"] else "" if row["language_ok"] else "not English?"
        shown = " ".join(text.split())
        rows.append((Text(shown if len(shown) <= SHOWN_TEXT else shown[: SHOWN_TEXT - 1] + "…"), *numbers, note))
    table(("text", *SCORE_KEYS, ""), rows)


def show_why(explanation: Explanation) -> None:
    """The words in their order, and how much of the score goes without each."""
    line(f"score {explanation.score:+.3f}")
    largest = max((abs(word.contribution) for word in explanation.words), default=0.0) or 1.0
    rows: list[tuple[str | Text, ...]] = []
    for word in explanation.words:
        bar = "█" * round(20 * abs(word.contribution) / largest)
        style = "green" if word.contribution > 0 else "red"
        rows.append((Text(word.text), f"{word.contribution:+.3f}", Text(bar.ljust(20), style=style)))
    table(("word", "moved it by", ""), rows)
    if not explanation.language_ok:
        line("this does not look like English: the model was tuned on English alone")


def show_comparison(comparison: Comparison) -> None:
    """The model beside the baselines."""
    line(f"{comparison.data}: {comparison.rows[0].n} sentences, {comparison.dropped} duplicates dropped")
    rows = (
        (
            row.model,
            f"{row.accuracy:.3f}",
            f"{row.macro_f1:.3f}",
            *(f"{row.per_class[name]['f1']:.3f}" for name in row.per_class),
            "–" if row.ece is None else f"{row.ece:.3f}",
        )
        for row in comparison.rows
    )
    classes = (f"F1 {name}" for name in comparison.rows[0].per_class)
    table(("model", "accuracy", "macro-F1", *classes, "ECE"), rows)


class Bars:
    """Progress bars, to be told what is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._shown: dict[str, Any] = {}

    def epoch(self, seed: int, epoch: int, epochs: int, train_loss: float, valid_loss: float) -> None:
        """An epoch of a seed is over."""
        del train_loss
        self._update(f"seed {seed}", epoch, epochs, f"validation {valid_loss:.4f}")

    def texts(self, done: int, total: int) -> None:
        """So many texts are scored."""
        self._update("texts scored", done, total, "")

    def steps(self, done: int, total: int) -> None:
        """So many steps of a training are done."""
        self._update("steps", done, total, "")

    def symbols(self, done: int, total: int) -> None:
        """So many symbols are fetched."""
        self._update("symbols fetched", done, total, "")

    def objects(self, done: int, total: int) -> None:
        """So many objects are where they should be."""
        self._update("objects", done, total, "")

    def arm(self, arm: str, done: int, total: int) -> None:
        """So many networks of one arm of an ablation are trained."""
        self._update(arm, done, total, "")

    def fits(self, done: int, total: int, seconds_left: float | None) -> None:
        """So many fits of a search are done."""
        self._update("fits", done, total, "" if seconds_left is None else f"about {seconds_left:.0f} s left")

    def _update(self, title: str, done: int, total: int, note: str) -> None:
        if title not in self._shown:
            self._shown[title] = self._progress.add_task(title, note=note)
        task = self._shown[title]
        if done < self._progress.tasks[task].completed:
            self._progress.reset(task)  # the seed starts again: another model is trained with it
        self._progress.update(task, completed=done, total=total, note=note)


@contextmanager
def bars(quiet: bool) -> Iterator[Bars]:
    """Progress bars on stderr, where that is a terminal."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=stderr,
        disable=quiet or not stderr.is_terminal,
    )
    with progress:
        yield Bars(progress)


def _ahead(horizon: int) -> str:
    return "next session" if horizon == 1 else f"{horizon} sessions ahead"


def _cell(interval: ConfidenceInterval, form: str, scale: float) -> Text:
    if math.isnan(interval.value):
        return Text("–")
    low, high = (form.format(bound * scale) for bound in (interval.low, interval.high))
    text = Text(form.format(interval.value * scale))
    if not math.isnan(interval.low):
        text.append(f"\n[{low}, {high}]", style="dim")
    return text
