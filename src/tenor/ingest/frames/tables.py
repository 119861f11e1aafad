"""Any table in memory as named Arrow columns: pandas with its index, polars and others by Arrow's C stream."""

from __future__ import annotations

import datetime as dt
import decimal
import numbers
import os
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tenor.errors import ColumnError, FrameError, UnusableError, one_line
from tenor.ingest.files.layouts import ALIASES, plain_name
from tenor.ingest.files.tables import require_simple, text_of
from tenor.symbols import clean_symbol

Label = Hashable
_DATE = "date"
_SYMBOL = "symbol"
_KNOWN = ("known since", "known at", "available from")
_MIXED_ZONES = "has no time zone, and other rows have one"
_CELLS: tuple[type[Any], ...] = (str, bytes, numbers.Real, decimal.Decimal, dt.date, dt.time, dt.timedelta, np.generic)
_CELLS += (list, tuple, dict, set, frozenset, np.ndarray)
"""Types that Arrow converts to columns or that are refused by name; other objects are not values."""


@dataclass(frozen=True)
class FrameTable:
    """A table in memory.

    Attributes
    ----------
    labels
        The names of its columns as the frame has them: texts, or the tuples of a pandas MultiIndex.
    index
        How many of the first columns are levels of the index.
    rows
        How many rows it has.
    to_pandas
        What is written before a line of pandas, so that it works on the frame; empty for a DataFrame.
    """

    labels: tuple[Label, ...]
    index: int
    rows: int
    to_pandas: str
    _column: Callable[[int], Any]
    _objects: frozenset[int] = frozenset()

    def column(self, place: int, *, lists: bool = False) -> Any:
        """The column at `place`, as an Arrow column; with `lists`, a cell may hold several values.

        Raises
        ------
        ColumnError
            Its cells are not single values.
        """
        column = self._column(place)
        if not isinstance(column, pa.ChunkedArray):
            column = pa.chunked_array([column])
        if pa.types.is_float16(column.type):
            column = column.cast(pa.float32())
        try:
            if not (lists and pa.types.is_nested(column.type)):
                require_simple({self.name(place): column.type})
            return text_of(self.name(place), column)
        except UnusableError as error:
            first = next((i for i, value in enumerate(column) if value.is_valid), 0)
            raise ColumnError(error.why, _single(column.type), row=first, column=self.name(place)) from None

    def is_object(self, place: int) -> bool:
        """Whether pandas holds the column at `place` as objects or texts, and not as numbers or times."""
        return place in self._objects

    def name(self, place: int) -> str:
        """The name of the column at `place`, as one text."""
        return _name(self.labels[place])


def _name(label: Label) -> str:
    if isinstance(label, tuple):
        return " ".join(str(part) for part in label if str(part))
    return str(label)


def table_of(frame: Any, what: str = "bars") -> FrameTable:
    """`frame` as columns.

    Parameters
    ----------
    frame
        A pandas DataFrame or Series, or a table with Arrow's C stream interface: polars, Arrow, DuckDB.
    what
        The name of the frame in messages.

    Raises
    ------
    FrameError
        It is not a table, has no rows, or has two columns with the same name.
    """
    if isinstance(frame, pd.Series):
        table = _of_series(frame, what)
    elif isinstance(frame, pd.DataFrame):
        table = _of_pandas(frame, what)
    elif hasattr(frame, "__arrow_c_stream__") or isinstance(frame, pa.RecordBatch):
        table = _of_arrow(frame, what)
    else:
        raise FrameError(f"{what} is {_kind(frame)}, not a table", _mend_type(frame, what))
    if not table.rows:
        shown = ", ".join(repr(table.name(i)) for i in range(len(table.labels))) or "none"
        raise FrameError(f"{what}: the frame has no rows (its columns: {shown[:200]}): check what it was read from")
    return table


def plain_frame(frame: Any, what: str) -> pd.DataFrame:
    """`frame` as a pandas DataFrame with a plain index; dates and symbols in the index become columns.

    Raises
    ------
    FrameError
        It is not a table, has no rows, or has two columns with the same name.
    """
    if isinstance(frame, pd.Series):
        frame = frame.to_frame(frame.name if isinstance(frame.name, str) else "value")
    table_of(frame, what)  # raises if it is not a table
    if not isinstance(frame, pd.DataFrame):
        arrow = pa.Table.from_batches([frame]) if isinstance(frame, pa.RecordBatch) else pa.table(frame)
        made: pd.DataFrame = arrow.to_pandas()
        return made
    columns = frame.reset_index(drop=True)
    levels = {}
    for label, values in _levels(frame):
        name = "session" if plain_name(str(label)) in ALIASES["session"] else str(label)
        if name not in columns and label not in columns:
            levels[name] = values
    return columns.assign(**levels) if levels else columns


def unreadable(table: FrameTable, error: ColumnError, what: str) -> FrameError:
    """The error for a frame with a column that can't be read, with the line that repairs it."""
    place = next(i for i in range(len(table.labels)) if table.name(i) == error.column)
    value = f" is {error.value!r}, which" if error.value else ""
    if repr(error.column) in error.why:
        why = f"{what}, row {error.row}: the frame {error.why}; a cell must hold one value"
    else:
        why = f"{what}, row {error.row}: {error.column!r}{value} {error.why}"
    if place < table.index:
        cells, line = "df.index", f"df.index = {error.mend}" if error.mend else "df = df.reset_index(drop=True)"
    else:
        cells = f"df[{table.labels[place]!r}]"
        line = f"{cells} = {error.mend}" if error.mend else f"df = df.drop(columns={table.labels[place]!r})"
    return FrameError(why, table.to_pandas + line.replace("CELLS", cells))


def without_rows(table: FrameTable, rows: Sequence[int]) -> str:
    """The line that drops `rows`, by place, since labels of the index may be repeated."""
    return f"{table.to_pandas}df = df[[row not in {sorted(set(rows))} for row in range(len(df))]]"


def _single(kind: Any) -> str:
    """Code that converts a column of Arrow's type `kind` to single values; empty if there is none."""
    if pa.types.is_struct(kind):
        return f"CELLS.str.get({kind.field(0).name!r})" if kind.num_fields else ""
    if pa.types.is_nested(kind):
        return "CELLS.str[0]"
    if pa.types.is_duration(kind):
        return "CELLS.dt.total_seconds()"
    if pa.types.is_boolean(kind):
        return ""
    return 'CELLS.str.decode("latin-1")'


def _of_series(series: pd.Series[Any], what: str) -> FrameTable:
    """A single column, whose name may be that of a price or a symbol."""
    name = series.name
    holds = isinstance(name, str) and plain_name(name) in ALIASES["close"]
    table = _of_pandas(series.to_frame(name if holds else "close"), what)
    whose = "" if holds or series.index.nlevels > 1 or not isinstance(name, str) or not clean_symbol(name) else name
    made = f"df.to_frame({name if holds else 'close'!r})" + (f".assign(symbol={whose!r})" if whose else "")
    return replace(table, to_pandas=f"df = {made}; ")


def _of_pandas(frame: pd.DataFrame, what: str) -> FrameTable:
    twice = [label for label, count in Counter(frame.columns).items() if count > 1]
    if twice:
        mend = "df = df.loc[:, ~df.columns.duplicated()]"
        raise FrameError(f"{what}: two columns are called {twice[0]!r}", mend)
    levels = _levels(frame)
    columns = [column for _, column in levels]
    labels = (*(label for label, _ in levels), *frame.columns)

    def column(place: int) -> Any:
        series = columns[place] if place < len(columns) else frame.iloc[:, place - len(columns)]
        return _arrow(series, labels[place])

    types = [*(series.dtype for series in columns), *frame.dtypes]
    objects = frozenset(
        i for i, kind in enumerate(types) if pd.api.types.is_string_dtype(kind) or pd.api.types.is_object_dtype(kind)
    )
    return FrameTable(labels, len(levels), len(frame), "", column, objects)


def _levels(frame: pd.DataFrame) -> list[tuple[Label, pd.Series[Any]]]:
    """The levels of the index that hold dates or other information, each with its name or a name for what it holds."""
    index = frame.index
    if isinstance(index, pd.RangeIndex) and index.name is None:
        return []
    plain = {plain_name(str(label)) for label in frame.columns}
    levels: list[tuple[Label, pd.Series[Any]]] = []
    for level in range(index.nlevels):
        values = index.get_level_values(level)
        name = index.names[level]
        series = pd.Series(values, index=range(len(values)), dtype=values.dtype)  # pandas 2 would guess another
        if isinstance(values, (pd.DatetimeIndex, pd.PeriodIndex)):
            known = name is not None and plain_name(str(name)) in (*ALIASES["session"], *_KNOWN)
            levels.append((name if known else _DATE, series))
        elif name is not None:
            levels.append((name, series))
        elif not pd.api.types.is_numeric_dtype(values.dtype):
            alone = index.nlevels == 1
            name = _DATE if alone or _are_dates(series) else _SYMBOL
            if not (alone and plain & set(ALIASES["session"])):
                levels.append((name, series))
    return levels


def _are_dates(series: pd.Series[Any]) -> bool:
    first = next((value for value in series if value is not None), None)
    return isinstance(first, dt.date)


def _arrow(series: pd.Series[Any], label: Label) -> Any:
    """A pandas column as an Arrow array; texts if its cells are of several types."""
    if isinstance(series.dtype, pd.PeriodDtype):
        series = series.dt.to_timestamp()
    if series.dtype == object:
        present = [value for value in series if not _is_missing(value)]
        moments = [value for value in present if isinstance(value, dt.datetime)]
        zoned = sum(value.tzinfo is not None for value in moments)
        if zoned and zoned == len(present):  # several offsets, for example in summer and winter
            series = pd.to_datetime(series, utc=True)
        elif zoned and zoned < len(moments):
            first = next(i for i, v in enumerate(series) if isinstance(v, dt.datetime) and v.tzinfo is None)
            value = str(series.iloc[first])
            raise ColumnError(
                _MIXED_ZONES, "pd.to_datetime(CELLS, utc=True)", row=first, column=_name(label), value=value
            )
        odd = next((i for i, v in enumerate(series) if not (_is_missing(v) or isinstance(v, _CELLS))), None)
        if odd is not None:
            value = series.iloc[odd]
            why = f"is {_kind(value)}, not a single number, text or date"
            raise ColumnError(why, 'pd.to_numeric(CELLS, errors="coerce")', row=odd, column=_name(label))
    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):  # cells of several types
        return pa.array([None if _is_missing(value) else str(value) for value in series], pa.string())


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value)


def _of_arrow(frame: Any, what: str) -> FrameTable:
    try:
        table = pa.Table.from_batches([frame]) if isinstance(frame, pa.RecordBatch) else pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        why = f"{what} is {_kind(frame)}, which can't be read as an Arrow table ({one_line(error, 100)})"
        raise FrameError(why, "df = df.to_pandas()") from error
    twice = [name for name, count in Counter(table.column_names).items() if count > 1]
    if twice:
        mend = f"df = df.rename_columns({[f'{n} {i}' if n in twice else n for i, n in enumerate(table.column_names)]})"
        raise FrameError(f"{what}: two columns are called {twice[0]!r}", mend)
    own = "df.to_pandas()" if hasattr(frame, "to_pandas") else "pa.table(df).to_pandas()"
    return FrameTable(tuple(table.column_names), 0, len(table), f"df = {own}; ", table.column)


def _kind(frame: Any) -> str:
    if isinstance(frame, str):
        return f"the text {frame[:60]!r}"
    if frame is None:
        return "None"
    name = {"ndarray": "array"}.get(type(frame).__name__, type(frame).__name__)
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _mend_type(frame: Any, what: str) -> str:
    if isinstance(frame, (str, os.PathLike)) and os.fspath(frame).lower().endswith((".parquet", ".pq")):
        return f"df = pd.read_parquet({os.fspath(frame)!r})"
    if isinstance(frame, (str, os.PathLike)):
        path = os.fspath(frame)
        if path.startswith("s3://") or Path(path).is_dir():
            return f"df = tenor.Lake({path!r}).bars()"
        return f"df = pd.read_csv({path!r})"
    for collect in ("collect", "to_pandas", "toPandas", "compute"):  # lazy tables of polars, DuckDB, Spark, Dask
        if callable(getattr(frame, collect, None)):
            return f"df = df.{collect}()"
    if isinstance(frame, np.ndarray) and frame.ndim == 2 and frame.shape[1] == 6:
        return 'df = pd.DataFrame(df, columns=["date", "open", "high", "low", "close", "volume"])'
    if isinstance(frame, np.ndarray):
        return 'df = pd.DataFrame({"date": dates, "close": df}).assign(symbol="AAPL")'
    if frame is None:
        return "df = tenor.embedded_bars()" if what == "bars" else ""
    if np.isscalar(frame):
        return ""
    if isinstance(frame, Mapping) and frame and all(isinstance(own, pd.DataFrame) for own in frame.values()):
        return "df = pd.concat([own.assign(symbol=symbol) for symbol, own in df.items()])"
    return "df = pd.DataFrame(df)"
