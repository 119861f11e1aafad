"""90 % intervals that stay at 90 %: adaptive conformal inference over a panel, day by day.

Every past forecast gets a score. For a model that forecasts risk, the score is how far its 90 % interval would have had
to be stretched to contain the return; for other models it is |return - mean| / (volatility sqrt(h)). A new interval is
stretched by a quantile of earlier scores. The level of that quantile is learned online, from the share of cells whose
return fell outside.
Nothing is used before it was known: a forecast of h sessions made at t can be judged at t + h.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from tenor.errors import DataError, HistoryError
from tenor.schema import Float32, Float64, Panel, Predictions

MISS = 0.10
"""Share of returns that should fall outside."""

RATES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
MEMORY = 500
"""Days over which the method of Gibbs & Candès tunes; also the days of scores from which quantiles are taken."""
REFRESH = 5
"""Days after which the set of earlier scores is updated; the level is updated every day."""
GROUPS = 10
FEWEST = 50
"""Scores needed before the first interval."""
FEWEST_IN_GROUP = 100
PRIOR_SCORES = 250
"""Weight of the mean of all symbols, in scores, when a symbol's own scale is estimated."""


def adapt(panel: Panel, predictions: Predictions, *, valid: slice, rows: slice) -> Predictions:
    """`predictions` with bounds of 90 % intervals on `rows`, at every horizon; NaN elsewhere.

    This is the dynamically tuned adaptive conformal inference of Gibbs & Candès (2024). For each rate in `RATES` there
    is a level, which becomes level + rate (MISS - share of the day's cells outside) after every day (2021). The levels
    are averaged, with larger weights for those that would have done better lately. A day is one step, and its loss is
    the mean over its cells, because stocks move together.

    Quantiles are taken among earlier scores of similar volatility (Mondrian conformal prediction, with `GROUPS` groups
    of equal count). Without groups, calm cells would be covered too rarely and volatile ones too often, because
    volatility reverts to its mean. The first half of `valid` gives the first scores, the second half warms up the
    level.

    Parameters
    ----------
    predictions
        A model's predictions over the panel. The model must not have been fitted on `valid` or later sessions.
    valid, rows
        Places on the panel's session axis; `rows` come after `valid`.

    Raises
    ------
    DataError
        The shapes differ, or `rows` begin before `valid` ends.
    HistoryError
        Too few scores in `valid`.
    """
    if predictions.mean.shape != panel.targets.shape:
        raise DataError(
            f"predictions of {predictions.model} have shape {predictions.mean.shape}, the panel's targets "
            f"{panel.targets.shape}: predict the panel that the intervals are for."
        )
    start, middle, stop = _bounds(panel, valid, rows)
    widening: Float32 = np.full_like(predictions.mean, np.nan)
    lower: Float32 = np.full_like(predictions.mean, np.nan)
    upper: Float32 = np.full_like(predictions.mean, np.nan)
    first = rows.indices(len(panel.sessions))[0]
    for axis, horizon in enumerate(panel.horizons):
        centre, below, above = _sides(panel, predictions, axis, horizon)
        error = np.where(panel.mask, panel.targets[..., axis], np.nan) - centre
        score = np.maximum(error / above, -error / below)
        own = _own_scale(score[start:stop], horizon)
        relative = score[start:stop] / own
        reach = (own * _quantiles(relative, (above + below)[start:stop], middle - start, horizon))[first - start :]
        lower[first:stop, :, axis] = centre[first:stop] - below[first:stop] * reach
        upper[first:stop, :, axis] = centre[first:stop] + above[first:stop] * reach
        widening[first:stop, :, axis] = reach
    risk = None if predictions.risk is None else predictions.risk.widened(widening)
    return replace(predictions, lower=lower, upper=upper, risk=risk)


def _own_scale(score: Float64, horizon: int) -> Float64:
    """[day, symbol]; how far a symbol's own intervals had to be stretched, over all symbols' mean: about 1.

    From its scores of the last `MEMORY` days that were known, shrunk to 1 as if it had `PRIOR_SCORES` more of the usual
    size: a symbol whose returns have fatter tails than the others', or whose volatility the model gets wrong, is
    covered as often as they are.
    """
    days, symbols = score.shape
    own = np.ones((days, symbols))
    current = np.ones(symbols)
    for t in range(days):
        if t % (4 * REFRESH) == 0 and t >= horizon:
            window = np.sort(score[max(0, t - horizon + 1 - MEMORY) : t - horizon + 1], axis=0)  # NaN come last
            count = np.isfinite(window).sum(axis=0)
            if count.sum() >= FEWEST:
                everyone = float(np.quantile(window[np.isfinite(window)], 1 - MISS))
                place = np.minimum(np.ceil((1 - MISS) * count).astype(int), np.maximum(count, 1)) - 1
                each = np.where(count > 0, window[np.maximum(place, 0), np.arange(symbols)], everyone)
                if everyone > 0:
                    current = (count * each / everyone + PRIOR_SCORES) / (count + PRIOR_SCORES)
        own[t] = current
    return own


def _sides(panel: Panel, predictions: Predictions, axis: int, horizon: int) -> tuple[Float64, Float64, Float64]:
    """[session, symbol] each: what an interval lies about, and its reach below and above that, in units to stretch."""
    if predictions.risk is None:
        scale = panel.volatility.astype("float64") * math.sqrt(horizon)
        return predictions.mean[..., axis].astype("float64"), scale, scale
    risk = predictions.risk.widened(np.ones_like(predictions.mean))
    low, high = (risk.quantile(level, axis).astype("float64") for level in (MISS / 2, 1 - MISS / 2))
    smallest = 1e-3 * risk.volatility[..., axis]  # a market that only ever rose has no loss to stretch
    return np.zeros_like(low), np.maximum(-low, smallest), np.maximum(high, smallest)


class _Levels:
    """The miscoverage levels, one for each rate, and their weights.

    In the paper's symbols, `RATES` are γ_i, `each` α_t^i, `weights` p_t^i, `level` their weighted mean, `ETA` η and
    `SIGMA` σ. `SIGMA` gives a little weight back to every rate, so that no weight becomes zero for ever.
    """

    # Gibbs & Candès (2024), section 3: values that make the regret over MEMORY steps small
    SIGMA = 1 / (2 * MEMORY)
    ETA = math.sqrt(
        3 / MEMORY * (math.log(len(RATES) * MEMORY) + 2) / ((1 - MISS) ** 2 * MISS**3 + MISS**2 * (1 - MISS) ** 3)
    )

    def __init__(self) -> None:
        self.each = np.full(len(RATES), MISS)
        self.weights = np.full(len(RATES), 1 / len(RATES))

    @property
    def level(self) -> float:
        return float(self.weights @ self.each)

    def learn(self, beta: Float64, each: Float64) -> None:
        """Update the levels by the cells of one day.

        Parameters
        ----------
        beta
            [cell]; the highest level at which the interval would have contained the return.
        each
            [rate]; the levels with which the intervals were made.
        """
        distance = beta - each[:, None]  # [rate, cell]; below 0 where the interval of that rate missed
        # the pinball loss of β_t against α_t^i, and its gradient step below
        loss = (MISS * distance - np.minimum(distance, 0)).mean(axis=1)
        weights = self.weights * np.exp(-self.ETA * (loss - loss.min()))  # minus the least loss: not all can be 0
        self.weights = (1 - self.SIGMA) * weights / weights.sum() + self.SIGMA / len(RATES)
        self.each = self.each + np.array(RATES) * (MISS - (distance < 0).mean(axis=1))


@dataclass(frozen=True)
class _Scores:
    """Earlier scores, sorted within groups of similar volatility."""

    edges: Float64
    groups: list[Float64]

    def quantile(self, scale: Float64, level: float) -> Float64:
        """For each cell, the score that a share `level` of the earlier scores of similar volatility exceeds.

        It has the finite-sample correction of conformal prediction, and is at most the highest score.

        Parameters
        ----------
        scale
            [cell]; volatility.
        level
            Between 0 and 1.
        """
        of_group = np.array(
            [g[min(max(math.ceil((len(g) + 1) * (1 - level)) - 1, 0), len(g) - 1)] for g in self.groups],
            dtype="float64",
        )
        known = np.isfinite(scale)
        return np.where(known, of_group[np.searchsorted(self.edges, np.where(known, scale, 0.0))], np.nan)

    def highest_level(self, score: Float64, scale: Float64) -> Float64:
        """The highest level whose `quantile` reaches each score (β_t in the paper)."""
        group = np.searchsorted(self.edges, scale)
        level = np.empty(len(score))
        for g, past in enumerate(self.groups):
            here = group == g
            level[here] = 1 - np.searchsorted(past, score[here]) / (len(past) + 1)
        return level


class _Window:
    """Gives the `_Scores` of any run of days. All cells are sorted once, by score and by scale; runs keep the order.

    A run is taken every `REFRESH` days, over up to `MEMORY` days of all symbols. Sorting each run anew would take most
    of the time.
    """

    def __init__(self, score: Float64, scale: Float64) -> None:
        self._score, self._scale = score.ravel(), scale.ravel()
        known = np.flatnonzero(np.isfinite(self._score))
        self._by_score = known[np.argsort(self._score[known], kind="stable")]
        self._by_scale = known[np.argsort(self._scale[known], kind="stable")]
        self._symbols = score.shape[1]
        self._group = np.zeros(len(self._score), dtype=np.intp)

    def scores(self, first: int, stop: int) -> _Scores | None:
        """The scores of the days `first` .. `stop` - 1; None if there are none."""
        low, high = first * self._symbols, stop * self._symbols  # a cell's place: day x number of symbols + symbol
        by_scale = self._by_scale[(self._by_scale >= low) & (self._by_scale < high)]
        by_score = self._by_score[(self._by_score >= low) & (self._by_score < high)]
        scales = self._scale[by_scale]
        if not len(scales):
            return None
        count = max(1, min(GROUPS, len(scales) // FEWEST_IN_GROUP))
        edges = np.quantile(scales, np.arange(1, count) / count)
        # cells in order of scale are cut into consecutive groups; read in order of score, each group is sorted
        ends = np.searchsorted(scales, edges, side="right")
        sizes = np.diff([0, *ends, len(scales)])
        self._group[by_scale] = np.repeat(np.arange(count), sizes)
        group, x = self._group[by_score], self._score[by_score]
        # equal volatilities can leave a group empty: all scores are used in its place
        return _Scores(edges, [part if len(part := x[group == g]) else x for g in range(count)])


def _quantiles(score: Float64, scale: Float64, begin: int, horizon: int) -> Float64:
    """The score [day, symbol] that an interval reaches to; NaN before `begin`. Row t uses scores up to t - horizon."""
    known = int(np.isfinite(score[: begin - horizon + 1]).sum()) if begin >= horizon else 0
    if known < FEWEST:
        raise HistoryError(
            f"{known} forecasts {horizon} sessions ahead can be judged in the first half of validation, "
            f"{FEWEST} are needed to begin an interval: lengthen the validation part."
        )
    reach = np.full(score.shape, np.nan)
    levels = _Levels()
    window = _Window(score, scale)
    scores = window.scores(0, begin - horizon + 1)
    assert scores is not None  # there are FEWEST of them
    pending: deque[tuple[_Scores, Float64]] = deque()  # what the forecasts without a known outcome used
    for t in range(begin, len(score)):
        judged = t - horizon
        if judged >= begin:
            past, each = pending.popleft()
            realised = np.isfinite(score[judged])
            if realised.any():
                beta = past.highest_level(score[judged, realised], scale[judged, realised])
                levels.learn(beta, each)
        if (t - begin) % REFRESH == 0:
            # after a gap as long as the memory, the scores from before it are still used
            scores = window.scores(max(0, judged - MEMORY + 1), judged + 1) or scores
        pending.append((scores, levels.each))
        reach[t] = scores.quantile(scale[t], levels.level)
    return reach


def _bounds(panel: Panel, valid: slice, rows: slice) -> tuple[int, int, int]:
    start, end, _ = valid.indices(len(panel.sessions))
    first, stop, _ = rows.indices(len(panel.sessions))
    if not start < end <= first < stop:
        raise DataError(
            f"intervals need validation sessions and test sessions after them, not {start}..{end} and {first}..{stop}: "
            "check the split."
        )
    return start, (start + end) // 2, stop
