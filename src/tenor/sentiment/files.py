"""Texts from people's own files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tenor.errors import DataError


def read_texts(path: Path) -> list[str]:
    """The column ``text`` of a CSV or Parquet file, in the file's order; a missing text is an empty one.

    Raises
    ------
    DataError
        The file is missing, is neither, or has no such column.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, dtype="str", keep_default_na=False)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file: check the path.") from None
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: is no CSV or Parquet file that can be read ({error}).") from None
    columns = {str(column).strip().lower(): column for column in frame.columns}
    if "text" not in columns:
        found = ", ".join(map(repr, frame.columns)) or "none"
        raise DataError(f"{path}: no column 'text'; it has {found}: name the column with the texts so.")
    return [text if isinstance(text, str) else "" for text in frame[columns["text"]]]
