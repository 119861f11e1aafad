"""Read the times at which items of news were published as UTC moments, with a reason for each cell that is not a time.

A date without a time, or a time without a zone, is refused: it could be wrong by hours, and a forecast could then use
tomorrow's news. Each distinct text is parsed once.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.errors import UnusableError
from tenor.ingest.files.date_texts import Order
from tenor.ingest.files.text_files import is_missing
from tenor.ingest.files.time_texts import NO_HOUR, NO_ZONE, WRITE_ZONE, read_time

_CORRECT = "correct it or drop the row"
_UNIX = "seconds, milliseconds, microseconds or nanoseconds since 1970"
_UNIX_START = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
_EARLIEST = pd.Timestamp("1990-01-01", tz="UTC").timestamp()
_AHEAD = 366 * 86_400.0  # a number up to a year ahead is taken for a time, which is refused because it is in the future
_ODD_SHARE = 0.1
_SEVERAL = 3  # from this many distinct numbers of one kind on, they are not typos
_HOURS = 24
_DAY = 86_400_000_000
# what programs write if they have no time: the Unix epoch, and the year 1 (Go and .NET)
_ZERO_TIMES = (_UNIX_START, dt.datetime(1, 1, 1, tzinfo=dt.UTC))
_ZERO = "is what programs write if they have no time"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_PACKED_DATE = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\.0)?")
_PACKED_TIME = re.compile(
    r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\d{3})?)?)?"
)
_SHORT_TIME = re.compile(r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?")
_ALPHA_VANTAGE = re.compile(r"\d{8}T\d{4}(?:\d{2})?")


@dataclass(frozen=True)
class TimeColumn:
    """The times of n rows.

    Attributes
    ----------
    moments
        UTC, [n]; NaT if the cell is not a time.
    why
        The reason why a cell is not a time, [n]; ``""`` if it is one.
    remedy
        What to do about it, [n]; ``""`` if the cell is a time.
    notes
        Assumptions made while reading, in words.
    """

    moments: pd.Series[Any]
    why: NDArray[np.object_]
    remedy: NDArray[np.object_]
    notes: tuple[str, ...] = ()


class TimeReader:
    """Reads the times of one file, batch by batch.

    Numbers are read as times only if at least 90 % of the numbers in the file's first batch are plausible seconds,
    milliseconds, microseconds or nanoseconds since 1970.

    Parameters
    ----------
    name
        The file's own name of the column. With ``created_utc`` and similar names, times without a zone are UTC; so they
        are with ``time_published``, Alpha Vantage's name, in its format (20240501T133000).
    now
        The current time, UTC.
    order
        The order of day and month in times such as 03/04/2020 14:00, as `order_of_times` decides it for the file.
    """

    def __init__(self, name: str, now: pd.Timestamp, order: Order | None = None) -> None:
        words = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
        self.name = name
        self.order = order
        self._utc = bool({"utc", "gmt"} & set(words))
        self._alpha_vantage = words == ["time", "published"]
        self._latest = now.timestamp() + _AHEAD
        self._doubt = ""  # why the numbers of this file are not times, although they are plausible
        self._decided = False

    def read(self, column: pd.Series[Any]) -> TimeColumn:
        """Read a column of times: numbers, texts, or typed values (from Parquet).

        Raises
        ------
        UnusableError
            All times are numbers of the same kind, and none of them is a time.
        """
        cells = [_cell(value) for value in column.tolist()]
        distinct = list(dict.fromkeys(cells))
        numbers = [cell for cell in distinct if _NUMBER.fullmatch(cell)]
        if numbers and not self._decided:
            self._require_times(numbers, distinct)
            self._doubt = self._doubt_about(numbers)
            self._decided = True
        read: dict[str, tuple[int, str, str]] = {}
        assumed = False
        for cell in distinct:
            try:
                moment, by_name = self._moment(cell)
            except UnusableError as error:
                read[cell] = (np.iinfo("int64").min, error.why, error.remedy)  # NaT
            else:
                read[cell] = (moment, "", "")
                assumed |= by_name
        values, why, remedy = zip(*(read[cell] for cell in cells), strict=True) if cells else ((), (), ())
        moments = pd.Series(np.array(values, "int64").view("datetime64[us]"), index=column.index).dt.tz_localize("UTC")
        note = f"times without a zone are read as UTC, by the name of the column {self.name!r}"
        return TimeColumn(
            moments, np.array(why, dtype=object), np.array(remedy, dtype=object), (note,) if assumed else ()
        )

    def _require_times(self, numbers: Sequence[str], distinct: Sequence[str]) -> None:
        """Refuse the file once, instead of row by row, if all times are numbers of one kind that are not times."""
        if len(numbers) < _SEVERAL or len(numbers) < sum(not is_missing(cell) for cell in distinct):
            return
        values = [float(number) for number in numbers]
        moments = [self._since_1970(number) for number in numbers]
        if all(moment is not None and moment % _DAY == 0 for moment in moments):
            raise UnusableError(
                "and all others are midnights: they are days without a time of day",
                WRITE_ZONE,
                column=self.name,
                value=numbers[0],
            )
        if any(moment is not None for moment in moments):
            return
        for unit, seconds in (("days", 86_400.0), ("hours", 3_600.0)):
            low, high = _EARLIEST / seconds, self._latest / seconds
            if all(low <= value <= high for value in values) and not all(1900 <= value <= 2100 for value in values):
                why = f"and all others would be {unit} since 1970, but an item needs a time to the minute"
                raise UnusableError(why, WRITE_ZONE, column=self.name, value=numbers[0])
        reasons = []
        for number in numbers:
            try:
                self._number(number)
            except UnusableError as error:
                reasons.append(error)
        if len({error.why for error in reasons}) == 1 and len(reasons) == len(numbers):
            raise UnusableError(
                f"{reasons[0].why}; so is every other", reasons[0].remedy, column=self.name, value=numbers[0]
            )

    def _moment(self, cell: str) -> tuple[int, bool]:
        """Microseconds since 1970 in UTC, and whether the zone is taken from the column's name."""
        if is_missing(cell):
            raise UnusableError("is missing", _CORRECT)
        if _NUMBER.fullmatch(cell):
            return self._number(cell), False
        utc = self._utc or (self._alpha_vantage and _ALPHA_VANTAGE.fullmatch(cell) is not None)
        moment, by_name = read_time(cell, utc=utc, order=self.order)
        if moment in _ZERO_TIMES:
            raise UnusableError(_ZERO, _CORRECT)
        return (moment - _UNIX_START) // dt.timedelta(microseconds=1), by_name

    def _number(self, cell: str) -> int:
        moment = self._since_1970(cell)
        if moment is not None and not self._doubt:
            return moment
        if moment is not None:
            raise UnusableError(self._doubt, WRITE_ZONE)
        if _PACKED_DATE.fullmatch(cell):
            raise UnusableError(NO_HOUR, WRITE_ZONE)
        if _PACKED_TIME.fullmatch(cell):
            raise UnusableError(NO_ZONE, WRITE_ZONE)
        value = float(cell)
        if value.is_integer() and 1900 <= value <= 2100:
            raise UnusableError("is a year, not a time", WRITE_ZONE)
        if 20_000 <= value < 80_000:
            raise UnusableError("looks like a spreadsheet's serial number of a day, which has no zone", WRITE_ZONE)
        raise UnusableError(f"is a number, but not a plausible one of {_UNIX}", WRITE_ZONE)

    def _since_1970(self, number: str) -> int | None:
        """Microseconds since 1970 if `number` is plausible in one of the units (their ranges do not overlap)."""
        value = float(number)
        for unit in _UNITS:
            if _EARLIEST * unit <= value <= self._latest * unit:
                return int(number) * 1_000_000 // unit if number.isdigit() else round(value / unit * 1e6)
        return None

    def _doubt_about(self, numbers: Sequence[str]) -> str:
        """Why the distinct `numbers` of a file are not times, although some are plausible; ``""`` if they are times."""
        odd = [n for n in numbers if float(n) > 0 and self._since_1970(n) is None]
        if len(odd) > _ODD_SHARE * len(numbers):
            return f"is a number, but others in its column, such as {odd[0][:24]}, are not plausible {_UNIX}"
        if all(_SHORT_TIME.fullmatch(number) for number in numbers):
            return "is a number that may be a time as YYMMDDHHMM, or one since 1970"
        return ""


def one_time_of_day(moments: pd.Series[Any]) -> str:
    """The time of day that all `moments` share, if they are of three or more days; ``""`` otherwise.

    Examples
    --------
    >>> one_time_of_day(pd.Series(pd.date_range("2024-05-01", periods=3, tz="UTC")))
    '00:00'
    """
    known = moments.dropna()
    days = known.dt.normalize()
    if days.nunique() < 3 or len((known - days).unique()) > 1:
        return ""
    return f"{known.iloc[0]:%H:%M}"


def _cell(value: Any) -> str:
    """A cell as text: whole numbers without a decimal point, typed times in ISO 8601."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)[:100]


def full_hours(moments: pd.Series[Any]) -> bool:
    """Whether all `moments` are full hours, with at least 24 distinct ones."""
    known = pd.DatetimeIndex(moments.dropna().unique())
    return len(known) >= _HOURS and bool((known == known.floor("h")).all())
