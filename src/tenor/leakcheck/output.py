"""Reads the output of a feature function in any accepted form into one array [session, symbol, column]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenor.errors import DataError
from tenor.schema import Bool, Float64, Panel

SESSION_NAMES = ("session", "date", "day", "datetime", "timestamp")
SYMBOL_NAMES = ("symbol", "ticker", "stock", "tic")
ROUNDING = {4: 1e-6, 8: 1e-9}
"""By size of the float in bytes: a difference below this share of the column's largest value counts as rounding."""

_FORMS = (
    "return a DataFrame with columns symbol and session, or indexed by them, or one row (of a frame, series or array) "
    "for each row of the frame that it was given, in that order"
)


@dataclass(frozen=True)
class OutputAxes:
    """The sessions and symbols on which outputs are compared."""

    sessions: pd.DatetimeIndex
    symbols: pd.Index[Any]


@dataclass(frozen=True)
class LongOutput:
    """An output in long form: one row per (symbol, session).

    Attributes
    ----------
    symbols, sessions
        [row]; keys of the rows.
    names
        Names of the columns.
    values
        [row, column]; the values.
    rounding
        [column]; relative tolerance, see `ROUNDING`.
    """

    symbols: pd.Index[Any]
    sessions: pd.DatetimeIndex
    names: tuple[str, ...]
    values: Float64
    rounding: Float64


@dataclass(frozen=True)
class GridOutput:
    """An output on the sessions and symbols of `OutputAxes`.

    Attributes
    ----------
    names
        Names of the columns.
    values
        [session, symbol, column]; NaN if there is no value.
    rounding
        [column]; relative tolerance, see `ROUNDING`.
    """

    names: tuple[str, ...]
    values: Float64
    rounding: Float64


def read_output(output: Any, frame: pd.DataFrame) -> LongOutput:
    """Read the `output` of a feature function called with `frame` (columns symbol and session, index 0 .. n - 1).

    Raises
    ------
    DataError
        The form is not an accepted one, there are no columns, or a (symbol, session) appears twice.
    """
    if isinstance(output, Panel):
        return _from_panel(output)
    if isinstance(output, pd.Series):
        output = output.to_frame(str(output.name) if output.name is not None else "feature")
    if isinstance(output, np.ndarray):
        output = _from_array(output, frame)
    if not isinstance(output, pd.DataFrame):
        raise DataError(f"the function returned {type(output).__name__}: {_FORMS}.")
    symbols, sessions, values = _keys(output, frame)
    if not len(values.columns):
        raise DataError(f"the function returned no feature columns: {_FORMS}.")
    days = pd.DatetimeIndex(pd.to_datetime(sessions)).tz_localize(None).as_unit("us")
    names = pd.Index(np.asarray(symbols, dtype=object)).astype("str")
    twice = pd.MultiIndex.from_arrays([names, days]).duplicated()
    if twice.any():
        at = int(np.flatnonzero(twice)[0])
        raise DataError(f"the function returned {names[at]} {days[at]:%Y-%m-%d} twice: one row a symbol a session.")
    columns = [_numbers(values.iloc[:, i]) for i in range(values.shape[1])]
    rounding = [ROUNDING[4 if dtype in (np.float32, np.float16) else 8] for dtype in values.dtypes]
    return LongOutput(names, days, tuple(map(str, values.columns)), np.column_stack(columns), np.array(rounding))


def on_axes(long: LongOutput, axes: OutputAxes, names: Sequence[str] | None = None) -> GridOutput:
    """`long` on `axes`; rows outside of them are dropped; a column of `names` that is missing is all NaN."""
    wanted = tuple(long.names if names is None else names)
    rows, columns = axes.sessions.get_indexer(long.sessions), axes.symbols.get_indexer(long.symbols)
    inside = (rows >= 0) & (columns >= 0)
    values = np.full((len(axes.sessions), len(axes.symbols), len(wanted)), np.nan)
    rounding = np.full(len(wanted), ROUNDING[8])
    for i, name in enumerate(wanted):
        if name in long.names:
            place = long.names.index(name)
            values[rows[inside], columns[inside], i] = long.values[inside, place]
            rounding[i] = long.rounding[place]
    return GridOutput(wanted, values, rounding)


def changed_cells(before: GridOutput, after: GridOutput, *, exact: bool = False) -> tuple[Bool, Float64]:
    """Which cells differ by more than rounding, and by how much (infinite if only one side has a number).

    Parameters
    ----------
    before, after
        Two outputs with the same axes and columns.
    exact
        Whether differences within rounding also count.

    Returns
    -------
    tuple[Bool, Float64]
        Both [session, symbol, column].
    """
    old, new = before.values, after.values
    with np.errstate(invalid="ignore"):
        gap = np.abs(old - new)
    one_missing = np.isnan(old) != np.isnan(new)
    same = (np.isnan(old) & np.isnan(new)) | (old == new)
    gap = np.where(same, 0.0, np.where(one_missing | ~np.isfinite(gap), np.inf, gap))
    if exact:
        return gap > 0, gap
    finite = np.where(np.isfinite(old), np.abs(old), 0.0)
    largest = finite.max(axis=(0, 1)) if finite.size else np.zeros(len(before.names))
    return gap > largest * before.rounding, gap


def find_name(names: Sequence[Any], known: Sequence[str]) -> Any | None:
    """The first of `names` that is in `known`, ignoring case and reading spaces as underscores; None if none is."""
    plain = {str(name).strip().lower().replace(" ", "_"): name for name in reversed(names)}
    return next((plain[name] for name in known if name in plain), None)


def _from_panel(panel: Panel) -> LongOutput:
    """The features and the volatility of a panel; its targets look ahead by design and are left out."""
    sessions, symbols = panel.sessions, pd.Index(panel.symbols).astype("str")
    shape = (len(sessions) * len(symbols), -1)
    values = np.where(panel.mask[:, :, None], panel.values, np.nan).reshape(shape).astype("float64")
    volatility = panel.volatility.reshape(shape).astype("float64")
    return LongOutput(
        pd.Index(np.tile(symbols.to_numpy(), len(sessions))),
        sessions.repeat(len(symbols)),
        (*panel.features, "(volatility)"),
        np.hstack([values, volatility]),
        np.full(len(panel.features) + 1, ROUNDING[4]),
    )


def _from_array(output: Any, frame: pd.DataFrame) -> pd.DataFrame:
    array = output[:, None] if output.ndim == 1 else output
    if array.ndim != 2 or len(array) != len(frame):
        raise DataError(f"the function returned an array of shape {output.shape} for {len(frame)} rows: {_FORMS}.")
    return pd.DataFrame(array, columns=[f"column {i}" for i in range(array.shape[1])], index=frame.index)


def _keys(output: pd.DataFrame, frame: pd.DataFrame) -> tuple[Any, Any, pd.DataFrame]:
    """Symbols, sessions and the remaining columns of `output`."""
    index = output.index
    if isinstance(index, pd.MultiIndex) and index.nlevels == 2:
        dated = [pd.api.types.is_datetime64_any_dtype(level.dtype) for level in index.levels]
        if dated.count(True) == 1:
            day = dated.index(True)
            return index.get_level_values(1 - day), index.get_level_values(day), output
    names = list(output.columns)
    session, symbol = find_name(names, SESSION_NAMES), find_name(names, SYMBOL_NAMES)
    if session is not None and symbol is not None:
        return output[symbol], output[session], output.drop(columns=[session, symbol])
    if isinstance(index, pd.DatetimeIndex):
        if symbol is not None:
            return output[symbol], index, output.drop(columns=symbol)
        if set(map(str, names)) <= set(frame["symbol"]):  # one column per symbol
            wide = output.rename_axis(index="session", columns=None).reset_index()
            tall = wide.melt("session", var_name="symbol", value_name="feature")
            return tall["symbol"], tall["session"], tall[["feature"]]
        if (frame["symbol"] == frame["symbol"].iloc[0]).all():
            return np.full(len(output), frame["symbol"].iloc[0], dtype=object), index, output
    if index.is_unique and index.isin(frame.index).all():
        rows = frame.loc[index]
        return rows["symbol"], rows["session"], output.drop(columns=[c for c in (session, symbol) if c is not None])
    raise DataError(f"the function returned a frame of {len(output)} rows that can't be placed: {_FORMS}.")


def _numbers(column: pd.Series[Any]) -> Float64:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return np.where(column.isna(), np.nan, column.astype("int64").astype("float64"))
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype="float64", na_value=np.nan)
    # texts and categories: a changed text must give a changed number
    hashed = pd.util.hash_array(column.astype("str").to_numpy(dtype=object)) % (1 << 50)
    return np.where(column.isna(), np.nan, hashed.astype("float64"))
