"""90 % intervals that stay at 90 %: adaptive conformal inference over a panel, day by day.

A forecast's score is |return - mean| / (volatility sqrt(h)). Its interval is the mean give or take the scale times a
quantile of earlier scores, and the level of that quantile is learned online from the share of cells that fell outside.
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
"""Share of returns meant to fall outside."""

RATES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
MEMORY = 500
"""Days over which Gibbs & Candès tune; also the days of scores that the quantile is taken from."""
REFRESH = 5
"""Days after which the earlier scores are gathered anew; the level moves every day."""
GROUPS = 10
FEWEST = 50
"""Scores needed to begin with."""
FEWEST_IN_GROUP = 100


def adapt(panel: Panel, said: Predictions, *, valid: slice, rows: slice) -> Predictions:
    """`said` with bounds of 90 % intervals on `rows`, at every horizon; NaN elsewhere.

    The dynamically tuned adaptive conformal inference of Gibbs & Candès (2024): for each of `RATES` a level follows
    level + rate (MISS - share of the day's cells outside) (2021), and the levels are averaged with weights that rise
    with how well each would have done lately. A day is one step, its cells' mean loss the loss: stocks move together.
    Quantiles are taken among earlier scores of like volatility (Mondrian: `GROUPS` groups of cells of equal count),
    because volatility falls back to its mean: without them calm cells are covered too rarely and wild ones too often.
    The first half of `valid` gives the first scores, the second half warms up the level.

    Parameters
    ----------
    said
        What a model said over the panel; `valid` and what follows must be forecasts it was not fitted on.
    valid, rows
        Places on the panel's session axis; `rows` come after `valid`.

    Raises
    ------
    DataError
        The shapes differ, or `rows` begin before `valid` ends.
    HistoryError
        Too few scores in `valid`.
    """
    if said.mean.shape != panel.targets.shape:
        raise DataError(
            f"predictions of {said.model} have shape {said.mean.shape}, the panel's targets {panel.targets.shape}: "
            "predict the panel that the intervals are for."
        )
    start, middle, stop = _bounds(panel, valid, rows)
    lower: Float32 = np.full_like(said.mean, np.nan)
    upper: Float32 = np.full_like(said.mean, np.nan)
    first = rows.indices(len(panel.sessions))[0]
    for axis, horizon in enumerate(panel.horizons):
        scale = panel.volatility.astype("float64") * math.sqrt(horizon)
        score = (
            np.abs(np.where(panel.mask, panel.targets[..., axis], np.nan) - said.mean[..., axis].astype("float64"))
            / scale
        )
        width = (
            scale[first:stop]
            * _quantiles(score[start:stop], scale[start:stop], middle - start, horizon)[first - start :]
        )
        lower[first:stop, :, axis] = said.mean[first:stop, :, axis] - width
        upper[first:stop, :, axis] = said.mean[first:stop, :, axis] + width
    return replace(said, lower=lower, upper=upper)


class _Levels:
    """The miscoverage levels of `RATES` and how far each is trusted."""

    # Gibbs & Candès (2024), section 3: what makes the regret over MEMORY steps small
    MIXING = 1 / (2 * MEMORY)
    HASTE = math.sqrt(
        3 / MEMORY * (math.log(len(RATES) * MEMORY) + 2) / ((1 - MISS) ** 2 * MISS**3 + MISS**2 * (1 - MISS) ** 3)
    )

    def __init__(self) -> None:
        self.each = np.full(len(RATES), MISS)
        self.trust = np.full(len(RATES), 1 / len(RATES))

    @property
    def level(self) -> float:
        return float(self.trust @ self.each)

    def learn(self, rarity: Float64, each: Float64) -> None:
        """From one day's cells: `rarity` [cell], the highest level at which it lay inside; `each`, the levels then."""
        apart = rarity - each[:, None]  # [rate, cell]
        loss = (MISS * apart - np.minimum(apart, 0)).mean(axis=1)
        trust = self.trust * np.exp(-self.HASTE * (loss - loss.min()))
        self.trust = (1 - self.MIXING) * trust / trust.sum() + self.MIXING / len(RATES)
        self.each = self.each + np.array(RATES) * (MISS - (apart < 0).mean(axis=1))


@dataclass(frozen=True)
class _Scores:
    """Earlier scores, sorted within groups of like volatility."""

    edges: Float64
    groups: list[Float64]

    @classmethod
    def of(cls, score: Float64, scale: Float64) -> _Scores:
        known = np.isfinite(score)
        x, v = score[known], scale[known]
        count = max(1, min(GROUPS, len(x) // FEWEST_IN_GROUP))
        edges = np.quantile(v, np.arange(1, count) / count)
        group = np.searchsorted(edges, v)
        # equal volatilities can leave a group empty: it answers with all scores
        return cls(edges, [np.sort(part) if len(part := x[group == g]) else np.sort(x) for g in range(count)])

    def quantile(self, scale: Float64, level: float) -> Float64:
        """For each cell of `scale` the score that a share `level` lies above (conformal; at most the highest)."""
        found = np.array(
            [g[min(max(math.ceil((len(g) + 1) * (1 - level)) - 1, 0), len(g) - 1)] for g in self.groups],
            dtype="float64",
        )
        known = np.isfinite(scale)
        return np.where(known, found[np.searchsorted(self.edges, np.where(known, scale, 0.0))], np.nan)

    def rarity(self, score: Float64, scale: Float64) -> Float64:
        """The highest level whose `quantile` reaches each score."""
        group = np.searchsorted(self.edges, scale)
        found = np.empty(len(score))
        for g, past in enumerate(self.groups):
            here = group == g
            found[here] = 1 - np.searchsorted(past, score[here]) / (len(past) + 1)
        return found


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
    made: deque[tuple[_Scores, Float64]] = deque()  # what the forecasts that are not yet judged were made with
    for t in range(begin, len(score)):
        judged = t - horizon
        if judged >= begin:
            past, each = made.popleft()
            seen = np.isfinite(score[judged])
            if seen.any():
                levels.learn(past.rarity(score[judged, seen], scale[judged, seen]), each)
        if (t - begin) % REFRESH == 0:
            window = slice(max(0, judged - MEMORY + 1), judged + 1)
            scores = _Scores.of(score[window], scale[window])
        made.append((scores, levels.each))
        reach[t] = scores.quantile(scale[t], levels.level)
    return reach


def _bounds(panel: Panel, valid: slice, rows: slice) -> tuple[int, int, int]:
    start, end, _ = valid.indices(len(panel.sessions))
    first, stop, _ = rows.indices(len(panel.sessions))
    if not start < end <= first < stop:
        raise DataError(
            f"intervals need validation sessions and, after them, the test's; "
            f"{start}..{end} and {first}..{stop} are not: check the split."
        )
    return start, (start + end) // 2, stop
