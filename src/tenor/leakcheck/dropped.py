"""Moments of a scaled column whose last rows were dropped after scaling, as in every table with a target ahead.

A scaler leaves exact moments in the rows that it was fitted on. With k rows gone they are off by what these rows held:
for k = 1 two moments tell one value, which must agree; for more, the values must be ones that the column could have
gone on with. How likely that agreement is by chance is part of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tenor.schema import Float64

MOST = 5
"""Rows of each symbol that may be missing at the end, where the horizon is not longer."""
DRAWS = 400
SLACK = 4e-6
"""Of the variance: a small number added to the deviation on scaling changes it by less."""
CERTAIN = 1e-6
"""A column whose moments agree by chance with at most this probability is scaled by itself."""
TOGETHER = 1e-6
"""The same for columns together."""
LEAST_COLUMNS = 3
MOST_LIKELY = 0.2
"""A column whose moments agree by chance more often says nothing."""
STANDARD = "mean 0 and standard deviation 1"
ROBUST = "median 0 and quartiles 1 apart"


@dataclass(frozen=True)
class Dropped:
    """A scaling that a column has if rows are added back.

    Attributes
    ----------
    form
        The scaling.
    rows
        How many rows are missing, of all symbols together.
    chance
        How likely an honest column of this shape would agree with it.
    """

    form: str
    rows: int
    chance: float


def precision(values: Float64) -> float:
    """Half of the last decimal that `values` are written with; 1e-12 of the largest where they are not rounded."""
    for decimals in range(1, 10):
        if np.array_equal(np.round(values, decimals), values):
            return 0.5 * 10.0**-decimals
    return 1e-12 * max(1.0, float(np.abs(values).max()))


def standard(parts: Sequence[Float64], most: int) -> Dropped | None:
    """Are all `parts` (one a symbol, without NaN) together scaled to mean 0 and deviation 1, but for rows at the end?

    Parameters
    ----------
    parts
        The rows of each symbol, in time.
    most
        Rows of each symbol that may be missing at the end.
    """
    known = np.concatenate(parts)
    n = len(known)
    total, squares = float(known.sum()), float((known**2).sum())
    reach = most * len(parts) * 2 * float(np.abs(known).max())
    if abs(total) > reach or abs(squares - n) > reach * 2 * float(np.abs(known).max()):
        return None
    best = _one(known, total, squares)
    for rows in range(1, most + 1) if best is None else ():
        if len(parts) * rows > 0.1 * n:
            break
        chance = _several(parts, rows, total, squares)
        if chance < (best.chance if best else MOST_LIKELY):
            best = Dropped(STANDARD, rows * len(parts), chance)
    return best


def _one(known: Float64, total: float, squares: float) -> Dropped | None:
    """One missing row: its value by the mean is its value by the deviation."""
    n = len(known)
    missing = -total
    if abs(missing) > 1.5 * float(np.abs(known).max()):
        return None
    digits = precision(known)
    rounded = 4 * digits * math.sqrt(n) * (1 + 2 * abs(missing)) + 1e-12 * n
    off = min(abs(squares + missing**2 - all_rows) for all_rows in (n + 1, n))
    spread = math.sqrt(n * max(float(((known**2) ** 2).mean()), 1.0))
    error = rounded if off <= rounded else rounded + SLACK * n
    chance = min(1.0, 4 * error / (2.5 * spread))
    return Dropped(STANDARD, 1, chance) if off <= error and chance < MOST_LIKELY else None


def _several(parts: Sequence[Float64], rows: int, total: float, squares: float) -> float:
    """How likely the sums agree by chance with `rows` missing of each part; 1 where they do not agree."""
    sums, sums_of_squares = np.zeros(DRAWS), np.zeros(DRAWS)
    mean_spread = square_spread = 0.0
    rng = np.random.default_rng(0)
    n = 0
    for part in parts:
        paths, memory = _continuations(part, rows, rng)
        sums += paths.sum(axis=1)
        sums_of_squares += (paths**2).sum(axis=1)
        # by how much the sums of a column of another scale and place could differ, as they do by sampling
        mean_spread += memory * len(part) * float(part.var())
        square_spread += memory * len(part) * float((part**2).var())
        n += len(part)
    agree, chance = True, 1.0
    for needed, drawn, spread in (
        ((-total,), sums, math.sqrt(mean_spread)),
        (
            (n + rows * len(parts) - squares, n + rows * len(parts) - 1 - squares),
            sums_of_squares,
            math.sqrt(square_spread),
        ),
    ):
        low, high = np.quantile(drawn, [0.005, 0.995])
        width = 0.1 * (high - low) + 4e-5 * math.sqrt(n)
        low, high = low - width, high + width
        agree = agree and any(low <= value <= high for value in needed)
        chance *= min(1.0, (high - low) / (2.5 * spread))
    return chance if agree else 1.0


def _continuations(part: Float64, rows: int, rng: np.random.Generator) -> tuple[Float64, float]:
    """[draw, row]; what could have followed, by an autoregression of one lag, and the memory of the column."""
    past, now = part[:-1] - part.mean(), part[1:] - part.mean()
    phi = float(np.clip(past @ now / max(float(past @ past), 1e-300), -0.99, 0.9999))
    residuals = now - phi * past
    paths = np.empty((DRAWS, rows))
    last = np.full(DRAWS, part[-1] - part.mean())
    for step in range(rows):
        last = phi * last + rng.choice(residuals, DRAWS)
        paths[:, step] = last
    # values a session apart that are alike count as fewer
    memory = min((1 + phi) / (1 - phi), len(part) / 4)
    return paths + part.mean(), max(memory, 1.0)


def robust(parts: Sequence[Float64], most: int) -> Dropped | None:
    """The same for median 0 and quartiles 1 apart: exactly, for each way in which the missing rows lay around them.

    A missing value that lay right beside a quartile can't be told, and is passed over.
    """
    known = np.sort(np.concatenate(parts))
    n = len(known)
    exact = max(1e-9, 4 * precision(known))
    # where the column's own quartiles have other columns' density the many ways would agree by chance
    for missing in dict.fromkeys([1, *(rows * len(parts) for rows in range(1, most + 1))]):
        if missing > 0.1 * n:
            break
        middle = _with_below(known, 0.5, missing)
        first, third = _with_below(known, 0.25, missing), _with_below(known, 0.75, missing)
        centred = np.flatnonzero(np.abs(middle) <= exact)
        if not len(centred):
            continue
        apart = np.abs(third[None, :] - first[:, None] - 1) <= 2 * exact
        ordered = np.triu(np.ones_like(apart))
        ways = ordered.sum()
        gap = float(np.diff(known[n // 4 : 3 * n // 4]).mean())
        chance = min(1.0, (missing + 1) * 2 * exact) * min(1.0, float(ways) * 4 * exact / max(gap, 4 * exact))
        if (apart & (ordered > 0)).any() and chance < CERTAIN:
            return Dropped(ROBUST, missing, chance)
    return None


def _with_below(known: Float64, level: float, missing: int) -> Float64:
    """[0 .. missing]; the quantile if so many of the missing values lay below it, and the rest above."""
    place = level * (len(known) + missing - 1)
    whole = math.floor(place)
    below = np.arange(missing + 1)
    left = np.clip(whole - below, 0, len(known) - 1)
    right = np.clip(whole + 1 - below, 0, len(known) - 1)
    quantiles: Float64 = known[left] + (place - whole) * (known[right] - known[left])
    return quantiles
