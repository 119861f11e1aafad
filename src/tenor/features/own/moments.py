"""When something became known: days and moments as people write them, as moments in UTC."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import by_calendar, exchange
from tenor.errors import CellError
from tenor.schema import Bool

_FIRST, _LAST = pd.Timestamp("1900-01-01"), pd.Timestamp("2200-01-01")
_DAY = re.compile(r"\s*\d{4}-?\d{2}-?\d{2}\s*")


def days_of_cells(cells: pd.Series[Any], column: str, where: str) -> pd.Series[Any]:
    """The days in `cells`; times of day are dropped, and empty cells become NaT.

    Raises
    ------
    CellError
        A cell is not a day; the message names the file (`where`), the row and the cell.
    """
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        return pd.Series(cells.dt.tz_localize(None).dt.normalize().astype("datetime64[us]"))
    days = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    _refuse_unreadable(cells, days, column, where, "write days as YYYY-MM-DD")
    return days.dt.tz_localize(None).dt.normalize().astype("datetime64[us]")


def moments_of_cells(
    cells: pd.Series[Any], symbols: pd.Series[Any], column: str, where: str, *, calendar: str
) -> pd.Series[Any]:
    """The moments in `cells` (UTC); a day without a time is the close of its session, or of the next one.

    Parameters
    ----------
    cells
        Days (``2024-05-02``), moments with a zone (``2024-05-02T16:30-04:00``), or timestamps.
    symbols
        The symbol of each cell, by whose calendar its day is read; ``""`` by `calendar`.
    column, where
        For messages.
    calendar
        Calendar of symbols whose names show no market.

    Raises
    ------
    CellError
        A cell is neither a day nor a moment, or has a time without a zone.
    """
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        return pd.Series(cells.dt.tz_convert("UTC").astype("datetime64[us, UTC]"))
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        without_time = (cells.isna() | (cells == cells.dt.normalize())).to_numpy()
        moments = cells.dt.tz_localize("UTC")
    else:
        texts = cells.astype("str")
        without_time = (cells.isna() | texts.str.fullmatch(_DAY.pattern)).to_numpy(dtype=bool)
        moments = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
        _refuse_unreadable(cells, moments, column, where, "write a day (YYYY-MM-DD) or a moment with its zone")
        zoned = texts.str.contains(r"(?:[Zz]|[+-]\d{2}:?\d{2})\s*$", regex=True).to_numpy(dtype=bool)
        _refuse_naive(cells, ~without_time & ~zoned, column, where)
        return _closes_of_days(moments.astype("datetime64[us, UTC]"), symbols, without_time, calendar, column, where)
    _refuse_naive(cells, ~without_time, column, where)
    return _closes_of_days(moments.astype("datetime64[us, UTC]"), symbols, without_time, calendar, column, where)


def _closes_of_days(
    moments: pd.Series[Any], symbols: pd.Series[Any], rows: Bool, calendar: str, column: str, where: str
) -> pd.Series[Any]:
    """`moments`, those of `rows` (midnights of days) replaced by the close of the first session on or after the day."""
    rows = rows & moments.notna().to_numpy()
    result = moments.copy()
    days = moments.dt.tz_localize(None)
    for name, here in by_calendar(symbols.replace("", None), calendar):
        chosen = here & rows
        if not chosen.any():
            continue
        own = pd.DatetimeIndex(days[chosen])
        known = exchange(name).sessions(_FIRST, _LAST)
        if exchange(name).interval != "1d":
            # known by the end of the day, that is, from its last bar on
            place = np.asarray(known.searchsorted(own + pd.Timedelta(days=1))) - 1
            place = np.where(known[np.maximum(place, 0)] >= own, place, place + 1)
        else:
            place = np.asarray(known.searchsorted(own))
        if (place >= len(known)).any():
            day, late = own[place >= len(known)][0], np.flatnonzero(chosen)[place >= len(known)]
            why = f"{column} {day:%Y-%m-%d} lies after the last session that {name} knows"
            mend = f"df = df[pd.to_datetime(CELLS) < '{own[place >= len(known)].min():%Y-%m-%d}']"
            if len(late) == len(moments):
                mend = "CELLS = days  # one a row"
            raise CellError(where, why, "correct it", rows=late, column=column, mend=mend)
        result[chosen] = exchange(name).closes(known)[place].as_unit("us")
    return result


def _refuse_unreadable(cells: pd.Series[Any], read: pd.Series[Any], column: str, where: str, remedy: str) -> None:
    bad = np.flatnonzero(cells.notna().to_numpy() & read.isna().to_numpy())
    if len(bad):
        value = str(cells.iloc[bad[0]])[:40]
        mend = "df = df[pd.to_datetime(CELLS, format='ISO8601', errors='coerce', utc=True).notna()]"
        if len(bad) == len(cells):
            mend = "CELLS = pd.to_datetime(CELLS, dayfirst=True)  # or dayfirst=False"
        raise CellError(where, f"{column} {value!r} is not a date", remedy, rows=bad, column=column, mend=mend)


def _refuse_naive(cells: pd.Series[Any], rows: Bool, column: str, where: str) -> None:
    bad = np.flatnonzero(rows & cells.notna().to_numpy())
    if len(bad):
        raise CellError(
            where,
            f"{column} {str(cells.iloc[bad[0]])[:40]!r} has a time and no zone",
            "add one (Z, -05:00), or write the day alone, which counts from its close on",
            rows=bad,
            column=column,
            mend="CELLS = pd.to_datetime(CELLS, utc=True)  # if UTC is their zone",
        )
