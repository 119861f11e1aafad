"""Drift: whether the features are still distributed as in the training part.

The cells of a session move together, and neighbouring sessions are similar, so critical values for independent draws
would raise an alarm every day. The bounds therefore come from windows of the same length inside the training part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tenor.schema import Bool, Float32, Float64

WINDOW = 20
"""Number of the last sessions that are compared with the training part."""
BINS = 10
"""Number of groups of equal size in the training part, for PSI; two more are for values below and above its range."""
FINE = 5
"""Number of parts of a bin, by which the other distances are measured."""
BEYOND = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Edges of fine bins outside the range of the training part, in its standard deviations from the ends of the range."""
LEAST_PSI = 0.25
"""The usual bound of PSI for a large shift; below it nothing counts as drift."""
LEAST_MOVE = 0.25
"""A distribution that moved by fewer standard deviations did not drift."""
MARGIN = 1.25
"""A window counts as drift if it is this many times as unusual as the most unusual window of the training part."""
MARGIN_OF_MOVE = 2.0
"""The same for the distance moved, which is not bounded: the market's mean over 66 sessions may move far by itself."""
FAR = 2.0
"""With this many times its bound, the distance moved counts even without the other distance."""
LEAST_CELLS = 0.5
"""Windows of the training part with fewer cells than this share of the judged window's set no bound (warm-up)."""
LEAST_WINDOWS = 4
"""The training part needs cells on at least this many windows' worth of sessions for useful bounds."""
LEAST_CHANGES = 20
"""The number of sessions of the training part on which a feature must change to be judged.

A feature that is constant for months (a quarterly table, a central bank's rate) has too few values there to show how
far the next one may be.
"""
MOST_LATELY = 2
"""With more changes than this in the last sessions, a feature no longer counts as one that rarely changes."""


class Distances(NamedTuple):
    """How far windows are from a reference, with one number for each window.

    Attributes
    ----------
    psi
        Population stability index: sum over bins of (p - q) log(p / q), with half a cell added to each bin.
    ks
        Kolmogorov-Smirnov distance: the greatest difference of the distribution functions.
    move
        Wasserstein distance in standard deviations of the training part: how far the values moved on average. It still
        grows when the others have reached their limits.
    """

    psi: Float64
    ks: Float64
    move: Float64


@dataclass(frozen=True)
class Profile:
    """The distribution of one feature in the training part, and how unusual windows inside it are.

    Attributes
    ----------
    edges
        Edges of the fine bins.
    starts
        The fine bins with which the bins of PSI begin.
    spread
        Standard deviation.
    reference
        [fine bin]; number of cells of the training part.
    bounds
        Bounds of the three distances; that of KS is below 1, its limit.
    """

    edges: Float32
    starts: NDArray[np.intp]
    spread: float
    reference: Float64
    bounds: tuple[float, float, float]

    def judge(self, values: Float32, mask: Bool) -> tuple[float, Distances]:
        """How unusual the cells of a window are; above 1 is drift.

        It is drift if PSI exceeds its bound, and if either KS and the distance moved both exceed theirs, or the
        distance moved exceeds `FAR` times its bound. In the second case KS, which is limited to 1, adds nothing.
        """
        window = fine_counts(values, mask, self.edges).sum(axis=0, keepdims=True)
        found = distances(window, self.reference, self)
        psi, ks, move = (float(x[0]) / bound for x, bound in zip(found, self.bounds, strict=True))
        return min(psi, max(min(ks, move), move / FAR)), found


def enough(mask: Bool, training: slice, window: int = WINDOW) -> bool:
    """Whether the training part has enough sessions with cells for useful bounds."""
    return int(mask[training].any(axis=1).sum()) >= LEAST_WINDOWS * window


def stands_still(values: Float32, mask: Bool, training: slice, window: int = WINDOW) -> bool:
    """Whether a feature changes so rarely that the training part does not show what is usual.

    Such a feature changed in the training part, but on fewer than `LEAST_CHANGES` sessions, and on at most
    `MOST_LATELY` of the last `window` sessions. Constant features are not included, since any change of them is
    unusual.
    """
    changed = ((values[1:] != values[:-1]) & mask[1:] & mask[:-1]).any(axis=1)
    start, stop, _ = training.indices(len(values))
    before, lately = changed[start : max(stop - 1, start)], changed[-window:]
    return bool(0 < before.sum() < LEAST_CHANGES and lately.sum() <= MOST_LATELY)


def profile(values: Float32, mask: Bool, training: slice, window: int = WINDOW) -> Profile:
    """The distribution of a feature's values in the training part, with the bounds of drift.

    Parameters
    ----------
    values, mask
        [session, symbol] from the training part to the window that is to be judged, its last `window` sessions.
    training
        The training part's places on the session axis; `enough` of it has cells.
    window
        Number of sessions of a window.
    """
    start, stop, _ = training.indices(len(values))
    known = values[training][mask[training]]
    edges, starts, spread = _bins(known)
    counts = fine_counts(values, mask, edges)
    reference = counts[start:stop].sum(axis=0)
    draft = Profile(edges, starts, spread, reference, (LEAST_PSI, 1.0, LEAST_MOVE))
    # counts of all windows at once: the cumulated counts at the end of each minus those at its start
    cumulated = np.cumsum(np.vstack([np.zeros(counts.shape[1]), counts]), axis=0)
    windows = cumulated[window:] - cumulated[:-window]
    cells = windows.sum(axis=1)
    inside = np.arange(start, stop - window + 1)
    inside = inside[cells[inside] >= LEAST_CELLS * min(cells[-1], cells[inside].max())]
    # each is compared with the rest of the training part, because it would look too similar to the whole
    usual = distances(windows[inside], reference - windows[inside], draft)
    # a window that has nothing in common with the rest has the largest distance from it, 1; its distance from the
    # whole, of which it is a part, is smaller
    ks = min(float(usual.ks.max()), 1 - float(cells[inside].min()) / float(reference.sum()))
    bounds = (
        max(LEAST_PSI, MARGIN * float(usual.psi.max())),
        1 - (1 - ks) / MARGIN,
        max(LEAST_MOVE, MARGIN_OF_MOVE * float(usual.move.max())),
    )
    return Profile(edges, starts, spread, reference, bounds)


def _bins(known: Float32) -> tuple[Float32, NDArray[np.intp], float]:
    """The edges of the fine bins, the fine bins with which the coarse ones begin, and the spread.

    Bin i holds ``edges[i - 1] < x <= edges[i]``. A column that is constant in the training part has one bin of its
    own between those below and above.
    """
    low, high = float(known.min()), float(known.max())
    spread = float(known.std(dtype="float64"))
    spread = max(spread, 1e-6 * max(abs(low), abs(high), 1.0))
    below = float(np.nextafter(np.float32(low), np.float32(-np.inf)))
    inner = np.quantile(known.astype("float64"), np.arange(1, BINS * FINE) / (BINS * FINE))
    beyond = spread * np.array(BEYOND)
    with np.errstate(over="ignore"):
        parts = [below - beyond[::-1], [below], inner, [high], high + beyond]
        edges = np.unique(np.concatenate(parts).astype("float32"))
    first, last = (int(edges.searchsorted(np.float32(x))) for x in (below, high))
    # the fine bins first + 1 .. last lie inside the training part's range
    coarse = np.arange(first + 1, last + 1, max(1, round((last - first) / BINS)))
    return edges, np.concatenate([[0], coarse, [last + 1]]), spread


def fine_counts(values: Float32, mask: Bool, edges: Float32) -> Float64:
    """[session, fine bin]; how many cells of each session fall into each bin."""
    bin_of = np.searchsorted(edges, values, side="left")
    row = np.broadcast_to(np.arange(len(values))[:, None], mask.shape)
    # session and bin as one number, so that one call of bincount counts all cells
    flat = (row * (len(edges) + 1) + bin_of)[mask]
    size = len(values) * (len(edges) + 1)
    return np.bincount(flat, minlength=size).reshape(len(values), -1).astype("float64")


def distances(windows: Float64, reference: Float64, profile: Profile) -> Distances:
    """The distances of each row of `windows` from `reference` (one, or one a row); all [fine bin] counts."""
    reference = np.broadcast_to(reference, windows.shape)
    p = _shares(np.add.reduceat(windows, profile.starts, axis=1) + 0.5)
    q = _shares(np.add.reduceat(reference, profile.starts, axis=1) + 0.5)
    psi = ((p - q) * np.log(p / q)).sum(axis=1)
    apart = np.abs(_distribution(windows) - _distribution(reference))
    # between two edges the difference is approximated by the mean of the differences at the edges
    between = (apart[:, 1:-1] + apart[:, :-2]) / 2
    move = (between * (np.diff(profile.edges.astype("float64")) / profile.spread)).sum(axis=1)
    return Distances(psi, apart.max(axis=1), move)


def _shares(counts: Float64) -> Float64:
    shares: Float64 = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _distribution(counts: Float64) -> Float64:
    """The cumulative distribution of each row."""
    distribution: Float64 = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
    return distribution
