"""Lead tests, symbol by symbol: does a column of a finished table contain information on later moves?

The innovation of a row (the part of its value that the two rows before it, the past moves and the past level do not
explain) is regressed on the moves after the row. In a column without a leak they explain almost nothing of it; in a
column that contains a later close, or is smoothed with later rows, they explain most of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tenor.schema import Float64

MOST_AHEAD = 30
"""Number of sessions ahead that are tested."""
PLAIN, PERSISTENT = 0.10, 0.30
"""Thresholds of the share of a column's innovations that later moves explain, from which on it is a leak. The first
is for innovations and moves without autocorrelation (returns), the second for others (levels, volatility)."""
BEYOND_CHANCE = 1e-6
LEAST_ROWS = 60
_TAIL = 0.02  # clipped at both ends: one common extreme day is not a leak


@dataclass(frozen=True)
class Moves:
    """The moves after each row of one symbol.

    Attributes
    ----------
    ahead
        [row]; the move that is not yet known at row t.
    known_after
        Number of rows after which the move is known, >= 1.
    memory
        True if moves are autocorrelated.
    """

    ahead: Float64
    known_after: int
    memory: bool


@dataclass(frozen=True)
class Lead:
    """How much of a column's innovations is explained by later moves, over all symbols.

    Attributes
    ----------
    share
        Explained share, 0 .. 1, corrected for the number of moves used.
    chance
        P-value: the probability of such a share for a column without a leak.
    first
        Share explained by the first move ahead alone.
    rows
        Number of rows used.
    ahead
        Number of moves ahead that explain 97 % of `share`.
    limit
        From this share on it counts as a leak.
    """

    share: float
    chance: float
    first: float
    rows: int
    ahead: int
    limit: float

    @property
    def leaks(self) -> bool:
        """Whether the share is higher than a column without a leak can reach."""
        return self.share >= self.limit and self.chance < BEYOND_CHANCE

    @property
    def further(self) -> bool:
        """Whether moves after the first one ahead explain a substantial part."""
        return self.share - self.first > max(0.05, 0.2 * self.share)


def moves_of_target(target: Float64, horizon: int) -> Moves:
    """The moves in a target column: its values, or their changes if it is a level."""
    memory = _correlation(target, horizon)
    if memory > 0.95:
        level = np.log(target) if (target[np.isfinite(target)] > 0).all() else target
        # row t has the level of t + horizon: the first step after t ends horizon - 1 rows before
        return Moves(_shifted(np.append(np.nan, np.diff(level)), horizon - 1), 1, memory=True)
    known = next((k for k in range(horizon, MOST_AHEAD + 1) if _correlation(target, k) < 0.15), horizon)
    return Moves(target, known, memory=_correlation(target, known) > 0.2)


def moves_of_price(price: Float64) -> Moves:
    """The moves of a price: the log return of the next row."""
    returns = np.diff(np.log(price))
    return Moves(np.append(returns, np.nan), 1, memory=False)


def best_lead(column: Sequence[Float64], moves: Sequence[Moves]) -> Lead | None:
    """The strongest lead of `column` over `moves`, both [row] for each symbol; None if nothing can be tested.

    Several forms are tested: the column itself and, if it is positive, its log; the moves and their absolute values;
    with and without the column's own past as a regressor, because a column that is smoothed backwards in time is
    predictable from its own past. The form with the largest share counts.
    """
    plain = all(move.known_after == 1 and not move.memory for move in moves)
    leads: list[Lead] = []
    for logs in (False, True):
        if logs and not all((x[np.isfinite(x)] > 0).all() for x in column):
            continue
        form = [np.log(x) if logs else x for x in column]
        leads += _lead(form, moves)
        leads += _lead(form, moves, by_size=True)
        leads += _lead(form, moves, own_past=False) if plain else []
    return max(leads, key=lambda candidate: (candidate.leaks, candidate.share), default=None)


def is_rescaled(column: Sequence[Float64], target: Sequence[Float64]) -> bool:
    """Whether the column is an affine function of the target, to seven digits."""
    x, y = np.concatenate(list(column)), np.concatenate(list(target))
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 10 or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return False
    return bool(1 - np.corrcoef(x[both], y[both])[0, 1] ** 2 < 1e-12)


def centred_on(column: Float64, other: Float64) -> int:
    """The length of the centred window if `column` is a moving average of `other`, up to scale and shift; else 0."""
    # a window's sum is the difference of two cumulative sums; subtracting the mean first preserves precision
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(other - np.nanmean(other)))])
    gaps = np.concatenate([[0.0], np.cumsum(np.isnan(other))])
    for half in range(1, MOST_AHEAD + 1):
        width = 2 * half + 1
        if len(column) < max(width, LEAST_ROWS):
            break
        mean = np.full(len(column), np.nan)
        whole = gaps[width:] == gaps[:-width]
        mean[half : len(column) - half] = np.where(whole, (total[width:] - total[:-width]) / width, np.nan)
        both = np.isfinite(mean) & np.isfinite(column)
        x, y = column[both], mean[both]
        if len(x) > width + 10 and np.ptp(x) > 0 and np.ptp(y) > 0 and 1 - np.corrcoef(x, y)[0, 1] ** 2 < 1e-9:
            return width
    return 0


def _lead(
    column: Sequence[Float64], moves: Sequence[Moves], *, by_size: bool = False, own_past: bool = True
) -> list[Lead]:
    """The lead in one form; an empty list if there are too few rows."""
    news, ahead, spent = [], [], 0
    for x, move in zip(column, moves, strict=True):
        residuals = _news(x, move, by_size=by_size, own_past=own_past)
        if residuals is not None:
            news.append(residuals[0])
            ahead.append(residuals[1])
            spent += residuals[2]
    if not news:
        return []
    width = min(a.shape[1] for a in ahead)
    y, leads = np.concatenate(news), np.vstack([a[:, :width] for a in ahead])
    explained = _Explained(y, leads, len(y) - spent)
    share, chance = explained.by(width)
    first, _ = explained.by(1)
    needed = width
    if share > PLAIN:
        needed = next((k for k in range(1, width + 1) if explained.by(k)[0] > 0.97 * share), width)
    limit = PERSISTENT if by_size or not own_past or any(m.memory for m in moves) else PLAIN
    return [Lead(share, chance, first, len(y), needed, limit)]


def _news(x: Float64, move: Moves, *, by_size: bool, own_past: bool) -> tuple[Float64, Float64, int] | None:
    """The innovations of `x`, the unknown part of the moves ahead, and the number of regressors used for both.

    Both are residuals of regressions on the same known terms (Frisch-Waugh-Lovell theorem), clipped and standardised.
    """
    x = x / max(float(np.abs(x[np.isfinite(x)]).max(initial=0.0)), 1e-300)
    u = np.abs(move.ahead - np.nanmedian(move.ahead)) if by_size and np.isfinite(move.ahead).any() else move.ahead
    count = len(x)
    # without the own past as a regressor, innovations are autocorrelated: with many moves, chance explains a lot
    reach = min(MOST_AHEAD, count // 8) if own_past else (min(10, count // 100) if count >= 200 else 0)
    if reach < 1 or count < LEAST_ROWS:
        return None
    leads = np.column_stack([_shifted(u, -k) for k in range(reach)])
    past = [_shifted(u, move.known_after + k) for k in range(min(12, reach) + 1)]
    level = np.cumsum(np.nan_to_num(_shifted(u, move.known_after)))
    own = [_shifted(x, 1), _shifted(x, 2)] if own_past else []
    known = np.column_stack([np.ones(count), level, *own, *past])
    rows = np.isfinite(x) & np.isfinite(leads).all(axis=1) & np.isfinite(known).all(axis=1)
    if rows.sum() < max(LEAST_ROWS, 2 * known.shape[1] + reach) or np.ptp(x[rows]) == 0:
        return None
    # projecting on an orthonormal basis of the known terms and subtracting gives the residuals of all columns at once
    basis = _basis(known[rows])
    rest = np.column_stack([x[rows], leads[rows]])
    rest -= basis @ (basis.T @ rest)
    size = rest[:, 0].std()
    if size <= 1e-9:  # the known terms explain all of it
        return None
    rest = np.clip(rest, *np.quantile(rest, [_TAIL, 1 - _TAIL], axis=0))
    spread = rest.std(axis=0)
    if spread[0] == 0:  # only a few rows differ: too few to test
        return None
    rest = (rest - rest.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return rest[:, 0], rest[:, 1:], basis.shape[1]


class _Explained:
    """The share of `y` that the first columns of `leads` explain, corrected for their number.

    Products are computed once, so that each number of columns needs only one small inverse.
    """

    def __init__(self, y: Float64, leads: Float64, free: int) -> None:
        self._products = leads.T @ leads
        self._with = leads.T @ y
        self._total = float(y @ y)
        self._free = free

    def by(self, terms: int) -> tuple[float, float]:
        """The share explained by the first `terms` columns (adjusted R squared), and its p-value (F test)."""
        degrees = self._free - terms
        if degrees < 1:
            return 0.0, 1.0
        inverse = np.linalg.pinv(self._products[:terms, :terms], rcond=1e-10, hermitian=True)
        explained = float(self._with[:terms] @ inverse @ self._with[:terms]) / self._total
        remaining = min(max(1 - explained, 1e-12), 1.0)
        ratio = (1 - remaining) / terms / (remaining / degrees)
        return 1 - remaining * self._free / degrees, float(stats.f.sf(ratio, terms, degrees))


def _basis(matrix: Float64) -> NDArray[np.float64]:
    """Orthonormal columns that span those of `matrix`."""
    scale = np.abs(matrix).max(axis=0)
    left, sizes, _ = np.linalg.svd(matrix / np.where(scale > 0, scale, 1.0), full_matrices=False)
    return left[:, sizes > 1e-10 * sizes[0]]


def _shifted(x: Float64, by: int) -> Float64:
    """`x` shifted by `by` rows (lagged; if negative, led); NaN beyond the ends."""
    shifted = np.full(len(x), np.nan)
    if by > 0:
        shifted[by:] = x[:-by]
    elif by < 0:
        shifted[:by] = x[-by:]
    else:
        shifted[:] = x
    return shifted


def _correlation(x: Float64, lag: int) -> float:
    """Autocorrelation of `x` at `lag`; 0 if it is undefined."""
    before = _shifted(x, lag)
    both = np.isfinite(x) & np.isfinite(before)
    if both.sum() < 20 or np.ptp(x[both]) == 0 or np.ptp(before[both]) == 0:
        return 0.0
    return float(np.corrcoef(x[both], before[both])[0, 1])
