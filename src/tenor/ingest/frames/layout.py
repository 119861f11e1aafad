"""Find the columns of a frame, whether it is long or wide, of one symbol or many, with all prices or closes alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from tenor.errors import FrameError, UnusableError, did_you_mean
from tenor.ingest.files.layouts import (
    ALIASES,
    PRICE_COLUMNS,
    VALUE_COLUMNS,
    FileColumns,
    guess_columns,
    plain_name,
)
from tenor.ingest.files.side_by_side import WideColumns, field_of, joined_names, wide_columns
from tenor.ingest.files.tables import RawTable, raw_table
from tenor.ingest.frames.tables import FrameTable
from tenor.symbols import clean_symbol

CLOSES_ALONE = "no open, high and low beside the close: each bar is its close alone, so that ranges are not known"
_AROUND_CLOSE = ("open", "high", "low")
_DATE_NAME = re.compile(r"(19|20)\d\d-?\d\d-?\d\d")


@dataclass(frozen=True)
class Layout:
    """A frame's cells, and the position of each column in the frame.

    Attributes
    ----------
    raw
        The cells, in the form that the rules for files take.
    places
        From tenor's name of a column and the symbol (empty if all symbols share the column) to the column's position.
    """

    raw: RawTable
    places: dict[tuple[str, str], int] = field(default_factory=dict)

    def place(self, column: str, symbol: str) -> int | None:
        """The position of the column of `symbol` in the frame."""
        return self.places.get((column, symbol), self.places.get((column, "")))


def layout_of(table: FrameTable, what: str = "bars") -> Layout:
    """Find dates, symbols, prices and volume in `table`.

    Raises
    ------
    FrameError
        There is no column of dates or closes, or two columns have the same meaning.
    UnusableError
        A cell holds several values.
    """
    if any(isinstance(label, tuple) for label in table.labels):
        return _of_pairs(table, what)
    names = [table.name(place) for place in range(len(table.labels))]
    _refuse_twins(table, names, what)
    columns = _closes_alone(guess_columns(names))
    if not columns.missing:
        return _long(table, columns)
    if "close" not in columns.place and (wide := joined_names(names)) is not None:
        return _wide(table, wide)
    if "session" in columns.place and (closes := _wide_closes(table, names, columns.place["session"])):
        return _wide(table, closes)
    raise _missing(table, names, columns, what)


def _long(table: FrameTable, columns: FileColumns) -> Layout:
    raw = raw_table(columns, None, table.column, np.arange(table.rows))
    return Layout(_with_note(raw), {(column, ""): place for column, place in columns.place.items()})


def _wide(table: FrameTable, wide: WideColumns) -> Layout:
    # for a symbol with closes alone, the close also serves as open, high and low
    place = {symbol: _filled(own) for symbol, own in wide.place.items()}
    wide = wide_columns(wide.session, place, wide.names, wide.header_lines)
    raw = raw_table(wide.columns, wide, table.column, np.arange(table.rows))
    places = {("session", ""): wide.session}
    places |= {(column, symbol): i for symbol, own in wide.place.items() for column, i in own.items()}
    return Layout(_with_note(raw), places)


def _with_note(raw: RawTable) -> RawTable:
    place = raw.columns.place
    if len({place[column] for column in PRICE_COLUMNS}) > 1:
        return raw
    return replace(raw, notes=(*raw.notes, CLOSES_ALONE))


def _filled(place: dict[str, int]) -> dict[str, int]:
    """`place` with the close as open, high and low, if all of these are missing."""
    if "close" not in place and "adj_close" in place:
        # open, high and low are not adjusted: after a split they would not match the adjusted close
        place = {column: i for column, i in place.items() if column not in _AROUND_CLOSE}
        place["close"] = place["adj_close"]
    if "close" not in place or any(column in place for column in _AROUND_CLOSE):
        return place
    return place | dict.fromkeys(_AROUND_CLOSE, place["close"])


def _closes_alone(columns: FileColumns) -> FileColumns:
    place = _filled(columns.place)
    return replace(columns, place={column: place[column] for column in ALIASES if column in place})


def _of_pairs(table: FrameTable, what: str) -> Layout:
    """A MultiIndex of two levels, fields and symbols in either order."""
    parts = [_parts(label) for label in table.labels]
    deep = next((own for own in parts if len(own) > 2), None)
    if deep is not None:
        why = f"{what}: the column {deep!r} has {len(deep)} levels, but must have two: prices and symbols"
        raise FrameError(why, "df.columns = df.columns.droplevel(0)")
    pairs = {place: own for place, own in enumerate(parts) if len(own) == 2}
    if not pairs:  # one of the levels is empty
        names = [own[0] if own else "" for own in parts]
        flat = replace(table, labels=tuple(names))
        return layout_of(flat, what)
    hits = [sum(bool(field_of(own[level])) for own in pairs.values()) for level in (0, 1)]
    level = int(hits[1] > hits[0])
    place: dict[str, dict[str, int]] = {}
    names = [own[0] if own else "" for own in parts]
    for i, own in pairs.items():
        column, text = field_of(own[level]), own[1 - level]
        names[i] = own[level]
        if column:
            symbol = clean_symbol(text)
            if not symbol:
                mend = f"df = df.rename(columns={{{text!r}: 'SYMBOL'}})  # its ticker"
                raise FrameError(f"{what}: {text!r} in the column {table.labels[i]!r} is not a symbol", mend)
            place.setdefault(symbol, {}).setdefault(column, i)
    sessions = [i for i, own in enumerate(parts) if len(own) == 1 and plain_name(own[0]) in ALIASES["session"]]
    if not sessions:
        raise FrameError(f"{what}: the index has no dates (it begins with {_first_index(table)})", _MEND_INDEX)
    place = {symbol: _filled(own) for symbol, own in place.items()}
    if not any(set(PRICE_COLUMNS) <= own.keys() for own in place.values()):
        shown = ", ".join(repr(table.labels[i]) for i in list(pairs)[:6])
        lacking = sorted({c for own in place.values() for c in PRICE_COLUMNS if c not in own}, key=PRICE_COLUMNS.index)
        why = f"{what}: no symbol has a column for {', '.join(lacking or PRICE_COLUMNS)} (the columns: {shown})"
        raise FrameError(why, _mend_prices(table, names, lacking or list(PRICE_COLUMNS)))
    return _wide(table, wide_columns(sessions[0], place, tuple(names), 1))


_MEND_INDEX = "df.index = pd.to_datetime(dates)  # one date a row"


def _parts(label: Any) -> tuple[str, ...]:
    if isinstance(label, tuple):
        return tuple(str(part) for part in label if str(part))
    return (str(label),)


def _first_index(table: FrameTable) -> str:
    if not table.index:
        return "0, 1, 2"
    return ", ".join(str(value) for value in table.column(0).slice(0, 3).to_pylist())


def _wide_closes(table: FrameTable, names: Sequence[str], session: int) -> WideColumns | None:
    """One column of closes for each symbol; None if a column is not one of closes."""
    place: dict[str, dict[str, int]] = {}
    for i, name in enumerate(names):
        if i == session:
            continue
        symbol = clean_symbol(name)
        if not symbol or symbol in place or field_of(name) or not _numeric(table, i):
            return None
        place[symbol] = _filled({"close": i})
    return wide_columns(session, place, tuple("close" if i != session else n for i, n in enumerate(names)), 1)


def _numeric(table: FrameTable, place: int) -> bool:
    kind = table.column(place).type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _refuse_twins(table: FrameTable, names: Sequence[str], what: str) -> None:
    """Refuse two columns whose known names differ only in case and punctuation."""
    seen: dict[str, int] = {}
    known = {
        alias for column in ("session", "symbol", *PRICE_COLUMNS, "adj_close", "volume") for alias in ALIASES[column]
    }
    for i, name in enumerate(names):
        plain = plain_name(name)
        if plain in seen and len(plain) > 1 and plain in known:
            first = seen[plain]
            where = "the index and a column are" if first < table.index else "two columns are"
            why = f"{what}: {where} called {names[first]!r} and {names[i]!r}: it is unclear which one to use"
            raise FrameError(why, f"{table.to_pandas}df = df.drop(columns={table.labels[i]!r})")
        seen.setdefault(plain, i)


def _missing(table: FrameTable, names: Sequence[str], columns: FileColumns, what: str) -> FrameError:
    missing = columns.missing
    shown = ", ".join(repr(name[:24]) for name in names[:12]) + (" …" if len(names) > 12 else "")
    if "date" in missing:
        candidate = next((i for i in range(table.index, len(names)) if _holds_dates(table, i, columns)), None)
        if candidate is None and (turned := _turned(table, names, columns)):
            why = f"{what}: the sessions are columns, but must be rows (the columns: {shown})"
            return FrameError(why, table.to_pandas + turned)
        if candidate is not None:
            mend = f"df = df.rename(columns={{{table.labels[candidate]!r}: 'date'}})"
        elif table.index:
            mend = "df.index = pd.to_datetime(df.index)"
        else:
            mend = _MEND_INDEX
        return FrameError(f"{what}: no column and no index holds dates (the columns: {shown})", table.to_pandas + mend)
    mend = _molten(table, names, columns) or _beside_closes(table, names, columns)
    return FrameError(
        f"{what}: no column for {', '.join(missing)} (the columns: {shown})",
        table.to_pandas + (mend or _mend_prices(table, names, missing, columns)),
    )


def _turned(table: FrameTable, names: Sequence[str], columns: FileColumns) -> str:
    """The line that transposes the frame, if most names of columns are dates."""
    dates = [name for name in names if _DATE_NAME.match(name)]
    if len(dates) < max(2, len(names) - 2):
        return ""
    if table.index:
        return "df = df.T"
    first = columns.place.get("symbol", 0)
    return f"df = df.set_index({table.labels[first]!r}).T"


def _molten(table: FrameTable, names: Sequence[str], columns: FileColumns) -> str:
    """The line that pivots a frame with one price and its name in each row; empty for other frames."""
    free = [i for i in range(table.index, len(names)) if i not in columns.place.values()]
    value = next((i for i in free if _is_number(table, i)), None)
    for i in free:
        if value is None or i == value or not pa.types.is_string(_type(table, i)):
            continue
        fields = table.column(i).unique().to_pylist()
        if len(fields) <= len(VALUE_COLUMNS) * 2 and "close" in {field_of(field or "") for field in fields}:
            keys = [table.labels[columns.place[c]] for c in ("symbol", "session") if c in columns.place]
            flat = "df.reset_index()" if table.index else "df"
            pivot = f"index={keys!r}, columns={table.labels[i]!r}, values={table.labels[value]!r}"
            return f"df = {flat}.pivot({pivot}).reset_index()"
    return ""


def _beside_closes(table: FrameTable, names: Sequence[str], columns: FileColumns) -> str:
    """The line that drops the columns that are not closes named by symbols; empty for other frames."""
    if "symbol" in columns.place or "close" in columns.place:
        return ""
    rest = [i for i in range(table.index, len(names)) if i != columns.place.get("session")]
    named = [i for i in rest if clean_symbol(names[i]) == names[i] != names[i].lower() and not field_of(names[i])]
    closes = [i for i in named if _is_number(table, i)]
    others = [table.labels[i] for i in rest if i not in closes]
    return f"df = df.drop(columns={others!r})" if len(closes) > 1 and others else ""


def _type(table: FrameTable, place: int) -> Any:
    try:
        return table.column(place).type
    except UnusableError:
        return pa.null()


def _mend_prices(
    table: FrameTable, names: Sequence[str], missing: Sequence[str], columns: FileColumns | None = None
) -> str:
    """The line that renames the column that is most likely the first of `missing`."""
    taken = set(columns.place.values()) if columns else set()
    free = [i for i in range(table.index, len(names)) if i not in taken]
    if len(missing) < len(_AROUND_CLOSE) and "close" not in missing:
        have = [table.labels[columns.place[c]] for c in _AROUND_CLOSE if columns and c in columns.place]
        return f"df = df.drop(columns={have!r})  # or add {', '.join(missing)}; closes alone will do"
    renames = {}
    for column in missing:
        near = [i for i in free if column in plain_name(names[i]) or did_you_mean(column, [plain_name(names[i])])]
        numbers = [i for i in free if _is_number(table, i)]
        choice = next(iter(near), next(iter(numbers), None) if column == "close" else None)
        if choice is not None:
            renames[table.labels[choice]] = column
            free.remove(choice)
    if not renames:
        return f"df[{missing[0]!r}] = prices  # one a row"
    return f"df = df.rename(columns={renames!r})"


def _is_number(table: FrameTable, place: int) -> bool:
    try:
        return _numeric(table, place)
    except UnusableError:
        return False


def _holds_dates(table: FrameTable, place: int, columns: FileColumns) -> bool:
    if place in columns.place.values():
        return False
    try:
        column = table.column(place)
    except UnusableError:
        return False
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return True
    first = next((value for value in column.slice(0, 20).to_pylist() if value), None)
    return isinstance(first, str) and first[:4].isdigit() and first[4:5] in ("-", "/", ".")
