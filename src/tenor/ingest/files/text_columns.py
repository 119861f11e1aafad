"""Read the texts in one column of a user's file, to score their sentiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tenor.errors import DataError, UnusableError
from tenor.ingest.files.column_names import shown_header
from tenor.ingest.files.news_cells import read_text
from tenor.ingest.files.news_columns import guess_news_columns, plain_name
from tenor.ingest.files.news_tables import read_rows
from tenor.ingest.files.text_files import known_encoding


def read_texts(path: Path, column: str | None = None, encoding: str | None = None) -> list[str]:
    """Read the texts in `path`, in the order of the file; a missing text becomes an empty one.

    Parameters
    ----------
    path
        Delimited text in any encoding, JSON lines, JSON or Parquet.
    column
        The name of the column; by default the one that `tenor data import` would read, ``text`` first.
    encoding
        Python's name of the encoding of a file that is neither UTF-8 nor UTF-16; by default Windows-1252, if possible.

    Raises
    ------
    ConfigError
        There is no such encoding.
    DataError
        The file is missing or can't be read, has no such column, or a row has another number of columns.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file: check the path.")
    texts: list[str] = []
    codec = None if encoding is None else known_encoding(encoding)
    try:
        for rows, _ in read_rows(path, {"text": column} if column else None, codec):
            name = _column(rows.names, column)
            if rows.broken:
                place, shown, why = rows.broken[0]
                raise UnusableError(f"row {place}: {shown!r} {why}", "correct the row")
            texts += map(_text, rows.cells.get(name, []))
    except UnusableError as error:
        raise DataError(f"{path} {error}") from None
    return texts


def _column(names: tuple[str, ...], wanted: str | None) -> str:
    if wanted is None:
        place = guess_news_columns(names).place
        if "text" not in place:
            raise UnusableError(f"has no column of texts (its header: {shown_header(names)})", "name it with --column")
        return names[place["text"]]
    for same in (str, str.strip, plain_name):
        found = [name for name in names if same(name) == same(wanted)]
        if found and same(wanted):
            return found[0]
    raise UnusableError(f"has no column {wanted!r} (its header: {shown_header(names)})", "correct --column")


def _text(cell: Any) -> str:
    return read_text(str(cell) if isinstance(cell, (int, float)) and cell == cell else cell)[0]
