"""Does the news help? The same model with sentiment and without it, all else equal. It is asked of two populations:

- `ablate`: is sentiment worth having in this *method*? Settings are walked forward over folds, retrained in each, on
  all cells, with or without news: a placebo arm, several seeds and many test days give the power to answer, and days
  without news count because a feature that is empty on most days may still do harm there. `tenor ablate` runs it.
- `compare_on_news_sessions`: did sentiment help *this version*? One split, the version as it was trained and its twin
  without sentiment, only on the test sessions that sentiment reaches: outside them the two differ by chance alone,
  which would dilute what news does where there is some. `tenor evaluate` reports it.

The arms of `ablate` differ in nothing but sentiment. *Without* lacks the sentiment columns. *Shuffled* has them, number
for number, but on other days: what it gains over *without* is not news, it is the chance to fit more columns. The days
are shuffled before the first test part and within each test part, never across, so that a fold is not trained on
sentiment of its own test days and every part keeps the distribution it had. A shuffled day can hold the sentiment of
a later day: it is a placebo to compare with, never a forecast that could have been made, and since a day drawn at
random says nothing about the returns that follow the day it is put on, that can't help it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tenor import metrics
from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.errors import ConfigError, DataError
from tenor.evaluation import cells
from tenor.evaluation.bootstrap import RESAMPLES
from tenor.evaluation.evaluate import Evaluation, evaluate
from tenor.evaluation.significance import Difference, drawn_days, format_p, resampled, side_of_zero
from tenor.evaluation.walkforward import WalkForward, walk
from tenor.features import feature_names
from tenor.schema import Bool, DailySentiment, Float64, Panel, Predictions
from tenor.storage.files import json_values
from tenor.training import Split

WITH, WITHOUT, SHUFFLED = "with sentiment", "without sentiment", "sentiment shuffled"
ARMS = (WITH, WITHOUT, SHUFFLED)
HIGHER_IS_BETTER = {"loss": False, "skill": True, "direction": True, "rank_ic": True}
"""The metrics. `loss`: mean squared error of the return in units of its volatility, which the networks minimise."""
HEADLINE = "loss"

_SENTIMENT = feature_names(["sentiment"])
_SUMS = ("n", "loss", "se", "se0", "hits", "ic", "ics")
"""What is summed by day: cells, losses, squared errors, squared returns, hits, rank ICs and how many are defined."""


@dataclass(frozen=True)
class Contrast:
    """The arm with sentiment minus another, on some of the cells.

    Attributes
    ----------
    other
        The other arm.
    cells
        Which cells.
    samples, days
        How many.
    differences
        Metric -> paired difference of the ensembles, its interval and p-value from resampled days.
    by_seed
        Metric -> the difference of the two networks of each seed, in the order of the seeds.
    """

    other: str
    cells: str
    samples: int
    days: int
    differences: dict[str, Difference]
    by_seed: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Ablation:
    """The effect of sentiment at one horizon.

    Attributes
    ----------
    horizon
        Sessions ahead.
    first, last
        First and last session (YYYY-MM-DD) that counts.
    seeds
        Of every arm.
    levels
        Arm -> metric -> the ensemble's value on all cells.
    contrasts
        With sentiment minus *without* and minus *shuffled*: on all cells, then by news, by volatility and by fold. Only
        the first answers the question; the others are not corrected for being many.
    verdict
        One sentence.
    """

    horizon: int
    first: str
    last: str
    seeds: tuple[int, ...]
    levels: dict[str, dict[str, float]]
    contrasts: tuple[Contrast, ...]
    verdict: str

    def rows(self) -> list[dict[str, str | float]]:
        """One flat mapping a contrast and metric: other, cells, samples, days, metric, value, low, high, p, seed_mean,
        seed_sd, seeds_better (how many seeds sentiment made better).
        """
        rows: list[dict[str, str | float]] = []
        for contrast in self.contrasts:
            for metric, difference in contrast.differences.items():
                by_seed = np.array(contrast.by_seed[metric])
                better = by_seed > 0 if HIGHER_IS_BETTER[metric] else by_seed < 0
                rows.append(
                    {
                        "other": contrast.other,
                        "cells": contrast.cells,
                        "samples": contrast.samples,
                        "days": contrast.days,
                        "metric": metric,
                        **asdict(difference),
                        "seed_mean": float(by_seed.mean()),
                        "seed_sd": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else math.nan,
                        "seeds_better": int(better.sum()),
                    }
                )
        return rows

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values; what is undefined is None."""
        values: dict[str, Any] = json_values(asdict(self))
        return values


def ablate(
    panel_with: Panel,
    panel_without: Panel,
    splits: Sequence[Split],
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[int, Ablation]:
    """Walk all `splits` three times and compare on all cells, for every horizon of the panels.

    Parameters
    ----------
    panel_with, panel_without
        Of the same bars, the first with sentiment; all else must be equal.
    features
        What `panel_with` was built with.
    splits, model, training, cache, workers
        As in `tenor.evaluation.walkforward.walk`.
    progress
        Called with an arm, how many of its networks are done, and how many there are.
    resamples
        Of the days.
    seed
        Of the shuffle and of the resampled days.

    Returns
    -------
    dict of int to Ablation
        Horizon -> its ablation.

    Raises
    ------
    DataError
        The panels differ in more than the sentiment columns.
    ConfigError
        The first has no sentiment.
    HistoryError
        As `walk` does.
    """
    _check(panel_with, panel_without)
    plain = replace(features, sentiment=False)
    shuffled = shuffle_sentiment(panel_with, splits, seed=seed)
    arms = ((WITH, panel_with, features), (WITHOUT, panel_without, plain), (SHUFFLED, shuffled, features))
    walks = {
        arm: walk(
            panel,
            splits,
            features=config,
            model=model,
            training=training,
            baselines=(),
            cache=cache,
            workers=workers,
            progress=None if progress is None else partial(progress, arm),
        )
        for arm, panel, config in arms
    }
    return {
        horizon: compare_arms(panel_with, walks, horizon=horizon, resamples=resamples, seed=seed)
        for horizon in panel_with.horizons
    }


def compare_on_news_sessions(
    panel: Panel,
    rows: slice,
    sentiment: DailySentiment,
    predictions: Mapping[str, Predictions],
    *,
    ours: str,
    without: str,
    resamples: int = RESAMPLES,
) -> dict[int, Evaluation]:
    """A model beside the same model without sentiment, on the sessions of `rows` that sentiment reaches.

    Parameters
    ----------
    panel
        The panel that was predicted, with only the cells that count in its mask.
    rows
        The test's sessions, as places on the panel's session axis.
    sentiment
        What the model saw; `rows` are cut to the sessions from its first to its last.
    predictions
        Name -> predictions over the whole panel; those of other models than the two are not used.
    ours, without
        The names of the two models.
    resamples
        Of the days.

    Returns
    -------
    dict of int to Evaluation
        Horizon -> evaluation of `ours` against `without`; empty where sentiment reaches no session of `rows`.

    Raises
    ------
    HistoryError
        As `evaluate` does.
    DataError
        As `evaluate` does.
    """
    start, stop, _ = rows.indices(len(panel.sessions))
    first, last = sentiment.frame["session"].min(), sentiment.frame["session"].max()
    start = max(start, int(panel.sessions.searchsorted(first)))
    stop = min(stop, int(panel.sessions.searchsorted(last, side="right")))
    if stop <= start:
        return {}
    pair = {name: predictions[name] for name in (ours, without)}
    return {h: evaluate(panel, slice(start, stop), pair, horizon=h, resamples=resamples) for h in panel.horizons}


def shuffle_sentiment(panel: Panel, splits: Sequence[Split], *, seed: int) -> Panel:
    """`panel` with the sentiment columns of whole sessions, all symbols together, put on other sessions.

    Sessions swap places only among those before the first test part, or within one test part; and only between the
    first and the last session with any sentiment, so that years without news stay what they are.
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
        The one with sentiment; its sentiment columns and volatilities decide which kind a cell is of.
    walks
        Arm -> its walk-forward.
    horizon
        Sessions ahead.
    resamples, seed
        Of the resampled days.
    """
    ours = walks[WITH]
    mask = np.logical_and.reduce([of_arm.mask for of_arm in walks.values()])
    days, realised = cells.realised(replace(panel, mask=mask), ours.rows, horizon=horizon)
    axis = panel.horizon_index(horizon)
    scale = panel.volatility[days].astype("float64") * math.sqrt(horizon)
    predictions = {arm: of_arm.predictions[of_arm.name] for arm, of_arm in walks.items()}
    drawn, block = drawn_days(len(days), horizon=horizon, resamples=resamples, seed=seed)

    def sums(network: Predictions, chosen: Bool) -> Float64:
        return _sums(network, days, axis, np.where(chosen, realised, np.nan), scale)

    kinds = cells.by_news_and_volatility(panel, days, np.isfinite(realised)) | _folds(panel, ours, days)
    each_day_once = np.ones((1, len(days)))
    levels = {arm: _measure(each_day_once, sums(predictions[arm], kinds["all"])) for arm in ARMS}
    contrasts = []
    for other in (WITHOUT, SHUFFLED):
        for kind, chosen in kinds.items():
            counted = chosen & np.isfinite(realised)
            if not counted.any():
                continue
            by_seed = [
                _plain_differences(sums(ours.seeds[seed], chosen), sums(walks[other].seeds[seed], chosen))
                for seed in ours.seeds
            ]
            contrasts.append(
                Contrast(
                    other=other,
                    cells=kind,
                    samples=int(counted.sum()),
                    days=int(counted.any(axis=1).sum()),
                    differences=_differences(
                        sums(predictions[WITH], chosen), sums(predictions[other], chosen), drawn, block
                    ),
                    by_seed={metric: tuple(of_seed[metric] for of_seed in by_seed) for metric in HIGHER_IS_BETTER},
                )
            )
    sessions = panel.sessions[days]
    return Ablation(
        horizon=horizon,
        first=f"{sessions[0]:%Y-%m-%d}",
        last=f"{sessions[-1]:%Y-%m-%d}",
        seeds=tuple(ours.seeds),
        levels={arm: {metric: float(value[0]) for metric, value in row.items()} for arm, row in levels.items()},
        contrasts=tuple(contrasts),
        verdict=ablation_verdict(contrasts, days=len(days)),
    )


def ablation_verdict(contrasts: Sequence[Contrast], *, days: int) -> str:
    """One sentence on `HEADLINE` over all cells, at 5 %: against no sentiment, and against shuffled if better."""
    whole = {contrast.other: contrast.differences[HEADLINE] for contrast in contrasts if contrast.cells == "all"}
    plain, placebo = whole[WITHOUT], whole[SHUFFLED]
    shown = (
        f"squared error {_signed(plain)} against no sentiment, "
        f"{_signed(placebo)} against sentiment shuffled across days"
    )
    if not math.isfinite(plain.p):
        if plain.value == 0:
            return "Sentiment changes nothing: the forecasts with it and without it have the same error."
        return f"{days} days are too few to tell whether sentiment helps ({shown})."
    side = side_of_zero(plain, higher_is_better=HIGHER_IS_BETTER[HEADLINE])
    if side == 0:
        return f"Sentiment does not help at 5 % ({shown})."
    if side == -1:
        return f"Sentiment hurts at 5 % ({shown})."
    if math.isfinite(placebo.p) and side_of_zero(placebo, higher_is_better=HIGHER_IS_BETTER[HEADLINE]) == 1:
        return f"Sentiment helps at 5 % ({shown})."
    return f"Sentiment columns help at 5 %, but shuffled ones no less: it is not the news of the day ({shown})."


def _signed(difference: Difference) -> str:
    p = f", p {format_p(difference.p)}" if math.isfinite(difference.p) else ""
    return f"{difference.value:+.5f} [{difference.low:+.5f}, {difference.high:+.5f}{p}]"


def _sentiment_columns(panel: Panel) -> list[int]:
    columns = [i for i, name in enumerate(panel.features) if name in _SENTIMENT]
    if not columns:
        raise ConfigError(
            "the panel has no sentiment to take away: build it with a DailySentiment and features.sentiment = true "
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


def _folds(panel: Panel, ours: WalkForward, days: np.ndarray) -> dict[str, Bool]:
    """Name -> [day, symbol], the cells of each fold's test part."""
    by_fold: dict[str, Bool] = {}
    for number, fold in enumerate(ours.folds, start=1):
        rows = fold.split.test
        here = (days >= rows.start) & (days < rows.stop)
        name = f"fold {number}, from {panel.sessions[rows.start]:%Y-%m-%d}"
        by_fold[name] = np.broadcast_to(here[:, None], (len(days), len(panel.symbols)))
    return by_fold


def _sums(predictions: Predictions, days: np.ndarray, axis: int, realised: Float64, scale: Float64) -> Float64:
    """[day, statistic] of `_SUMS` over the cells whose `realised` is finite."""
    counts = np.isfinite(realised)
    mean = np.where(counts, predictions.mean[days, :, axis], 0.0).astype("float64")
    p_up = np.where(counts, predictions.p_up[days, :, axis], 0.0).astype("float64")
    actual = np.where(counts, realised, 0.0)
    unit = np.where(counts, scale, 1.0)
    ic = metrics.daily_ic(np.where(counts, mean, np.nan), realised)
    defined = np.isfinite(ic)
    columns = {
        "n": counts,
        "loss": ((mean - actual) / unit) ** 2,
        "se": (mean - actual) ** 2,
        "se0": actual**2,
        "hits": counts & ((p_up > 0.5) == (actual > 0)),
    }
    summed = [columns[name].sum(axis=1, dtype="float64") for name in columns]
    return np.stack([*summed, np.where(defined, ic, 0.0), defined.astype("float64")], axis=1)


def _measure(drawn: Float64, sums: Float64) -> dict[str, Float64]:
    """Metric -> [resample], from how often each day was `drawn` [resample, day] and what was summed by day."""
    total = dict(zip(_SUMS, (drawn @ sums).T, strict=True))
    return {
        "loss": metrics.ratio(total["loss"], total["n"]),
        "skill": metrics.skill_of_sums(total["se"], total["se0"]),
        "direction": metrics.ratio(total["hits"], total["n"]),
        "rank_ic": metrics.ratio(total["ic"], total["ics"]),
    }


def _differences(ours: Float64, other: Float64, drawn: Float64, block: int) -> dict[str, Difference]:
    values = _plain_differences(ours, other)
    first, second = _measure(drawn, ours), _measure(drawn, other)
    return {
        metric: resampled(value, first[metric] - second[metric], days=len(ours), block=block)
        for metric, value in values.items()
    }


def _plain_differences(ours: Float64, other: Float64) -> dict[str, float]:
    each_day_once = np.ones((1, len(ours)))
    first, second = _measure(each_day_once, ours), _measure(each_day_once, other)
    return {metric: float(first[metric][0] - second[metric][0]) for metric in HIGHER_IS_BETTER}
