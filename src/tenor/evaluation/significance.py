"""Is the difference real? Tests whose unit is the day, since stocks move together and a day is one draw, not many.

Every test reduces its cells to one number a day and asks whether those have a mean of zero, with a variance that lets
neighbouring days depend on each other. docs/significance.md has the formulas, and how often each test is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from tenor.errors import DataError
from tenor.evaluation import cells, metrics
from tenor.evaluation.bootstrap import (
    FEWEST_BLOCKS,
    RESAMPLES,
    ConfidenceInterval,
    DayTotals,
    block_length,
    resampled_days,
)
from tenor.schema import Float64, Panel, Predictions
from tenor.storage.files import json_values

LEVEL = 0.05
PAIRED = ("return_rmse", "direction", "rank_ic")
"""Metrics of which `Comparison.differences` holds paired differences."""


@dataclass(frozen=True)
class Finding:
    """What a test found: the estimate, its statistic, the p-value, and the degrees of freedom of its t distribution.

    NaN for what is undefined: too few days, or days that do not differ. `df` is infinite for a normal distribution.
    """

    value: float
    statistic: float
    p: float
    df: float


@dataclass(frozen=True)
class Difference:
    """A paired difference, its 95 % interval, and the two-sided p-value of no difference, from resampled days."""

    value: float
    low: float
    high: float
    p: float

    @property
    def interval(self) -> ConfidenceInterval:
        """The difference and its interval, without the p-value."""
        return ConfidenceInterval(self.value, self.low, self.high)


@dataclass(frozen=True)
class Directed:
    """Pesaran-Timmermann for one model: hits above chance, by day and (`classic`) as if cells were independent."""

    by_day: Finding
    classic: Finding


@dataclass(frozen=True)
class Comparison:
    """The judged model against one other, on the same cells.

    Attributes
    ----------
    model, other
        Their names.
    horizon
        Sessions ahead.
    days
        Sessions with a cell that counts.
    squared_error
        Diebold-Mariano; `value` is the mean over days of the judged model's squared error (of returns) less the
        other's, so that below zero is better. Two-sided.
    holm
        Its p-value adjusted for all comparisons of the table.
    differences
        Metric (`PAIRED`) -> the judged model's less the other's.
    direction, other_direction
        Pesaran-Timmermann of each model.
    verdict
        One sentence.
    """

    model: str
    other: str
    horizon: int
    days: int
    squared_error: Finding
    holm: float
    differences: dict[str, Difference]
    direction: Directed
    other_direction: Directed
    verdict: str

    @property
    def side(self) -> int | None:
        """1 where the judged model's squared error is smaller at 5 % after Holm, -1 the other's; see `side_of_test`."""
        return side_of_test(self.squared_error, self.holm)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values; what is undefined is None."""
        plain: dict[str, Any] = json_values(asdict(self))
        return plain


def side_of_zero(interval: ConfidenceInterval | Difference, *, higher_is_better: bool = True) -> int | None:
    """On which side of zero the whole interval lies.

    Parameters
    ----------
    interval
        A value or difference with its bounds.
    higher_is_better
        False for errors: the sides change their signs, so that 1 always means better.

    Returns
    -------
    int or None
        1 above zero, -1 below it, 0 where the interval contains zero, None where it is undefined.

    Examples
    --------
    >>> side_of_zero(ConfidenceInterval(0.2, 0.1, 0.3)), side_of_zero(ConfidenceInterval(0.2, -0.1, 0.5))
    (1, 0)
    >>> side_of_zero(ConfidenceInterval(0.2, 0.1, 0.3), higher_is_better=False)
    -1
    """
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return None
    side = int(interval.low > 0) - int(interval.high < 0)
    return side if higher_is_better else -side


def side_of_test(test: Finding, adjusted: float) -> int | None:
    """Which of two forecasts a Diebold-Mariano `test` shows to be better at `LEVEL`.

    Parameters
    ----------
    test
        Of the first forecast's squared error less the other's.
    adjusted
        The p-value to decide by, after Holm's correction.

    Returns
    -------
    int or None
        1 where the first forecast is better, -1 where it is worse, 0 where neither is shown (forecasts that are the
        same among them), None where there are too few days to test.
    """
    if not math.isfinite(adjusted):
        return 0 if test.value == 0 else None
    if adjusted >= LEVEL:
        return 0
    return 1 if test.value < 0 else -1


def format_p(p: float) -> str:
    """A p-value for people, three digits; a dash where it is undefined.

    Examples
    --------
    >>> format_p(0.0421), format_p(0.0002), format_p(math.nan)
    ('0.042', '< 0.001', '–')
    """
    if not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def lags(days: int, *, horizon: int) -> int:
    """Neighbouring days that the variance takes in: ceil(1.3 sqrt(days)), and at least horizon - 1.

    Lazarus, Lewis, Stock & Watson (2018): long, together with wider critical values. Forecasts 5 sessions ahead overlap
    for 4 days, but a slow forecast makes differentials depend for longer; with only horizon - 1 lags a test at 5 %
    rejects a true null in up to 12 %.
    """
    return min(days - 1, max(horizon - 1, math.ceil(1.3 * math.sqrt(days))))


def mean_test(values: ArrayLike, *, horizon: int, one_sided: bool = False) -> Finding:
    """Whether serially dependent `values` [day] have a mean of zero.

    The statistic is mean / sqrt(V / n) * sqrt(c); V is the Bartlett long-run variance (Newey & West 1987) over `lags`
    days. c is the expectation of V / variance for independent days, which is the correction of Harvey, Leybourne &
    Newbold (1997) written for these weights (with equal weights and horizon - 1 lags it is theirs). The distribution
    is t with n / (sum of squared weights) degrees of freedom, at most n - 1: a variance of few long stretches is vague.

    Parameters
    ----------
    values
        One finite number a day, in order.
    one_sided
        Against a mean above zero only.
    """
    x = np.asarray(values, "float64")
    n = len(x)
    mean = float(x.mean()) if n else math.nan
    if n < FEWEST_BLOCKS * block_length(horizon):
        return Finding(mean, math.nan, math.nan, math.nan)
    away = x - mean
    steps = np.arange(1, lags(n, horizon=horizon) + 1)
    weights = 1 - steps / (len(steps) + 1)
    autocovariances = np.array([away[k:] @ away[:-k] for k in steps]) / n
    variance = float(away @ away / n + 2 * weights @ autocovariances)
    if variance <= (1e-12 * np.abs(x).max()) ** 2:  # what is left of equal days is rounding
        return Finding(mean, math.nan, math.nan, math.nan)
    small = 1 - 1 / n - 2 * float(weights @ (n - steps)) / n**2
    df = min(n - 1.0, n / (1 + 2 * float(weights @ weights)))
    statistic = mean / math.sqrt(variance / n) * math.sqrt(small)
    p = stats.t.sf(statistic, df) if one_sided else 2 * stats.t.sf(abs(statistic), df)
    return Finding(mean, statistic, float(p), df)


def diebold_mariano(ours: ArrayLike, other: ArrayLike, realised: ArrayLike, *, horizon: int) -> Finding:
    """Whether two forecasts have the same expected squared error (Diebold & Mariano 1995), two-sided.

    The loss differential of a day is the mean over its cells, `ours` less `other`: below zero, ours is better. It
    judges these forecasts as they were made, estimation error included (Giacomini & White 2006), so that a model which
    only learned noise loses to persistence.

    Parameters
    ----------
    ours, other, realised
        Log returns [day, symbol]; cells whose `realised` is NaN do not count, the forecasts must be finite in all
        others.
    """
    f, g, r = (np.asarray(a, "float64") for a in (ours, other, realised))
    if f.ndim != 2 or not f.shape == g.shape == r.shape:
        raise DataError(
            f"forecasts and returns must be [day, symbol] of one shape, not {f.shape}, {g.shape}, {r.shape}."
        )
    counts = np.isfinite(r)
    apart = np.where(counts, f - g, 0.0) * np.where(
        counts, f + g - 2 * r, 0.0
    )  # (f - r)^2 - (g - r)^2, without rounding
    seen = counts.any(axis=1)
    return mean_test(apart[seen].sum(axis=1) / counts[seen].sum(axis=1), horizon=horizon)


def pesaran_timmermann(p_up: ArrayLike, realised: ArrayLike, *, horizon: int) -> Directed:
    """Whether a forecast's direction goes with the outcome's, beyond what their base rates give; one-sided.

    `value` is the share of hits less the share expected of independent directions with the same base rates, which
    equals 2 cov(said up, was up) over cells. A forecast that always says the same has none: NaN.

    - classic: Pesaran & Timmermann (1992), for independent cells. On a panel it rejects a true null far too often.
    - by day: the same estimate; its terms 2 (said - mean)(was - mean) are summed by day and those sums tested by
      `mean_test`: the covariance of Driscoll & Kraay (1998), robust to any dependence within a day and to serial
      dependence between days, for which Pesaran & Timmermann (2009) found the 1992 test unfit.

    Parameters
    ----------
    p_up, realised
        [day, symbol]; said up is P(up) > .5, was up is a return > 0. Cells with a NaN `realised` do not count, `p_up`
        must be finite in all others.
    """
    p, r = np.asarray(p_up, "float64"), np.asarray(realised, "float64")
    if p.ndim != 2 or p.shape != r.shape:
        raise DataError(f"P(up) and returns must be [day, symbol] of one shape, not {p.shape} and {r.shape}.")
    counts = np.isfinite(r)
    n = int(counts.sum())
    undefined = Finding(math.nan, math.nan, math.nan, math.nan)
    if not n or not metrics.names_direction(p[counts]):
        return Directed(undefined, undefined)
    said, was = (p > 0.5)[counts], (r > 0)[counts]
    y, x = float(was.mean()), float(said.mean())
    if not 0 < y < 1 or not 0 < x < 1:
        return Directed(undefined, undefined)
    terms = np.zeros(p.shape)
    terms[counts] = 2 * (said - x) * (was - y)
    seen = counts.any(axis=1)
    sums = terms[seen].sum(axis=1)
    expected = y * x + (1 - y) * (1 - x)
    excess = float((said == was).mean()) - expected
    variance = expected * (1 - expected) / n
    of_expected = ((2 * y - 1) ** 2 * x * (1 - x) + (2 * x - 1) ** 2 * y * (1 - y)) / n
    of_expected += 4 * y * x * (1 - y) * (1 - x) / n**2
    classic = undefined
    if variance > of_expected:
        statistic = excess / math.sqrt(variance - of_expected)
        classic = Finding(excess, statistic, float(stats.norm.sf(statistic)), math.inf)
    return Directed(mean_test(sums * len(sums) / n, horizon=horizon, one_sided=True), classic)


def drawn_days(days: int, *, horizon: int, resamples: int = RESAMPLES, seed: int = 0) -> tuple[Float64, int]:
    """Resampled days [resample, day] in blocks of about sqrt(days), at least those of `horizon`; and their length.

    Longer blocks than an evaluation's, because a difference of forecasts can drift for longer than targets overlap.
    """
    half = math.ceil(math.sqrt(days) / 2)
    longer = max(horizon, min(half, days // (2 * FEWEST_BLOCKS)))  # a block of resampled_days lasts twice its horizon
    return resampled_days(days, horizon=longer, resamples=resamples, seed=seed), block_length(longer)


def resampled(value: float, draws: Float64, *, days: int, block: int) -> Difference:
    """The symmetric interval round `value` (Hall 1988), and the p-value of zero, from `draws` of resampled days.

    A resample of blocks varies too little by the factor 1 - block / days, and its tails are those of a normal whatever
    the number of blocks: deviations are widened by that, and by the 97.5 % quantile of t with 1.5 days / block degrees
    of freedom over the normal's. ConfidenceInterval and p-value agree: 0 lies outside exactly where p < .05.
    """
    known = draws[np.isfinite(draws)]
    if not math.isfinite(value) or 2 * len(known) <= len(draws) or len(known) < 1 / LEVEL:
        return Difference(value, math.nan, math.nan, math.nan)
    wider = math.sqrt(days / (days - block)) * float(stats.t.isf(0.025, 1.5 * days / block) / stats.norm.isf(0.025))
    away = np.sort(wider * np.abs(known - value))
    if away[-1] == 0:
        return Difference(value, value, value, math.nan)  # nothing varies, so nothing can be tested
    p = (1 + int((away >= abs(value)).sum())) / (1 + len(away))
    beyond = math.ceil(LEVEL * (1 + len(away)) - 1e-9) - 1  # draws that may lie beyond the bounds, so that p < LEVEL
    half = float(away[-beyond])
    return Difference(value, value - half, value + half, p)


def share(hits: Float64, counts: Float64, drawn: Float64, *, block: int) -> ConfidenceInterval:
    """sum(`hits`) / sum(`counts`), both [day], with its interval by `resampled` of the `drawn` days, within 0..1."""
    value = float(metrics.ratio(hits.sum(), counts.sum()))
    found = resampled(value, metrics.ratio(drawn @ hits, drawn @ counts), days=len(hits), block=block)
    low, high = np.clip((found.low, found.high), 0.0, 1.0)
    return ConfidenceInterval(found.value, float(low), float(high))


def mean_by_day(values: Float64, horizon: int) -> ConfidenceInterval:
    """Mean of the finite cells of `values` [session, symbol], with the 95 % interval that resampling days gives it."""
    known = np.isfinite(values)
    sums, counts = np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype("float64")
    drawn, block = drawn_days(len(values), horizon=horizon)
    draws = metrics.ratio(drawn @ sums, drawn @ counts)
    return resampled(float(metrics.ratio(sums.sum(), counts.sum())), draws, days=len(values), block=block).interval


def bins_by_day(
    values: Float64, by: Float64, horizon: int, *, bins: int
) -> tuple[list[float], list[ConfidenceInterval]]:
    """`values` [session, symbol] in up to `bins` equally filled bins of `by`: each bin's mean of `by`, and of `values`.

    The bins of `tenor.evaluation.metrics.reliability`: equal values share one, so there may be fewer.
    """
    known = np.isfinite(values) & np.isfinite(by)
    if not known.any():
        return [], []
    edges = np.unique(np.quantile(by[known], np.arange(1, bins) / bins))
    place = np.searchsorted(edges, by, side="left")
    at: list[float] = []
    means: list[ConfidenceInterval] = []
    for i in range(len(edges) + 1):
        here = known & (place == i)
        if here.any():
            at.append(float(by[here].mean()))
            means.append(mean_by_day(np.where(here, values, np.nan), horizon))
    return at, means


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted so that the chance of any false rejection in the table is at most the level (Holm 1979).

    NaN stays NaN, and does not count as a test.
    """
    tested = sorted((name for name in p if math.isfinite(p[name])), key=p.__getitem__)
    adjusted, least = dict.fromkeys(p, math.nan), 0.0
    for place, name in enumerate(tested):
        least = max(least, min(1.0, (len(tested) - place) * p[name]))
        adjusted[name] = least
    return adjusted


def compare(
    panel: Panel,
    rows: slice,
    predictions: Mapping[str, Predictions],
    *,
    horizon: int,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison]:
    """Test the first of `predictions` against every other, on the cells of `rows` that count.

    Parameters
    ----------
    rows
        The test's sessions, as places on the panel's session axis.
    predictions
        Name -> what the model said over the whole panel.

    Raises
    ------
    HistoryError
        No cell counts.
    DataError
        Fewer than two models, or a model that can't be judged on these cells.
    """
    if len(predictions) < 2:
        raise DataError("nothing to compare: give the predictions of at least two models.")
    days, realised = cells.realised(panel, rows, horizon=horizon)
    counts, close = np.isfinite(realised), panel.close[days]
    means, totals, directions = {}, {}, {}
    for name, said in predictions.items():
        means[name], p_up = cells.said(panel, days, counts, name, said, horizon=horizon)
        totals[name] = DayTotals.of(means[name], p_up, realised, close)
        directions[name] = pesaran_timmermann(p_up, realised, horizon=horizon)
    drawn, block = drawn_days(len(days), horizon=horizon, resamples=resamples, seed=seed)
    draws = {name: total.measure(drawn) for name, total in totals.items()}
    values = {name: total.values() for name, total in totals.items()}
    ours, *others = predictions
    errors = {name: diebold_mariano(means[ours], means[name], realised, horizon=horizon) for name in others}
    adjusted = holm({name: found.p for name, found in errors.items()})
    return [
        Comparison(
            model=ours,
            other=name,
            horizon=horizon,
            days=len(days),
            squared_error=errors[name],
            holm=adjusted[name],
            differences={
                metric: resampled(
                    values[ours][metric] - values[name][metric],
                    draws[ours][metric] - draws[name][metric],
                    days=len(days),
                    block=block,
                )
                for metric in PAIRED
            },
            direction=directions[ours],
            other_direction=directions[name],
            verdict=_verdict(ours, name, errors[name], adjusted[name], days=len(days)),
        )
        for name in others
    ]


def _verdict(model: str, other: str, test: Finding, adjusted: float, *, days: int) -> str:
    if not math.isfinite(adjusted):
        if test.value == 0:
            return f"{model} and {other} forecast the same: there is no difference to test."
        return f"{days} days are too few to tell {model} from {other} in squared error."
    opening = {
        1: f"{model} beats {other} in squared error at 5 % after Holm",
        0: f"No edge over {other} in squared error at 5 % after Holm",
        -1: f"{model} is worse than {other} in squared error at 5 % after Holm",
    }[side_of_test(test, adjusted) or 0]
    shown = f"Diebold-Mariano {test.statistic:.2f}, p {format_p(test.p)}, Holm p {format_p(adjusted)}"
    return f"{opening} ({shown})."
