"""A finished table and the roles of its columns: date, symbol, target, split part and features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date as calendar_date
from typing import Any

import numpy as np
import pandas as pd

from tenor.errors import ConfigError, DataError, did_you_mean, one_line
from tenor.leakcheck.output import SESSION_NAMES, SYMBOL_NAMES, find_name
from tenor.schema import Bool, Float64

PRICE_NAMES = ("adj_close", "adjusted_close", "adjclose", "close")
SPLIT_NAMES = ("split", "part", "set", "is_train", "is_test", "train_test")
PUBLISHED_NAMES = ("published_at", "published")
_PARTS = {
    "train": ("train", "training", "tr"),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing", "te", "holdout", "oos"),
}


@dataclass(frozen=True)
class Dataset:
    """A table with the roles of its columns, its rows sorted by symbol and date.

    Attributes
    ----------
    frame
        The rows, index 0 .. n - 1.
    dates, symbols
        [row]; without a symbol column, all symbols are ``""``.
    features
        Names of the numeric input columns.
    target, price, published
        Names of the columns with these roles, or None.
    part
        [row]; ``train``, ``valid``, ``test`` or ``""`` (none of them); None if the parts are not known.
    left_out
        Names of the columns that are not numeric.
    """

    frame: pd.DataFrame
    dates: pd.DatetimeIndex
    symbols: pd.Series[Any]
    features: tuple[str, ...]
    target: str | None
    price: str | None
    published: str | None
    part: Any
    left_out: tuple[str, ...]

    def numbers(self, name: str) -> Float64:
        """A column as floats; values that are not finite become NaN."""
        values = self.frame[name].to_numpy(dtype="float64", na_value=np.nan)
        return np.where(np.isfinite(values), values, np.nan)

    def by_symbol(self) -> Iterator[tuple[str, slice]]:
        """Each symbol and the slice of its rows."""
        codes = pd.factorize(self.symbols)[0]
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(codes)], strict=True):
            yield str(self.symbols.iloc[start]), slice(int(start), int(stop))

    @property
    def train(self) -> Bool | None:
        """[row]; whether it is a training row; None if the training rows are not known."""
        return None if self.part is None else np.asarray(self.part == "train")

    def row(self, place: int) -> str:
        """The symbol and date of a row, for messages."""
        return f"{self.symbols.iloc[place]} {self.dates[place]:%Y-%m-%d}".strip()


def read_roles(
    frame: pd.DataFrame,
    *,
    target: str | None,
    date: str | None,
    symbol: str | None,
    features: Sequence[str] | None,
    split: str | None,
    train_end: pd.Timestamp | str | None,
    published_at: str | None,
    price: str | None,
) -> Dataset:
    """The table with the roles of its columns: a named column must exist, others are looked up under their usual names.

    Raises
    ------
    ConfigError
        A named column is missing (a similar one is suggested), or `train_end` is not a day within the table.
    DataError
        There is no date column, a date can't be read, a (symbol, date) appears twice, or there are no features.
    """
    if frame.empty:
        raise DataError("the table has no rows.")
    names = [str(c) for c in frame.columns]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise DataError(f"the table has two columns {twice!r}: rename one.")
    frame = frame.set_axis(names, axis=1)
    for requested in (target, date, symbol, split, published_at, price, *(features or ())):
        if requested is not None and requested not in names:
            hint = (
                did_you_mean(requested, names) or f" It has {', '.join(names[:12])}{' …' if len(names) > 12 else ''}."
            )
            raise ConfigError(f"the table has no column {requested!r}.{hint}")
    date = date or find_name(names, SESSION_NAMES)
    if date is None:
        raise DataError(f"the table has no date column among {', '.join(names[:12])}: name it with --date.")
    symbol = symbol or find_name(names, SYMBOL_NAMES)
    price = price or _numeric_name(frame, find_name([n for n in names if n != target], PRICE_NAMES))
    published = published_at or find_name(names, PUBLISHED_NAMES)
    dates = _dates(frame[date], date)
    symbols = frame[symbol].astype("str") if symbol else pd.Series("", index=frame.index, dtype="str")
    # by symbol, then date, then row number (the last key of lexsort counts most)
    order = np.lexsort([np.arange(len(frame)), dates.to_numpy(), pd.factorize(symbols, sort=True)[0]])
    frame, dates = frame.iloc[order].reset_index(drop=True), dates[order]
    symbols = symbols.iloc[order].reset_index(drop=True)
    _refuse_twice(dates, symbols, symbol, published)

    part = _part(frame, split or find_name(names, SPLIT_NAMES), explicit=split is not None)
    not_inputs = {date, symbol, target, published, None}
    if part is not None:
        not_inputs.add(split or find_name(names, SPLIT_NAMES))
    if part is None and train_end is not None:
        part = _part_by_date(dates, train_end)
    inputs = [n for n in names if n not in not_inputs] if features is None else [str(f) for f in features]
    numeric = tuple(n for n in inputs if _is_number(frame[n]))
    left_out = tuple(n for n in inputs if n not in numeric)
    if target is not None and not _is_number(frame[target]):
        raise DataError(f"the target {target!r} is not a number: code classes as 0 and 1.")
    if not numeric and target is None and published is None and part is None:
        raise DataError("the table has no numeric feature columns, and nothing else to check.")
    return Dataset(frame, dates, symbols, numeric, target, price, published, part, left_out)


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column.dtype))  # booleans count as numbers


def _numeric_name(frame: pd.DataFrame, name: str | None) -> str | None:
    """`name` if the column can be a price: numbers above zero."""
    if name is None or not _is_number(frame[name]) or not bool((frame[name].dropna() > 0).all()):
        return None
    return name


def _dates(column: pd.Series[Any], name: str) -> pd.DatetimeIndex:
    if pd.api.types.is_numeric_dtype(column.dtype):
        column = column.astype("str")  # 20150302
    try:
        dates = pd.to_datetime(column)
    except (ValueError, TypeError) as error:
        raise DataError(f"date column {name!r} can't be read: {one_line(error, 120)}.") from None
    if dates.isna().any():
        raise DataError(f"date column {name!r} is empty in {int(dates.isna().sum())} rows: drop or date them.")
    index = pd.DatetimeIndex(dates)
    return (index.tz_localize(None) if index.tz is not None else index).as_unit("us")


def _refuse_twice(dates: pd.DatetimeIndex, symbols: pd.Series[Any], symbol: str | None, published: str | None) -> None:
    twice = pd.MultiIndex.from_arrays([symbols, dates]).duplicated()
    if not twice.any() or published is not None:  # a table of news has many rows per session
        return
    at = int(np.flatnonzero(twice)[0])
    if symbol is None:
        raise DataError(f"{dates[at]:%Y-%m-%d} appears twice: name the column with the symbols with --symbol.")
    raise DataError(f"{symbols.iloc[at]} {dates[at]:%Y-%m-%d} appears twice: one row a symbol a date.")


def _part(frame: pd.DataFrame, name: str | None, *, explicit: bool) -> Any:
    """[row] of ``train``, ``valid``, ``test``, ``""``; None if a column found by its usual name has other values."""
    if name is None:
        return None
    column = frame[name]
    plain = column.astype("str").str.strip().str.lower()
    on = {"true", "1", "1.0"}
    if set(plain) <= on | {"false", "0", "0.0"} and ("train" in name.lower()) != ("test" in name.lower()):
        yes, no = ("train", "test") if "train" in name.lower() else ("test", "train")
        return np.where(plain.isin(on), yes, no).astype(object)
    part = np.full(len(frame), "", dtype=object)
    for label, known in _PARTS.items():
        part[plain.isin(known).to_numpy()] = label
    if not {"train", "test"} <= set(part) and not {"train", "valid"} <= set(part):
        if explicit:
            shown = ", ".join(map(repr, plain.unique()[:6]))
            raise DataError(f"split column {name!r} holds {shown}: it takes train, valid and test.")
        return None
    return part


def _part_by_date(dates: pd.DatetimeIndex, train_end: pd.Timestamp | str) -> Any:
    try:
        end = pd.Timestamp(calendar_date.fromisoformat(train_end) if isinstance(train_end, str) else train_end)
    except ValueError:
        raise ConfigError(f"--train-end is {train_end!r}; write a day as YYYY-MM-DD.") from None
    if not dates.min() <= end < dates.max():
        raise ConfigError(f"--train-end {end:%Y-%m-%d} lies outside {dates.min():%Y-%m-%d} … {dates.max():%Y-%m-%d}.")
    return np.where(dates.normalize() <= end, "train", "test").astype(object)
