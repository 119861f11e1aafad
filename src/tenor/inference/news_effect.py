"""What counts of news by kind add to the forecast of log variance: a pooled regression on what the network left over.

Posts about earnings say that a price may jump; how many there were of each kind, beside what is usual for the symbol,
is known before the session that they are about. Fed to the network they cost more than they give (docs/log.md), since
days with news are few and a network has many ways to read them. Here they are a dozen terms that bend, whose weights
are the same for all symbols, estimated by ridge regression on the residuals of the network's forecasts, and estimated
again as time goes on. Needs NumPy alone, so that what serves can do it.
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
"""Features of a panel that say how many items of a kind there were, log(1 + n): what the effect is computed from."""
OF_NEWS = "news_"
"""How all features of counts of news begin; the network does not read them where they have an effect of their own."""
ANY, EARNINGS = "any", "earnings"
TRUSTED = (ANY, EARNINGS)
"""Kinds that take part from the start; another one has to prove itself on the past first (`PROOF`)."""
LEVEL_SESSIONS = 60
"""Sessions before this one whose mean count is the symbol's usual level."""
FEWEST_SESSIONS = 5
"""Sessions with a source of news before a level is known."""
SPIKE = 2.0
"""A session has a spike of a kind where one more than its count is above so many times one more than the level."""
BENDS = (0.5, 1.2)
"""Log ratios of count to level from which a surprise counts for more: 1.6 and 3.3 times the level."""
FADES = (2.0, 8.0)
"""Sessions after which what a spike leaves behind falls by e."""
DUE = (55, 68)
"""Sessions after a spike of earnings in which the next report is due: a quarter has about 63."""
PENALTY = 0.1
"""Of the ridge, in units of a term's variance, for each session ahead: h overlapping targets say what one does."""
PROOF = 2.0
"""Least t of the gain of a kind, over blocks of sessions left out in turn, for which it takes part."""
ENOUGH_CELLS = 5_000
"""Known cells from which the trusted kinds need no proof: with a few hundred a dozen weights fit noise."""
FEWEST_CELLS, FEWEST_BLOCKS = 150, 3
"""Known cells, and blocks of sessions, below which no effect is estimated."""
MOST = 20.0
"""Log counts are cut here: half a billion items a session."""
_NEVER = 10**6


@dataclass(frozen=True)
class NewsDriver:
    """What one kind of news adds to one forecast.

    Attributes
    ----------
    kind
        Of the news; ``any`` is all items together.
    effect
        What it adds to the forecast log variance.
    count, level
        Items of the kind in the session, and the mean of the sessions before.
    since_spike
        Sessions since there were about twice as many as usual, 0 in such a session; None where there was none.
    """

    kind: str
    effect: float
    count: float
    level: float
    since_spike: int | None


@dataclass(frozen=True, eq=False)
class _Terms:
    """What the regression is linear in.

    Attributes
    ----------
    values
        [session, symbol, term] float32.
    groups
        Kind -> places of its terms.
    known
        [session]; whether a source of news covers the session.
    counts, level
        [session, symbol, kind]; items, and the mean of the sessions before.
    since
        [session, symbol, kind]; sessions since a spike, `_NEVER` and more where there was none.
    """

    values: Float32
    groups: dict[str, list[int]]
    known: Bool
    counts: Float32
    level: Float32
    since: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Fit:
    """Weights that hold for the sessions `ahead`."""

    ahead: slice
    places: list[int]
    mean: Float64
    weights: Float64
    low: Float64
    high: Float64

    def parts(self, terms: Float32) -> Float64:
        """[..., chosen term] of [..., term]: what each adds."""
        chosen = np.clip(terms[..., self.places].astype("float64"), self.low, self.high)
        parts: Float64 = (chosen - self.mean) * self.weights
        return parts


@dataclass(frozen=True, eq=False)
class NewsEffect:
    """What the news adds to forecasts of log variance; `NewsEffect.of` estimates it.

    Attributes
    ----------
    log_variance
        [session, symbol, horizon]; added to the forecast; 0 where nothing is known of the news, or of its effect.
    """

    log_variance: Float64
    _terms: _Terms
    _fits: tuple[tuple[_Fit, ...], ...]

    @classmethod
    def of(cls, panel: Panel, forecast: Float32 | Float64, first: int) -> NewsEffect | None:
        """Estimate it every `REFIT_EVERY` sessions from `first` on, on all residuals known by then.

        The effect of session t depends on the panel's and the forecasts' rows up to t alone.

        Parameters
        ----------
        panel
            With counts of news (`kinds_of` its features); None is returned for one without.
        forecast
            [session, symbol, horizon]; of log variance, without news; NaN where a cell does not count.
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
        """What each kind adds to one cell at the k-th horizon, the largest first; empty where nothing is added."""
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
    """The kinds of news that `features` have counts of, and the places of these."""
    matches = ((COLUMN.fullmatch(name), place) for place, name in enumerate(features))
    return {match[1]: place for match, place in matches if match is not None}


def read_by_network(panel: Panel, model: ModelConfig) -> Panel:
    """`panel` with the features that the networks of `model` read: without those of counts of news, if those have an
    effect of their own.
    """
    if not model.news_effect:
        return panel
    return panel.without([name for name in panel.features if name.startswith(OF_NEWS)])


def since_spikes(panel: Panel) -> dict[str, NDArray[np.int64]]:
    """Kind -> [session, symbol], sessions since a spike of its count, many where there was none yet."""
    if not kinds_of(panel.features):
        return {}
    terms = _terms(panel)
    return {kind: terms.since[:, :, i] for i, kind in enumerate(terms.groups)}


def covered(counts: Float32) -> Bool:
    """[session]; whether a source of news was there, from counts of all items [session, symbol].

    A quiet day of a few symbols is none without a source; a session with less than a tenth of what is usual for all
    symbols together is, and so is one after four weeks of silence. Only earlier sessions say what is usual.
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
    # items are whole: float32 keeps log(1 + n) to seven digits
    counts = np.rint(np.expm1(np.minimum(panel.values[:, :, list(kinds.values())], MOST)))
    # without a count of all items those of the kinds say well enough whether there was a source
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
    return np.maximum(mean, 0.0)  # a difference of running sums may end a rounding error below 0


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
        # blocks end where estimates are made, so that each is summed up once
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
    """What least squares needs of some sessions: sums of products of one, the terms and the residual, and ranges."""

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
    # in units of the spread, about the mean of all cells: then one penalty suits all terms
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
    others = np.empty_like(centred)  # [block]; the moments by all the others
    for b in range(len(centred)):
        kept = np.abs(np.arange(len(centred)) - b) > (1 if horizon > 1 else 0)
        kept = kept if kept.any() else np.arange(len(centred)) != b
        others[b] = centred[kept].sum(axis=0) / counts[kept].sum()

    def errors(places: list[int]) -> Float64:
        """[block]; mean squared error of each, by the others."""
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
