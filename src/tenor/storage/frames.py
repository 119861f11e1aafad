"""Read a table from a CSV or Parquet file without changes."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pyarrow as pa

from tenor.errors import DataError, did_you_mean, one_line

FRAME_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
_PARQUET = (".parquet", ".pq")


def read_frame(path: Path) -> pd.DataFrame:
    """The table in a CSV or Parquet file, with its own columns.

    Raises
    ------
    DataError
        There is no such file, or it is neither CSV nor Parquet.
    """
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise DataError(f"no file {str(path)!r}.{near}")
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if not magic.strip():
            raise DataError(f"{str(path)!r} is empty.")
        if magic == b"PAR1" or path.suffix.lower() in _PARQUET:
            frame = pd.read_parquet(path)
            named = [name for name in frame.index.names if name is not None]
            return frame.reset_index() if named else frame
        # separators other than commas are detected; NA is a symbol, not a missing value
        return pd.read_csv(path, sep=None, engine="python", keep_default_na=False, na_values=["", "nan", "NaN", "null"])
    except pd.errors.EmptyDataError:
        raise DataError(f"{str(path)!r} is empty.") from None
    except (ValueError, OSError, pa.ArrowException, pd.errors.ParserError, csv.Error) as error:
        text = one_line(error, 160).rstrip(".")
        raise DataError(f"{str(path)!r} can't be read as CSV or Parquet: {text}.") from None
