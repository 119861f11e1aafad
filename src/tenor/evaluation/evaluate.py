"""Evaluates a forecaster and baselines on the same cells, which it never saw, with a verdict in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenor import metrics
from tenor.errors import DataError
from tenor.evaluation import cells
from tenor.evaluation.backtest import RULES, Backtest, backtest, buy_and_hold
from tenor.evaluation.baselines import PERSISTENCE
from tenor.evaluation.bootstrap import RESAMPLES, ConfidenceInterval, DayTotals
from tenor.evaluation.comparison import Comparison, compare_models
from tenor.evaluation.significance import drawn_days, resampled, share, side_of_zero
from tenor.metrics import Bin
from tenor.schema import Float64, Panel, Predictions
from tenor.storage.files import json_values


@dataclass(frozen=True)
class Evaluation:
    """How good one model was on a test, compared with others; all intervals are 95 %, from resampled days.

    Attributes
    ----------
    horizon
        Sessions ahead.
    first, last
        Sessions of the first and last forecast that counts.
    days, samples
        Numbers of sessions and cells that count.
    table
        Value and interval by model and metric (`bootstrap.METRICS`); the evaluated model comes first. NaN: undefined.
    tests
        The evaluated model against each other one: Diebold-Mariano, Holm, Pesaran-Timmermann, paired bootstrap.
    against
        The evaluated model minus the other on the same resampled days, by other model and metric (`PAIRED`).
    verdict
        The result in plain words.
    by_year
        The evaluated model's metrics, by year.
    by_symbol
        For each symbol: samples, errors of the forecast prices as fractions of the last close (price_rmse, price_mae),
        skill, mase, direction, auc, the Brier score of P(up), and the Brier score of a constant forecast, the symbol's
        own share of rises (brier_constant).
    reliability
        Groups of cells by the evaluated model's P(up).
    coverage
        Share of returns inside the evaluated model's 90 % interval; NaN if it gives no interval.
    backtests
        The evaluated model's portfolio for each of ``long/flat``, ``long/short`` and ``buy and hold``.
    """

    horizon: int
    first: pd.Timestamp
    last: pd.Timestamp
    days: int
    samples: int
    table: dict[str, dict[str, ConfidenceInterval]]
    tests: list[Comparison]
    against: dict[str, dict[str, ConfidenceInterval]]
    verdict: str
    by_year: dict[str, dict[str, ConfidenceInterval]]
    by_symbol: dict[str, dict[str, float]]
    reliability: list[Bin]
    coverage: ConfidenceInterval
    backtests: dict[str, Backtest]

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values: dates as YYYY-MM-DD, undefined numbers as None."""
        values = {name: json_values(value) for name, value in self.__dict__.items() if name not in ("first", "last")}
        first, last = f"{self.first:%Y-%m-%d}", f"{self.last:%Y-%m-%d}"
        return {"verdict": values.pop("verdict"), "first": first, "last": last, **values}


def evaluate(
    panel: Panel,
    rows: slice,
    predictions: Mapping[str, Predictions],
    *,
    horizon: int = 1,
    cost: float = 10.0,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Evaluate the first of `predictions` and compare it with the others on `rows`.

    A cell counts where the panel's mask is True and its return is known; the same cells count for every model.

    Parameters
    ----------
    panel
        The panel that was predicted.
    rows
        The sessions of the test, as a slice of the panel's session axis.
    predictions
        The predictions of each model for the whole panel, by name.
    horizon
        Sessions ahead.
    cost
        Cost in basis points of the money traded, for the backtests.
    resamples, seed
        Number of resamples of the days, and their seed.

    Raises
    ------
    HistoryError
        No cell counts.
    DataError
        A model's shape is not the panel's, or it has no prediction, or no probability, in a cell that counts.
    """
    if not predictions:
        raise DataError("nothing to evaluate: give the predictions of at least one model.")
    axis = panel.horizon_index(horizon)
    days, realised = cells.realised(panel, rows, horizon=horizon)
    counts = np.isfinite(realised)
    totals: dict[str, DayTotals] = {}
    for name, of_model in predictions.items():
        mean, p_up = cells.predicted(panel, days, counts, name, of_model, horizon=horizon)
        totals[name] = DayTotals.of(mean, p_up, realised)
    chance = _Resampled.of(len(days), horizon=horizon, resamples=resamples, seed=seed)
    ours, *others = predictions
    mean, p_up = cells.predicted(panel, days, counts, ours, predictions[ours], horizon=horizon)
    table = {name: chance.measured(total) for name, total in totals.items()}
    tests: list[Comparison] = []
    if others:
        tests = compare_models(panel, rows, predictions, horizon=horizon, resamples=resamples, seed=seed)
    against = {
        test.other: {metric: difference.interval for metric, difference in test.differences.items()} for test in tests
    }
    sessions = panel.sessions[days]
    return Evaluation(
        horizon=horizon,
        first=sessions[0],
        last=sessions[-1],
        days=len(days),
        samples=int(counts.sum()),
        table=table,
        tests=tests,
        against=against,
        verdict=evaluation_verdict(
            ours,
            table[ours],
            {test.other: test.side for test in tests},
            _over_always_up(totals[ours], chance),
            days=len(days),
        ),
        by_year=_by_year(totals[ours], sessions, horizon=horizon, resamples=resamples, seed=seed),
        by_symbol=_by_symbol(panel.symbols, mean, p_up, realised, panel.close[days]),
        reliability=metrics.reliability(np.where(counts, p_up, np.nan), realised),
        coverage=_coverage(predictions[ours], days, realised, axis, chance),
        backtests={
            **{rule: backtest(panel, rows, predictions[ours], horizon=horizon, rule=rule, cost=cost) for rule in RULES},
            "buy and hold": buy_and_hold(panel, rows, cost=cost),
        },
    )


@dataclass(frozen=True)
class Direction:
    """Direction accuracy against always-up.

    Attributes
    ----------
    always_up
        Share of rises, which is how often always-up is right.
    difference
        Share of right directions minus `always_up`.
    """

    always_up: float
    difference: ConfidenceInterval


def evaluation_verdict(
    name: str,
    ours: Mapping[str, ConfidenceInterval],
    squared_error: Mapping[str, int | None],
    direction: Direction,
    *,
    days: int,
) -> str:
    """The tests in words: squared error against persistence, direction against always-up, then the other models.

    Parameters
    ----------
    name, ours
        The evaluated model, and its metrics.
    squared_error
        For each other model: 1 if ours is better at 5 % by a Diebold-Mariano test on days, after Holm's correction for
        the number of models; -1 if it is worse, 0 if neither is shown, None if there are too few days. Direction and
        rank IC are not corrected: each is shown if its 95 % interval lies on one side.
    direction
        The direction accuracy compared with always-up.
    days
        Sessions with a cell that counts.
    """
    skill, right, ic = ours["skill"], ours["direction"], ours["rank_ic"]
    shown = f"skill {_percent(skill.value)}"
    if math.isfinite(skill.low):
        shown += f", 95 % interval {_percent(skill.low)} to {_percent(skill.high)}"
    opening = {
        1: f"{name} beats persistence in squared error at 5 %",
        0: "No edge over persistence in squared error at 5 %",
        -1: f"{name} is worse than persistence in squared error at 5 %",
        None: f"{days} days are too few to tell {name} from persistence in squared error",
    }[squared_error.get(PERSISTENCE, side_of_zero(skill))]
    text = f"{opening} ({shown}). " if math.isfinite(skill.value) else "No return moved: skill is undefined. "
    if math.isfinite(right.value):
        results = {1: "better at 5 %", 0: "no difference at 5 %", -1: "worse at 5 %", None: "too few days to tell"}
        text += f"Direction right in {100 * right.value:.1f} % of cases against {100 * direction.always_up:.1f} % for "
        text += f"always-up: {results[side_of_zero(direction.difference)]}."
    else:
        text += "It names no direction."
    groups: dict[int | None, list[str]] = {}
    for other, side in squared_error.items():
        if other != PERSISTENCE:  # that one is the opening's
            groups.setdefault(side, []).append(other)
    words: dict[int | None, str] = {
        1: "better than",
        0: "no difference from",
        -1: "worse than",
        None: "too few days to tell from",
    }
    if groups:
        text += (
            " Squared error: " + "; ".join(f"{w} {', '.join(groups[s])}" for s, w in words.items() if s in groups) + "."
        )
    side_of_ic = side_of_zero(ic)
    if side_of_ic is not None:
        where = {1: "above zero at 5 %", 0: "not distinguishable from zero at 5 %", -1: "below zero at 5 %"}[side_of_ic]
        text += f" Rank IC {ic.value:.3f}: {where}."
    return text


def _percent(share: float) -> str:
    return f"{100 * share + 0.0:.2f} %".replace("-0.00 ", "0.00 ")


@dataclass(frozen=True)
class _Resampled:
    """Days drawn in blocks, and intervals from them."""

    drawn: Float64
    block: int

    @classmethod
    def of(cls, days: int, *, horizon: int, resamples: int, seed: int) -> _Resampled:
        return cls(*drawn_days(days, horizon=horizon, resamples=resamples, seed=seed))

    def interval(self, value: float, draws: Float64) -> ConfidenceInterval:
        return resampled(value, draws, days=self.drawn.shape[1], block=self.block).interval

    def measured(self, totals: DayTotals) -> dict[str, ConfidenceInterval]:
        draws = totals.measure(self.drawn)
        return {metric: self.interval(value, draws[metric]) for metric, value in totals.values().items()}


def _over_always_up(totals: DayTotals, chance: _Resampled) -> Direction:
    up = float(metrics.ratio(totals.ups.sum(), totals.counts.sum()))
    draws = totals.measure(chance.drawn)["direction"]
    always = metrics.ratio(chance.drawn @ totals.ups, chance.drawn @ totals.counts)
    return Direction(up, chance.interval(totals.values()["direction"] - up, draws - always))


def _by_year(
    totals: DayTotals, sessions: pd.DatetimeIndex, *, horizon: int, resamples: int, seed: int
) -> dict[str, dict[str, ConfidenceInterval]]:
    by_year = {}
    years = sessions.year.to_numpy()
    for year in np.unique(years):
        first, stop = np.searchsorted(years, (year, year + 1))
        chance = _Resampled.of(int(stop - first), horizon=horizon, resamples=resamples, seed=seed)
        by_year[str(year)] = chance.measured(totals.on(slice(first, stop)))
    return by_year


def _by_symbol(
    symbols: tuple[str, ...], mean: Float64, p_up: Float64, realised: Float64, close: Float64
) -> dict[str, dict[str, float]]:
    by_symbol = {}
    for i, symbol in enumerate(symbols):
        known = np.isfinite(realised[:, i])
        if known.any():
            f, p, r, last = mean[known, i], p_up[known, i], realised[known, i], close[known, i]
            rises = float((r > 0).mean())
            by_symbol[symbol] = {
                "samples": float(known.sum()),
                "price_rmse": metrics.rmse(np.exp(f), np.exp(r)),
                "price_mae": metrics.mae(np.exp(f), np.exp(r)),
                "skill": metrics.skill(f, r),
                "mase": metrics.mase(last * np.exp(f), last * np.exp(r), last),
                "direction": metrics.direction_accuracy(p, r),
                "auc": metrics.auc(p, r),
                "brier": metrics.brier(p, r),
                "brier_constant": rises * (1 - rises),
            }
    return by_symbol


def _coverage(
    predictions: Predictions, days: np.ndarray, realised: Float64, axis: int, chance: _Resampled
) -> ConfidenceInterval:
    if predictions.lower is None or predictions.upper is None:
        return ConfidenceInterval(math.nan, math.nan, math.nan)
    lower = predictions.lower[days, :, axis]
    upper = predictions.upper[days, :, axis]
    known = np.isfinite(realised) & np.isfinite(lower) & np.isfinite(upper)
    inside = known & (realised >= lower) & (realised <= upper)
    hits, counts = inside.sum(axis=1, dtype="float64"), known.sum(axis=1, dtype="float64")
    return share(hits, counts, chance.drawn, block=chance.block)
