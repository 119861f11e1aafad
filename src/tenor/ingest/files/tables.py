"""Files to Arrow tables: CSV with any delimiter and encoding, and Parquet. Cells stay as they are.

Exports name their columns in many ways; names are compared without case, spacing and punctuation.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from tenor.errors import UnusableError, one_line

TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
PARQUET_SUFFIXES = (".parquet", ".pq")
_SNIFFED = 1 << 16
_BLOCK = 1 << 23
# In order of preference: where a file has several, the first one counts. An "original open" stands beside an adjusted
# "open" in files whose high, low and close are unadjusted.
_ALIASES: dict[str, tuple[str, ...]] = {
    "session": ("date", "session", "day", "datetime", "timestamp", "index level 0"),
    "symbol": ("ticker", "symbol", "stock", "tic", "name"),
    "open": ("original open", "open", "open price"),
    "high": ("high", "high price"),
    "low": ("low", "low price"),
    "close": ("close", "close price"),
    "adj_close": ("adj close", "adjusted close", "close adj", "adjclose", "adj close price"),
    "volume": ("volume", "vol", "tick volume", "tickvol"),
    "period": ("per",),
}
_REQUIRED = ("session", "open", "high", "low", "close")


@dataclass(frozen=True)
class FileColumns:
    """Which column of a file holds what.

    Attributes
    ----------
    place
        From tenor's name (`session`, `symbol`, `open` …, and `period` for Stooq's) to the column's position.
    names
        The file's own names, by position.
    """

    place: dict[str, int]
    names: tuple[str, ...]

    def own_name(self, column: str) -> str:
        """The file's own name of `column`."""
        return self.names[self.place[column]]

    def notes(self) -> list[str]:
        """The assumptions made about the columns, in words."""
        notes = []
        if "adj_close" not in self.place:
            notes.append("no adjusted close: the close is used, so splits and dividends show as moves")
        if "volume" not in self.place:
            notes.append("no volume: it is taken as 0")
        for column in self.place:
            twins = [n for n in self.names if _plain(n) in _ALIASES[column] and n != self.own_name(column)]
            if twins:
                notes.append(f"{column.replace('_', ' ')} is read from {self.own_name(column)!r}, not {twins[0]!r}")
        return notes


@dataclass(frozen=True)
class RawTable:
    """The cells of one file.

    Attributes
    ----------
    columns
        Which column holds what.
    cells
        By tenor's name, Arrow columns of n rows.
    rows
        Where each row stands in the file, [n].
    ragged
        Line number and text of the rows whose number of columns differs from the header's.
    symbol
        The symbol in the file's own header; ``""`` in most files.
    """

    columns: FileColumns
    cells: dict[str, Any]
    rows: NDArray[np.int64]
    ragged: tuple[tuple[int, str], ...] = ()
    symbol: str = ""


def read_table(path: Path) -> RawTable:
    """Read `path`.

    Raises
    ------
    UnusableError
        It is empty, is neither text nor Parquet, or lacks a column.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_SNIFFED)
    except OSError as error:
        raise UnusableError(f"can't be read ({error.strerror})", "check the file and its rights") from error
    if not head.strip():
        raise UnusableError("is empty", "export it again")
    if head[:4] == b"PAR1" or path.suffix.lower() in PARQUET_SUFFIXES:
        return _read_parquet(path)
    return _read_text(path, head)


def _read_parquet(path: Path) -> RawTable:
    try:
        # an open file, not its path: Arrow would read folders named a=b above it as columns
        with path.open("rb") as file, pyarrow.parquet.ParquetFile(file) as parquet:
            names = parquet.schema_arrow.names
            columns = match_columns(names)
            wanted = {c: names[i] for c, i in columns.place.items()}
            table = parquet.read(columns=list(wanted.values()))
    except (pa.ArrowException, OSError) as error:
        raise UnusableError(f"is not a readable Parquet file ({_line(error)})", "export it again") from error
    if not len(table):
        raise UnusableError("has columns but no rows", "export it again")
    cells = {column: table[name] for column, name in wanted.items()}
    return RawTable(columns, cells, np.arange(1, len(table) + 1))


def _read_text(path: Path, head: bytes) -> RawTable:
    encoding = _encoding(head)
    lines = re.split(r"\r\n|\r|\n", head.decode(encoding, errors="replace").lstrip("\ufeff"))
    if "\x00" in lines[0]:
        raise UnusableError("is not text", "tenor reads CSV and Parquet")
    delimiter, names = _header(lines[0])
    symbol, header_lines = "", 1
    if names[0].strip() == "Price" and len(lines) > 2 and lines[1].startswith("Ticker"):
        # yfinance writes three header lines: fields, then tickers, then the index's name
        tickers = {t.strip() for t in lines[1].split(delimiter)[1:]}
        if len(tickers) != 1:
            raise UnusableError(
                f"has {len(tickers)} symbols side by side", "write one file per symbol, or one row per bar"
            )
        names, symbol, header_lines = ["Date", *names[1:]], tickers.pop(), 3
    columns = match_columns(names)
    table, ragged = _parse(path, encoding, delimiter, len(names), header_lines, columns)
    lines_of = np.arange(header_lines + 1, header_lines + 1 + len(table) + len(ragged))
    if ragged:
        lines_of = lines_of[~np.isin(lines_of, [line for line, _ in ragged])]
    if not len(table) and not ragged:
        raise UnusableError("has a header but no rows", "export it again")
    cells = {column: table[str(place)] for column, place in columns.place.items()}
    return RawTable(columns, cells, lines_of, tuple(ragged), symbol)


def _parse(
    path: Path, encoding: str, delimiter: str, width: int, header_lines: int, columns: FileColumns
) -> tuple[Any, list[tuple[int, str]]]:
    ragged: list[tuple[int, str]] = []

    def skip(row: Any) -> str:
        ragged.append((row.number, row.text))
        return "skip"

    wanted = [str(place) for place in columns.place.values()]
    while True:
        try:
            table = pyarrow.csv.read_csv(
                path,
                # line numbers are only known when a single thread reads
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
            return table, ragged
        except pa.ArrowInvalid as error:
            if "invalid UTF8" in str(error) and encoding == "utf-8":
                encoding = "latin-1"
                ragged.clear()
                continue
            if "Empty CSV" in str(error):
                raise UnusableError("has a header but no rows", "export it again") from error
            raise UnusableError(f"is not a readable CSV file ({_line(error)})", "export it again") from error
        except (OSError, UnicodeError) as error:
            raise UnusableError(f"can't be read ({_line(error)})", "check the file and its encoding") from error


def _encoding(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\x00" in head:
        raise UnusableError("is not text", "tenor reads CSV and Parquet")
    return "utf-8"


def _header(line: str) -> tuple[str, list[str]]:
    """The delimiter under which most columns are recognised, and the names."""
    split = {mark: next(csv.reader([line], delimiter=mark, skipinitialspace=True), [""]) for mark in ",;\t|"}
    best = max(split, key=lambda mark: (len(_guess_columns(split[mark]).place), len(split[mark])))
    return best, split[best] or [""]


def _line(error: Exception) -> str:
    return one_line(error, 160).rstrip(".")


def match_columns(names: Sequence[str]) -> FileColumns:
    """Find tenor's columns among `names`.

    Raises
    ------
    UnusableError
        One of date, open, high, low, close is missing; the message has the names there are.
    """
    columns = _guess_columns(names)
    missing = [c for c in _REQUIRED if c not in columns.place]
    if missing:
        wanted = ", ".join("date" if c == "session" else c for c in missing)
        shown = ", ".join(repr(n.strip()[:24]) for n in names[:12]) + (" …" if len(names) > 12 else "")
        raise UnusableError(
            f"has no column for {wanted} (its header: {shown})",
            "name the columns date, open, high, low, close and, where there are any, ticker, adj close, volume",
        )
    return columns


def _guess_columns(names: Sequence[str]) -> FileColumns:
    """As `match_columns`, but columns may be missing."""
    plain = [_plain(name) for name in names]
    place = {}
    for column, aliases in _ALIASES.items():
        for alias in aliases:
            if alias in plain:
                place[column] = plain.index(alias)
                break
    return FileColumns(place, tuple(names))


def _plain(name: str) -> str:
    """``"<Adj_Close>"``, ``"5. adjusted close"`` and ``"ADJ CLOSE"`` without their marks, in lower case."""
    name = re.sub(r"^\s*\d+\.\s*", "", name.casefold())
    return re.sub(r"[^a-z0-9]+", " ", name).strip()
