"""Compares the arms of an ablation on the same cells: their forecasts of risk and of returns.

A difference is always between two arms on the same cells, with an interval and a p-value from resampled days. There are
two hypotheses, each on all cells: one about the squared error of the forecast log variance (`RISK`) and one about the
squared error of returns (`RETURNS`). The p-values of all other metrics and cells are not corrected for their number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenor import metrics
from tenor.evaluation import cells
from tenor.evaluation.bootstrap import RESAMPLES
from tenor.evaluation.significance import Difference, drawn_days, format_p, resampled
from tenor.evaluation.walkforward import WalkForward
from tenor.schema import Bool, Float64, Panel, Predictions
from tenor.storage.files import json_values

RISK, RETURNS = "log_variance_mse", "loss"
HIGHER_IS_BETTER = {RISK: False, RETURNS: False, "skill": True, "direction": True, "rank_ic": True}
"""The metrics. `RISK`: mean squared error of the log variance; `RETURNS`: that of returns in units of their volatility.
The networks minimise both."""

Kinds = Callable[[NDArray[np.intp], Bool], Mapping[str, Bool]]
"""From the sessions' places and which of their cells count [day, symbol] to kinds of cells, each [day, symbol]."""

_SUMS = ("n", "loss", "se", "se0", "hits", "ic", "ics", "n_risk", "se_risk")
"""What is summed by day: cells, losses, squared errors, squared returns, hits, rank ICs and how many are defined, cells
with a forecast of risk, and their squared errors of log variance."""


@dataclass(frozen=True)
class Contrast:
    """One arm minus another, on some of the cells.

    Attributes
    ----------
    other
        The other arm.
    cells
        Name of the group of cells.
    samples, days
        Numbers of cells and days.
    differences
        For each metric, the paired difference of the ensembles, with its interval and p-value from resampled days.
    by_seed
        For each metric, the difference of the two networks of each seed, in the order of the seeds.
    """

    other: str
    cells: str
    samples: int
    days: int
    differences: dict[str, Difference]
    by_seed: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Ablation:
    """How much one part of the model is worth at one horizon.

    Attributes
    ----------
    horizon
        Sessions ahead.
    first, last
        First and last session (YYYY-MM-DD) that counts.
    seeds
        Number of seeds of each arm.
    levels
        The ensemble's value on all cells, by arm and metric.
    contrasts
        The first arm minus each other one: on all cells, then by group of cells and by fold. Only those on all cells
        answer the question; the p-values of the others are not corrected for their number.
    verdict
        A sentence about risk and one about returns.
    """

    horizon: int
    first: str
    last: str
    seeds: tuple[int, ...]
    levels: dict[str, dict[str, float]]
    contrasts: tuple[Contrast, ...]
    verdict: str

    def rows(self) -> list[dict[str, str | float]]:
        """A dict for each contrast and metric: other, cells, samples, days, metric, value, low, high, p, seed_mean,
        seed_sd, seeds_better (the number of seeds for which the first arm was better).
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
        """A dict of JSON values; undefined numbers are None."""
        values: dict[str, Any] = json_values(asdict(self))
        return values


def compare_walks(
    panel: Panel,
    walks: Mapping[str, WalkForward],
    *,
    horizon: int,
    kinds: Kinds,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Ablation:
    """Compare the first of `walks` with each other one over the cells that all of them predict; no verdict yet.

    Parameters
    ----------
    panel
        The panel that was predicted; cells count where its return is known.
    walks
        Arm -> its walk-forward, all of the same folds and seeds.
    horizon
        Sessions ahead.
    kinds
        Kinds of cells to compare on beside each fold; ``all`` must be among them.
    resamples, seed
        Number of resamples of the days, and their seed.
    """
    name, *others = walks
    ours = walks[name]
    days, realised = cells.realised(counted(panel, walks), ours.rows, horizon=horizon)
    known = np.isfinite(realised)
    axis = panel.horizon_index(horizon)
    scale = panel.volatility[days].astype("float64") * math.sqrt(horizon)
    log_variance = panel.log_variance[days, :, axis].astype("float64")
    predictions = {arm: of_arm.predictions[of_arm.name] for arm, of_arm in walks.items()}
    drawn, block = drawn_days(len(days), horizon=horizon, resamples=resamples, seed=seed)

    def sums(network: Predictions, chosen: Bool) -> Float64:
        return _sums(network, days, axis, np.where(chosen, realised, np.nan), scale, log_variance)

    of_kind = {**kinds(days, known), **_folds(panel, ours, days)}
    each_day_once = np.ones((1, len(days)))
    levels = {arm: _measure(each_day_once, sums(predictions[arm], of_kind["all"])) for arm in walks}
    contrasts = []
    for other in others:
        for kind, chosen in of_kind.items():
            of_those = chosen & known
            if not of_those.any():
                continue
            by_seed = [
                _plain_differences(sums(ours.seeds[seed], chosen), sums(walks[other].seeds[seed], chosen))
                for seed in ours.seeds
            ]
            contrasts.append(
                Contrast(
                    other=other,
                    cells=kind,
                    samples=int(of_those.sum()),
                    days=int(of_those.any(axis=1).sum()),
                    differences=_differences(
                        sums(predictions[name], chosen), sums(predictions[other], chosen), drawn, block
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
        verdict="",
    )


def counted(panel: Panel, walks: Mapping[str, WalkForward]) -> Panel:
    """`panel` with only the cells in its mask that all of `walks` predict."""
    return replace(panel, mask=np.logical_and.reduce([of_arm.mask for of_arm in walks.values()]))


def on_all_cells(contrasts: Sequence[Contrast], metric: str) -> dict[str, Difference]:
    """Other arm -> the difference of `metric` on all cells."""
    return {contrast.other: contrast.differences[metric] for contrast in contrasts if contrast.cells == "all"}


def difference_text(difference: Difference) -> str:
    """A difference with its interval and p-value, for a sentence."""
    p = f", p {format_p(difference.p)}" if math.isfinite(difference.p) else ""
    return f"{difference.value:+.5f} [{difference.low:+.5f}, {difference.high:+.5f}{p}]"


def _folds(panel: Panel, ours: WalkForward, days: np.ndarray) -> dict[str, Bool]:
    """Name -> [day, symbol], the cells of each fold's test part."""
    by_fold: dict[str, Bool] = {}
    for number, fold in enumerate(ours.folds, start=1):
        rows = fold.split.test
        here = (days >= rows.start) & (days < rows.stop)
        name = f"fold {number}, from {panel.sessions[rows.start]:%Y-%m-%d}"
        by_fold[name] = np.broadcast_to(here[:, None], (len(days), len(panel.symbols)))
    return by_fold


def _sums(
    predictions: Predictions, days: np.ndarray, axis: int, realised: Float64, scale: Float64, log_variance: Float64
) -> Float64:
    """[day, statistic] of `_SUMS` over the cells whose `realised` return is finite."""
    counts = np.isfinite(realised)
    mean = np.where(counts, predictions.mean[days, :, axis], 0.0).astype("float64")
    p_up = np.where(counts, predictions.p_up[days, :, axis], 0.0).astype("float64")
    actual = np.where(counts, realised, 0.0)
    unit = np.where(counts, scale, 1.0)
    ic = metrics.daily_ic(np.where(counts, mean, np.nan), realised)
    defined = np.isfinite(ic)
    squared = np.full(counts.shape, np.nan)  # a model without a forecast of risk has no error of it
    if predictions.risk is not None:
        squared = (predictions.risk.log_variance[days, :, axis].astype("float64") - log_variance) ** 2
    judged = counts & np.isfinite(squared)
    columns = {
        "n": counts,
        "loss": ((mean - actual) / unit) ** 2,
        "se": (mean - actual) ** 2,
        "se0": actual**2,
        "hits": counts & ((p_up > 0.5) == (actual > 0)),
    }
    summed = [columns[name].sum(axis=1, dtype="float64") for name in columns]
    of_risk = [judged.sum(axis=1, dtype="float64"), np.where(judged, squared, 0.0).sum(axis=1)]
    return np.stack([*summed, np.where(defined, ic, 0.0), defined.astype("float64"), *of_risk], axis=1)


def _measure(drawn: Float64, sums: Float64) -> dict[str, Float64]:
    """Metric -> [resample], from how often each day was `drawn` [resample, day] and what was summed by day."""
    total = dict(zip(_SUMS, (drawn @ sums).T, strict=True))
    return {
        RISK: metrics.ratio(total["se_risk"], total["n_risk"]),
        RETURNS: metrics.ratio(total["loss"], total["n"]),
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
