"""Does the news help? The same folds and seeds with sentiment, without it, and with sentiment shuffled across days.

Three arms that differ in nothing else. *Without* lacks the sentiment columns. *Shuffled* has them, number for number,
but on other days: what it gains over *without* is not news, it is the chance to fit more columns. The days are
shuffled before the first test part and within each test part, never across, so that a fold is not trained on
sentiment of its own test days and every part keeps the distribution it had. A shuffled day can hold the sentiment of
a later day: it is a placebo to compare with, never a forecast that could have been made, and since a day drawn at
random says nothing about the returns that follow the day it is put on, that can't help it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.errors import ConfigError, DataError
from tenor.evaluation import cells, metrics
from tenor.evaluation.bootstrap import RESAMPLES
from tenor.evaluation.significance import LEVEL, Difference, drawn_days, format_p, resampled
from tenor.evaluation.walkforward import FoldProgress, WalkForward, walk
from tenor.features import FEATURES
from tenor.schema import Bool, Float64, Panel, Predictions
from tenor.storage.files import json_values
from tenor.training import Split

WITH, WITHOUT, SHUFFLED = "with sentiment", "without sentiment", "sentiment shuffled"
ARMS = (WITH, WITHOUT, SHUFFLED)
HIGHER_IS_BETTER = {"loss": False, "skill": True, "direction": True, "rank_ic": True}
"""The metrics. `loss`: mean squared error of the return in units of its volatility, which the networks minimise."""
HEADLINE = "loss"

_SENTIMENT = tuple(feature.name for feature in FEATURES if feature.group == "sentiment")
_SUMS = ("n", "loss", "se", "se0", "hits", "ic", "ics")


@dataclass(frozen=True)
class Contrast:
    """With sentiment less another arm, on some of the cells.

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
    """What sentiment is worth at one horizon.

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
        With sentiment less *without* and less *shuffled*: on all cells, then by news, by volatility and by fold. Only
        the first is the question asked; the others were not corrected for being many.
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
        found: list[dict[str, str | float]] = []
        for contrast in self.contrasts:
            for metric, difference in contrast.differences.items():
                by_seed = np.array(contrast.by_seed[metric])
                better = by_seed > 0 if HIGHER_IS_BETTER[metric] else by_seed < 0
                found.append(
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
        return found

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values; what is undefined is None."""
        plain: dict[str, Any] = json_values(asdict(self))
        return plain


def ablate(
    panel_with: Panel,
    panel_without: Panel,
    splits: Sequence[Split],
    *,
    features: FeatureConfig,
    model: ModelConfig,
    training: TrainConfig,
    kept: Path | None = None,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[int, Ablation]:
    """Walk all `splits` three times and compare, for every horizon of the panels.

    Parameters
    ----------
    panel_with, panel_without
        Of the same bars, the first with sentiment; all else must be equal.
    features
        What `panel_with` was built with.
    kept, workers
        As in `tenor.evaluation.walkforward.walk`.
    progress
        Told arm, networks done, networks in all.
    seed
        Of the shuffle and of the resampled days.

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
            kept=kept,
            workers=workers,
            progress=None if progress is None else _told(progress, arm),
        )
        for arm, panel, config in arms
    }
    return {
        horizon: compare_arms(panel_with, walks, horizon=horizon, resamples=resamples, seed=seed)
        for horizon in panel_with.horizons
    }


def shuffle_sentiment(panel: Panel, splits: Sequence[Split], *, seed: int) -> Panel:
    """`panel` with the sentiment columns of whole sessions, all symbols together, put on other sessions.

    Sessions swap places only among those before the first test part, or within one test part; and only between the
    first and the last session with any sentiment, so that years without news stay what they are.
    """
    columns = _sentiment_columns(panel)
    rng = np.random.default_rng(seed)
    values = panel.values.copy()
    place = panel.features.index("sentiment_known")
    told = np.flatnonzero((panel.values[:, :, place] > 0).any(axis=1))
    first, last = (int(told[0]), int(told[-1])) if len(told) else (0, -1)
    stretches = [slice(0, splits[0].test.start), *(split.test for split in splits)]
    for stretch in stretches:
        rows = np.arange(max(stretch.start, first), min(stretch.stop, last + 1))
        values[rows[:, None], :, columns] = panel.values[rng.permutation(rows)[:, None], :, columns]
    values[~panel.mask] = 0.0
    return replace(panel, values=values)


def compare_arms(
    panel: Panel, walks: Mapping[str, WalkForward], *, horizon: int, resamples: int = RESAMPLES, seed: int = 0
) -> Ablation:
    """Compare the three `walks` (by the names of `ARMS`) over the cells that all of them forecast.

    Parameters
    ----------
    panel
        The one with sentiment; its sentiment columns and volatilities tell the cells apart.
    """
    ours = walks[WITH]
    mask = np.logical_and.reduce([one.mask for one in walks.values()])
    judged = replace(panel, mask=mask)
    days, realised = cells.realised(judged, ours.rows, horizon=horizon)
    axis = panel.horizon_index(horizon)
    scale = panel.volatility[days].astype("float64") * math.sqrt(horizon)
    said = {arm: one.predictions[one.name] for arm, one in walks.items()}
    drawn, block = drawn_days(len(days), horizon=horizon, resamples=resamples, seed=seed)

    def sums(one: Predictions, kind: Bool) -> Float64:
        return _sums(one, days, axis, np.where(kind, realised, np.nan), scale)

    kinds = _kinds(panel, days, np.isfinite(realised)) | _folds(panel, ours, days)
    whole = {arm: _measure(np.ones((1, len(days))), sums(said[arm], kinds["all"])) for arm in ARMS}
    contrasts = []
    for other in (WITHOUT, SHUFFLED):
        for kind, chosen in kinds.items():
            counted = chosen & np.isfinite(realised)
            if not counted.any():
                continue
            differences = _less(sums(said[WITH], chosen), sums(said[other], chosen), drawn, block)
            by_seed = [
                _less_plainly(sums(ours.seeds[s], chosen), sums(walks[other].seeds[s], chosen)) for s in ours.seeds
            ]
            contrasts.append(
                Contrast(
                    other=other,
                    cells=kind,
                    samples=int(counted.sum()),
                    days=int(counted.any(axis=1).sum()),
                    differences=differences,
                    by_seed={metric: tuple(one[metric] for one in by_seed) for metric in HIGHER_IS_BETTER},
                )
            )
    sessions = panel.sessions[days]
    return Ablation(
        horizon=horizon,
        first=f"{sessions[0]:%Y-%m-%d}",
        last=f"{sessions[-1]:%Y-%m-%d}",
        seeds=tuple(ours.seeds),
        levels={arm: {metric: float(value[0]) for metric, value in found.items()} for arm, found in whole.items()},
        contrasts=tuple(contrasts),
        verdict=verdict(contrasts, days=len(days)),
    )


def verdict(contrasts: Sequence[Contrast], *, days: int) -> str:
    """One sentence on `HEADLINE` over all cells, at 5 %: against no sentiment, and against shuffled if better."""
    found = {one.other: one.differences[HEADLINE] for one in contrasts if one.cells == "all"}
    plain, placebo = found[WITHOUT], found[SHUFFLED]
    shown = (
        f"squared error {_signed(plain)} against no sentiment, "
        f"{_signed(placebo)} against sentiment shuffled across days"
    )
    if not math.isfinite(plain.p):
        if plain.value == 0:
            return "Sentiment changes nothing: the forecasts with it and without it have the same error."
        return f"{days} days are too few to tell whether sentiment helps ({shown})."
    if plain.p >= LEVEL:
        return f"Sentiment does not help at 5 % ({shown})."
    if plain.value > 0:
        return f"Sentiment hurts at 5 % ({shown})."
    if math.isfinite(placebo.p) and placebo.p < LEVEL and placebo.value < 0:
        return f"Sentiment helps at 5 % ({shown})."
    return f"Sentiment columns help at 5 %, but shuffled ones no less: it is not the news of the day ({shown})."


def _told(progress: Callable[[str, int, int], None], arm: str) -> FoldProgress:
    return lambda done, total: progress(arm, done, total)


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


def _kinds(panel: Panel, days: np.ndarray, counts: Bool) -> dict[str, Bool]:
    """Name -> [day, symbol], which cells; thirds and fifths are those of the days judged."""
    features = {name: panel.values[days, :, i] for i, name in enumerate(panel.features) if name in _SENTIMENT}
    known, cell_news = features["sentiment_known"] > 0, features["sentiment_count"]
    # the market's count stands in every cell of a session that is masked in: cells that count have it
    day_news = np.where(counts, features["sentiment_market_count"], 0.0).max(axis=1)
    market = np.nanmean(np.where(counts, panel.volatility[days], np.nan), axis=1)  # each day has a cell that counts
    low, high = np.quantile(market, (1 / 3, 2 / 3))
    everywhere = np.ones_like(counts)

    def of_days(chosen: Any) -> Bool:
        return np.asarray(everywhere & np.asarray(chosen)[:, None])

    much = np.zeros_like(counts)
    if (known & counts).any():
        much = known & (cell_news >= np.quantile(cell_news[known & counts], 0.8))
    return {
        "all": everywhere,
        "fifth of days with most news": of_days((day_news > 0) & (day_news >= np.quantile(day_news, 0.8))),
        "fifth of news cells with most news": much,
        "cells with news": known,
        "cells without news": ~known,
        "calm third of days": of_days(market <= low),
        "middle third of days": of_days((market > low) & (market <= high)),
        "volatile third of days": of_days(market > high),
    }


def _folds(panel: Panel, ours: WalkForward, days: np.ndarray) -> dict[str, Bool]:
    """Name -> [day, symbol], the cells of each fold's test part."""
    found: dict[str, Bool] = {}
    for number, fold in enumerate(ours.folds, start=1):
        rows = fold.split.test
        here = (days >= rows.start) & (days < rows.stop)
        name = f"fold {number}, from {panel.sessions[rows.start]:%Y-%m-%d}"
        found[name] = np.broadcast_to(here[:, None], (len(days), len(panel.symbols)))
    return found


def _sums(said: Predictions, days: np.ndarray, axis: int, realised: Float64, scale: Float64) -> Float64:
    """[day, statistic] of `_SUMS` over the cells whose `realised` is finite."""
    counts = np.isfinite(realised)
    mean, p_up = (np.where(counts, a[days, :, axis], 0.0).astype("float64") for a in (said.mean, said.p_up))
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
    """Metric -> [resample]."""
    total = dict(zip(_SUMS, (drawn @ sums).T, strict=True))
    return {
        "loss": metrics.ratio(total["loss"], total["n"]),
        "skill": 1.0 - np.sqrt(metrics.ratio(total["se"], total["se0"])),
        "direction": metrics.ratio(total["hits"], total["n"]),
        "rank_ic": metrics.ratio(total["ic"], total["ics"]),
    }


def _less(ours: Float64, other: Float64, drawn: Float64, block: int) -> dict[str, Difference]:
    values = _less_plainly(ours, other)
    first, second = _measure(drawn, ours), _measure(drawn, other)
    return {
        metric: resampled(value, first[metric] - second[metric], days=len(ours), block=block)
        for metric, value in values.items()
    }


def _less_plainly(ours: Float64, other: Float64) -> dict[str, float]:
    once = np.ones((1, len(ours)))
    first, second = _measure(once, ours), _measure(once, other)
    return {metric: float(first[metric][0] - second[metric][0]) for metric in HIGHER_IS_BETTER}
