"""The training, validation and test parts: one after another in time, and without targets that reach into the next."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tenor.calendars import through
from tenor.config import SPLIT_KEYS, SplitConfig
from tenor.errors import ConfigError, HistoryError
from tenor.schema import label, labels, within_days

TRAIN_SHARE, VALID_SHARE = 0.60, 0.15


@dataclass(frozen=True)
class Split:
    """Rows of a panel, by session index.

    Attributes
    ----------
    train, valid, test
        The rows of each part, without the purged ones.
    purge
        Number of rows left out after the training and after the validation part. If it is at least the longest horizon,
        no target of a part reaches into the next one, so that nothing after a part's last day is used in it.
    """

    train: slice
    valid: slice
    test: slice
    purge: int

    def parts(self) -> dict[str, slice]:
        """The parts by name, in order."""
        return {"train": self.train, "validation": self.valid, "test": self.test}

    def dates(self, sessions: pd.DatetimeIndex) -> dict[str, tuple[str, str]]:
        """First and last session of the rows of each part, as texts (see `tenor.schema.label`)."""
        named = functools.partial(label, intraday=within_days(sessions))
        return {
            name: (named(sessions[rows.start]), named(sessions[rows.stop - 1])) for name, rows in self.parts().items()
        }

    def describe(self, sessions: pd.DatetimeIndex) -> str:
        """The parts as dates, in one line."""
        named = [
            f"{name} {first} … {last} ({rows.stop - rows.start} sessions)"
            for (name, (first, last)), rows in zip(self.dates(sessions).items(), self.parts().values(), strict=True)
        ]
        return f" · purge {self.purge} · ".join(named)


def split_from_dates(sessions: pd.DatetimeIndex, dates: Mapping[str, tuple[str, str]]) -> Split:
    """The parts whose first and last sessions are `dates`, as `Split.dates` gives them.

    Raises
    ------
    HistoryError
        A part begins or ends with a session that is not among `sessions`.
    """
    rows: dict[str, slice] = {}
    for name, (first_day, last_day) in dates.items():
        first, last = sessions.get_indexer(pd.DatetimeIndex([first_day, last_day]))
        if min(first, last) < 0:
            span = labels(sessions)
            raise HistoryError(
                f"the model's {name} part, {first_day} … {last_day}, is not in the lake's bars, which span "
                f"{span[0]} … {span[-1]}: use the lake it was trained on."
            )
        rows[name] = slice(int(first), int(last) + 1)
    train, valid, test = rows["train"], rows["validation"], rows["test"]
    return Split(train, valid, test, purge=valid.start - train.stop)


def chronological(sessions: pd.DatetimeIndex, config: SplitConfig, *, purge: int) -> Split:
    """Cut `sessions` into a training, a validation and a test part.

    Ten sessions cut at 4 and 7 with a purge of 1::

        0 1 2 3 4 5 6 7 8 9
        T T T . V V . X X X

    Parameters
    ----------
    sessions
        The panel's sessions, in order.
    config
        The last days of the parts; if not set, the parts are 60, 15 and 25 % of the sessions.
    purge
        Rows to leave out between the parts; at least the longest horizon.

    Raises
    ------
    HistoryError
        A part would be empty; the message names its days and what to do.
    """
    if purge < 0:
        raise ConfigError(f"a purge of {purge} sessions is impossible; it is at least the longest horizon.")
    count = len(sessions)
    if count == 0:
        raise HistoryError("no sessions to split: import bars with 'tenor data import' first.")

    stop = count if config.test_end is None else through(sessions, config.test_end)
    if config.valid_end is not None:
        valid_stop = through(sessions, config.valid_end)
    elif config.train_end is not None:  # the rest after training is divided 15 : 25
        begun = through(sessions, config.train_end)
        valid_stop = begun + round((stop - begun) * VALID_SHARE / (1 - TRAIN_SHARE))
    else:
        valid_stop = round(stop * (TRAIN_SHARE + VALID_SHARE))
    if config.train_end is not None:
        train_stop = through(sessions, config.train_end)
    else:
        train_stop = round(valid_stop * TRAIN_SHARE / (TRAIN_SHARE + VALID_SHARE))

    split = Split(slice(0, train_stop - purge), slice(train_stop, valid_stop - purge), slice(valid_stop, stop), purge)
    whole = {"train": (0, train_stop), "validation": (train_stop, valid_stop), "test": (valid_stop, stop)}
    for (name, rows), (first, end) in zip(split.parts().items(), whole.values(), strict=True):
        if rows.stop <= rows.start:
            raise HistoryError(_empty(sessions, name, first, end, 0 if name == "test" else purge))
    return split


def _empty(sessions: pd.DatetimeIndex, name: str, first: int, end: int, purge: int) -> str:
    named = labels(sessions)
    span = f"the bars span {named[0]} … {named[-1]} ({len(sessions)} sessions)"
    count = max(0, end - first)
    if count == 0:
        why = f"the {name} part holds no session; {span}"
    else:
        why = (
            f"the {name} part {named[first]} … {named[end - 1]} has {count} sessions, "
            f"and {purge} are dropped at its end so that no target (horizon up to {purge}) reaches past it; {span}"
        )
    keys = ", ".join(f"split.{k}" for k in SPLIT_KEYS)
    return f"{why}. Import more history, move {keys}, or forecast a shorter horizon."
