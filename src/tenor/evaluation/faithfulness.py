"""Does the forecast of risk depend on the inputs with the most attention? The test hides them and compares with others.

A deletion test (after Samek et al. 2017) of the forecast log variance and of its own horizon's attention, on the
forecast's own window. A hidden step has no session: its features are 0, the training part's mean, and its variance
leaves the pool. A hidden feature is 0 over the lookback. If attention shows what the forecast depends on, hiding the
most-attended k steps (or features) changes it more, and increases its squared error more, than hiding k random ones.

What is random is which step or feature carries which rank: one relabelling holds for all forecasts of a draw. So
attention that ranks the same items first everywhere is compared with other fixed rankings, as it must be: independent
choices for each forecast would make a lucky ranking look significant. Attention to the latest steps would pass this
test for any forecast that depends on recent sessions. So the steps are also compared with the latest ones, and the test
is repeated among the steps older than the last `RECENT`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenor import metrics
from tenor.errors import ConfigError, HistoryError, ModelError
from tenor.evaluation.bootstrap import RESAMPLES, ConfidenceInterval
from tenor.evaluation.last_step import LastStep
from tenor.evaluation.significance import LEVEL, drawn_days, format_p, resampled, side_of_zero
from tenor.inference.cells import network_input, usable
from tenor.model import AttentionLSTM
from tenor.schema import Bool, Float32, Float64, Panel
from tenor.storage.files import json_values
from tenor.training import Forecaster, PanelAttention

MOST, RANDOM, LEAST, LATEST = "most attended", "random", "least attended", "latest"
STEPS, OLDER, FEATURES = "steps", "older steps", "features"
RECENT = 5
"""The number of latest sessions that `OLDER` leaves out."""
DRAWS = 199
"""Number of random relabellings; with 199 the smallest p-value is 0.005."""

Integers = NDArray[np.intp]


@dataclass(frozen=True)
class Deletion:
    """How much forecasts of log variance change if steps, or features, are hidden.

    Attributes
    ----------
    what
        `STEPS`, `OLDER` (steps before the last `RECENT`) or `FEATURES`.
    of
        The number of steps or features that there are.
    hidden
        The numbers that were hidden, in rising order.
    moved
        Arm (`MOST`, `RANDOM`, `LEAST`; for steps `LATEST` too) -> for each of `hidden`, the mean absolute change of
        the forecast log variance, with its interval from resampled days.
    error
        Arm -> likewise the mean change of its squared error; above 0 it hurts.
    moved_over_random, error_over_random
        *most attended* minus *random*, mean over `hidden`.
    moved_over_latest, error_over_latest
        *most attended* minus *latest*, likewise; None for features.
    p_moved, p_error
        P-values of a permutation test: the share of `DRAWS` relabellings, counting attention itself as one, that change
        the forecast, or increase the squared error, at least as much.
    honest
        Whether the forecast changes more than at random, at 5 %, by the interval and by `p_moved`.
    hurts
        Whether the squared error increases more than at random, likewise.
    """

    what: str
    of: int
    hidden: tuple[int, ...]
    moved: dict[str, tuple[ConfidenceInterval, ...]]
    error: dict[str, tuple[ConfidenceInterval, ...]]
    moved_over_random: ConfidenceInterval
    error_over_random: ConfidenceInterval
    moved_over_latest: ConfidenceInterval | None
    error_over_latest: ConfidenceInterval | None
    p_moved: float
    p_error: float
    honest: bool
    hurts: bool

    def times(self, arm: str) -> float:
        """How many times more the forecast changes if the most attended are hidden than if `arm` is; NaN: undefined."""
        means = {name: float(np.mean([point.value for point in curve])) for name, curve in self.moved.items()}
        return means[MOST] / means[arm] if means.get(arm, 0.0) > 0 else math.nan


@dataclass(frozen=True)
class Faithfulness:
    """Whether attention over time and over features shows what forecasts of risk depend on.

    Attributes
    ----------
    horizon
        Sessions ahead.
    forecasts, days
        Numbers of forecasts tested and of their days.
    time, features
        The two tests.
    older
        The test for the steps before the last `RECENT`; None if the lookback is too short for it.
    entropy
        `attention_entropy` over all forecasts of the test, by horizon; 1 is uniform attention.
    verdict
        A sentence for each test; it says so when attention does not show what forecasts depend on.
    """

    horizon: int
    forecasts: int
    days: int
    time: Deletion
    older: Deletion | None
    features: Deletion
    entropy: dict[int, float]
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        values: dict[str, Any] = json_values(asdict(self))
        return values | {"uniform_entropy": 1.0}


def attention_entropy(weights: Float32) -> Float64:
    """Mean entropy of attention as a share of that of uniform attention: 1 is uniform, 0 is all on one step.

    Parameters
    ----------
    weights
        [..., horizon, lookback]; each sum to 1 over the lookback; forecasts with a NaN do not count.

    Returns
    -------
    array
        [horizon]; NaN where no forecast counts, and for a lookback of 1.

    Examples
    --------
    >>> attention_entropy(np.array([[0.25, 0.25, 0.25, 0.25], [0, 0, 0, 1.0]])).tolist()
    [1.0, 0.0]
    """
    w = np.asarray(weights, "float64")
    horizons, length = w.shape[-2:]
    logs = np.log(w, out=np.zeros_like(w), where=w > 0)  # 0 log 0 is 0
    entropy = np.abs((w * logs).sum(axis=-1)).reshape(-1, horizons)  # NaN where a weight is
    known = np.isfinite(entropy)
    mean = metrics.ratio(np.where(known, entropy, 0.0).sum(axis=0), known.sum(axis=0))
    return metrics.ratio(mean, math.log(length))


def testable(forecaster: Forecaster, panel: Panel) -> bool:
    """Whether `forecaster` is tenor's own network with attention, and has more than one step and one feature."""
    return forecaster.model.attention_lstm and min(forecaster.model.lookback, len(panel.features)) > 1


def faithfulness(
    forecaster: Forecaster,
    panel: Panel,
    rows: slice,
    *,
    horizon: int = 1,
    forecasts: int = 400,
    hidden: Sequence[int] = (1, 8),
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
        Most forecasts to test, drawn evenly from the cells whose later variance is known.
    hidden
        Numbers of steps and of features to hide; those that would hide all are left out.
    resamples
        Number of resamples of the days.
    seed
        Seed of the sample, the relabellings and the resampled days.

    Raises
    ------
    ModelError
        The model has no attention, or the panel does not fit it.
    HistoryError
        No forecast of `rows` has a known variance ahead.
    ConfigError
        `forecasts` or `hidden` leave nothing to test.
    """
    networks = [network for network in forecaster.networks if isinstance(network, AttentionLSTM)]
    if not networks:
        raise ModelError(f"{forecaster.name} is not tenor's own network, and this tests the attention of that one.")
    if not forecaster.model.attention:
        raise ModelError("this model was trained without attention (model.attention = false): nothing to test.")
    if forecasts < 1 or not hidden or min(hidden) < 1:
        raise ConfigError(f"forecasts is {forecasts} and hidden {list(hidden)}: test at least one, hide at least one.")
    rng = np.random.default_rng(seed)
    place = panel.horizon_index(horizon)
    first, stop, _ = rows.indices(len(panel.sessions))
    day, symbol = _sample(forecaster, panel, slice(first, stop), place, forecasts, rng)
    lookback = forecaster.model.lookback
    begin = max(0, first - lookback)
    attention = forecaster.attention(panel, slice(begin, stop))
    time, feature = _attended(attention, day - begin, symbol, place, lookback)
    test = _Test(
        LastStep(networks, _windows(forecaster, panel, day, symbol), place),
        panel.log_variance[day, symbol, place].astype("float64"),
        _ByDay(day, horizon, resamples, seed),
    )
    of_steps = test.of(STEPS, time, hidden, rng)
    older = time[:, : lookback - RECENT]
    of_older = test.of(OLDER, older, hidden, rng) if lookback - RECENT > min(hidden) else None
    of_features = test.of(FEATURES, feature, hidden, rng)
    entropy = attention_entropy(attention.time[first - begin :])
    return Faithfulness(
        horizon=horizon,
        forecasts=len(day),
        days=len(np.unique(day)),
        time=of_steps,
        older=of_older,
        features=of_features,
        entropy=dict(zip(panel.horizons, map(float, entropy), strict=True)),
        verdict=" ".join(deletion_sentence(each) for each in (of_steps, of_older, of_features) if each is not None),
    )


_NAMES = {
    STEPS: "Attention over time",
    OLDER: f"Attention over time beyond the last {RECENT} sessions",
    FEATURES: "Attention over features",
}


def deletion_sentence(deletion: Deletion) -> str:
    """Whether attention shows what the forecast depends on, and whether hiding it hurts more, in one sentence."""
    name, what = _NAMES[deletion.what], deletion.what
    if not math.isfinite(deletion.moved_over_random.low):
        return f"{name} cannot be tested on so few days."
    over_random, over_latest = deletion.times(RANDOM), deletion.times(LATEST)
    if not math.isnan(over_random):
        shown = f"changes it {over_random:.2f} times as much as hiding random {what}"
    else:
        moves = any(point.value > 0 for point in deletion.moved[MOST])
        shown = f"{'changes' if moves else 'does not change'} it, hiding random {what} does not"
    if not math.isnan(over_latest):
        shown += f" and {over_latest:.2f} times as much as hiding the latest {what}"
    result = "shows" if deletion.honest else "is not shown to reveal"
    over = deletion.error_over_random
    less = side_of_zero(over) == -1
    hurts = "increases" if deletion.hurts or less else "is not shown to increase"
    return (
        f"{name} {result} what the forecast of risk depends on, at 5 %: hiding the most-attended {what} {shown} "
        f"(p {format_p(deletion.p_moved)}), and {hurts} its squared error {'less' if less else 'more'} than hiding "
        f"random {what} (difference {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}], "
        f"p {format_p(deletion.p_error)})."
    )


def _sample(
    forecaster: Forecaster, panel: Panel, rows: slice, place: int, most: int, rng: np.random.Generator
) -> tuple[Integers, Integers]:
    """Places of the forecasts to test, in order of time."""
    known: Bool = usable(panel, forecaster.model.lookback) & np.isfinite(panel.log_variance[:, :, place])
    day, symbol = np.nonzero(known[rows])
    if not len(day):
        raise HistoryError(
            "no forecast with a known variance ahead to test the attention on: import more history or move the split "
            "dates."
        )
    chosen = np.sort(rng.choice(len(day), size=min(most, len(day)), replace=False))
    return day[chosen] + rows.start, symbol[chosen]


def _windows(forecaster: Forecaster, panel: Panel, day: Integers, symbol: Integers) -> Float32:
    """[forecast, time, feature + 1]; the inputs a forecast rests on, its own session last; 0 before the panel.

    One lookback to warm up and the lookback itself: what lies before them moves a forecast by less than 1e-3 of its
    spread, and every choice is compared on the same window.
    """
    length = 2 * forecaster.model.lookback
    inputs = network_input(forecaster.recipe.scaled(panel))  # [symbol, session, feature + 1]
    padded = np.pad(inputs, ((0, 0), (length - 1, 0), (0, 0)))
    run = day[:, None] + np.arange(length)  # the window of session t ends at padded row t + length - 1
    return np.asarray(padded[symbol[:, None], run], dtype=np.float32)


def _attended(
    attention: PanelAttention, day: Integers, symbol: Integers, place: int, lookback: int
) -> tuple[Float32, Float32]:
    """Weights of the last `lookback` steps [forecast, lookback], and of the features, [forecast, feature]."""
    back = np.maximum(day[:, None] - np.arange(lookback), 0)
    of_feature = attention.feature[back, symbol[:, None]]  # NaN on sessions without a forecast
    known = np.isfinite(of_feature)
    mean = np.where(known, of_feature, 0.0).sum(axis=1) / known.sum(axis=1)
    return attention.time[day, symbol, place], mean.astype(np.float32)


@dataclass(frozen=True)
class _Test:
    """A sample of forecasts, to be repeated with inputs hidden, and the log variances [forecast] that followed."""

    last: LastStep
    realised: Float64
    by_day: _ByDay
    single: dict[str, Float64] = field(default_factory=dict)

    def of(self, what: str, weights: Float32, hidden: Sequence[int], rng: np.random.Generator) -> Deletion:
        """Hide `what` by `weights` [forecast, item]."""
        items = weights.shape[1]
        counts = tuple(sorted({k for k in hidden if k < items}))
        if not counts:
            raise ConfigError(f"hidden is {list(hidden)} and there are {items} {what}: hide fewer than all.")
        ranked = np.argsort(-weights, axis=1, kind="stable")  # [forecast, rank]
        fixed = {MOST: ranked, LEAST: ranked[:, ::-1]}
        if what != FEATURES:
            fixed[LATEST] = np.broadcast_to(np.arange(items)[::-1], ranked.shape)
        # permutation[ranked] gives every item the rank of another one, the same for all forecasts of a draw
        choices = [*fixed.values(), *(rng.permutation(items)[ranked] for _ in range(DRAWS))]
        unhidden = self.last.forecast(self.last.inputs)
        moved = np.empty((len(choices), len(counts), len(unhidden)))
        error = np.empty_like(moved)
        for c, order in enumerate(choices):
            for i, k in enumerate(counts):
                forecast = self._with_hidden(order[:, :k], what)
                moved[c, i] = np.abs(forecast - unhidden)
                error[c, i] = (forecast - self.realised) ** 2 - (unhidden - self.realised) ** 2
        places = {arm: slice(c, c + 1) for c, arm in enumerate(fixed)} | {RANDOM: slice(len(fixed), None)}

        def curves(values: Float64) -> dict[str, tuple[ConfidenceInterval, ...]]:
            return {
                arm: tuple(self.by_day.interval(of_count) for of_count in values[place].mean(axis=0))
                for arm, place in places.items()
            }

        def over(values: Float64, arm: str) -> ConfidenceInterval:
            return self.by_day.interval((values[0] - values[places[arm]].mean(axis=0)).mean(axis=0))

        def p(values: Float64) -> float:
            reach = values.mean(axis=(1, 2))  # of each choice, over all that was hidden
            return float((1 + (reach[places[RANDOM]] >= reach[0]).sum()) / (1 + DRAWS))

        moved_over, error_over = over(moved, RANDOM), over(error, RANDOM)
        return Deletion(
            what=what,
            of=items,
            hidden=counts,
            moved=curves(moved),
            error=curves(error),
            moved_over_random=moved_over,
            error_over_random=error_over,
            moved_over_latest=over(moved, LATEST) if LATEST in fixed else None,
            error_over_latest=over(error, LATEST) if LATEST in fixed else None,
            p_moved=p(moved),
            p_error=p(error),
            honest=bool(moved_over.low > 0 and p(moved) < LEVEL),
            hurts=bool(error_over.low > 0 and p(error) < LEVEL),
        )

    def _with_hidden(self, chosen: Integers, what: str) -> Float64:
        """[forecast]; the forecasts with `chosen` [forecast, k] steps or features hidden."""
        if chosen.shape[1] > 1:
            return self._hide(chosen, what)
        # there are fewer single items than relabellings: each is hidden once, and then looked up
        kind = FEATURES if what == FEATURES else STEPS
        if kind not in self.single:
            count = self.last.inputs.shape[2] - 1 if kind == FEATURES else self.last.inputs.shape[1]
            everywhere = np.ones((len(chosen), 1), dtype=np.intp)
            self.single[kind] = np.stack([self._hide(everywhere * item, kind) for item in range(count)], axis=1)
        return self.single[kind][np.arange(len(chosen)), chosen[:, 0]]

    def _hide(self, chosen: Integers, what: str) -> Float64:
        inputs = self.last.inputs.copy()
        each = np.arange(len(inputs))[:, None]
        if what == FEATURES:
            inputs[each, :, chosen] = 0.0
        else:
            inputs[each, chosen] = 0.0  # the variance too, so that the step is not a session of the pool
        return self.last.forecast(inputs)


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
