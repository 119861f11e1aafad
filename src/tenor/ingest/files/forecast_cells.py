"""Read cells of a file of forecasts as dates, moments and numbers; the first bad cell refuses the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tenor.errors import UnusableError
from tenor.ingest.files.cells import as_doubles, distinct
from tenor.ingest.files.date_order import DateEvidence
from tenor.ingest.files.dates import read_dates
from tenor.ingest.files.text_files import MISSING_WORDS, is_missing
from tenor.ingest.files.time_texts import NO_ZONE, read_time
from tenor.schema import Bool, Float64

NO_MOMENT = "datetime64[us]"
_LOCALIZE = 'CELLS = pd.to_datetime(CELLS).dt.tz_localize("UTC")  # if that is their zone'
LARGEST = 1e30
"""Numbers beyond it can't be forecasts, and their squares could overflow."""


@dataclass(frozen=True)
class ForecastCells:
    """The cells of a file or frame of forecasts.

    Attributes
    ----------
    file
        The name of the file.
    names
        The names of its columns.
    cell
        From the position of a column to its Arrow column, [n].
    rows
        The line or row number of each row, counted from 1, [n].
    notes
        Assumptions made while reading, in words.
    decimal_comma
        Whether numbers may have a decimal comma.
    from_zero
        Whether messages count its rows from 0, as in a frame.
    """

    file: str
    names: list[str]
    cell: Callable[[int], Any]
    rows: NDArray[np.int64]
    notes: tuple[str, ...] = ()
    decimal_comma: bool = False
    from_zero: bool = False


def read_days(
    raw: ForecastCells, place: int, evidence: DateEvidence, notes: list[str], *, needed: bool
) -> NDArray[Any]:
    """Read a column of days.

    Parameters
    ----------
    raw, place
        The cells, and the position of the column.
    evidence
        What decides the order of day and month.
    notes
        Assumptions made while reading are appended to it.
    needed
        Whether no cell may be empty.

    Returns
    -------
    ndarray
        ``datetime64[us]``, [n]; NaT for an empty cell.

    Raises
    ------
    UnusableError
        A cell is not a date, or is empty though it is `needed`.
    """
    column = raw.cell(place)
    read = read_dates(column, evidence)
    notes += [f"{raw.names[place]}: {note}" for note in read.notes]
    bad = np.isnat(read.days)
    if not needed:
        bad &= np.array([not is_missing(str(text)) for text in read.texts], dtype=bool)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        text = str(read.texts[first])
        why = read.why.get(text, "is not a date that tenor can read")
        remedy = "write the session as YYYY-MM-DD; a moment goes into the column as_of, with its zone"
        mend = "CELLS = pd.to_datetime(CELLS, dayfirst=True)  # or dayfirst=False"
        if not bad.all():
            mend = 'df = df[pd.to_datetime(CELLS, errors="coerce").notna()]'
        raise UnusableError(why, remedy, row=int(raw.rows[first]), column=raw.names[place], value=text, mend=mend)
    return read.days.astype(NO_MOMENT)


def read_moments(raw: ForecastCells, place: int) -> tuple[pd.Series[Any], NDArray[Any] | None]:
    """Read a column of moments.

    Returns
    -------
    tuple of Series and ndarray or None
        The moments in UTC, [n]; and None. If the column holds only dates without a time, NaT and the dates.

    Raises
    ------
    UnusableError
        A cell is neither a moment with its zone nor a date.
    """
    column = raw.cell(place)
    kind = column.type
    name = raw.names[place]
    if pa.types.is_timestamp(kind) and kind.tz:
        return pd.Series(column.cast(pa.timestamp("us", "UTC"), safe=False).to_pandas()).reset_index(drop=True), None
    nothing = pd.Series(pd.NaT, index=range(len(column)), dtype="datetime64[us, UTC]")
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        moments = column.cast(pa.timestamp("us"), safe=False).to_numpy().astype(NO_MOMENT)
        timed = ~np.isnat(moments) & (moments.astype("datetime64[D]") != moments)
        remedy = "write it with its zone, like 2024-05-01T16:00:00-04:00"
        refuse_cell(raw, place, timed, "has no time zone", remedy, _LOCALIZE)
        return nothing, moments
    codes, texts = distinct(column)
    own = [(text or "").strip() for text in texts]
    dates = [_plain_date(text) for text in own]
    if all(day is not None for text, day in zip(own, dates, strict=True) if not is_missing(text)):
        days = np.array([np.datetime64("NaT") if day is None else day for day in dates], NO_MOMENT)
        return nothing, days[codes]
    moments_of = []
    for i, text in enumerate(own):
        try:
            moments_of.append(pd.NaT if is_missing(text) else pd.Timestamp(read_time(text)[0]))
        except UnusableError as error:
            row = int(raw.rows[int(np.flatnonzero(codes == i)[0])])
            mend = _LOCALIZE if error.why == NO_ZONE else 'df = df[pd.to_datetime(CELLS, errors="coerce").notna()]'
            raise UnusableError(error.why, error.remedy, row=row, column=name, value=text[:40], mend=mend) from error
    distinct_moments = pd.Series(moments_of, dtype="datetime64[us, UTC]")
    return distinct_moments.iloc[codes].reset_index(drop=True), None


def _plain_date(text: str) -> np.datetime64 | None:
    if len(text) != 10:
        return None
    try:
        return np.datetime64(text, "us")
    except ValueError:
        return None


def read_horizons(raw: ForecastCells, place: int | None, count: int) -> NDArray[np.int64]:
    """The horizons in sessions, [n]; all 0 if there is no such column."""
    if place is None:
        return np.zeros(count, dtype=np.int64)
    numbers = read_numbers(raw, place)
    remedy = "write the number of sessions ahead, 1 for the next session"
    for bad, why, good in (
        (np.isnan(numbers), "is missing", "CELLS.notna()"),
        (numbers != np.round(numbers), "is not a whole number of sessions", "CELLS % 1 == 0"),
        (numbers < 1, "is not at least 1", "CELLS >= 1"),
        (numbers > 1000, "is more than 1000 sessions", "CELLS <= 1000"),
    ):
        mend = "CELLS = 1  # sessions ahead" if bad.all() else f"df = df[{good}]"
        refuse_cell(raw, place, bad, why, remedy, mend)
    return numbers.astype(np.int64)


def read_numbers(raw: ForecastCells, place: int) -> Float64:
    """The numbers of a column, [n]; NaN if a cell is empty."""
    column = raw.cell(place)
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = as_doubles(column.cast(pa.float64(), safe=False))
    elif pa.types.is_null(kind):
        numbers = np.full(len(column), np.nan)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        numbers = _of_texts(raw, place, pc.utf8_trim_whitespace(column.cast(pa.string())))
    else:
        mend = "CELLS = CELLS.astype(float)" if pa.types.is_boolean(kind) else "df = df.drop(columns=NAME)"
        raise UnusableError(f"is of type {kind}", "write numbers", column=raw.names[place], mend=mend)
    remedy = "leave the cell empty where there is no forecast"
    mend = f"CELLS = CELLS.where(CELLS.abs() <= {LARGEST:g})"
    refuse_cell(raw, place, np.isinf(numbers), "is infinite", remedy, mend)
    refuse_cell(raw, place, np.abs(numbers) > LARGEST, f"is beyond {LARGEST:g}", remedy, mend)
    return numbers


def _of_texts(raw: ForecastCells, place: int, texts: Any) -> Float64:
    missing = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(MISSING_WORDS))
    filled = pc.if_else(pc.or_kleene(missing, pc.is_null(texts)), None, texts)
    try:
        return np.asarray(filled.cast(pa.float64()).to_numpy(), dtype="float64")
    except pa.ArrowInvalid:
        pass
    if raw.decimal_comma:  # 0,0125 in a file whose delimiter is not the comma
        try:
            return np.asarray(pc.replace_substring(filled, ",", ".").cast(pa.float64()).to_numpy(), dtype="float64")
        except pa.ArrowInvalid:
            pass
    numbers = np.asarray(pd.to_numeric(pd.Series(filled.to_pandas()), errors="coerce"), dtype="float64")
    bad = np.isnan(numbers) & ~np.asarray(pc.is_null(filled).to_numpy(zero_copy_only=False), dtype=bool)
    first = int(np.flatnonzero(bad)[0])
    text = str(filled[first].as_py())[:40]
    remedy = "write it as a share, 0.012 for 1.2 %" if text.endswith("%") else "write numbers such as 0.0125"
    mend = 'CELLS = pd.to_numeric(CELLS, errors="coerce")'
    if text.endswith("%"):
        mend = 'CELLS = CELLS.str.rstrip("%").astype(float) / 100'
    elif re.fullmatch(r"-?\d+,\d+", text):
        mend = 'CELLS = CELLS.str.replace(",", ".").astype(float)'
    raise UnusableError(
        "is not a number", remedy, row=int(raw.rows[first]), column=raw.names[place], value=text, mend=mend
    )


def refuse_cell(raw: ForecastCells, place: int, bad: Bool, why: str, remedy: str, mend: str = "") -> None:
    """Refuse the file if a column has bad cells; the message shows the first one and the number of others.

    Parameters
    ----------
    raw, place
        The cells, and the position of the column.
    bad
        Whether the cell is bad, [n].
    why, remedy, mend
        Parameters of `UnusableError`.

    Raises
    ------
    UnusableError
        A cell is bad.
    """
    if not bad.any():
        return
    first = int(np.flatnonzero(bad)[0])
    value = raw.cell(place)[first].as_py()
    more = f" (and {int(bad.sum()) - 1:,} more rows)" if bad.sum() > 1 else ""
    raise UnusableError(
        f"{why}{more}",
        remedy,
        row=int(raw.rows[first]),
        column=raw.names[place],
        value="" if value is None else f"{value:g}" if isinstance(value, float) else str(value)[:40],
        mend=mend,
    )
