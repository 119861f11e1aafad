"""Read files of news as rows of raw cells: delimited text in any encoding, JSON lines, JSON documents, Parquet."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from tenor.errors import UnusableError, one_line
from tenor.ingest.files.json_files import JSON_SUFFIXES, LINES_SUFFIXES
from tenor.ingest.files.json_tables import Wanted, described, find_table
from tenor.ingest.files.news_cells import shown, storable
from tenor.ingest.files.news_columns import known_names, names_news
from tenor.ingest.files.tables import PARQUET_SUFFIXES, TEXT_SUFFIXES
from tenor.ingest.files.text_files import delimiter_of, encoding_of, opening_lines, split_line, stated_delimiter

BATCH_ROWS = 200_000
_WIDEST_CELL = 1 << 24
_NO_DELIMITER = "\x1f"
_DEEPEST_LIST = 4
_CORRECT = "correct it or drop it"


@dataclass(frozen=True)
class NewsRows:
    """Some rows of a file.

    Attributes
    ----------
    names
        The file's own names of its columns.
    places
        The line number of each row; in Parquet and JSON documents its row number, [n].
    cells
        From the name of a column to its cells, [n].
    broken
        Line or row number, text and reason of each line that is not a row.
    """

    names: tuple[str, ...]
    places: list[int]
    cells: dict[str, list[Any]]
    broken: list[tuple[int, str, str]] = field(default_factory=list)


def header_of(path: Path, columns: Mapping[str, str] | None = None, encoding: str | None = None) -> tuple[str, ...]:
    """The names of the columns of `path`, from its beginning; empty if it is not a table.

    Errors in opening or parsing the file (such as OSError) are raised unchanged.

    Raises
    ------
    UnusableError
        The file is empty or is not text.
    """
    suffix = path.suffix.lower()
    if suffix in PARQUET_SUFFIXES:
        with path.open("rb") as file, pyarrow.parquet.ParquetFile(file) as parquet:
            return tuple(str(name) for name in parquet.schema_arrow.names)
    if suffix in JSON_SUFFIXES:
        first = next(_json_rows(path, 100, encoding, columns), None)
        return first.names if first else ()
    if suffix not in TEXT_SUFFIXES:
        return ()
    delimiter, lines = _delimiter(opening_lines(path, _likely_encoding(path, encoding)), columns)
    return tuple(split_line(lines[0], delimiter)) if lines else ()


def read_rows(
    path: Path, columns: Mapping[str, str] | None = None, encoding: str | None = None
) -> Iterator[tuple[NewsRows, tuple[str, ...]]]:
    """The rows of `path`, about 200,000 at a time, and the assumptions made while reading them.

    Parameters
    ----------
    path
        The file.
    columns
        Names of columns that the user gave; they help to find the delimiter.
    encoding
        The encoding that the user named, for a text that is neither UTF-8 nor UTF-16.

    Raises
    ------
    UnusableError
        The file can't be read.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in JSON_SUFFIXES:
            for rows in _json_rows(path, BATCH_ROWS, encoding, columns):
                yield rows, ()
        elif suffix in PARQUET_SUFFIXES:
            for rows in _parquet_rows(path):
                yield rows, ()
        else:
            own = encoding_of(path, given=encoding)
            notes = (own.note,) if own.note else ()
            for rows in _text_rows(path, own.name, columns):
                yield rows, notes
    except OSError as error:
        raise UnusableError(f"can't be read ({error.strerror or error})", "check the file and its rights") from error
    except (ValueError, csv.Error, pa.ArrowException, RecursionError) as error:
        raise UnusableError(f"can't be read ({one_line(error, 120)})", "export it again") from error


def _likely_encoding(path: Path, given: str | None) -> str:
    """The encoding for reading the header; a file that begins in ASCII is not read to its end for it."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.isascii() and b"\x00" not in head:
        return "utf-8"
    try:
        return encoding_of(path, given=given).name
    except UnusableError:
        return "utf-8"


def _delimiter(lines: Sequence[str], columns: Mapping[str, str] | None) -> tuple[str, Sequence[str]]:
    """The delimiter, and the lines from the header on; Excel may state the delimiter in a line above the header."""
    if lines and (stated := stated_delimiter(lines[0])):
        return stated, lines[1:]
    own = set((columns or {}).values())
    delimiter = delimiter_of(lines, lambda names: known_names(names) + sum(name in own for name in names))
    # a file with a single column has no delimiter: commas in its texts separate nothing, although they are not quoted
    return (delimiter if len(split_line(lines[0], delimiter)) > 1 else _NO_DELIMITER), lines


def _text_rows(path: Path, encoding: str, columns: Mapping[str, str] | None) -> Iterator[NewsRows]:
    lines = opening_lines(path, encoding)
    if not lines or not any(line.strip() for line in lines):
        raise UnusableError("is empty", "export it again")
    delimiter, rest = _delimiter(lines, columns)
    if not any(line.strip() for line in rest):
        raise UnusableError("has no header", "export it again")
    csv.field_size_limit(max(csv.field_size_limit(), _WIDEST_CELL))  # the default limit is too small for articles
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        if len(rest) < len(lines):
            next(reader)
        names = tuple(name.lstrip("\ufeff").strip() for name in next(reader))
        if len(set(names)) < len(names):
            names = tuple(f"{name} {i + 1}" if name in names[:i] else name for i, name in enumerate(names))
        place, any_row = reader.line_num + 1, False
        while True:
            places: list[int] = []
            taken: list[list[str]] = []
            broken: list[tuple[int, str, str]] = []
            for row in itertools.islice(reader, BATCH_ROWS):
                start, place = place, reader.line_num + 1
                if len(row) == len(names):
                    places.append(start)
                    taken.append(row)
                elif any(cell.strip() for cell in row):
                    why = f"has {len(row)} columns, its header {len(names)}"
                    broken.append((start, shown(delimiter.join(row)), why))
            if not places and not broken:
                break
            any_row = True
            yield NewsRows(names, places, dict(zip(names, map(list, zip(*taken, strict=True)), strict=False)), broken)
    if not any_row:
        raise UnusableError("has a header but no rows", "export it again")


def _parquet_rows(path: Path) -> Iterator[NewsRows]:
    first = 1
    # an open file, not its path: Arrow would read folders named a=b above it as columns
    with path.open("rb") as file, pyarrow.parquet.ParquetFile(file) as parquet:
        names = tuple(str(name) for name in parquet.schema_arrow.names)
        for batch in parquet.iter_batches(BATCH_ROWS):
            cells = {name: cell_values(batch.column(i)) for i, name in enumerate(names)}
            yield NewsRows(names, list(range(first, first + len(batch))), cells)
            first += len(batch)
    if first == 1:
        raise UnusableError("has columns but no rows", "export it again")


def cell_values(column: Any) -> list[Any]:
    """The cells of an Arrow column of news; moments with a zone are converted to UTC."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return cell_values(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        # with a zone the moments are stored in UTC, whatever the zone is called
        column = column.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [_decoded(value) for value in column.to_pylist()]
    return [storable(value) for value in column.to_pylist()]


def _decoded(value: bytes | None) -> Any:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def _json_rows(
    path: Path, most: int, given: str | None, columns: Mapping[str, str] | None = None
) -> Iterator[NewsRows]:
    with path.open("rb") as file:
        head = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        raise UnusableError("is empty", "export it again")
    encoding = encoding_of(path, given=given).name
    if path.suffix.lower() not in LINES_SUFFIXES and (records := _document(path, encoding, columns)) is not None:
        numbered = enumerate(records, 1)
        while chunk := list(itertools.islice(numbered, most)):
            yield _from_records(chunk)
        return
    with path.open(encoding=encoding, newline="\n") as file:
        lines = ((place, line) for place, line in enumerate(file, 1) if line.strip())
        while some := list(itertools.islice(lines, most)):
            yield _from_records([(place, _parse(line)) for place, line in some], dict(some))


def _from_records(numbered: Sequence[tuple[int, Any]], lines: Mapping[int, str] | None = None) -> NewsRows:
    sound = [(place, record) for place, record in numbered if isinstance(record, dict)]
    broken = [
        (place, shown((lines or {}).get(place, record)), "is not a JSON object")
        for place, record in numbered
        if not isinstance(record, dict)
    ]
    names = tuple(dict.fromkeys(str(name) for _, record in sound for name in record))
    cells = {name: [storable(record.get(name)) for _, record in sound] for name in names}
    return NewsRows(names, [place for place, _ in sound], cells, broken)


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _document(path: Path, encoding: str, columns: Mapping[str, str] | None) -> list[Any] | None:
    """The items of a JSON document: its list, or the list inside a service's answer; None for JSON lines."""
    try:
        value = json.loads(path.read_text(encoding=encoding))
    except (ValueError, RecursionError):
        return None

    def wanted(names: Sequence[str]) -> bool:
        return names_news(names, columns) and (columns or {}).get("text", names[0]) in names

    # in an object that maps numbers to items, `_list_of_news` returns less than all items; so take the longer result
    shapes = (_list_of_news(value, wanted, _DEEPEST_LIST), find_table(value, wanted, "published_at"))
    found = max((items for items in shapes if items), key=len, default=None)
    if found is None:
        names = described(value)
        raise UnusableError(
            f"is JSON without a table of bars or news{f' (its names: {names})' if names else ''}",
            "say which names are which: --columns date=…,open=…,high=…,low=…,close=… or text=…,published_at=…,symbol=…",
        )
    return found


def _list_of_news(value: Any, wanted: Wanted, depth: int) -> list[Any] | None:
    if isinstance(value, list):
        items = [item for item in value if isinstance(item, dict)]
        # Reddit's listings wrap each item: {"kind": "t3", "data": {…}}
        if items and all(set(item) == {"kind", "data"} and isinstance(item["data"], dict) for item in items):
            return [item["data"] for item in items]
        return value if any(wanted(list(map(str, item))) for item in items if item) else None
    if isinstance(value, dict) and depth:
        found = (_list_of_news(inner, wanted, depth - 1) for inner in value.values())
        return next((items for items in found if items is not None), None) or (
            [value] if value and wanted(list(map(str, value))) and not _holds_columns(value) else None
        )
    return None


def _holds_columns(value: Mapping[str, Any]) -> bool:
    """Whether the values are columns, each with a text for every row, and not the parts of one item."""
    return all(isinstance(part, (list, dict)) for part in value.values())
