"""Judge a forecaster beside baselines, on the same cells of data that it never saw, and say so in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenor.errors import DataError, HistoryError
from tenor.evaluation import metrics
from tenor.evaluation.backtest import RULES, Backtest, backtest, buy_and_hold
from tenor.evaluation.baselines import PERSISTENCE
from tenor.evaluation.bootstrap import RESAMPLES, DayTotals, Interval, interval, resampled_days, share_interval
from tenor.evaluation.metrics import Bin
from tenor.schema import Bool, Float64, Panel, Predictions

PAIRED = ("return_rmse", "direction", "rank_ic")
"""Metrics of which `Evaluation.against` holds paired differences."""


@dataclass(frozen=True)
class Evaluation:
    """How one model did on a test, beside the others; all intervals are 95 %, from resampling days.

    Attributes
    ----------
    horizon : sessions ahead. `first`, `last` : sessions of the first and last forecast that counts.
    days, samples : sessions and cells that count.
    table : model -> metric (`bootstrap.METRICS`) -> value and interval; the model judged comes first. NaN: undefined.
    against : other model -> metric (`PAIRED`) -> the judged model less the other, on the same resampled days.
    verdict : plain words.
    by_year : year -> metric -> the judged model's. `by_symbol` : symbol -> samples, skill, mase, direction, auc.
    reliability : groups of cells by the judged model's P(up).
    coverage : share of returns inside the judged model's 90 % interval; NaN where it gives none.
    backtests : ``long/flat``, ``long/short`` and ``buy and hold`` -> the judged model's portfolio.
    """

    horizon: int
    first: pd.Timestamp
    last: pd.Timestamp
    days: int
    samples: int
    table: dict[str, dict[str, Interval]]
    against: dict[str, dict[str, Interval]]
    verdict: str
    by_year: dict[str, dict[str, Interval]]
    by_symbol: dict[str, dict[str, float]]
    reliability: list[Bin]
    coverage: Interval
    backtests: dict[str, Backtest]

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values: dates as YYYY-MM-DD, what is undefined as None."""
        plain = {name: _plain(value) for name, value in self.__dict__.items() if name not in ("first", "last")}
        return {"first": f"{self.first:%Y-%m-%d}", "last": f"{self.last:%Y-%m-%d}", **plain}


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
    """Judge the first of `predictions` beside the others on `rows`.

    A cell counts where the panel's mask is True and its return is known; the same cells count for every model.

    Parameters
    ----------
    rows : the test's sessions, as places on the panel's session axis.
    predictions : name -> what the model said over the whole panel.
    cost : bps of the money traded, for the backtests.

    Raises
    ------
    HistoryError : no cell counts.
    DataError : a model's shape is not the panel's, or it said nothing, or no probability, in a cell that counts.
    """
    if not predictions:
        raise DataError("nothing to evaluate: give the predictions of at least one model.")
    axis = panel.horizon_index(horizon)
    days, realised = _realised(panel, rows, axis)
    counts = np.isfinite(realised)
    close = panel.close[days]
    totals: dict[str, DayTotals] = {}
    for name, said in predictions.items():
        mean, p_up = _said(panel, days, counts, name, said, axis)
        totals[name] = DayTotals.of(mean, p_up, realised, close)
    drawn = resampled_days(len(days), horizon=horizon, resamples=resamples, seed=seed)
    draws = {name: total.measure(drawn) for name, total in totals.items()}
    values = {name: total.values() for name, total in totals.items()}
    ours, *others = predictions
    mean, p_up = _said(panel, days, counts, ours, predictions[ours], axis)
    table = {name: _intervals(values[name], draws[name]) for name in predictions}
    against = {name: _intervals(*_less(values, draws, ours, name)) for name in others}
    sessions = panel.sessions[days]
    return Evaluation(
        horizon=horizon,
        first=sessions[0],
        last=sessions[-1],
        days=len(days),
        samples=int(counts.sum()),
        table=table,
        against=against,
        verdict=verdict(ours, table[ours], against, _over_always_up(totals[ours], values[ours], drawn), days=len(days)),
        by_year=_by_year(totals[ours], sessions, horizon=horizon, resamples=resamples, seed=seed),
        by_symbol=_by_symbol(panel.symbols, mean, p_up, realised, close),
        reliability=metrics.reliability(np.where(counts, p_up, np.nan), realised),
        coverage=_coverage(predictions[ours], days, realised, axis, drawn),
        backtests={
            **{rule: backtest(panel, rows, predictions[ours], horizon=horizon, rule=rule, cost=cost) for rule in RULES},
            "buy and hold": buy_and_hold(panel, rows, cost=cost),
        },
    )


@dataclass(frozen=True)
class Direction:
    """Share of right directions less the share of rises, which is what always-up gets right; and that share."""

    always_up: float
    difference: Interval


def verdict(
    name: str,
    ours: Mapping[str, Interval],
    against: Mapping[str, Mapping[str, Interval]],
    direction: Direction,
    *,
    days: int,
) -> str:
    """What the intervals allow to say: squared error against persistence, direction against always-up, then the rest.

    Each comparison stands at 5 % by itself: its 95 % interval lies on one side of no difference.
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
    }[_side(skill)]
    text = f"{opening} ({shown}). " if math.isfinite(skill.value) else "No return moved: skill is undefined. "
    if math.isfinite(right.value):
        judged = {1: "better at 5 %", 0: "no difference at 5 %", -1: "worse at 5 %", None: "too few days to tell"}
        shares = (f"{100 * share:.1f} %" for share in (right.value, direction.always_up))
        text += "Direction right in {} of cases against {} for always-up".format(*shares)
        text += f": {judged[_side(direction.difference)]}."
    else:
        text += "It names no direction."
    groups: dict[int | None, list[str]] = {}
    for other, metrics_ in against.items():
        if other != PERSISTENCE:  # that one is the opening's
            groups.setdefault(_side(metrics_["return_rmse"]), []).append(other)
    words = {-1: "better than", 0: "no difference from", 1: "worse than", None: "too few days to tell from"}
    if groups:
        text += (
            " Squared error: " + "; ".join(f"{w} {', '.join(groups[s])}" for s, w in words.items() if s in groups) + "."
        )
    if _side(ic) is not None:
        held = {1: "above zero at 5 %", 0: "not told apart from zero at 5 %", -1: "below zero at 5 %"}[_side(ic) or 0]
        text += f" Rank IC {ic.value:.3f}: {held}."
    return text


def _side(found: Interval) -> int | None:
    """On which side of 0 the whole interval lies; 0 for neither, None where there is none."""
    if not math.isfinite(found.low):
        return None
    return int(found.low > 0) - int(found.high < 0)


def _percent(share: float) -> str:
    return f"{100 * share + 0.0:.2f} %".replace("-0.00 ", "0.00 ")


def _realised(panel: Panel, rows: slice, axis: int) -> tuple[np.ndarray, Float64]:
    """Places of the sessions in `rows` with a cell that counts, and their returns [day, symbol], NaN where not."""
    realised = np.where(panel.mask[rows], panel.targets[rows, :, axis], np.nan).astype("float64")
    known = np.isfinite(realised).any(axis=1)
    if not known.any():
        raise HistoryError(
            f"no forecast {panel.horizons[axis]} sessions ahead can be judged in the test: no cell has a known return. "
            "Import more history or move the split dates."
        )
    return np.arange(len(panel.sessions))[rows][known], realised[known]


def _said(
    panel: Panel, days: np.ndarray, counts: Bool, name: str, said: Predictions, axis: int
) -> tuple[Float64, Float64]:
    """Mean and P(up) [day, symbol] of one model, checked to be there in every cell that counts."""
    if said.mean.shape != panel.targets.shape:
        raise DataError(
            f"predictions of {name} have shape {said.mean.shape}, the panel's targets {panel.targets.shape}: "
            "predict the panel that is evaluated."
        )
    mean, p_up = said.mean[days, :, axis].astype("float64"), said.p_up[days, :, axis].astype("float64")
    missing = counts & ~(np.isfinite(mean) & np.isfinite(p_up))
    if missing.any():
        day, symbol = np.argwhere(missing)[0]
        raise DataError(
            f"{name} says nothing in {int(missing.sum())} of {int(counts.sum())} cells that count, "
            f"the first {panel.symbols[symbol]} on {panel.sessions[days[day]]:%Y-%m-%d}: "
            "let it predict every cell of the panel's mask."
        )
    outside = counts & ((p_up < 0) | (p_up > 1))
    if outside.any():
        raise DataError(f"{name} gives a P(up) of {p_up[outside][0]:g}: it must lie in 0..1.")
    return mean, p_up


def _intervals(values: Mapping[str, float], draws: Mapping[str, Float64]) -> dict[str, Interval]:
    return {metric: interval(value, draws[metric]) for metric, value in values.items()}


def _less(
    values: Mapping[str, Mapping[str, float]], draws: Mapping[str, Mapping[str, Float64]], ours: str, other: str
) -> tuple[dict[str, float], dict[str, Float64]]:
    return (
        {metric: values[ours][metric] - values[other][metric] for metric in PAIRED},
        {metric: draws[ours][metric] - draws[other][metric] for metric in PAIRED},
    )


def _over_always_up(totals: DayTotals, values: Mapping[str, float], drawn: Float64) -> Direction:
    up = float(metrics.ratio(totals.ups.sum(), totals.counts.sum()))
    draws = totals.measure(drawn)["direction"] - metrics.ratio(drawn @ totals.ups, drawn @ totals.counts)
    return Direction(up, interval(values["direction"] - up, draws))


def _by_year(
    totals: DayTotals, sessions: pd.DatetimeIndex, *, horizon: int, resamples: int, seed: int
) -> dict[str, dict[str, Interval]]:
    found = {}
    years = sessions.year.to_numpy()
    for year in np.unique(years):
        first, last = np.searchsorted(years, (year, year + 1))
        part = totals.on(slice(first, last))
        drawn = resampled_days(last - first, horizon=horizon, resamples=resamples, seed=seed)
        found[str(year)] = _intervals(part.values(), part.measure(drawn))
    return found


def _by_symbol(
    symbols: tuple[str, ...], mean: Float64, p_up: Float64, realised: Float64, close: Float64
) -> dict[str, dict[str, float]]:
    found = {}
    for i, symbol in enumerate(symbols):
        known = np.isfinite(realised[:, i])
        if known.any():
            f, p, r, last = mean[known, i], p_up[known, i], realised[known, i], close[known, i]
            found[symbol] = {
                "samples": float(known.sum()),
                "skill": metrics.skill(f, r),
                "mase": metrics.mase(last * np.exp(f), last * np.exp(r), last),
                "direction": metrics.direction_accuracy(p, r),
                "auc": metrics.auc(p, r),
            }
    return found


def _coverage(said: Predictions, days: np.ndarray, realised: Float64, axis: int, drawn: Float64) -> Interval:
    if said.lower is None or said.upper is None:
        return Interval(math.nan, math.nan, math.nan)
    lower, upper = said.lower[days, :, axis], said.upper[days, :, axis]
    known = np.isfinite(realised) & np.isfinite(lower) & np.isfinite(upper)
    inside = known & (realised >= lower) & (realised <= upper)
    return share_interval(inside.sum(axis=1, dtype="float64"), known.sum(axis=1, dtype="float64"), drawn)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, Backtest):
        return _plain(value.to_json())
    if isinstance(value, (Interval, Bin)):
        return _plain(asdict(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
