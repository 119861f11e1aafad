"""Walk-forward folds: train, validate, test; then step on by one test part and train again."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tenor.calendars import through
from tenor.config import FoldConfig
from tenor.errors import ConfigError, HistoryError
from tenor.schema import labels
from tenor.training.split import Split


def walk_forward(sessions: pd.DatetimeIndex, config: FoldConfig, *, purge: int) -> tuple[Split, ...]:
    """Cut `sessions` into folds whose test parts follow each other without a gap or an overlap.

    With ``FoldConfig(folds=3, valid_sessions=126, test_sessions=100, test_end="2016-03-31")`` and a purge of 5, over
    the XNYS sessions from 2012-09-04 on::

        fold  train                    validation               test
        1     2012-09-04 … 2014-07-08  2014-07-16 … 2015-01-13  2015-01-22 … 2015-06-15
        2     2012-09-04 … 2014-11-26  2014-12-05 … 2015-06-08  2015-06-16 … 2015-11-04
        3     2012-09-04 … 2015-04-23  2015-05-01 … 2015-10-28  2015-11-05 … 2016-03-31

    A rolling scheme drops what is oldest: its training starts on 2012-09-04, 2013-01-30, 2013-06-24.

    Parameters
    ----------
    sessions
        The panel's sessions, in order.
    config
        How many folds, of which lengths, and whether training grows or rolls.
    purge
        Rows dropped between training and validation and between validation and test; at least the longest horizon.

    Raises
    ------
    HistoryError
        The first fold's training would hold fewer sessions than its validation.
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
