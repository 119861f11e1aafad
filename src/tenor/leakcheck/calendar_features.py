"""Features of the date alone, such as weekday, month or a trend: no input changes them, and they are not a leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from tenor.errors import DataError, RaisedError
from tenor.leakcheck.runner import FunctionRunner

CYCLE = 28
"""Number of years after which the calendar (weekdays, leap years) repeats, from 1901 to 2099."""
LAST = 2099


def follows_the_calendar(runner: FunctionRunner) -> bool:
    """Whether the output depends on the dates alone: equal, up to a constant, on the same days `CYCLE` years later.

    A function that looks values up by date, in a file or a cache, has none for those days, so it does not pass.
    """
    sessions = runner.inputs.tables["bars"]["session"]
    years = CYCLE if sessions.max().year + CYCLE <= LAST else -CYCLE
    tables = {}
    for name, frame in runner.inputs.tables.items():
        dated = [c for c in ("session", "published_at") if c in frame]
        tables[name] = frame.assign(**{c: frame[c] + pd.DateOffset(years=years) for c in dated})
    try:
        moved = FunctionRunner(
            runner.function, replace(runner.inputs, tables=tables), runner.name, runner.targets, 1, None
        )
    except (DataError, RaisedError):
        return False
    before, after = runner.base, moved.base
    if before.names != after.names or before.values.shape != after.values.shape:
        return False
    varies = False
    for k in range(len(before.names)):
        old, new = before.values[..., k], after.values[..., k]
        known = np.isfinite(old)
        if not known.any() or not np.array_equal(known, np.isfinite(new)):
            return False
        varies = varies or bool(np.ptp(old[known]) > 0)
        off = new[known] - old[known]
        if np.ptp(off) > 1e-9 * max(1.0, float(np.abs(new[known]).max())):
            return False
    return varies  # a constant is not a feature of the date
