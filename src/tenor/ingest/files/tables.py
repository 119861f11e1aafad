"""Files to Arrow tables: CSV and its kin with any delimiter and encoding, and Parquet. Cells stay as they are."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from tenor.errors import UnusableError, one_line
from tenor.ingest.files.columns import Columns, guess, match

TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
PARQUET_SUFFIXES = (".parquet", ".pq")
_SNIFFED = 1 << 16
_BLOCK = 1 << 23


@dataclass(frozen=True)
class RawTable:
    """The cells of one file.

    Attributes
    ----------
    columns
        Which is which.
    cells
        By tenor's name, Arrow columns of n rows.
    rows
        Where each row stands in the file, [n].
    ragged
        Line and text of the rows that have another number of columns than the header.
    symbol
        The symbol that the file says it is about, in its own header; ``""`` mostly.
    """

    columns: Columns
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
        # bytes, not the path: Arrow would take folders named a=b above it for columns
        with path.open("rb") as file, pyarrow.parquet.ParquetFile(file) as parquet:
            names = parquet.schema_arrow.names
            columns = match(names)
            wanted = {c: names[i] for c, i in columns.place.items()}
            table = parquet.read(columns=list(wanted.values()))
    except (pa.ArrowException, OSError) as error:
        raise UnusableError(f"is no Parquet that can be read ({_line(error)})", "export it again") from error
    if not len(table):
        raise UnusableError("has columns but no rows", "export it again")
    cells = {column: table[name] for column, name in wanted.items()}
    return RawTable(columns, cells, np.arange(1, len(table) + 1))


def _read_text(path: Path, head: bytes) -> RawTable:
    encoding = _encoding(head)
    lines = re.split(r"\r\n|\r|\n", head.decode(encoding, errors="replace").lstrip("\ufeff"))
    if "\x00" in lines[0]:
        raise UnusableError("is no text", "tenor reads CSV and Parquet")
    delimiter, names = _header(lines[0])
    symbol, header_lines = "", 1
    if names[0].strip() == "Price" and len(lines) > 2 and lines[1].startswith("Ticker"):
        # yfinance writes three header lines: fields, then tickers, then the index's name
        tickers = {t.strip() for t in lines[1].split(delimiter)[1:]}
        if len(tickers) != 1:
            raise UnusableError(f"has {len(tickers)} symbols side by side", "write one file a symbol, or one row a bar")
        names, symbol, header_lines = ["Date", *names[1:]], tickers.pop(), 3
    columns = match(names)
    table, ragged = _parse(path, encoding, delimiter, len(names), header_lines, columns)
    lines_of = np.arange(header_lines + 1, header_lines + 1 + len(table) + len(ragged))
    if ragged:
        lines_of = lines_of[~np.isin(lines_of, [line for line, _ in ragged])]
    if not len(table) and not ragged:
        raise UnusableError("has a header but no rows", "export it again")
    cells = {column: table[str(place)] for column, place in columns.place.items()}
    return RawTable(columns, cells, lines_of, tuple(ragged), symbol)


def _parse(
    path: Path, encoding: str, delimiter: str, width: int, header_lines: int, columns: Columns
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
                # line numbers are known to one thread alone
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
            raise UnusableError(f"is no CSV that can be read ({_line(error)})", "export it again") from error
        except (OSError, UnicodeError) as error:
            raise UnusableError(f"can't be read ({_line(error)})", "check the file and its encoding") from error


def _encoding(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\x00" in head:
        raise UnusableError("is no text", "tenor reads CSV and Parquet")
    return "utf-8"


def _header(line: str) -> tuple[str, list[str]]:
    """The delimiter under which most columns make sense, and the names."""
    split = {mark: next(csv.reader([line], delimiter=mark, skipinitialspace=True), [""]) for mark in ",;\t|"}
    best = max(split, key=lambda mark: (len(guess(split[mark]).place), len(split[mark])))
    return best, split[best] or [""]


def _line(error: Exception) -> str:
    return one_line(error, 160).rstrip(".")
