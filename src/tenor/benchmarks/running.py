"""Runs one benchmark from bars to result: samples, panel, training, prediction, scores of tenor and the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tenor.benchmarks.protocol import PartDates, Samples, label_samples
from tenor.benchmarks.result import ENSEMBLE, BenchmarkResult, PublishedRow, accuracy_and_mcc, score_models
from tenor.benchmarks.training import BenchmarkProgress, BenchmarkSettings, labelled_only, train_benchmark
from tenor.config import to_mapping
from tenor.evaluation.baselines import ALWAYS_UP, BOOSTING, LINEAR, fit_baselines
from tenor.features import build_panel
from tenor.features.catalogue import FEATURES
from tenor.schema import Bars, DailySentiment, Float32, Panel

BASELINE_TITLES = {ALWAYS_UP: "always up", LINEAR: "logistic regression", BOOSTING: "gradient boosting"}
OWN_FEATURES = tuple(feature.name for feature in FEATURES if feature.group not in ("context", "sentiment"))
"""Features that are computed from a symbol's own bars."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark whose protocol fixes the dates, and tenor's settings for it.

    Attributes
    ----------
    name
        Name of the benchmark.
    dates
        Dates of the protocol's parts.
    settings
        Settings of tenor's model.
    counts
        Number of samples in each part, as reported by the authors of the protocol.
    published
        Published rows.
    notes
        Remarks for the reader of the result.
    """

    name: str
    dates: PartDates
    settings: BenchmarkSettings
    counts: dict[str, str] = field(default_factory=dict)
    published: tuple[PublishedRow, ...] = ()
    notes: tuple[str, ...] = ()


def run_bars(
    benchmark: Benchmark,
    bars: Bars,
    *,
    seeds: Sequence[int],
    workers: int,
    progress: BenchmarkProgress | None = None,
    text: DailySentiment | None = None,
    cache: Path | None = None,
) -> BenchmarkResult:
    """Run `benchmark` on `bars`.

    Parameters
    ----------
    benchmark
        The benchmark; training begins earlier than in the protocol if its settings have a `train_from`.
    bars, text
        The data; if `text` is None, prices alone.
    seeds, workers, progress, cache
        As in `train_benchmark`.

    Returns
    -------
    BenchmarkResult
        The scores, with the published ones.
    """
    dates, notes = benchmark.dates, benchmark.notes
    given = benchmark.settings
    settings = replace(given, features=replace(given.features, sentiment=text is not None))
    panel = build_panel(bars, settings.features, sentiment=text)
    if settings.market_means:
        panel = with_market_means(panel)
    samples = label_samples(bars, panel.sessions, panel.symbols, dates)
    counts = samples.counts()
    if settings.train_from is not None:
        longer = replace(dates, train=(settings.train_from, dates.train[1]))
        samples = label_samples(bars, panel.sessions, panel.symbols, longer)
        note = (
            f"All learned rows are trained from {settings.train_from} on ({samples.counts()['train']:,} samples), not "
            f"from the protocol's {dates.train[0]}. Validation and test are the protocol's."
        )
        notes = (*notes, note)
    text_note = "prices alone" if text is None else "prices and text published before the close of the session"
    return run_panel(
        benchmark.name,
        panel,
        samples,
        settings,
        counts=counts,
        published_counts=benchmark.counts,
        published=benchmark.published,
        notes=(*notes, f"tenor's rows use {text_note}."),
        seeds=seeds,
        workers=workers,
        progress=progress,
        cache=cache,
    )


def run_panel(
    name: str,
    panel: Panel,
    samples: Samples,
    settings: BenchmarkSettings,
    *,
    counts: dict[str, int],
    published_counts: dict[str, str] | None = None,
    published: tuple[PublishedRow, ...] = (),
    notes: tuple[str, ...] = (),
    seeds: Sequence[int],
    workers: int,
    progress: BenchmarkProgress | None = None,
    cache: Path | None = None,
) -> BenchmarkResult:
    """Train on the training samples with each of `seeds`, and score the predictions of the test samples.

    Parameters
    ----------
    name, counts, published_counts, published, notes
        As in `BenchmarkResult`.
    panel, samples, settings, seeds, workers, progress, cache
        As in `train_benchmark`.

    Returns
    -------
    BenchmarkResult
        The scores, with the published ones.
    """
    trained = train_benchmark(panel, samples, settings, seeds=seeds, workers=workers, progress=progress, cache=cache)
    p_up: dict[str, Float32] = {ENSEMBLE: np.mean([seed.p_up for seed in trained], axis=0, dtype="float32")}
    learned = labelled_only(panel, samples)
    for baseline, predictions in fit_baselines(learned, samples, names=tuple(BASELINE_TITLES)).items():
        p_up[BASELINE_TITLES[baseline]] = predictions.p_up[:, :, 0]
    label = samples.label[samples.test]
    rows = []
    for seed in trained:
        accuracy, mcc = accuracy_and_mcc(seed.p_up[samples.test], label)
        valid = seed.curve[seed.epoch - 1]
        rows.append({"seed": seed.seed, "accuracy": accuracy, "mcc": mcc, "valid_mcc": valid, "epoch": seed.epoch})
    return BenchmarkResult(
        benchmark=name,
        counts=counts,
        published_counts=published_counts,
        days=int(np.isfinite(label).any(axis=1).sum()),
        seeds=tuple(rows),
        models=score_models({model: values[samples.test] for model, values in p_up.items()}, label),
        published=published,
        notes=notes,
        config=to_mapping(replace(settings, training=replace(settings.training, seeds=tuple(seeds)))),
    )


def with_market_means(panel: Panel, names: tuple[str, ...] = OWN_FEATURES) -> Panel:
    """Add to `panel`, for each of its features in `names`, the session's mean over the symbols in the mask.

    The new features are called ``market_mean_…``; a session's means are computed from that session alone.
    """
    columns = [i for i, name in enumerate(panel.features) if name in names]
    present = panel.mask[:, :, None]
    total = np.where(present, panel.values[:, :, columns], 0.0).astype("float64").sum(axis=1)
    mean = (total / np.maximum(present.sum(axis=1), 1)).astype("float32")  # [session, feature]
    values = np.where(present, mean[:, None, :], np.float32(0.0))
    return replace(
        panel,
        values=np.concatenate([panel.values, values], axis=2),
        features=panel.features + tuple(f"market_mean_{panel.features[i]}" for i in columns),
    )
