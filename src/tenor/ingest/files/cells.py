"""Cells to values: dates, symbols and numbers as people write them, column by column.

Dates and symbols repeat, so each distinct one is read once; numbers are cast by Arrow. No row is handled by Python.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tenor.symbols import clean_symbol

_ISO = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_PACKED = re.compile(r"(\d{4})(\d{2})(\d{2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_MIDNIGHT = re.compile(r"([T ]\s*0{1,2}:00(:00(\.0+)?)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_MISSING = pa.array(["", "null", "nan", "na", "n/a", "#n/a", "none", "-"])

TIME_OF_DAY = "has a time of day, and tenor takes daily bars"


@dataclass(frozen=True)
class DateColumn:
    """Dates of n rows.

    Attributes
    ----------
    days
        ``datetime64[D]``, [n]; NaT where the cell is no date.
    texts
        The cells as texts, [n].
    why
        For each distinct text that is no date, the reason.
    day_first
        Whether dates like 14/03/2016 were read day first.
    """

    days: NDArray[np.datetime64]
    texts: NDArray[np.object_]
    why: dict[str, str] = field(default_factory=dict)
    day_first: bool = False


@dataclass(frozen=True)
class NumberColumn:
    """Numbers of n rows.

    Attributes
    ----------
    values
        [n]; NaN where the cell is missing or wrong.
    missing
        Whether the cell is empty, [n].
    wrong
        Whether the cell is a text that is not a number, [n].
    """

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    wrong: NDArray[np.bool_]


def read_numbers(column: Any) -> NumberColumn:
    """Read an Arrow column of numbers or texts."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = _doubles(column.cast(pa.float64(), safe=False))
        return NumberColumn(values, np.isnan(values), np.zeros(len(values), dtype=bool))
    texts = _texts(column)
    missing = pc.fill_null(pc.is_in(pc.utf8_lower(texts), value_set=_MISSING), True)
    filled = pc.if_else(missing, None, texts)
    wrong = np.zeros(len(filled), dtype=bool)
    try:
        values = _doubles(filled.cast(pa.float64()))
    except pa.ArrowInvalid:
        sound = pc.fill_null(pc.match_substring_regex(filled, _NUMBER), True)
        wrong = ~_bools(sound)
        values = _doubles(pc.if_else(sound, filled, None).cast(pa.float64()))
    return NumberColumn(values, _bools(missing), wrong)


def cell_texts(column: Any, rows: NDArray[np.int64]) -> list[str]:
    """The cells of `column` at `rows`, as text."""
    return [_shown(value) for value in column.take(pa.array(rows)).to_pylist()]


def read_symbols(column: Any) -> tuple[NDArray[np.int32], list[str], list[str]]:
    """The code of each of n rows, the symbol of each code (``""`` where its text is no symbol), and its text."""
    codes, raw = _distinct(column)
    own = ["" if text is None else text for text in raw]
    return codes, [clean_symbol(text) for text in own], own


def read_dates(column: Any) -> DateColumn:
    """Read an Arrow column of dates, times, texts or whole numbers (YYYYMMDD) as days."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_floating(kind):
        column = column.cast(pa.int64(), safe=False)
        kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _typed_dates(column)
    codes, own = _distinct(column.cast(pa.string()) if pa.types.is_integer(kind) else column)
    texts = [("" if text is None else text).strip() for text in own]
    day_first, both = _order(texts)
    days = np.full(len(texts), np.datetime64("NaT"), "datetime64[D]")
    why = {}
    for i, text in enumerate(texts):
        read = _read_date(text, day_first=day_first, both=both)
        if isinstance(read, dt.date):
            days[i] = read
        else:
            why[text] = read
    if not texts:
        return DateColumn(np.empty(0, "datetime64[D]"), np.empty(0, object))
    return DateColumn(days[codes], np.array(texts, dtype=object)[codes], why, day_first)


def _typed_dates(column: Any) -> DateColumn:
    if pa.types.is_timestamp(column.type):
        if column.type.tz:  # the date counts in the zone in which it was written
            column = pc.local_timestamp(column)
        moments = column.cast(pa.timestamp("us"), safe=False).to_numpy().astype("datetime64[us]")
    else:
        moments = column.cast(pa.date32()).to_numpy().astype("datetime64[us]")
    days = moments.astype("datetime64[D]")
    timed = ~np.isnat(moments) & (days != moments)
    shown = pd.Series(moments).astype("str").to_numpy(dtype=object)
    shown[np.isnat(moments)] = ""
    why = dict.fromkeys(shown[timed], TIME_OF_DAY) | {"": "is missing"}
    days[timed] = np.datetime64("NaT")
    return DateColumn(days, shown, why)


def _order(texts: list[str]) -> tuple[bool, bool]:
    """Whether the dates of a file are day first (14/03/2016), and whether both orders occur, so that it is unclear."""
    month_first = day_first = False
    for text in texts:
        parts = _YEAR_LAST.match(text)
        if parts and parts[2] != ".":
            day_first |= int(parts[1]) > 12
            month_first |= int(parts[3]) > 12
    return day_first and not month_first, day_first and month_first


@functools.lru_cache(maxsize=1 << 16)
def _read_date(text: str, *, day_first: bool, both: bool) -> dt.date | str:
    if not text or text.casefold() in ("null", "nan", "nat", "none"):
        return "is missing"
    if parts := _ISO.match(text):
        year, month, day = parts[1], parts[3], parts[4]
    elif parts := _YEAR_LAST.match(text):
        if both and parts[2] != ".":
            return "may be month first or day first: the file has both"
        swapped = day_first or parts[2] == "."
        month, day = (parts[3], parts[1]) if swapped else (parts[1], parts[3])
        year = parts[4]
    elif (parts := _PACKED.match(text)) and not text[8:9].isdigit():
        year, month, day = parts.groups()
    else:
        return "is not a date that tenor can read"
    rest = text[parts.end() :]
    if not _MIDNIGHT.fullmatch(rest):
        return TIME_OF_DAY if re.match(r"[T ]\s*\d{1,2}:\d{2}", rest) else "is not a date that tenor can read"
    try:
        return dt.date(int(year), int(month), int(day))
    except ValueError:
        return "is not a day of the calendar"


def _distinct(column: Any) -> tuple[NDArray[np.int32], list[Any]]:
    encoded = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.cast(pa.string()).dictionary_encode()
    array = encoded.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # no rows, or one chunk that stayed wrapped
        array = array.chunk(0) if array.num_chunks else pa.array([], pa.string()).dictionary_encode()
    own = [value if value is None else str(value) for value in array.dictionary.to_pylist()]
    codes = array.indices
    if codes.null_count:
        codes = codes.fill_null(len(own))
        own.append(None)
    return codes.to_numpy(zero_copy_only=False).astype("int32"), own


def _texts(column: Any) -> Any:
    return pc.utf8_trim_whitespace(column.cast(pa.string()))


def _doubles(column: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.to_numpy().astype("float64")
    return values


def _bools(column: Any) -> NDArray[np.bool_]:
    values: NDArray[np.bool_] = column.to_numpy().astype(bool)
    return values


def _shown(value: Any) -> str:
    text = "" if value is None else str(value).strip()
    return text if len(text) <= 40 else text[:39] + "…"
