"""Whose sessions a row goes by: those of its symbol's market, where the symbol's name tells one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tenor.markets import calendar_of
from tenor.schema import Bool
from tenor.sessions import exchange


def by_calendar(symbols: pd.Series[Any], calendar: str) -> Iterator[tuple[str, Bool]]:
    """Each calendar, and which of the rows are of symbols of it; `calendar` is theirs whose names tell no market."""
    names = symbols.astype("str").fillna("")
    own = names.map({name: calendar_of(str(name), calendar) for name in names.unique()}).to_numpy()
    for each in sorted(set(own)):
        yield each, np.asarray(own == each)


def sessions_of(moments: pd.Series[Any], symbols: pd.Series[Any], calendar: str) -> pd.Series[Any]:
    """The session whose close is the first after each of `moments`, by its symbol's calendar; NaT where none is."""
    found = pd.Series(pd.NaT, index=moments.index, dtype="datetime64[us]")
    for each, rows in by_calendar(symbols, calendar):
        found[rows] = exchange(each).session_of(moments[rows], margin=pd.Timedelta(0))
    return found
