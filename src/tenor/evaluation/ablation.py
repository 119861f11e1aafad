"""Do the news, and attention, help? The same model with and without them, all else equal: on risk and on returns.

The news is asked about on two populations:

- `ablate`: is sentiment worth having in this *method*? Settings are walked forward over folds, retrained in each, on
  all cells, with or without news: a placebo arm, several seeds and many test days give the power to answer, and days
  without news count because a feature that is empty on most days may still do harm there. `tenor ablate` runs it.
- `tenor.evaluation.news_sessions`: did sentiment help *this version*?

The arms of `ablate` differ in nothing but sentiment. *Without* lacks the sentiment columns. *Shuffled* has them, number
for number, but on other days: what it gains over *without* is not news, it is the chance to fit more columns. The days
are shuffled before the first test part and within each test part, never across, so that a fold is not trained on
sentiment of its own test days and every part keeps the distribution it had. A shuffled day can hold the sentiment of
a later day: it is a placebo to compare with, never a forecast that could have been made, and since a day drawn at
random says nothing about the returns that follow the day it is put on, that can't help it.

`ablate_attention` asks whether attention is worth having: without it the network has no feature gate, and the forecast
of risk starts from the plain mean of the lookback's variances.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.engines import Workers
from tenor.errors import ConfigError, DataError
from tenor.evaluation import cells
from tenor.evaluation.bootstrap import RESAMPLES
from tenor.evaluation.contrasts import (
    HIGHER_IS_BETTER,
    RETURNS,
    RISK,
    Ablation,
    Contrast,
    compare_walks,
    difference_text,
    on_all_cells,
)
from tenor.evaluation.significance import Difference, side_of_zero
from tenor.evaluation.walkforward import WalkForward, walk
from tenor.features import feature_names
from tenor.schema import Panel
from tenor.training import Split

WITH, WITHOUT, SHUFFLED = "with sentiment", "without sentiment", "sentiment shuffled"
ARMS = (WITH, WITHOUT, SHUFFLED)
WITH_ATTENTION, WITHOUT_ATTENTION = "with attention", "without attention"

_SENTIMENT = feature_names(["sentiment"])
_QUESTIONS = {RISK: ("On risk", "squared error of log variance"), RETURNS: ("On returns", "squared error of returns")}


def ablate(
    panel_with: Panel,
    panel_without: Panel,
    splits: Sequence[Split],
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    cache: Path | None = None,
    workers: Workers = None,
    progress: Callable[[str, int, int], None] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[int, Ablation]:
    """Walk forward over all `splits` once for each of the three arms, and compare them on all cells, for each horizon.

    Parameters
    ----------
    panel_with, panel_without
        Two panels of the same bars, the first with sentiment; all else must be equal.
    features
        The settings that `panel_with` was built with.
    splits, model, training, cache, workers
        As in `tenor.evaluation.walkforward.walk`.
    progress
        Called with an arm, how many of its networks are done, and how many there are.
    resamples
        Number of resamples of the days.
    seed
        Seed of the shuffle and of the resampled days.

    Returns
    -------
    dict of int to Ablation
        Horizon -> its ablation.

    Raises
    ------
    DataError
        The panels differ in more than the sentiment columns.
    ConfigError
        The first panel has no sentiment.
    HistoryError
        As `walk` does.
    """
    _check(panel_with, panel_without)
    plain = replace(features, sentiment=False)
    shuffled = shuffle_sentiment(panel_with, splits, seed=seed)
    walk_arm = _arm_walker(splits, training, cache, workers, progress)
    walks = {
        WITH: walk_arm(WITH, panel_with, features, model),
        WITHOUT: walk_arm(WITHOUT, panel_without, plain, model),
        SHUFFLED: walk_arm(SHUFFLED, shuffled, features, model),
    }
    return {
        horizon: compare_arms(panel_with, walks, horizon=horizon, resamples=resamples, seed=seed)
        for horizon in panel_with.horizons
    }


def ablate_attention(
    panel: Panel,
    splits: Sequence[Split],
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    cache: Path | None = None,
    workers: Workers = None,
    progress: Callable[[str, int, int], None] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[int, Ablation]:
    """Walk forward over all `splits` with and without attention, and compare on all cells, for each horizon.

    Parameters
    ----------
    panel, splits, features, model, training, cache, workers
        As in `tenor.evaluation.walkforward.walk`; ``model.attention`` is set in each arm.
    progress
        Called with an arm, how many of its networks are done, and how many there are.
    resamples, seed
        Number of resamples of the days, and their seed.

    Returns
    -------
    dict of int to Ablation
        Horizon -> its ablation.

    Raises
    ------
    HistoryError
        As `walk` does.
    """
    walk_arm = _arm_walker(splits, training, cache, workers, progress)
    walks = {
        arm: walk_arm(arm, panel, features, replace(model, attention=attention))
        for arm, attention in ((WITH_ATTENTION, True), (WITHOUT_ATTENTION, False))
    }
    return {
        horizon: compare_attention(panel, walks, horizon=horizon, resamples=resamples, seed=seed)
        for horizon in panel.horizons
    }


def ablate_columns(
    panel: Panel,
    columns: Sequence[str],
    name: str,
    splits: Sequence[Split],
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    cache: Path | None = None,
    workers: Workers = None,
    progress: Callable[[str, int, int], None] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[int, Ablation]:
    """Walk forward over all `splits` with and without the feature `name`, compare on the same cells, for each horizon.

    Parameters
    ----------
    panel
        The panel with the feature.
    columns
        The feature's columns in the panel; the other arm is without them.
    name
        Name of the feature; the arms are named after it.
    splits, features, model, training, cache, workers
        As in `tenor.evaluation.walkforward.walk`.
    progress
        Called with an arm, how many of its networks are done, and how many there are.
    resamples, seed
        Number of resamples of the days, and their seed.

    Returns
    -------
    dict of int to Ablation
        Horizon -> its ablation.

    Raises
    ------
    ConfigError
        The panel lacks a column.
    HistoryError
        As `walk` does.
    """
    missing = [column for column in columns if column not in panel.features]
    if missing or not columns:
        raise ConfigError(f"the panel has no column {', '.join(missing) or name} to leave out: build it with {name}.")
    rest = [i for i, column in enumerate(panel.features) if column not in columns]
    without = replace(panel, values=panel.values[:, :, rest], features=tuple(panel.features[i] for i in rest))
    walk_arm = _arm_walker(splits, training, cache, workers, progress)
    arms = (f"with {name}", f"without {name}")
    walks = {arm: walk_arm(arm, each, features, model) for arm, each in zip(arms, (panel, without), strict=True)}
    return {
        horizon: _compare_two(panel, walks, name, horizon=horizon, resamples=resamples, seed=seed)
        for horizon in panel.horizons
    }


def _arm_walker(
    splits: Sequence[Split],
    training: TrainConfig,
    cache: Path | None,
    workers: Workers,
    progress: Callable[[str, int, int], None] | None,
) -> Callable[[str, Panel, FeatureConfig, ModelConfig], WalkForward]:
    """Walks an arm of that name over its panel, with all that the arms have in common."""

    def walk_arm(arm: str, panel: Panel, features: FeatureConfig, model: ModelConfig) -> WalkForward:
        return walk(
            panel,
            splits,
            features=features,
            model=model,
            training=training,
            baselines=(),
            cache=cache,
            workers=workers,
            progress=None if progress is None else partial(progress, arm),
        )

    return walk_arm


def shuffle_sentiment(panel: Panel, splits: Sequence[Split], *, seed: int) -> Panel:
    """`panel` with its sentiment moved to other sessions: whole sessions are shuffled, all symbols together.

    Sessions are shuffled only among those before the first test part, and within each test part. Only sessions between
    the first and the last one with any sentiment take part, so that years without news stay without.
    """
    columns = _sentiment_columns(panel)
    rng = np.random.default_rng(seed)
    values = panel.values.copy()
    place = panel.features.index("sentiment_known")
    with_news = np.flatnonzero((panel.values[:, :, place] > 0).any(axis=1))
    first, last = (int(with_news[0]), int(with_news[-1])) if len(with_news) else (0, -1)
    stretches = [slice(0, splits[0].test.start), *(split.test for split in splits)]
    for stretch in stretches:
        rows = np.arange(max(stretch.start, first), min(stretch.stop, last + 1))
        # rows [n, 1] and columns [m] broadcast to [n, m]: all symbols of a session move together, column by column
        values[rows[:, None], :, columns] = panel.values[rng.permutation(rows)[:, None], :, columns]
    values[~panel.mask] = 0.0
    return replace(panel, values=values)


def compare_arms(
    panel: Panel, walks: Mapping[str, WalkForward], *, horizon: int, resamples: int = RESAMPLES, seed: int = 0
) -> Ablation:
    """Compare the three `walks` (by the names of `ARMS`) over the cells that all of them predict.

    Parameters
    ----------
    panel
        The panel with sentiment; its sentiment columns and volatilities decide which group a cell belongs to.
    walks
        The walk-forward of each arm, by name.
    horizon
        Sessions ahead.
    resamples, seed
        Number of resamples of the days, and their seed.
    """
    kinds = partial(cells.by_news_and_volatility, panel)
    ordered = {arm: walks[arm] for arm in ARMS}
    result = compare_walks(panel, ordered, horizon=horizon, kinds=kinds, resamples=resamples, seed=seed)
    return replace(result, verdict=ablation_verdict(result.contrasts, days=result.contrasts[0].days))


def compare_attention(
    panel: Panel, walks: Mapping[str, WalkForward], *, horizon: int, resamples: int = RESAMPLES, seed: int = 0
) -> Ablation:
    """Compare the walks `WITH_ATTENTION` and `WITHOUT_ATTENTION`; parameters as in `compare_arms`."""
    ordered = {arm: walks[arm] for arm in (WITH_ATTENTION, WITHOUT_ATTENTION)}
    return _compare_two(panel, ordered, "attention", horizon=horizon, resamples=resamples, seed=seed)


def _compare_two(
    panel: Panel, walks: Mapping[str, WalkForward], what: str, *, horizon: int, resamples: int, seed: int
) -> Ablation:
    """Compare the walk with `what`, the first of `walks`, and the one without it."""
    kinds = partial(cells.by_volatility, panel)
    result = compare_walks(panel, walks, horizon=horizon, kinds=kinds, resamples=resamples, seed=seed)
    without = list(walks)[1]
    verdict = _verdict_of(result.contrasts, without, what, f"the network {without}", days=result.contrasts[0].days)
    return replace(result, verdict=verdict)


def ablation_verdict(contrasts: Sequence[Contrast], *, days: int) -> str:
    """Whether sentiment helps on all cells, at the 5 % level: a sentence for risk and one for returns.

    It helps if the squared error is lower than without sentiment and also lower than with shuffled sentiment.
    """
    return " ".join(_sentiment_sentence(metric, on_all_cells(contrasts, metric), days) for metric in _QUESTIONS)


def attention_verdict(contrasts: Sequence[Contrast], *, days: int) -> str:
    """Whether attention helps on all cells, at the 5 % level: a sentence for risk and one for returns."""
    return _verdict_of(contrasts, WITHOUT_ATTENTION, "attention", "the network without attention", days=days)


def _verdict_of(contrasts: Sequence[Contrast], other: str, what: str, against: str, *, days: int) -> str:
    """Whether `what`, which the arm `other` lacks, helps over all cells: a sentence on risk and one on returns."""
    sentences = []
    for metric, (where, error) in _QUESTIONS.items():
        difference = on_all_cells(contrasts, metric)[other]
        shown = f"{error} {difference_text(difference)} against {against}"
        effect = _effect(what, difference, days)
        sentences.append(f"{where}, {effect} ({shown}).")
    return " ".join(sentences)


def _sentiment_sentence(metric: str, differences: Mapping[str, Difference], days: int) -> str:
    where, error = _QUESTIONS[metric]
    plain, placebo = differences[WITHOUT], differences[SHUFFLED]
    shown = (
        f"({error} {difference_text(plain)} against no sentiment, {difference_text(placebo)} against sentiment "
        "shuffled across days)"
    )
    helps = side_of_zero(plain, higher_is_better=HIGHER_IS_BETTER[metric]) == 1
    if helps and side_of_zero(placebo, higher_is_better=HIGHER_IS_BETTER[metric]) != 1:
        return (
            f"{where}, sentiment columns help at 5 %, but not more than shuffled ones: it is not the news of the day "
            f"{shown}."
        )
    return f"{where}, {_effect('sentiment', plain, days)} {shown}."


def _effect(what: str, difference: Difference, days: int) -> str:
    """Whether `what` helps, by the `difference` of squared errors with it and without it."""
    if not math.isfinite(difference.value):
        return f"the effect of {what} is unknown: there are no forecasts"
    if not math.isfinite(difference.p):
        if difference.value == 0:
            return f"{what} changes nothing"
        return f"{days} days are too few to tell whether {what} helps"
    side = side_of_zero(difference, higher_is_better=False)
    return {1: f"{what} helps at 5 %", -1: f"{what} hurts at 5 %"}.get(side or 0, f"{what} does not help at 5 %")


def _sentiment_columns(panel: Panel) -> list[int]:
    columns = [i for i, name in enumerate(panel.features) if name in _SENTIMENT]
    if not columns:
        raise ConfigError(
            "the panel has no sentiment to leave out: build it with a DailySentiment and features.sentiment = true "
            "(the lake holds none until 'tenor data import' or 'tenor sentiment' put it there)."
        )
    return columns


def _check(panel_with: Panel, panel_without: Panel) -> None:
    columns = _sentiment_columns(panel_with)
    rest = tuple(name for i, name in enumerate(panel_with.features) if i not in columns)
    for what, same in (
        ("symbols", panel_with.symbols == panel_without.symbols),
        ("sessions", panel_with.sessions.equals(panel_without.sessions)),
        ("horizons", panel_with.horizons == panel_without.horizons),
        ("other features", rest == panel_without.features),
        ("targets", np.array_equal(panel_with.targets, panel_without.targets, equal_nan=True)),
    ):
        if not same:
            raise DataError(
                f"the panels with sentiment and without it differ in their {what}: "
                "build both from the same bars and config."
            )
