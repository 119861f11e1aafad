"""The common protocol of the published benchmarks of movement prediction: label, parts, and samples that count.

The label of session t comes from r = adj_close[t] / adj_close[t-1] - 1: up if r >= +0.55 %, down if
r <= -0.5 %; values in between are dropped (Xu and Cohen, ACL 2018). Features end at the close of t - 1, so a sample is
in the panel's row of t - 1.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tenor.errors import DataError, HistoryError
from tenor.schema import Bars, Bool, Float32

UP, DOWN = 0.0055, -0.005

EARLIER_BARS = 34
"""Least number of the symbol's bars before a sample's session: the published features have a mean over 30 sessions, and
the published models read 5 sessions of them. This number reproduces the published sample counts."""

PARTS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True)
class PartDates:
    """First and last target session of each part, as YYYY-MM-DD; parts may not overlap.

    Raises
    ------
    DataError
        The dates are out of order.
    """

    train: tuple[str, str]
    valid: tuple[str, str]
    test: tuple[str, str]

    def __post_init__(self) -> None:
        flat = [pd.Timestamp(day) for name in PARTS for day in getattr(self, name)]
        if any(late < early for early, late in itertools.pairwise(flat)) or flat[1] >= flat[2]:
            raise DataError(f"benchmark: {self} is out of order: train, validation and test follow each other in time.")


@dataclass(frozen=True, eq=False)
class Samples:
    """The labelled cells of a panel's grid.

    Attributes
    ----------
    label
        [session, symbol] float32; 1 up, 0 down, NaN no sample. The label of session t is in row t - 1.
    train, valid, test
        Rows of the samples whose session t is in the part.
    """

    label: Float32
    train: slice
    valid: slice
    test: slice

    def counts(self) -> dict[str, int]:
        """Number of samples in each part."""
        return {name: int(np.isfinite(self.label[getattr(self, name)]).sum()) for name in PARTS}


def label_of(simple_return: ArrayLike) -> Float32:
    """1 for a return of at least `UP`, 0 for one of at most `DOWN`, else NaN; a return is a price ratio minus 1."""
    r = np.asarray(simple_return, dtype="float64")
    with np.errstate(invalid="ignore"):
        return np.where(r >= UP, 1.0, np.where(r <= DOWN, 0.0, np.nan)).astype("float32")


def label_samples(bars: Bars, sessions: pd.DatetimeIndex, symbols: tuple[str, ...], dates: PartDates) -> Samples:
    """The samples of `bars` on the grid of a panel of the same bars.

    If the previous session has no bar of the symbol, the sample is in the row of its last bar:

    ======= ====== ========= ============================
    session close  move      row that has the label
    ======= ====== ========= ============================
    Mon     100.0
    Tue     101.0  +1.0 %    Mon: 1
    Wed     (no bar)
    Thu     100.0  -1.0 %    Tue: 0
    Fri     100.2  +0.2 %    none: between the thresholds
    ======= ====== ========= ============================

    Parameters
    ----------
    bars
        Daily bars.
    sessions, symbols
        The axes of the panel.
    dates
        The dates of the parts.

    Returns
    -------
    Samples
        The labels, and the rows of each part.

    Raises
    ------
    HistoryError
        A part has no sample.
    """
    frame = bars.frame
    by_symbol = frame.groupby("symbol", sort=False)
    simple = by_symbol["adj_close"].pct_change()
    session = pd.DatetimeIndex(frame["session"])
    row_before = sessions.get_indexer(pd.DatetimeIndex(by_symbol["session"].shift(1)))  # row of the symbol's last bar
    label = label_of(simple)
    counts = np.isfinite(label) & (by_symbol.cumcount().to_numpy() >= EARLIER_BARS)
    counts &= (session >= pd.Timestamp(dates.train[0])) & (session <= pd.Timestamp(dates.test[1]))
    grid = np.full((len(sessions), len(symbols)), np.nan, dtype="float32")
    column = pd.Index(symbols).get_indexer(pd.Index(frame["symbol"]))
    grid[row_before[counts], column[counts]] = label[counts]
    result = Samples(
        grid, rows_of(sessions, *dates.train), rows_of(sessions, *dates.valid), rows_of(sessions, *dates.test)
    )
    require_samples(result, dates, session)
    return result


def confusion(up: Bool, label: Float32) -> tuple[Bool, Bool, Bool, Bool]:
    """Classify the cells as true or false positives or negatives.

    Parameters
    ----------
    up
        True where a rise is predicted.
    label
        1 up, 0 down, NaN no sample.

    Returns
    -------
    tuple of arrays
        [row, symbol] each: true positives, false positives, true negatives and false negatives.
    """
    known, rose = np.isfinite(label), label > 0.5  # a comparison with NaN is False
    return known & up & rose, known & up & ~rose, known & ~up & ~rose, known & ~up & rose


def rows_of(sessions: pd.DatetimeIndex, first: str, last: str) -> slice:
    """Rows whose next session is in first .. last."""
    start, stop = sessions.searchsorted(pd.Timestamp(first)), sessions.searchsorted(pd.Timestamp(last), side="right")
    return slice(max(0, int(start) - 1), max(0, int(stop) - 1))


def require_samples(samples: Samples, dates: PartDates, days: pd.DatetimeIndex) -> None:
    """Raise an error if a part has no sample.

    Parameters
    ----------
    samples, dates
        The samples to check, and the dates of their parts.
    days
        The sessions of the bars, for the message.

    Raises
    ------
    HistoryError
        A part has no sample.
    """
    for name, count in samples.counts().items():
        if count == 0:
            first, last = getattr(dates, name)
            raise HistoryError(
                f"benchmark: no sample between {first} and {last} ({name}); the bars span {days.min():%Y-%m-%d} … "
                f"{days.max():%Y-%m-%d}: check the folder and the dates."
            )
