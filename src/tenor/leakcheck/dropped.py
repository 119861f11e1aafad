"""Moments of a scaled column whose last rows were dropped after scaling, as in every table with a target ahead.

A scaler gives exact moments to the rows that it was fitted on. If k rows are dropped, the moments deviate by the
contribution of these rows: for k = 1, each of the two moments implies the value of the row, and both must agree; for
larger k, the implied values must be plausible continuations of the column. The result contains the probability of
agreement by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tenor.schema import Float64

MOST = 5
"""Most rows of each symbol that may be missing at its end, if the horizon is not longer."""
DRAWS = 400
SLACK = 4e-6
"""Tolerance of the variance: a small constant added to the standard deviation in scaling changes it by less."""
CERTAIN = 1e-6
"""If agreement by chance has at most this probability, a single column is reported as scaled."""
TOGETHER = 1e-6
"""The same threshold for several columns together."""
LEAST_COLUMNS = 3
MOST_LIKELY = 0.2
"""If agreement by chance is more likely than this, the column is not used as evidence."""
STANDARD = "mean 0 and standard deviation 1"
ROBUST = "median 0 and quartiles 1 apart"


@dataclass(frozen=True)
class Dropped:
    """A scaling that a column has if dropped rows are added back.

    Attributes
    ----------
    form
        The scaling, in words.
    rows
        Number of missing rows, over all symbols.
    chance
        Probability that a column without this leak agrees by chance.
    """

    form: str
    rows: int
    chance: float


def precision(values: Float64) -> float:
    """Half a unit of the last decimal place of `values`; 1e-12 of the largest if they are not rounded."""
    for decimals in range(1, 10):
        if np.array_equal(np.round(values, decimals), values):
            return 0.5 * 10.0**-decimals
    return 1e-12 * max(1.0, float(np.abs(values).max()))


def standard(parts: Sequence[Float64], most: int) -> Dropped | None:
    """Check whether all `parts` together were scaled to mean 0 and standard deviation 1 before rows were dropped.

    Parameters
    ----------
    parts
        The values of each symbol in time order, without NaN.
    most
        Most rows of each symbol that may be missing at its end.

    Returns
    -------
    Dropped or None
        The scaling; None if the moments do not agree with it.
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
    """For one missing row: the values implied by the mean and by the standard deviation must agree."""
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
    """Probability that the sums agree by chance with `rows` missing in each part; 1 if they do not agree."""
    sums, sums_of_squares = np.zeros(DRAWS), np.zeros(DRAWS)
    mean_spread = square_spread = 0.0
    rng = np.random.default_rng(0)
    n = 0
    for part in parts:
        paths, memory = _continuations(part, rows, rng)
        sums += paths.sum(axis=1)
        sums_of_squares += (paths**2).sum(axis=1)
        # the sampling spread of the sums for a column with another scale and location
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
    """[draw, row]; simulated continuations by an AR(1) model, and the autocorrelation of the column."""
    past, now = part[:-1] - part.mean(), part[1:] - part.mean()
    phi = float(np.clip(past @ now / max(float(past @ past), 1e-300), -0.99, 0.9999))
    residuals = now - phi * past
    paths = np.empty((DRAWS, rows))
    last = np.full(DRAWS, part[-1] - part.mean())
    for step in range(rows):
        last = phi * last + rng.choice(residuals, DRAWS)
        paths[:, step] = last
    # autocorrelated values count as fewer independent ones
    memory = min((1 + phi) / (1 - phi), len(part) / 4)
    return paths + part.mean(), max(memory, 1.0)


def robust(parts: Sequence[Float64], most: int) -> Dropped | None:
    """The same check for median 0 and interquartile range 1, exact for each position of the missing rows around them.

    Missing values directly next to a quartile can't be recognised and are not considered.
    """
    known = np.sort(np.concatenate(parts))
    n = len(known)
    exact = max(1e-9, 4 * precision(known))
    # if many values lie near the quartiles, some of the many arrangements would agree by chance
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
    """[0 .. missing]; element k is the quantile if k of the missing values lie below it, and the others above."""
    place = level * (len(known) + missing - 1)
    whole = math.floor(place)
    below = np.arange(missing + 1)
    left = np.clip(whole - below, 0, len(known) - 1)
    right = np.clip(whole + 1 - below, 0, len(known) - 1)
    quantiles: Float64 = known[left] + (place - whole) * (known[right] - known[left])
    return quantiles
