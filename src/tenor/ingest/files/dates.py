"""Read a column of dates as days: texts, Unix times, numbers such as 20240102, and Arrow's own dates and times."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tenor.errors import UnusableError
from tenor.ingest.files.cells import distinct
from tenor.ingest.files.date_order import DateEvidence, decide
from tenor.ingest.files.date_texts import NOT_A_DATE, TIME_OF_DAY, DateText, OpenDate, parse_date
from tenor.ingest.files.sessions import Days, daily_stamps
from tenor.ingest.files.text_files import is_missing

# plausible Unix times: 1973 to 2100 in seconds; the ranges in the other units do not overlap with it
_SECONDS = (1e8, 4.2e9)
_UNITS = (1, 1e3, 1e6, 1e9)
# a spreadsheet's serial number of a day: 1954 to 2064
_SERIAL = (20_000, 60_000)
_DIGITS = re.compile(r"\d+(?:\.0*)?|\d(?:\.\d+)?[eE]\+?\d{1,2}")
_YEAR_DAY_MONTH = re.compile(r"\d{4}([-/.])(\d{1,2})\1(\d{1,2})(?!\d)")


@dataclass(frozen=True)
class DateColumn:
    """Dates of n rows.

    Attributes
    ----------
    days
        ``datetime64[D]``, [n]; NaT if the cell is not a date.
    texts
        The cells as texts, [n].
    why
        For each distinct text that is not a date, the reason.
    notes
        Assumptions made while reading, in words.
    """

    days: Days
    texts: NDArray[np.object_]
    why: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_dates(column: Any, evidence: DateEvidence, clock: Any = None) -> DateColumn:
    """Read an Arrow column of dates, times, texts or whole numbers as days.

    Parameters
    ----------
    column
        The dates.
    evidence
        What decides if texts can be read in several ways, and the calendar by which moments become days.
    clock
        A column with the time of day, if the file has one.

    Raises
    ------
    UnusableError
        The dates can be read in several ways, or are a spreadsheet's serial numbers.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_floating(kind):
        column = column.cast(pa.int64(), safe=False)
        kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _typed_dates(column, evidence)
    texts_of = column.cast(pa.string()) if pa.types.is_integer(kind) else column
    if clock is not None:
        texts_of = _with_clock(texts_of, clock)
    codes, own = distinct(texts_of)
    if not len(codes):
        return DateColumn(np.empty(0, "datetime64[D]"), np.empty(0, object))
    unique = np.array([("" if text is None else text).strip() for text in own], dtype=object)
    texts: NDArray[np.object_] = unique[codes]
    if moments := _since_1970(list(unique), texts, evidence):
        stamps = np.array([moments.get(text, np.datetime64("NaT")) for text in unique], "datetime64[us]")[codes]
        days = _stamped(stamps, evidence)
        why = {text: TIME_OF_DAY if text in moments else NOT_A_DATE for text in set(texts[np.isnat(days)])}
        return DateColumn(days, texts, why | {"": "is missing"})
    return _texts(unique, codes, texts, evidence)


def _texts(
    unique: NDArray[np.object_], codes: NDArray[np.int32], texts: NDArray[np.object_], evidence: DateEvidence
) -> DateColumn:
    parsed: dict[str, DateText] = {text: parse_date(text) for text in unique}
    _refuse_year_day_month(list(parsed), texts, evidence)
    notes = []
    groups: dict[tuple[str, bool], dict[str, OpenDate]] = {}
    for text, each in parsed.items():
        if isinstance(each.date, OpenDate):
            groups.setdefault((each.date.kind, each.date.dotted), {})[text] = each.date
    day_of: dict[str, dt.date | None] = {t: p.date for t, p in parsed.items() if not isinstance(p.date, OpenDate)}
    why = {text: each.why for text, each in parsed.items() if each.date is None}
    for dates in groups.values():
        order, note = decide(dates, texts, evidence)
        notes += [note] if note else []
        for text, date in dates.items():
            day_of[text] = date.read(order, evidence.now.year)
            if day_of[text] is None:
                why[text] = "is not a day of the calendar"
    days = np.array([day_of[text] for text in unique], dtype="datetime64[D]")
    seconds = np.array([parsed[text].seconds for text in unique])
    offsets = np.array([np.nan if (o := parsed[text].offset) is None else o for text in unique], dtype="float64")
    column = _at_times(days[codes], seconds[codes], offsets[codes], evidence)
    lost = np.isnat(column) & ~np.isnat(days[codes])
    return DateColumn(column, texts, why | dict.fromkeys(texts[lost], TIME_OF_DAY), tuple(dict.fromkeys(notes)))


def _at_times(days: Days, seconds: NDArray[np.float64], offsets: NDArray[np.float64], evidence: DateEvidence) -> Days:
    """`days` with the rows that have a time of day: their session if they are stamps of daily bars, NaT otherwise."""
    known = ~np.isnat(days)
    timed = known & (seconds > 0)
    if not timed.any():
        return days
    local = days.astype("datetime64[us]") + np.round(seconds * 1e6).astype("timedelta64[us]")
    zoned = known & ~np.isnan(offsets)
    stamped = np.where(timed, np.datetime64("NaT"), days)
    if (timed & zoned).any():
        moments = local - np.round(np.nan_to_num(offsets) * 1e6).astype("timedelta64[us]")
        daily = _stamped(np.where(zoned, moments, np.datetime64("NaT")), evidence)
        if not np.isnat(daily[zoned]).all():
            stamped = np.where(zoned, daily, stamped)
    if (timed & ~zoned).any() and timed[known].all():
        daily = _stamped(np.where(timed & ~zoned, local, np.datetime64("NaT")), evidence, local=True)
        stamped = np.where(timed & ~zoned, daily, stamped)
    return stamped


def _stamped(moments: NDArray[np.datetime64], evidence: DateEvidence, *, local: bool = False) -> Days:
    """Apply `daily_stamps` to the rows of each calendar."""
    days = np.full(len(moments), np.datetime64("NaT"), "datetime64[D]")
    for calendar in dict.fromkeys(evidence.calendars):
        among = np.array([own == calendar for own in evidence.calendars], dtype=bool)[evidence.codes]
        if among.any():
            days[among] = daily_stamps(moments[among], calendar, local=local)
    return days


def _typed_dates(column: Any, evidence: DateEvidence) -> DateColumn:
    zoned = pa.types.is_timestamp(column.type) and column.type.tz
    utc = column.cast(pa.timestamp("us"), safe=False).to_numpy().astype("datetime64[us]") if zoned else None
    if zoned:  # the date is that in the zone in which it was written
        column = pc.local_timestamp(column)
    kind = pa.timestamp("us") if pa.types.is_timestamp(column.type) else pa.date32()
    moments = column.cast(kind, safe=False).to_numpy().astype("datetime64[us]")
    days = moments.astype("datetime64[D]")
    known = ~np.isnat(moments)
    timed = known & (days != moments)
    shown = pd.Series(moments).astype("str").to_numpy(dtype=object)
    shown[~known] = ""
    days[timed] = np.datetime64("NaT")
    if timed.any() and utc is not None:
        daily = _stamped(utc, evidence)
        days = days if np.isnat(daily).all() else daily
    elif timed.any() and timed[known].all():
        days = _stamped(moments, evidence, local=True)
    return DateColumn(days, shown, dict.fromkeys(shown[np.isnat(days)], TIME_OF_DAY) | {"": "is missing"})


def _since_1970(unique: list[str], texts: NDArray[np.object_], evidence: DateEvidence) -> dict[str, Any] | None:
    """The moment (UTC) of each text, if all are plausible Unix times (s, ms, µs or ns); None otherwise."""
    own = [text for text in unique if not is_missing(text)]
    if not own or not all(map(_DIGITS.fullmatch, own)):
        return None
    numbers = {text: int(text) if text.isdigit() else round(float(text)) for text in own}
    if all(_SERIAL[0] <= number <= _SERIAL[1] for number in numbers.values()):
        remedy = "format the column as a date, YYYY-MM-DD, and export it again"
        raise _unusable("looks like a spreadsheet's serial number of a day", remedy, own[0], texts, evidence)
    moments: dict[str, Any] = {}
    for text, number in numbers.items():
        unit = next((u for u in _UNITS if _SECONDS[0] * u <= number < _SECONDS[1] * u), None)
        if unit is None:
            return None
        moments[text] = (
            np.datetime64(round(number * 1e6 / unit), "us") if unit < 1e9 else np.datetime64(number // 1000, "us")
        )
    return moments


def _refuse_year_day_month(unique: list[str], texts: NDArray[np.object_], evidence: DateEvidence) -> None:
    """Refuse columns with dates such as 2024-13-02: read as year, month, day, some rows would get a wrong day."""
    parts = [(text, int(p[2]), int(p[3])) for text in unique if (p := _YEAR_DAY_MONTH.match(text))]
    middle = [text for text, second, third in parts if second > 12 and third <= 12]
    if len(middle) > 1 and not any(third > 12 for _, _, third in parts):
        raise _unusable("has the day before the month", "write dates as YYYY-MM-DD", middle[0], texts, evidence)


def _with_clock(column: Any, clock: Any) -> Any:
    """`column` followed by the time of day in `clock`, if that differs from row to row."""
    codes, own = distinct(clock)
    read: list[str] = [_clock_text((text or "").strip()) for text in own]
    if len({text for text in read if text}) < 2:
        return column  # the same for every bar: no information
    times = pa.array(read).take(pa.array(codes))
    days = column.cast(pa.string())
    return pc.binary_join_element_wise(pc.fill_null(days, ""), pa.chunked_array([times]), " ")


def _clock_text(text: str) -> str:
    """``15:35:00`` for ``153500`` and ``1535``."""
    if text.isdigit() and len(text) <= 6:
        digits = text.zfill(6 if len(text) > 4 else 4)
        return ":".join(re.findall("..", digits))
    return text


def _unusable(why: str, remedy: str, text: str, texts: NDArray[np.object_], evidence: DateEvidence) -> UnusableError:
    """The error that refuses the file, with the first row that has `text`."""
    row = int(evidence.rows[int(np.flatnonzero(texts == text)[0])])
    return UnusableError(why, remedy, row=row, column=evidence.name, value=text)
