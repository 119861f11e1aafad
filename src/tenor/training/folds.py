"""Walk-forward folds: train, validate, test; then step on by one test part and train again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator

from tenor.calendars import through
from tenor.config import FoldConfig
from tenor.errors import ConfigError, HistoryError
from tenor.schema import labels
from tenor.training.split import Split

SHORTEST = 40
"""The fewest sessions of a shortened part: about two months."""


def walk_forward(sessions: pd.DatetimeIndex, config: FoldConfig, *, purge: int) -> tuple[Split, ...]:
    """Cut `sessions` into folds whose test parts follow each other without gap or overlap.

    With ``FoldConfig(folds=3, valid_sessions=126, test_sessions=100, test_end="2016-03-31")`` and a purge of 5, over
    the XNYS sessions from 2012-09-04 on::

        fold  train                    validation               test
        1     2012-09-04 … 2014-07-08  2014-07-16 … 2015-01-13  2015-01-22 … 2015-06-15
        2     2012-09-04 … 2014-11-26  2014-12-05 … 2015-06-08  2015-06-16 … 2015-11-04
        3     2012-09-04 … 2015-04-23  2015-05-01 … 2015-10-28  2015-11-05 … 2016-03-31

    A rolling scheme drops the oldest sessions: its training starts on 2012-09-04, 2013-01-30, 2013-06-24.

    Parameters
    ----------
    sessions
        The panel's sessions, in order.
    config
        How many folds, of which lengths, and whether training grows or rolls.
    purge
        Sessions left out between training and validation, and between validation and test; at least the longest
        horizon.

    Raises
    ------
    HistoryError
        The training part of the first fold would have fewer sessions than its validation part.
    """
    if purge < 0:
        raise ConfigError(f"a purge of {purge} sessions is impossible; it is at least the longest horizon.")
    end = len(sessions)
    if config.test_end is not None:
        end = through(sessions, config.test_end)
    first_test = end - config.folds * config.test_sessions
    room = first_test - config.valid_sessions - 2 * purge
    if room < config.valid_sessions:
        raise HistoryError(_short(sessions, end, config, purge))
    splits = []
    for fold in range(config.folds):
        later = fold * config.test_sessions
        start, train_stop = (later if config.scheme == "rolling" else 0), room + later
        valid = slice(train_stop + purge, train_stop + purge + config.valid_sessions)
        test = slice(valid.stop + purge, valid.stop + purge + config.test_sessions)
        splits.append(Split(slice(start, train_stop), valid, test, purge))
    return tuple(splits)


def that_fit(count: int, config: FoldConfig, *, purge: int) -> FoldConfig:
    """`config`, with validation and test parts shortened by the same factor if `count` sessions are too few for them.

    If they would be shorter than `SHORTEST` sessions, `config` is returned unchanged, and `walk_forward` refuses it.

    Examples
    --------
    >>> that_fit(773, FoldConfig(folds=2, valid_sessions=183, test_sessions=242), purge=20)
    FoldConfig(folds=2, scheme='expanding', valid_sessions=157, test_sessions=208, test_end=None)
    """
    parts = 2 * config.valid_sessions + config.folds * config.test_sessions
    share = (count - 2 * purge) / parts
    if share >= 1:
        return config
    valid, test = int(config.valid_sessions * share), int(config.test_sessions * share)
    if min(valid, test) < SHORTEST:
        return config
    return replace(config, valid_sessions=valid, test_sessions=test)


class WalkForwardSplit(BaseCrossValidator):  # type: ignore[misc]  # scikit-learn has no types
    """The folds of `tenor.evaluate` as a splitter for scikit-learn.

    Each fold trains on the sessions up to some day (including the validation part), leaves out `purge` sessions, and
    tests on the next `test_sessions`. The next fold is later by `test_sessions`. Over the sessions of the embedded
    bars::

        >>> import tenor
        >>> sessions = pd.DatetimeIndex(tenor.embedded_bars().frame["session"].unique())
        >>> splitter = WalkForwardSplit(3, valid_sessions=126, test_sessions=100, purge=5)
        >>> print(splitter.table(sessions))
        fold  train                    validation               test
        1     2012-09-04 … 2015-12-09  2015-12-17 … 2016-06-17  2016-06-27 … 2016-11-15
        2     2012-09-04 … 2016-05-04  2016-05-12 … 2016-11-08  2016-11-16 … 2017-04-11
        3     2012-09-04 … 2016-09-26  2016-10-04 … 2017-04-04  2017-04-12 … 2017-09-01

    Parameters
    ----------
    folds : int
        Number of test parts.
    scheme : {"expanding", "rolling"}
        ``expanding`` trains from the first session on; ``rolling`` trains on as many sessions as in the first fold.
    valid_sessions, test_sessions : int
        Length of each validation and each test part.
    purge : int
        Sessions left out between the parts; at least the longest horizon.

    Examples
    --------
    >>> X = np.arange(30).reshape(-1, 1)
    >>> for train, test in WalkForwardSplit(2, valid_sessions=5, test_sessions=5, purge=1).split(X):
    ...     print(train[[0, -1]], test[[0, -1]])
    [ 0 18] [20 24]
    [ 0 23] [25 29]
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import cross_val_score
    >>> cv = WalkForwardSplit(2, valid_sessions=5, test_sessions=5, purge=1)
    >>> cross_val_score(Ridge(), X, 2.0 * X[:, 0], cv=cv).round(2).tolist()
    [1.0, 1.0]
    """

    def __init__(
        self,
        folds: int = 4,
        *,
        scheme: Literal["expanding", "rolling"] = "expanding",
        valid_sessions: int = 126,
        test_sessions: int = 126,
        purge: int = 20,
    ) -> None:
        self.folds = folds
        self.scheme = scheme
        self.valid_sessions = valid_sessions
        self.test_sessions = test_sessions
        self.purge = purge

    def split(
        self, X: Any, y: object = None, groups: object = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """The rows to train on, and the rows to test, of each fold.

        Parameters
        ----------
        X
            Anything with a length; one row for each session, in order.
        y, groups
            Ignored.

        Raises
        ------
        HistoryError
            There are too few rows.
        ConfigError
            A parameter is impossible.
        """
        del y, groups
        index = X.index if isinstance(X, pd.DataFrame | pd.Series) else None
        count = X.shape[0] if hasattr(X, "shape") else len(X)
        sessions = index if isinstance(index, pd.DatetimeIndex) else pd.date_range("2000-01-01", periods=count)
        for fold in self.parts(sessions):
            yield np.arange(fold.train.start, fold.valid.stop), np.arange(fold.test.start, fold.test.stop)

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """How many folds there are."""
        del X, y, groups
        return self.folds

    def parts(self, sessions: pd.DatetimeIndex) -> tuple[Split, ...]:
        """The three parts of each fold, as places among `sessions`; errors are those of `split`."""
        config = FoldConfig(
            folds=self.folds,
            scheme=self.scheme,
            valid_sessions=self.valid_sessions,
            test_sessions=self.test_sessions,
        )
        return walk_forward(sessions, config, purge=self.purge)

    def table(self, sessions: pd.DatetimeIndex) -> str:
        """The folds as a table of dates, one line each."""
        return fold_table(sessions, self.parts(sessions))


def fold_table(sessions: pd.DatetimeIndex, folds: Sequence[Split]) -> str:
    """The folds as a table of dates, one line each, as in the docstring of `walk_forward`."""
    rows: list[tuple[str, ...]] = [("fold", "train", "validation", "test")]
    for number, split in enumerate(folds, start=1):
        spans = (f"{first} … {last}" for first, last in split.dates(sessions).values())
        rows.append((str(number), *spans))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _short(sessions: pd.DatetimeIndex, end: int, config: FoldConfig, purge: int) -> str:
    needed = 2 * config.valid_sessions + 2 * purge + config.folds * config.test_sessions
    if len(sessions) == 0:
        return "no sessions to fold: import bars with 'tenor data import' first."
    first, last = labels(sessions)[0], labels(sessions)[max(end, 1) - 1]
    span = f"there are {end} of them ({first} … {last})"
    return (
        f"{config.folds} folds of {config.test_sessions} test and {config.valid_sessions} validation sessions, with at "
        f"least as many to train on and {purge} purged twice, need {needed} sessions, and {span}. Import more history, "
        "or lower folds.folds, folds.test_sessions or folds.valid_sessions."
    )
