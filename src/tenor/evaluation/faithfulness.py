"""Is the attention honest? Hide what a forecast attended to most, and see whether it moves more than it would anyway.

A deletion test (after Samek et al. 2017): inputs are hidden by setting them to 0, the training part's mean, and the
network runs again on the forecast's own window. If attention shows what mattered, hiding the most-attended k steps (or
features) moves the forecast more than hiding k random ones, and hiding the least-attended moves it less.

What is random is which step or feature carries which rank: one relabelling holds for all forecasts of a draw. So
attention that ranks the same items first everywhere is compared with other fixed rankings, as it must be: independent
choices for each forecast would make a lucky ranking look significant. Steps have a simple comparator too, the latest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tenor import metrics
from tenor.errors import ConfigError, HistoryError, ModelError
from tenor.evaluation.bootstrap import RESAMPLES, ConfidenceInterval
from tenor.evaluation.significance import LEVEL, drawn_days, format_p, resampled, side_of_zero
from tenor.inference.cells import usable
from tenor.schema import Bool, Float32, Float64, Panel
from tenor.storage.files import json_values
from tenor.training import Forecaster, PanelAttention

MOST, RANDOM, LEAST, LATEST = "most attended", "random", "least attended", "latest"
DRAWS = 39
"""Random relabellings; with 39 the p-value is below .05 only if none of them moves forecasts as much."""
BATCH = 512
"""Windows that run through a network at once: it bounds memory."""

Integers = NDArray[np.intp]


@dataclass(frozen=True)
class Deletion:
    """What hiding steps, or features, does to forecasts.

    Attributes
    ----------
    what
        ``steps`` or ``features``.
    of
        How many there are to hide.
    hidden
        How many were hidden, rising.
    moved
        Arm (`MOST`, `RANDOM`, `LEAST`; for steps `LATEST` too) -> for each of `hidden`, the mean absolute change of
        the forecast, in units of the return's volatility, with its interval from resampled days.
    error
        Arm -> likewise the mean change of the squared error, in squared units of volatility; above 0 it hurts.
    moved_over_random, error_over_random
        *most attended* minus *random*, mean over `hidden`.
    p
        Of a permutation test: the share of `DRAWS` relabellings, and attention itself, that move forecasts as much.
    honest
        Whether the forecast moves more than at random, at 5 %, by the interval and by `p`.
    """

    what: str
    of: int
    hidden: tuple[int, ...]
    moved: dict[str, tuple[ConfidenceInterval, ...]]
    error: dict[str, tuple[ConfidenceInterval, ...]]
    moved_over_random: ConfidenceInterval
    error_over_random: ConfidenceInterval
    p: float
    honest: bool


@dataclass(frozen=True)
class Faithfulness:
    """Whether attention over time and over features shows what forecasts rest on.

    Attributes
    ----------
    horizon
        Sessions ahead.
    forecasts, days
        How many were tested, on how many days.
    time, features
        The two tests.
    verdict
        One sentence; it says so when attention is not honest.
    """

    horizon: int
    forecasts: int
    days: int
    time: Deletion
    features: Deletion
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values; what is undefined is None."""
        values: dict[str, Any] = json_values(asdict(self))
        return values


def testable(forecaster: Forecaster, panel: Panel) -> bool:
    """Whether there is attention, over more than one step and more than one feature."""
    return forecaster.model.attention and min(forecaster.model.lookback, len(panel.features)) > 1


def faithfulness(
    forecaster: Forecaster,
    panel: Panel,
    rows: slice,
    *,
    horizon: int = 1,
    forecasts: int = 200,
    hidden: Sequence[int] = (1, 2, 4, 8),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Faithfulness:
    """Test a sample of the forecasts of `rows`.

    Attention and forecast are the ensemble's, as people see them. A feature's attention is its mean over the lookback,
    and it is hidden over the lookback.

    Parameters
    ----------
    forecaster
        The model.
    panel
        Unscaled, built as the model asks.
    rows
        Sessions the model was not trained on.
    horizon
        Sessions ahead.
    forecasts
        Tested at most, drawn evenly from the cells with a known return.
    hidden
        Numbers of steps and of features to hide; those that would hide all are left out.
    resamples
        Of the days.
    seed
        Of the sample, the relabellings and the resampled days.

    Raises
    ------
    ModelError
        The model has no attention, or the panel does not fit it.
    HistoryError
        No forecast of `rows` has a known return.
    ConfigError
        `forecasts` or `hidden` leave nothing to test.
    """
    if not forecaster.model.attention:
        raise ModelError("this model was trained without attention (model.attention = false): nothing to test.")
    if forecasts < 1 or not hidden or min(hidden) < 1:
        raise ConfigError(f"forecasts is {forecasts} and hidden {list(hidden)}: test at least one, hide at least one.")
    rng = np.random.default_rng(seed)
    place = panel.horizon_index(horizon)
    first, stop, _ = rows.indices(len(panel.sessions))
    day, symbol = _sample(forecaster, panel, slice(first, stop), place, forecasts, rng)
    lookback = forecaster.model.lookback
    windows = _windows(forecaster, panel, day, symbol)
    begin = max(0, first - lookback)
    attention = forecaster.attention(panel, slice(begin, stop))
    time, feature = _attended(attention, day - begin, symbol, lookback)
    scale = panel.volatility[day, symbol].astype("float64") * math.sqrt(horizon)
    realised = panel.targets[day, symbol, place].astype("float64") / scale

    test = _Test(forecaster, windows, realised, place, day, horizon, resamples, seed)
    of_steps = test.of("steps", time, hidden, rng)
    of_features = test.of("features", feature, hidden, rng)
    return Faithfulness(
        horizon=horizon,
        forecasts=len(day),
        days=len(np.unique(day)),
        time=of_steps,
        features=of_features,
        verdict=faithfulness_verdict(of_steps, of_features),
    )


def faithfulness_verdict(time: Deletion, features: Deletion) -> str:
    """One sentence on both."""
    return f"{_clause('Attention over time', time)}; {_clause('attention over features', features)}."


def _clause(name: str, deletion: Deletion) -> str:
    if not math.isfinite(deletion.moved_over_random.low):
        return f"{name} can't be tested on so few days"
    moved = {arm: np.mean([point.value for point in curve]) for arm, curve in deletion.moved.items()}
    most, random, latest = moved[MOST], moved[RANDOM], moved.get(LATEST, 0.0)
    times = f"{most / random:.2f} times as far as hiding random ones" if random > 0 else "where random ones do not"
    if latest > 0:
        times += f" and {most / latest:.2f} times as far as hiding the latest"
    result = "is honest at 5 %" if deletion.honest else "is not shown to be honest at 5 %"
    side = side_of_zero(deletion.error_over_random)
    hurts = {1: "hurts more", -1: "hurts less"}.get(side or 0, "does not hurt more")
    return (
        f"{name} {result}: hiding the most-attended {deletion.what} moves the forecast {times} "
        f"(p {format_p(deletion.p)}) and {hurts} than random in squared error"
    )


def _sample(
    forecaster: Forecaster, panel: Panel, rows: slice, place: int, most: int, rng: np.random.Generator
) -> tuple[Integers, Integers]:
    """Places of the forecasts to test, in order of time."""
    known: Bool = usable(panel, forecaster.model.lookback) & np.isfinite(panel.targets[:, :, place])
    known &= panel.volatility > 0
    day, symbol = np.nonzero(known[rows])
    if not len(day):
        raise HistoryError(
            "no forecast with a known return to test the attention on: import more history or move the split dates."
        )
    chosen = np.sort(rng.choice(len(day), size=min(most, len(day)), replace=False))
    return day[chosen] + rows.start, symbol[chosen]


def _windows(forecaster: Forecaster, panel: Panel, day: Integers, symbol: Integers) -> Float32:
    """[forecast, time, feature]; the scaled inputs a forecast rests on, its own session last; 0 before the panel.

    One lookback to warm up and the lookback itself: what lies before them moves a forecast by less than 1e-3 of its
    spread, and every choice is compared on the same window.
    """
    length = 2 * forecaster.model.lookback
    values = forecaster.recipe.scaler.transform(panel).values
    padded = np.concatenate((np.zeros((length - 1, *values.shape[1:]), dtype=values.dtype), values))
    run = day[:, None] + np.arange(length)  # the window of session t ends at padded row t + length - 1
    return np.asarray(padded[run, symbol[:, None]], dtype=np.float32)


def _attended(attention: PanelAttention, day: Integers, symbol: Integers, lookback: int) -> tuple[Float32, Float32]:
    """Weights of the last `lookback` steps [forecast, lookback], and of the features, [forecast, feature]."""
    back = np.maximum(day[:, None] - np.arange(lookback), 0)
    of_feature = attention.feature[back, symbol[:, None]]  # NaN on sessions without a forecast
    known = np.isfinite(of_feature)
    mean = np.where(known, of_feature, 0.0).sum(axis=1) / known.sum(axis=1)
    return attention.time[day, symbol], mean.astype(np.float32)


@dataclass(frozen=True)
class _Test:
    """A sample of forecasts, to be repeated with inputs hidden."""

    forecaster: Forecaster
    windows: Float32
    realised: Float64
    place: int
    day: Integers
    horizon: int
    resamples: int
    seed: int

    def of(self, what: str, weights: Float32, hidden: Sequence[int], rng: np.random.Generator) -> Deletion:
        """Hide `what` by `weights` [forecast, item]."""
        items = weights.shape[1]
        counts = tuple(sorted({k for k in hidden if k < items}))
        if not counts:
            raise ConfigError(f"hidden is {list(hidden)} and there are {items} {what}: hide fewer than all.")
        ranked = np.argsort(-weights, axis=1, kind="stable")  # [forecast, rank]
        fixed = {MOST: ranked, LEAST: ranked[:, ::-1]}
        if what == "steps":
            fixed[LATEST] = np.broadcast_to(np.arange(items)[::-1], ranked.shape)
        # permutation[ranked] gives every item the rank of another one, the same for all forecasts of a draw
        choices = [*fixed.values(), *(rng.permutation(items)[ranked] for _ in range(DRAWS))]
        unhidden = self._predict(self.windows)
        moved = np.empty((len(choices), len(counts), len(unhidden)))
        error = np.empty_like(moved)
        for c, order in enumerate(choices):
            for i, k in enumerate(counts):
                with_hidden = self._predict(self._hide(order[:, :k], what))
                moved[c, i] = np.abs(with_hidden - unhidden)
                error[c, i] = (with_hidden - self.realised) ** 2 - (unhidden - self.realised) ** 2
        by_day = _ByDay(self.day, self.horizon, self.resamples, self.seed)
        places = {arm: slice(c, c + 1) for c, arm in enumerate(fixed)} | {RANDOM: slice(len(fixed), None)}

        def curves(values: Float64) -> dict[str, tuple[ConfidenceInterval, ...]]:
            return {
                arm: tuple(by_day.interval(of_count) for of_count in values[place].mean(axis=0))
                for arm, place in places.items()
            }

        def over_random(values: Float64) -> ConfidenceInterval:
            return by_day.interval((values[0] - values[places[RANDOM]].mean(axis=0)).mean(axis=0))

        over = over_random(moved)
        reach = moved.mean(axis=(1, 2))  # of each choice, over all that was hidden
        p = float((1 + (reach[places[RANDOM]] >= reach[0]).sum()) / (1 + DRAWS))
        return Deletion(
            what=what,
            of=items,
            hidden=counts,
            moved=curves(moved),
            error=curves(error),
            moved_over_random=over,
            error_over_random=over_random(error),
            p=p,
            honest=bool(over.low > 0 and p < LEVEL),
        )

    def _hide(self, chosen: Integers, what: str) -> Float32:
        """The windows with `chosen` [forecast, k] steps or features of the lookback at 0."""
        lookback = self.forecaster.model.lookback
        windows = self.windows.copy()
        last = windows[:, -lookback:]  # a view: what is set in it is set in `windows`
        each = np.arange(len(windows))[:, None]
        if what == "steps":
            last[each, chosen] = 0.0
        else:
            last[each, :, chosen] = 0.0
        return windows

    def _predict(self, windows: Float32) -> Float64:
        """[forecast]; the ensemble's mean for the windows' last session, in units of volatility."""
        total = np.zeros(len(windows))
        for network in self.forecaster.networks:
            for start in range(0, len(windows), BATCH):
                with torch.no_grad():
                    out = network(torch.from_numpy(windows[start : start + BATCH]))
                total[start : start + BATCH] += out.heads["mean"][:, -1, self.place].numpy()
        return total / len(self.forecaster.networks)


class _ByDay:
    """Means over forecasts whose unit is the day."""

    def __init__(self, day: Integers, horizon: int, resamples: int, seed: int) -> None:
        self._days, self._index = np.unique(day, return_inverse=True)
        self._counts = np.bincount(self._index).astype("float64")
        self._drawn, self._block = drawn_days(len(self._days), horizon=horizon, resamples=resamples, seed=seed)

    def interval(self, values: Float64) -> ConfidenceInterval:
        """The mean of `values` [forecast], between bounds from resampled days."""
        sums = np.bincount(self._index, weights=values)
        draws = metrics.ratio(self._drawn @ sums, self._drawn @ self._counts)
        return resampled(float(values.mean()), draws, days=len(self._days), block=self._block).interval
