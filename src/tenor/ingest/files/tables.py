"""Read files as Arrow tables with raw cells: text with any delimiter and encoding, JSON and Parquet.

Wide tables (several symbols side by side) are converted to long ones, with one row for each symbol and day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from tenor.errors import UnusableError, one_line
from tenor.ingest.files.json_files import JSON_SUFFIXES, read_json_rows
from tenor.ingest.files.layouts import ALIASES, FileColumns, guess_columns, headerless, match_columns
from tenor.ingest.files.side_by_side import WideColumns, joined_names, stacked_header
from tenor.ingest.files.text_files import delimiter_of, encoding_of, opening_lines, split_line, stated_delimiter

TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
PARQUET_SUFFIXES = (".parquet", ".pq")
_BLOCK = 1 << 23
# at most this many lines above the header, such as a title or an address
_TITLES = 25


@dataclass(frozen=True)
class RawTable:
    """The cells of one file.

    Attributes
    ----------
    columns
        Which column holds what.
    cells
        From tenor's name of a column to its Arrow column, [n].
    rows
        The line or row number of each row in the file, [n].
    ragged
        The line number and text of the rows whose number of columns differs from the header's.
    symbol
        The symbol in the file's own header; ``""`` in most files.
    delimiter
        The delimiter of a text file; ``""`` for other files.
    notes
        Assumptions made while reading, in words.
    side_by_side
        Whether the file was a wide table, in which a symbol without prices in a row has no bar on that day.
    """

    columns: FileColumns
    cells: dict[str, Any]
    rows: NDArray[np.int64]
    ragged: tuple[tuple[int, str], ...] = ()
    symbol: str = ""
    delimiter: str = ""
    notes: tuple[str, ...] = ()
    side_by_side: bool = False


def read_table(path: Path, chosen: Mapping[str, str] | None = None, encoding: str | None = None) -> RawTable:
    """Read the table in a file.

    Parameters
    ----------
    path
        The file.
    chosen
        The names of columns that the user gave (see `column_names.parse_columns`).
    encoding
        The encoding that the user named, for a text that is neither UTF-8 nor UTF-16.

    Raises
    ------
    UnusableError
        The file is empty, is neither text nor Parquet, or lacks a column.
    """
    chosen = {column: own for column, own in (chosen or {}).items() if column in ALIASES}
    try:
        with path.open("rb") as file:
            head = file.read(1 << 12)
    except OSError as error:
        raise UnusableError(f"can't be read ({error.strerror})", "check the file and its rights") from error
    if not head.strip():
        raise UnusableError("is empty", "export it again")
    if head[:4] == b"PAR1" or path.suffix.lower() in PARQUET_SUFFIXES:
        return _read_parquet(path, chosen)
    if path.suffix.lower() in JSON_SUFFIXES:
        return _read_json(path, chosen)
    return _read_text(path, chosen, encoding)


def _read_parquet(path: Path, chosen: Mapping[str, str]) -> RawTable:
    try:
        # an open file, not its path: Arrow would read folders named a=b above it as columns
        with path.open("rb") as file, pyarrow.parquet.ParquetFile(file) as parquet:
            schema = parquet.schema_arrow
            names = [str(name) for name in schema.names]
            columns, wide = _columns_of(names, chosen)
            places = list(columns.place.values()) if wide is None else _wide_places(wide)
            require_simple({names[i]: schema.field(i).type for i in places})
            table = parquet.read(columns=[names[i] for i in places])
            cells = {place: text_of(names[place], table[names[place]]) for place in places}
    except (pa.ArrowException, OSError) as error:
        raise UnusableError(f"is not a readable Parquet file ({_line(error)})", "export it again") from error
    if not len(table):
        raise UnusableError("has columns but no rows", "export it again")
    return raw_table(columns, wide, cells.__getitem__, np.arange(1, len(table) + 1))


def _read_json(path: Path, chosen: Mapping[str, str]) -> RawTable:
    records, symbol = read_json_rows(path, chosen)
    names = list(dict.fromkeys(name for record in records for name in record))
    columns, wide = _columns_of(names, chosen)

    def cell(place: int) -> Any:
        return pa.chunked_array([_json_column([record.get(names[place]) for record in records])])

    raw = raw_table(columns, wide, cell, np.arange(1, len(records) + 1))
    return replace(raw, symbol=raw.symbol or symbol)


def _json_column(values: list[Any]) -> Any:
    if all(value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values):
        whole = all(isinstance(value, int) and abs(value) < 1 << 62 for value in values)
        return pa.array(values, pa.int64() if whole else pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def require_simple(types: Mapping[str, Any]) -> None:
    """Raise UnusableError if a column holds lists or other collections instead of single values."""
    for name, kind in types.items():
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_nested(inner) or pa.types.is_boolean(inner) or pa.types.is_duration(inner):
            raise UnusableError(f"has {name!r} of type {one_line(Exception(str(kind)), 60)}", "write one value a cell")


def text_of(name: str, column: Any) -> Any:
    """The Arrow column `name`, with bytes decoded as text; raises UnusableError if they are not UTF-8."""
    kind = column.type
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    try:
        if any(test(kind) for test in binary):
            return column.cast(pa.binary()).cast(pa.string())
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            return column.cast(pa.string())
        if pa.types.is_null(kind):
            return column.cast(pa.string())
    except pa.ArrowException as error:
        raise UnusableError(f"has {name!r} of bytes that are not UTF-8", "write it as text") from error
    return column


def _read_text(path: Path, chosen: Mapping[str, str], given: str | None) -> RawTable:
    encoding = encoding_of(path, read_texts=False, given=given)
    lines = opening_lines(path, encoding.name)
    above = 1 if stated_delimiter(lines[0]) else 0
    delimiter, header = _header(lines, above, chosen)
    notes = [encoding.note] if encoding.note else []
    names = split_line(lines[header], delimiter)
    wide: WideColumns | None = None
    assumed = headerless(names) if not chosen else None
    if assumed:
        notes.append(f"no header: its columns are taken as {', '.join(assumed[:7])}")
        columns, header_lines = match_columns(assumed), header
        names = list(assumed)
    else:
        if not chosen:
            wide = stacked_header([split_line(line, delimiter) for line in lines[header : header + 3]])
        if wide is None:
            columns, wide = _columns_of(names, chosen)
        else:
            columns = wide.columns
        header_lines = header + (wide.header_lines if wide else 1)
        if header > above:
            notes.append(f"{header} lines above the header are skipped")
    places = list(columns.place.values()) if wide is None else _wide_places(wide)
    codec = {"utf-8-sig": "utf-8"}.get(encoding.name, encoding.name)
    table, ragged = parse_rows(path, codec, delimiter, len(names), header_lines, places)
    lines_of = np.arange(header_lines + 1, header_lines + 1 + len(table) + len(ragged))
    if ragged:
        lines_of = lines_of[~np.isin(lines_of, [line for line, _ in ragged])]
    if not len(table) and not ragged:
        raise UnusableError("has a header but no rows", "export it again")
    raw = raw_table(columns, wide, lambda place: table[str(place)], lines_of)
    return replace(raw, ragged=tuple(ragged), delimiter=delimiter, notes=(*notes, *raw.notes))


def _header(lines: Sequence[str], above: int, chosen: Mapping[str, str]) -> tuple[str, int]:
    """The delimiter, and the line with the names: the first line of the file, or one below titles."""

    def known(names: list[str]) -> int:
        own = {name.strip().casefold() for name in names}
        found = sum(name.strip().casefold() in own for name in chosen.values())
        return found + len(guess_columns(names).place)

    first = delimiter_of(lines[above:], known)
    names = split_line(lines[above], first) if len(lines) > above else [""]
    if not guess_columns(names).missing or headerless(names) or joined_names(names):
        return first, above
    for place in range(above, min(len(lines), above + _TITLES)):
        delimiter = delimiter_of(lines[place:], known)
        names = split_line(lines[place], delimiter)
        own = {name.strip().casefold() for name in names}
        named = bool(chosen) and all(name.strip().casefold() in own for name in chosen.values())
        if named or not guess_columns(names).missing or _stacked(lines, place, delimiter):
            return delimiter, place
    return first, above


def _stacked(lines: Sequence[str], place: int, delimiter: str) -> bool:
    try:
        return stacked_header([split_line(line, delimiter) for line in lines[place : place + 3]]) is not None
    except UnusableError:
        return True


def _columns_of(names: Sequence[str], chosen: Mapping[str, str]) -> tuple[FileColumns, WideColumns | None]:
    """The columns of a table with one header line."""
    if chosen or not guess_columns(names).missing:
        return match_columns(names, chosen), None
    wide = joined_names(names)
    return (match_columns(names), None) if wide is None else (wide.columns, wide)


def _wide_places(wide: WideColumns) -> list[int]:
    return [wide.session, *(i for place in wide.place.values() for i in place.values())]


def raw_table(
    columns: FileColumns, wide: WideColumns | None, cell: Callable[[int], Any], rows: NDArray[np.int64]
) -> RawTable:
    """The table; a wide one is converted to a long one."""
    if wide is None:
        return RawTable(columns, {column: cell(place) for column, place in columns.place.items()}, rows)
    notes = [f"{symbol} has no {', '.join(absent)}: left out" for symbol, absent in wide.incomplete.items()]
    if len(wide.place) == 1:
        (symbol,) = wide.place
        place = {"session": wide.session, **wide.place[symbol]}
        cells = {column: cell(i) for column, i in place.items()}
        return RawTable(replace(columns, place=place), cells, rows, symbol=symbol, notes=tuple(notes))
    count, symbols = len(rows), list(wide.place)
    cells = {}
    for column in columns.place:
        places = [wide.session if column == "session" else wide.place[symbol].get(column, -1) for symbol in symbols]
        kind = cell(next(i for i in places if i >= 0)).type
        blocks = [pa.chunked_array([pa.nulls(count, kind)]) if i < 0 else cell(i).cast(kind) for i in places]
        cells[column] = pa.chunked_array([chunk for block in blocks for chunk in block.chunks], kind)
    codes = np.repeat(np.arange(len(symbols), dtype="int32"), count)
    cells["symbol"] = pa.chunked_array([pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(symbols))])
    long = FileColumns({**columns.place, "symbol": len(columns.names)}, (*columns.names, "ticker"))
    notes.append(f"{len(symbols)} symbols side by side")
    return RawTable(long, cells, np.tile(rows, len(symbols)), notes=tuple(notes), side_by_side=True)


def parse_rows(
    path: Path, encoding: str, delimiter: str, width: int, header_lines: int, places: Sequence[int]
) -> tuple[Any, list[tuple[int, str]]]:
    """The cells of a text file as texts, with columns named by their position, and the lines of another width."""
    ragged: list[tuple[int, str]] = []

    def skip(row: Any) -> str:
        ragged.append((row.number, row.text))
        return "skip"

    wanted = [str(place) for place in places]
    try:
        table = pyarrow.csv.read_csv(
            path,
            # line numbers are only known if a single thread reads
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK,
                skip_rows=header_lines,
                column_names=[str(i) for i in range(width)],
                encoding=encoding,
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, invalid_row_handler=skip, ignore_empty_lines=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                strings_can_be_null=False,  # NA is a symbol
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise UnusableError("has a header but no rows", "export it again") from error
        raise UnusableError(f"is not a readable CSV file ({_line(error)})", "export it again") from error
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise UnusableError(f"can't be read ({_line(error)})", "check the file and its encoding") from error
    return table, ragged


def _line(error: Exception) -> str:
    return one_line(error, 160).rstrip(".")
