"""The effect of news on the forecast of log variance: a pooled regression on the residuals of the network's forecast.

News about earnings says that a price may jump. The number of items of each kind, compared with what is usual for the
symbol, is known before the session. As inputs of the network, these counts made forecasts worse (docs/log.md), because
days with news are few and a network can fit them in many ways. Here they enter as a dozen terms of a ridge regression
on the residuals of the network's forecasts. Its weights are the same for all symbols, and are estimated again as time
goes on. Only NumPy is needed, so that the server can do it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenor.config import ModelConfig
from tenor.har import REFIT_EVERY
from tenor.schema import Bool, Float32, Float64, Panel

COLUMN = re.compile("news_(.+)_count")
"""Names of the features that hold counts by kind, as log(1 + n); the effect is computed from these."""
OF_NEWS = "news_"
"""How the names of all features of news counts begin; the network does not read them if the news has its own effect."""
ANY, EARNINGS = "any", "earnings"
TRUSTED = (ANY, EARNINGS)
"""Kinds that are used from the start; any other kind must first have proved a gain on past sessions (`PROOF`)."""
LEVEL_SESSIONS = 60
"""Number of sessions before the current one whose mean count is the symbol's usual level."""
FEWEST_SESSIONS = 5
"""Sessions with a source of news that are needed for a level."""
SPIKE = 2.0
"""A session has a spike of a kind if (count + 1) is above this many times (level + 1)."""
BENDS = (0.5, 1.2)
"""Log ratios of count to level at which the slope of the effect changes: 1.6 and 3.3 times the level."""
FADES = (2.0, 8.0)
"""Time constants, in sessions, of the two terms that decay exponentially after a spike."""
DUE = (55, 68)
"""Sessions after a spike of earnings in which the next report is due: a quarter has about 63."""
PENALTY = 0.1
"""Penalty of the ridge regression for a horizon of one session, in units of a term's variance.

It is multiplied by the horizon, because h overlapping targets carry about as much information as one.
"""
PROOF = 2.0
"""Smallest t statistic of a kind's gain in cross-validation over blocks of sessions with which the kind is used."""
ENOUGH_CELLS = 5_000
"""Known cells from which the trusted kinds need no proof; with a few hundred, a dozen weights would fit noise."""
FEWEST_CELLS, FEWEST_BLOCKS = 150, 3
"""Fewest known cells, and fewest blocks of sessions, from which an effect is estimated."""
MOST = 20.0
"""The highest log count; larger ones are cut. It means half a billion items a session."""
_NEVER = 10**6


@dataclass(frozen=True)
class NewsDriver:
    """What one kind of news adds to one forecast.

    Attributes
    ----------
    kind
        The kind of news; ``any`` means all items together.
    effect
        What it adds to the forecast log variance.
    count, level
        Number of items of the kind in the session, and its mean over the sessions before.
    since_spike
        Sessions since there were about twice as many items as usual; 0 if it is this session, None if there was none.
    """

    kind: str
    effect: float
    count: float
    level: float
    since_spike: int | None


@dataclass(frozen=True, eq=False)
class _Terms:
    """The terms of the regression.

    Attributes
    ----------
    values
        [session, symbol, term] float32.
    groups
        From each kind to the places of its terms on the last axis of `values`.
    known
        [session]; whether a source of news covers the session.
    counts, level
        [session, symbol, kind]; number of items, and its mean over the sessions before.
    since
        [session, symbol, kind]; sessions since the last spike; at least `_NEVER` if there was none.
    """

    values: Float32
    groups: dict[str, list[int]]
    known: Bool
    counts: Float32
    level: Float32
    since: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Fit:
    """The weights of the terms, which are used for the sessions `ahead`."""

    ahead: slice
    places: list[int]
    mean: Float64
    weights: Float64
    low: Float64
    high: Float64

    def parts(self, terms: Float32) -> Float64:
        """What each chosen term adds to the forecast: [..., chosen term] from `terms` [..., term]."""
        chosen = np.clip(terms[..., self.places].astype("float64"), self.low, self.high)
        parts: Float64 = (chosen - self.mean) * self.weights
        return parts


@dataclass(frozen=True, eq=False)
class NewsEffect:
    """The effect of news on forecasts of log variance; `NewsEffect.of` estimates it.

    Attributes
    ----------
    log_variance
        [session, symbol, horizon]; what is added to the forecast; 0 where news, or its effect, is not known.
    """

    log_variance: Float64
    _terms: _Terms
    _fits: tuple[tuple[_Fit, ...], ...]

    @classmethod
    def of(cls, panel: Panel, forecast: Float32 | Float64, first: int) -> NewsEffect | None:
        """Estimate the effect every `REFIT_EVERY` sessions from `first` on, from all residuals known by then.

        The effect at session t depends only on rows of the panel and of the forecasts up to t.

        Parameters
        ----------
        panel
            A panel with counts of news among its features (`kinds_of`); without them None is returned.
        forecast
            [session, symbol, horizon]; forecasts of log variance without news; cells with NaN are not used.
        first
            Session of the first estimate, as a place on the panel's session axis; before it the effect is 0.
        """
        if not kinds_of(panel.features):
            return None
        terms = _terms(panel)
        effect = np.zeros(panel.log_variance.shape)
        fits = []
        for k, horizon in enumerate(panel.horizons):
            residual = panel.log_variance[:, :, k].astype("float64") - forecast[:, :, k]
            residual[~(panel.mask & terms.known[:, None])] = np.nan
            fits.append(tuple(_fits(terms, residual, first, horizon)))
            for fit in fits[-1]:
                total = fit.parts(terms.values[fit.ahead]).sum(axis=-1)
                effect[fit.ahead, :, k] = np.where(terms.known[fit.ahead, None], total, 0.0)
        return cls(effect, terms, tuple(fits))

    def drivers(self, row: int, column: int, k: int) -> tuple[NewsDriver, ...]:
        """What each kind adds to one cell at the k-th horizon, the largest effect first; empty if nothing is added.

        Parameters
        ----------
        row, column
            Places of the session and of the symbol in the panel.
        k
            Place of the horizon.
        """
        fit = next((fit for fit in self._fits[k] if fit.ahead.start <= row < fit.ahead.stop), None)
        if fit is None or not self._terms.known[row]:
            return ()
        by_term = dict(zip(fit.places, fit.parts(self._terms.values[row, column]).tolist(), strict=True))
        drivers = []
        for i, kind in enumerate(self._terms.groups):
            of_kind = [by_term[place] for place in self._terms.groups[kind] if place in by_term]
            if of_kind:
                since = int(self._terms.since[row, column, i])
                drivers.append(
                    NewsDriver(
                        kind,
                        sum(of_kind),
                        float(self._terms.counts[row, column, i]),
                        float(self._terms.level[row, column, i]),
                        None if since >= _NEVER else since,
                    )
                )
        return tuple(sorted(drivers, key=lambda driver: -abs(driver.effect)))


def kinds_of(features: Sequence[str]) -> dict[str, int]:
    """From each kind of news that has counts among `features` to the place of that feature."""
    matches = ((COLUMN.fullmatch(name), place) for place, name in enumerate(features))
    return {match[1]: place for match, place in matches if match is not None}


def read_by_network(panel: Panel, model: ModelConfig) -> Panel:
    """`panel` with only the features that the networks of `model` read.

    Counts of news are left out if they have their own effect (``model.news_effect``).
    """
    if not model.news_effect:
        return panel
    return panel.without([name for name in panel.features if name.startswith(OF_NEWS)])


def since_spikes(panel: Panel) -> dict[str, NDArray[np.int64]]:
    """From each kind to [session, symbol]: sessions since the last spike of its count; at least `_NEVER` before one."""
    if not kinds_of(panel.features):
        return {}
    terms = _terms(panel)
    return {kind: terms.since[:, :, i] for i, kind in enumerate(terms.groups)}


def covered(counts: Float32) -> Bool:
    """[session]; whether there was a source of news, judged by the counts of all items [session, symbol].

    A source is taken to be missing if all symbols together have less than a tenth of their usual items, or after four
    weeks without any. A quiet day of a few symbols is not enough. What is usual comes from earlier sessions only.
    """
    totals = counts.sum(axis=1, dtype="float64")
    there = np.zeros(len(totals), dtype=bool)
    start = int(np.argmax(totals > 0)) if (totals > 0).any() else len(totals)
    for t in range(start, len(totals)):
        before = totals[max(start, t - LEVEL_SESSIONS) : t]
        usual = np.median(before) if len(before) >= FEWEST_SESSIONS else 0.0
        there[t] = totals[t] >= 0.1 * usual and totals[max(start, t - 19) : t + 1].sum() > 0
    return there


def _terms(panel: Panel) -> _Terms:
    kinds = kinds_of(panel.features)
    # rounded, because counts are whole numbers and float32 keeps only seven digits of log(1 + n)
    counts = np.rint(np.expm1(np.minimum(panel.values[:, :, list(kinds.values())], MOST)))
    # without a count of all items, the counts of kinds show well enough whether there was a source
    there = covered(counts[:, :, list(kinds).index(ANY)] if ANY in kinds else counts.sum(axis=2))
    rows = np.flatnonzero(there)
    level, since = np.zeros(counts.shape, dtype=np.float32), np.full(counts.shape, _NEVER, dtype=np.int64)
    columns: list[Float64] = []
    groups: dict[str, list[int]] = {}
    for i, kind in enumerate(kinds):
        count = counts[rows, :, i].astype("float64")
        usual = _trailing_mean(count, LEVEL_SESSIONS)
        surprise = np.log((1 + count) / (1 + usual))
        age = _age((surprise > np.log(SPIKE)) & (count >= 2), rows)
        terms = [np.log1p(count), surprise, *(np.maximum(surprise - bend, 0) for bend in BENDS)]
        if kind != ANY:
            terms += [np.exp(-np.minimum(age, 500) / fade) for fade in FADES]
        if kind == EARNINGS:
            terms.append(((age >= DUE[0]) & (age <= DUE[1])).astype("float64"))
        groups[kind] = list(range(len(columns), len(columns) + len(terms)))
        columns += terms
        level[rows, :, i], since[rows, :, i] = usual, age
    values = np.zeros((*counts.shape[:2], len(columns)), dtype=np.float32)
    for place, column in enumerate(columns):
        values[rows, :, place] = column
    there[rows[:FEWEST_SESSIONS]] = False  # there is no level yet
    return _Terms(values, groups, there, counts, level, since)


def _trailing_mean(count: Float64, sessions: int) -> Float64:
    """[session, symbol]; mean of up to `sessions` rows before each; the first row is its own, and so no surprise."""
    total = np.concatenate([np.zeros((1, count.shape[1])), np.cumsum(count, axis=0)])
    stop = np.arange(len(count))
    start = np.maximum(stop - sessions, 0)
    mean: Float64 = (total[stop] - total[start]) / np.maximum(stop - start, 1)[:, None]
    mean[:1] = count[:1]
    return np.maximum(mean, 0.0)  # by rounding, a difference of running sums may be just below 0


def _age(spike: Bool, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """[row, symbol]; sessions since the last True, `_NEVER` and more where there was none; `rows` are their places."""
    session = rows[:, None]
    age: NDArray[np.int64] = session - np.maximum.accumulate(np.where(spike, session, -_NEVER), axis=0)
    return age


def _fits(terms: _Terms, residual: Float64, first: int, horizon: int) -> list[_Fit]:
    """The weights from `first` on, one set for every `REFIT_EVERY` sessions in which enough was known."""
    blocks: list[_Block] = []
    fits = []
    done = 0
    for start in range(first, len(residual), REFIT_EVERY):
        # a target of h sessions made at t is known at t + h
        known = max(0, start - horizon + 1)
        # blocks end where estimates are made, so that each block is summed only once
        edges = [done, *range(known - (known - done) // REFIT_EVERY * REFIT_EVERY, known, REFIT_EVERY), known]
        for low, high in itertools.pairwise(edges):
            block = _Block.of(terms.values[low:high], residual[low:high])
            if block is not None:
                blocks.append(block)
        done = max(done, known)
        fit = _fitted(blocks, terms, slice(start, start + REFIT_EVERY), horizon)
        if fit is not None:
            fits.append(fit)
    return fits


@dataclass(frozen=True, eq=False)
class _Block:
    """What least squares needs from some sessions: sums of products of 1, the terms and the residual, and ranges."""

    products: Float64
    low: Float32
    high: Float32

    @classmethod
    def of(cls, terms: Float32, residual: Float64) -> _Block | None:
        known = np.isfinite(residual)
        if not known.any():
            return None
        rows = terms[known].astype("float64")
        table = np.column_stack([np.ones(len(rows)), rows, residual[known]])
        return cls(table.T @ table, terms[known].min(axis=0), terms[known].max(axis=0))


def _fitted(blocks: Sequence[_Block], terms: _Terms, ahead: slice, horizon: int) -> _Fit | None:
    if len(blocks) < FEWEST_BLOCKS:
        return None
    each = np.stack([block.products for block in blocks])
    whole = each.sum(axis=0)
    cells = whole[0, 0]
    if cells < FEWEST_CELLS:
        return None
    mean = whole[0, 1:] / cells
    spread = np.sqrt(np.maximum(np.diagonal(whole)[1:] / cells - mean**2, 0.0))
    unit = np.where(spread > 1e-6, spread, np.inf)
    unit[-1] = 1.0
    # terms are centred and divided by their standard deviation, so that one penalty suits all of them
    counts, sums = each[:, 0, 0], each[:, 0, 1:]
    centred = each[:, 1:, 1:] - sums[:, :, None] * mean - mean[:, None] * sums[:, None, :]
    centred = (centred + counts[:, None, None] * np.outer(mean, mean)) / unit[:, None] / unit
    chosen = _chosen(centred, counts, terms.groups, proven=cells >= ENOUGH_CELLS, horizon=horizon)
    if not chosen:
        return None
    weights = _ridge((centred.sum(axis=0) / cells)[None], chosen, horizon)[0] / unit[chosen]
    low = np.min([block.low for block in blocks], axis=0).astype("float64")
    high = np.max([block.high for block in blocks], axis=0).astype("float64")
    return _Fit(ahead, chosen, mean[chosen], weights, low[chosen], high[chosen])


def _ridge(moments: Float64, places: list[int], horizon: int) -> Float64:
    """[n, place]; weights of the terms at `places`, from moments [n, term + 1, term + 1]; the last is the residual."""
    inner = moments[:, places][:, :, places] + PENALTY * horizon * np.eye(len(places))
    return np.asarray(np.linalg.solve(inner, moments[:, places, -1:])[:, :, 0], dtype="float64")


def _chosen(
    centred: Float64, counts: Float64, groups: dict[str, list[int]], *, proven: bool, horizon: int
) -> list[int]:
    """Places of the terms that take part: the trusted kinds, then one after another those that gain most, if proven.

    Blocks are left out in turn, with those beside them where targets overlap; the gain is that of their squared errors.
    """
    others = np.empty_like(centred)  # [block]; the moments of all other blocks together
    for b in range(len(centred)):
        kept = np.abs(np.arange(len(centred)) - b) > (1 if horizon > 1 else 0)
        kept = kept if kept.any() else np.arange(len(centred)) != b
        others[b] = centred[kept].sum(axis=0) / counts[kept].sum()

    def errors(places: list[int]) -> Float64:
        """[block]; mean squared error of each block, with weights fitted on the others."""
        weights = _ridge(others, places, horizon)[:, None]  # [block, 1, place]
        gained = 2 * weights @ centred[:, places, -1:]
        gained -= weights @ centred[:, places][:, :, places] @ weights.swapaxes(1, 2)
        lost: Float64 = (centred[:, -1, -1] - gained[:, 0, 0]) / counts
        return lost

    taken = [kind for kind in groups if proven and kind in TRUSTED]
    places = [place for kind in taken for place in groups[kind]]
    now: Float64 = errors(places) if places else centred[:, -1, -1] / counts
    while True:
        best: tuple[float, str, Float64] | None = None
        for kind in groups:
            if kind in taken:
                continue
            then = errors(places + groups[kind])
            gain = now - then
            error = gain.std(ddof=1) / np.sqrt(len(gain))
            if gain.mean() > PROOF * error and (best is None or gain.mean() > best[0]):
                best = (float(gain.mean()), kind, then)
        if best is None:
            return places
        _, kind, now = best
        taken.append(kind)
        places = places + groups[kind]
