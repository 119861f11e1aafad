"""Does a column of a finished table know what comes next? Lead tests, symbol by symbol.

The news of a row (the part of its value that the two rows before it, the past moves and the past level do not explain)
is regressed on the moves that lie ahead of the row. In an honest column they explain next to nothing of it; in one that
holds a later close, or is smoothed with later rows, most of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tenor.schema import Float64

MOST_AHEAD = 30
"""The number of sessions ahead that are tested."""
PLAIN, PERSISTENT = 0.10, 0.30
"""The share of a column's news explained by later moves from which on it is a leak: the first where neither the news
nor the moves have a memory (returns), the second where one of them has (levels, volatility)."""
BEYOND_CHANCE = 1e-6
LEAST_ROWS = 60
_TAIL = 0.02  # clipped at both ends: one extreme day in common is no leak


@dataclass(frozen=True)
class Moves:
    """What comes after each row of one symbol.

    Attributes
    ----------
    ahead
        [row]; the move that row t does not know yet.
    known_after
        The number of rows after which it is known, >= 1.
    memory
        True where earlier moves predict later ones.
    """

    ahead: Float64
    known_after: int
    memory: bool


@dataclass(frozen=True)
class Lead:
    """How much of a column's news is explained by later moves, over all symbols.

    Attributes
    ----------
    share
        0 .. 1, corrected for the number of moves used.
    chance
        The p-value: how likely such a share is for an honest column.
    first
        The share explained by the first move ahead alone.
    rows
        The number of rows used.
    ahead
        The number of moves ahead that give 97 % of it.
    limit
        The share from which on it counts as a leak.
    """

    share: float
    chance: float
    first: float
    rows: int
    ahead: int
    limit: float

    @property
    def leaks(self) -> bool:
        """True if it is more than an honest column can know."""
        return self.share >= self.limit and self.chance < BEYOND_CHANCE

    @property
    def further(self) -> bool:
        """True if moves beyond the first one ahead explain a good part of it."""
        return self.share - self.first > max(0.05, 0.2 * self.share)


def moves_of_target(target: Float64, horizon: int) -> Moves:
    """The moves that a target column holds: itself, or its changes where it is a level."""
    memory = _correlation(target, horizon)
    if memory > 0.95:
        level = np.log(target) if (target[np.isfinite(target)] > 0).all() else target
        # row t holds the level of t + horizon: the first step ahead of t ends horizon - 1 rows before
        return Moves(_shifted(np.append(np.nan, np.diff(level)), horizon - 1), 1, memory=True)
    known = next((k for k in range(horizon, MOST_AHEAD + 1) if _correlation(target, k) < 0.15), horizon)
    return Moves(target, known, memory=_correlation(target, known) > 0.2)


def moves_of_price(price: Float64) -> Moves:
    """The next row's log return."""
    returns = np.diff(np.log(price))
    return Moves(np.append(returns, np.nan), 1, memory=False)


def best_lead(column: Sequence[Float64], moves: Sequence[Moves]) -> Lead | None:
    """The largest lead of `column` over `moves`, both symbol by symbol, [row]; None where nothing can be tested.

    Several forms are tested: the column as it is and, where it is positive, in logs; the moves as they are and their
    absolute values; the column's own past as a regressor and without it, because a column that is smoothed backwards in
    time is predictable from its own past. The form with the largest share counts.
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
    """True if the column is the target, scaled and shifted, to the seventh digit."""
    x, y = np.concatenate(list(column)), np.concatenate(list(target))
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 10 or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return False
    return bool(1 - np.corrcoef(x[both], y[both])[0, 1] ** 2 < 1e-12)


def centred_on(column: Float64, other: Float64) -> int:
    """The length of the centred window over `other` whose mean `column` is, scaled and shifted; 0 if there is none."""
    # the sum over a window is the difference of two running totals; the mean is taken off first to keep the digits
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
    """The lead in one form; an empty list where there are too few rows."""
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
    """What is new in each row of `x`, the part of the moves ahead that was not known, and the terms spent on both.

    Both are residuals of regressions on the same known terms (Frisch-Waugh-Lovell), then clipped and standardised.
    """
    x = x / max(float(np.abs(x[np.isfinite(x)]).max(initial=0.0)), 1e-300)
    u = np.abs(move.ahead - np.nanmedian(move.ahead)) if by_size and np.isfinite(move.ahead).any() else move.ahead
    count = len(x)
    # without its own past as a regressor the news of neighbouring rows is alike: fewer moves, or chance explains much
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
    if spread[0] == 0:  # only a few rows' spikes are new: too few to test
        return None
    rest = (rest - rest.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return rest[:, 0], rest[:, 1:], basis.shape[1]


class _Explained:
    """How much of `y` the first columns of `leads` explain, corrected for their number.

    Products are computed once, so that each number of columns costs one small inverse.
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
    """`x` as it was `by` rows before; later rows where `by` is negative; NaN beyond the ends."""
    shifted = np.full(len(x), np.nan)
    if by > 0:
        shifted[by:] = x[:-by]
    elif by < 0:
        shifted[:by] = x[-by:]
    else:
        shifted[:] = x
    return shifted


def _correlation(x: Float64, lag: int) -> float:
    """Correlation of `x` with itself `lag` rows before; 0 where it has none."""
    before = _shifted(x, lag)
    both = np.isfinite(x) & np.isfinite(before)
    if both.sum() < 20 or np.ptp(x[both]) == 0 or np.ptp(before[both]) == 0:
        return 0.0
    return float(np.corrcoef(x[both], before[both])[0, 1])
