"""Rows that an import refused, with their line, the reason and the remedy. One row of a frame is one refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from tenor.errors import UnusableError

RefusalKind = Literal[
    "file",  # nothing in the file can be used
    "row",  # its number of columns differs from that of the header
    "date",
    "symbol",
    "empty",  # a row without prices
    "number",
    "nonpositive",
    "high_below_low",
    "unfinished",  # a session that is not over yet
    "off_calendar",  # a day on which the exchange was closed
    "repeat",  # the same bar again
    "conflict",  # a different bar for a day that already has one
    "news",
    "event",
]
REFUSAL_KINDS: tuple[str, ...] = get_args(RefusalKind)


@dataclass(frozen=True)
class Refusal:
    """One row of one file that can't be used.

    Attributes
    ----------
    file
        The path of the file.
    row
        The line in the file (the header is line 1; in Parquet the first row is row 1); 0 for the whole file.
    symbol
        Symbol of the row; ``""`` if it is unknown.
    session
        Session of the row; NaT if it is unknown.
    column
        The file's own name of the wrong column; ``""`` if no single cell is wrong.
    value
        The cell as it is in the file; ``""`` if no single cell is wrong.
    kind
        One of `REFUSAL_KINDS`.
    why
        The reason, in words.
    remedy
        What to do about it, in words.
    """

    file: str
    row: int
    symbol: str
    session: pd.Timestamp
    column: str
    value: str
    kind: str
    why: str
    remedy: str

    def describe(self) -> str:
        """One line: file, row, column, value, why and remedy."""
        row = f" row {self.row}" if self.row else ""
        cell = f" {self.column} {self.value!r}" if self.column else ""
        return f"{self.file}{row}{':' if row or cell else ''}{cell} {self.why}: {self.remedy}."


REFUSAL_COLUMNS = tuple(field.name for field in fields(Refusal))


def no_refusals() -> pd.DataFrame:
    """A frame of `REFUSAL_COLUMNS` without rows."""
    return refusal_frame(file="", row=[], kind="file", why="", remedy="")


def refusal_frame(
    *,
    file: str,
    row: Any,
    kind: RefusalKind,
    why: Any,
    remedy: str,
    column: str = "",
    value: Any = "",
    symbol: Any = "",
    session: Any = None,
) -> pd.DataFrame:
    """Refusals of one kind. Each argument is an array as long as `row`, or a scalar that holds for all rows."""
    count = len(row)
    dates = np.full(count, np.datetime64("NaT"), "datetime64[us]") if session is None else session
    return pd.DataFrame(
        {
            "file": pd.Series([file] * count, dtype="str"),
            "row": np.asarray(row, dtype="int64"),
            "symbol": _text(symbol, count),
            "session": np.asarray(dates).astype("datetime64[us]"),
            "column": pd.Series([column] * count, dtype="str"),
            "value": _text(value, count),
            "kind": pd.Series([kind] * count, dtype="str"),
            "why": _text(why, count),
            "remedy": pd.Series([remedy] * count, dtype="str"),
        },
        columns=list(REFUSAL_COLUMNS),
    )


def file_refusal(path: Path, error: UnusableError) -> pd.DataFrame:
    """The refusal of a whole file, with the row, column and cell that show why, if there are any."""
    return refusal_frame(
        file=str(path),
        row=[error.row],
        kind="file",
        column=error.column,
        value=error.value,
        why=error.why,
        remedy=error.remedy,
    )


def join_refusals(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """`frames` of refusals as one, in order of file and row."""
    if not frames:
        return no_refusals()
    return pd.concat(frames, ignore_index=True).sort_values(["file", "row"], kind="stable", ignore_index=True)


def refusals_of(frame: pd.DataFrame) -> list[Refusal]:
    """The rows of `frame` as `Refusal`."""
    return [Refusal(*row) for row in frame.loc[:, list(REFUSAL_COLUMNS)].itertuples(index=False, name=None)]


def _text(value: Any, count: int) -> pd.Series[Any]:
    values = [value] * count if isinstance(value, str) else list(value)
    return pd.Series(values, dtype="str")
