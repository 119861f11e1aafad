"""Bars from a frame, read by the rules for files. A frame with wrong rows is refused, with a line that repairs it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tenor.calendars import calendar_of, interval_of, market_of
from tenor.errors import ColumnError, ConfigError, FrameError, UnusableError
from tenor.ingest.files.date_texts import TIME_OF_DAY
from tenor.ingest.files.layouts import VALUE_COLUMNS
from tenor.ingest.files.reading import Reading
from tenor.ingest.files.rules import RowFilter
from tenor.ingest.frames.layout import Layout, layout_of
from tenor.ingest.frames.mending import Mender
from tenor.ingest.frames.tables import FrameTable, table_of, unreadable
from tenor.schema import Bars
from tenor.symbols import clean_symbol

_FLOAT = re.compile(r"-?(\d+(\.\d*)?|inf|nan)(e[+-]?\d+)?")
_LONGEST_GAP, _SHOW_SPACING = 4, 20
"""The largest median of days between daily bars, including weekends; and the number of rows from which it is tested."""
_SEVERAL = 1.5
"""With more rows a day than this, they are taken for rows of several symbols, not for repeated rows."""
# kinds of refused rows that are left out with a note instead of an error
_HARMLESS = {
    "empty": "without any price are not bars",
    "repeat": "repeat a bar",
}


@dataclass(frozen=True)
class FrameBars:
    """The bars of a frame.

    Attributes
    ----------
    bars
        The bars.
    notes
        What was assumed in reading them, in words.
    """

    bars: Bars
    notes: tuple[str, ...] = ()


def bars_of(
    frame: Any, *, symbol: str | None = None, calendar: str | None = None, now: pd.Timestamp | None = None
) -> Bars:
    """The bars in `frame`, in any common layout.

    The frame may be long (one row for each symbol and session) or wide (a MultiIndex of prices and symbols in either
    order, names such as ``Close_AAPL``, or one column of closes for each symbol). Dates may be in a column or in the
    index. So the frames of yfinance, Alpaca, Stooq or Nixtla (``unique_id, ds, y``) can be used as they are, and all
    names of columns that ``tenor data import`` knows, in upper or lower case. Closes alone are enough. The time of a
    daily bar is a date, or the midnight, open or close of the exchange, in its own time, in UTC or with a zone.

    Parameters
    ----------
    frame
        A pandas DataFrame or Series, a table with Arrow's C stream interface (polars, Arrow, DuckDB), a mapping from
        symbols to such frames, or `Bars`, which are returned unchanged.
    symbol
        The symbol of the bars, if the frame has no column that says it.
    calendar
        The exchange (``XNYS``, or ``24/7``) on whose sessions rows must be, for symbols whose names show no market; New
        York's by default.
    now
        UTC; rows of a session that is not over by then are left out, with a warning. The present by default.

    Raises
    ------
    FrameError
        The frame can't be used. The message has the column, the row (counted from 0, as in ``df.iloc``), the value,
        and the line of code that repairs it.
    ConfigError
        `symbol` is not a symbol, or the frame has another one.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.to_datetime(["2024-01-02", "2024-01-03"])
    >>> wide = pd.DataFrame({"AAPL": [185.6, 184.3], "MSFT": [370.9, 370.6]}, index=days)
    >>> bars_of(wide).symbols
    ('AAPL', 'MSFT')
    >>> bars_of(pd.DataFrame({"Close": [185.6, -1.0]}, index=days), symbol="AAPL")
    Traceback (most recent call last):
    tenor.errors.FrameError: bars, row 1 (AAPL 2024-01-03): 'Close' is -1.0, which is not positive. Mend it with: \
df = df[df['Close'] > 0]
    """
    return read_frame(frame, symbol=symbol, calendar=calendar, now=now).bars


def read_frame(
    frame: Any,
    *,
    symbol: str | None = None,
    calendar: str | None = None,
    now: pd.Timestamp | None = None,
    what: str = "bars",
) -> FrameBars:
    """As `bars_of`, but with notes on what was assumed; `what` is the name of the frame in messages."""
    now = now or pd.Timestamp.now("UTC")
    if isinstance(frame, Bars):
        return FrameBars(frame)
    if calendar is not None and interval_of(calendar) != "1d":
        raise ConfigError(f"calendar is {calendar!r}, and a frame has daily bars: name it without the length of a bar.")
    if isinstance(frame, FrameBars):
        return frame
    if isinstance(frame, Mapping):
        return _read_mapping(frame, symbol, calendar, now, what)
    named = _named(symbol)
    if isinstance(frame, pd.Series) and not named and isinstance(frame.name, str):
        named = clean_symbol(frame.name) if frame.name.casefold() not in ("close", "adj close", "price", "y") else ""
    table = table_of(frame, what)
    try:
        layout = layout_of(table, what)
        return _read(table, layout, named, calendar, now, what)
    except UnusableError as error:
        raise _refused(table, error, what) from None


class _Rows(RowFilter):
    """The rules of files; symbols whose names show their market keep its calendar, as in a panel."""

    def calendars(self) -> list[str]:
        """The calendar of each symbol."""
        return [_calendar(symbol, self._calendar) for symbol in self.symbols]


def _calendar(symbol: str, axis: str | None) -> str:
    return market_of(symbol).calendar if axis is None else calendar_of(symbol, axis)


def _read_mapping(
    frames: Mapping[Any, Any], symbol: str | None, calendar: str | None, now: pd.Timestamp, what: str
) -> FrameBars:
    if symbol is not None:
        raise ConfigError(f"symbol is {symbol!r}, and {what} name their own symbols: leave it out.")
    if not frames:
        raise FrameError(f"{what}: the mapping is empty: it has no symbol")
    if all(isinstance(value, (list, tuple, np.ndarray)) for value in frames.values()):
        raise FrameError(
            f"{what} is a mapping of {type(next(iter(frames.values()))).__name__}s", "df = pd.DataFrame(df)"
        )
    nothing = [s for s, f in frames.items() if f is None or (hasattr(f, "__len__") and not len(f))]
    if nothing:
        more = f" and {len(nothing) - 1} more" if len(nothing) > 1 else ""
        raise FrameError(
            f"{what}[{nothing[0]!r}]{more}: {'None' if frames[nothing[0]] is None else 'a frame without rows'}",
            "df = {symbol: frame for symbol, frame in df.items() if frame is not None and len(frame)}",
        )
    read = [_read_one(s, f, calendar, now, what) for s, f in frames.items()]
    every = pd.concat([each.bars.frame for each in read], ignore_index=True)
    return FrameBars(Bars(every), tuple(dict.fromkeys(note for each in read for note in each.notes)))


def _read_one(symbol: Any, frame: Any, calendar: str | None, now: pd.Timestamp, what: str) -> FrameBars:
    """The bars of one symbol of a mapping; the line that repairs its frame also stores it in the mapping."""
    try:
        return read_frame(frame, symbol=str(symbol), calendar=calendar, now=now, what=f"{what}[{symbol!r}]")
    except FrameError as error:
        code, mark, comment = error.mend.partition("  # ")
        own = re.sub(r"\bdf\b", "own", code)
        line = f"own = df[{symbol!r}]; {own}; df[{symbol!r}] = own{mark}{comment}" if code else ""
        raise FrameError(error.why, line) from None


def _named(symbol: str | None) -> str:
    if symbol is None:
        return ""
    clean = clean_symbol(symbol) if isinstance(symbol, str) else ""
    if not clean:
        raise ConfigError(f"symbol is {symbol!r}, which is not a symbol: write it as Yahoo does, symbol='AAPL'.")
    return clean


def _read(
    table: FrameTable, layout: Layout, named: str, calendar: str | None, now: pd.Timestamp, what: str
) -> FrameBars:
    raw = layout.raw
    symbol = raw.symbol or named
    if "symbol" not in raw.cells and not symbol:
        raise FrameError(f"{what}: the frame does not say whose bars they are", _mend_symbol(table, layout))
    rows = _Rows(what, raw, symbol, calendar, now, Reading())
    rows.read()
    rows.sound_prices()
    rows.on_calendar()
    rows.one_bar_a_day()
    _require_daily(rows.frame(), what)
    mender = Mender(table, layout)
    notes = [*rows.notes, *_judge(rows.refusals(), layout, mender, calendar, now, what)]
    frame = rows.frame()
    if frame.empty:
        raise FrameError(
            f"{what}: no row of the frame is a bar of a session that is over: look at its dates and prices"
        )
    bars = Bars(frame.astype({"symbol": "str"}))
    if named and bars.symbols != (named,):
        shown = ", ".join(bars.symbols[:4])
        raise ConfigError(f"symbol is {named!r}, and {what} are of {shown}: leave it out, or select its rows.")
    return FrameBars(bars, tuple(notes))


def _require_daily(frame: pd.DataFrame, what: str) -> None:
    """Refuse bars of weeks or months: nothing else in them shows that a row is more than one session."""
    for symbol, days in frame.groupby("symbol", sort=False, observed=True)["session"]:
        if len(days) < _SHOW_SPACING:
            continue
        apart = days.sort_values().diff().dt.days.median()
        if apart > _LONGEST_GAP:
            raise FrameError(
                f"{what}: the rows of {symbol} are {apart:.0f} days apart, and tenor takes daily bars: export them "
                "day by day"
            )


def _mend_symbol(table: FrameTable, layout: Layout) -> str:
    """The line that adds the symbol: from a column of texts if days repeat, otherwise the same for all rows."""
    days = layout.raw.cells["session"]
    repeated = len(days.unique()) < len(days)
    if repeated:
        for place in range(table.index, len(table.labels)):
            if place not in layout.places.values() and pa.types.is_string(table.column(place).type):
                return f"{table.to_pandas}df = df.rename(columns={{{table.labels[place]!r}: 'symbol'}})"
    if repeated and len(days) >= _SEVERAL * len(days.unique()):
        return f'{table.to_pandas}df["symbol"] = symbols  # one a row: days repeat, so they are of several'
    return f'{table.to_pandas}df["symbol"] = "AAPL"  # or give symbol="AAPL"'


def _judge(
    refusals: pd.DataFrame, layout: Layout, mender: Mender, calendar: str | None, now: pd.Timestamp, what: str
) -> list[str]:
    """Raise an error for the first fault among `refusals`; returns notes on rows that are left out without an error."""
    notes = []
    today = now.tz_localize(None).normalize()
    future = (refusals["kind"] == "unfinished") & (refusals["session"] > today + pd.Timedelta(days=1))
    kinds = refusals["kind"].where(~future, "future")
    for kind, rows in refusals.groupby(kinds, sort=False, observed=True):
        if kind in _HARMLESS:
            notes.append(f"{len(rows)} rows {_HARMLESS[str(kind)]}: left out")
        elif kind == "unfinished":
            days = ", ".join(sorted({f"{day:%Y-%m-%d}" for day in rows["session"]}))
            note = f"{what}: the session {days} is not over yet, so its rows are left out"
            warnings.warn(note, stacklevel=2)
            notes.append(note)
    faults = refusals[~kinds.isin([*_HARMLESS, "unfinished"])]
    if len(faults):
        own = kinds[faults.index]
        first, kind = faults.iloc[0], str(own.iloc[0])
        alike = faults[(own == kind) & (faults["column"] == first["column"])]
        harmless = refusals.loc[refusals.index.difference(faults.index)]
        if layout.raw.side_by_side:
            harmless = harmless[harmless["symbol"].isin(alike["symbol"])]
        # then dropping these rows would leave none
        every = len({*alike["row"], *harmless["row"]}) == mender.table.rows
        raise _fault(first, kind, alike, layout, mender, calendar, what, every=every)
    return notes


def _fault(
    first: pd.Series[Any],
    kind: str,
    alike: pd.DataFrame,
    layout: Layout,
    mender: Mender,
    calendar: str | None,
    what: str,
    *,
    every: bool,
) -> FrameError:
    symbol, day, why = str(first["symbol"]), first["session"], str(first["why"])
    of = " ".join(text for text in (symbol, "" if pd.isna(day) else f"{day:%Y-%m-%d}") if text)
    row = f"row {first['row']}" + (f" ({of})" if of else "")
    column = _field(layout, str(first["column"]))
    name = mender.table.name(place) if (place := layout.place(column, symbol)) is not None else str(first["column"])
    days = sorted({f"{day:%Y-%m-%d}" for day in alike["session"] if not pd.isna(day)})
    fault = kind
    if kind == "future":
        why = "is in the future"
    elif kind == "number":
        fault = next((word for word in ("missing", "negative") if word in why), "infinite" if "finite" in why else kind)
    elif kind == "off_calendar" and sum(pd.Timestamp(day).day_of_week > 4 for day in days) > 1:
        why += " (coins have them: give calendar='24/7')"
    value = str(first["value"])
    shown = value if _FLOAT.fullmatch(value) else repr(value)
    cell = f"{name!r} is {shown}, which " if value and fault != "missing" else f"{name!r} "
    if fault == "high_below_low":
        cell = f"{name!r} ({value}) "
    more = f"; {len(alike)} rows have this fault" if len(alike) > 1 else ""
    if TIME_OF_DAY in why:
        return FrameError(f"{what}, {row}: {cell}{why}{more}", mender.daily())
    names = list(dict.fromkeys(map(str, alike["value"]))) if fault == "symbol" else []
    if every and not any(names):
        mend = mender.column(fault, column, list(dict.fromkeys(map(str, alike["symbol"]))))
    else:
        mend = mender.rows(fault, column, symbol, days, _calendar(symbol, calendar), names)
    return FrameError(f"{what}, {row}: {cell}{why}{more}", mend)


def _field(layout: Layout, own: str) -> str:
    """The name in tenor of the column that the frame calls `own`."""
    columns = layout.raw.columns
    fields = [column for column in columns.place if columns.own_name(column) == own]
    if len(fields) > 1 and "close" in fields:
        return "close"  # the same column also serves as open, high and low
    return fields[0] if fields else "session"


def _refused(table: FrameTable, error: UnusableError, what: str) -> FrameError:
    """The refusal of the frame as a whole, for a column that can't be read."""
    place = next((i for i in range(len(table.labels)) if table.name(i) == error.column), None)
    if place is not None and isinstance(error, ColumnError):
        return unreadable(table, error, what)
    where = f", row {error.row}" if place is not None and error.value else ""
    cell = f" {error.column!r}" + (f" is {error.value!r}, which" if error.value else "") if error.column else ""
    why = f"{what}{where}:{cell} {error.why}"
    try:
        layout = layout_of(table, what)
    except UnusableError:
        return FrameError(why if error.column else f"{why}: {error.remedy}")
    mender, field = Mender(table, layout), _field(layout, error.column)
    if TIME_OF_DAY in error.why:
        return FrameError(why, mender.daily())
    if field == "session":
        return FrameError(why, mender.dates(error.why))
    symbol = next((symbol for column, symbol in layout.places if column == field), "")
    return FrameError(why, mender.numbers(field, symbol) if field in VALUE_COLUMNS else "")
