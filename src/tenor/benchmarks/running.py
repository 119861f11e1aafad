"""One benchmark from panel and samples to its result: train, predict once, judge beside the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tenor.benchmarks.judging import judge, plain
from tenor.benchmarks.market import with_market_means
from tenor.benchmarks.protocol import Dates, Samples, samples
from tenor.benchmarks.published import Published
from tenor.benchmarks.result import ENSEMBLE, BenchmarkResult
from tenor.benchmarks.training import Recipe, Told, labelled_only, train
from tenor.config import to_mapping
from tenor.evaluation.baselines import ALWAYS_UP, BOOSTING, LINEAR, fit_baselines
from tenor.features import build_panel
from tenor.schema import Bars, DailySentiment, Float32, Panel

NAMES = {ALWAYS_UP: "always up", LINEAR: "logistic regression", BOOSTING: "gradient boosting"}


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark whose protocol names its days, and our settings for it.

    Attributes
    ----------
    dates
        Of the protocol's parts.
    recipe
        ours.
    counts
        Part -> how many samples the protocol's authors tell.
    published
        Their rows, and those of others.
    notes
        What a reader of the result must know.
    """

    name: str
    dates: Dates
    recipe: Recipe
    counts: dict[str, str] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()


def run_bars(
    benchmark: Benchmark,
    bars: Bars,
    *,
    seeds: Sequence[int],
    workers: int,
    progress: Told | None = None,
    text: DailySentiment | None = None,
    kept: Path | None = None,
) -> BenchmarkResult:
    """Run `benchmark` on `bars`: samples by its dates, trained from its recipe's `train_from` where that is set."""
    dates, notes = benchmark.dates, benchmark.notes
    recipe = replace(benchmark.recipe, features=replace(benchmark.recipe.features, sentiment=text is not None))
    panel = build_panel(bars, recipe.features, sentiment=text)
    if recipe.market_means:
        panel = with_market_means(panel)
    found = samples(bars, panel.sessions, panel.symbols, dates)
    counts = found.counts()
    if recipe.train_from is not None:
        found = samples(bars, panel.sessions, panel.symbols, replace(dates, train=(recipe.train_from, dates.train[1])))
        longer = (
            f"All learned rows are trained from {recipe.train_from} on ({found.counts()['train']:,} samples), not from "
            f"the protocol's {dates.train[0]}. Validation and test are the protocol's."
        )
        notes = (*notes, longer)
    text_note = "prices alone" if text is None else "prices and text; what came after a session's close is not seen"
    return run(
        benchmark.name,
        panel,
        found,
        recipe,
        counts=counts,
        published_counts=benchmark.counts,
        published=benchmark.published,
        notes=(*notes, f"Our rows use {text_note}."),
        seeds=seeds,
        workers=workers,
        progress=progress,
        kept=kept,
    )


def run(
    name: str,
    panel: Panel,
    found: Samples,
    recipe: Recipe,
    *,
    counts: dict[str, int],
    published_counts: dict[str, str] | None = None,
    published: tuple[Published, ...] = (),
    notes: tuple[str, ...] = (),
    seeds: Sequence[int],
    workers: int,
    progress: Told | None = None,
    kept: Path | None = None,
) -> BenchmarkResult:
    """Train `recipe` on the training samples with each of `seeds` and judge it on the test samples, once."""
    trained = train(panel, found, recipe, seeds=seeds, workers=workers, progress=progress, kept=kept)
    said: dict[str, Float32] = {ENSEMBLE: np.mean([one.p_up for one in trained], axis=0, dtype="float32")}
    learned = labelled_only(panel, found)
    for baseline, predictions in fit_baselines(learned, found, names=tuple(NAMES)).items():
        said[NAMES[baseline]] = predictions.p_up[:, :, 0]
    label = found.label[found.test]
    test = {model: p_up[found.test] for model, p_up in said.items()}
    rows = []
    for one in trained:
        accuracy, mcc = plain(one.p_up[found.test], label)
        rows.append(
            {"seed": one.seed, "accuracy": accuracy, "mcc": mcc, "valid_mcc": one.curve[one.epoch - 1],
             "epoch": one.epoch}
        )  # fmt: skip
    return BenchmarkResult(
        benchmark=name,
        counts=counts,
        published_counts=published_counts,
        days=int(np.isfinite(label).any(axis=1).sum()),
        seeds=tuple(rows),
        judged=judge(test, label),
        published=published,
        notes=notes,
        config=to_mapping(replace(recipe, training=replace(recipe.training, seeds=tuple(seeds)))),
    )
