"""Own features by functions: how they are declared, run on each symbol's bars, and checked."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, overload

import numpy as np
import pandas as pd

from tenor.errors import ConfigError, DataError, one_line
from tenor.schema import Float64
from tenor.user_code import Source, source_of

Function = TypeVar("Function", bound=Callable[..., Any])

COLUMNS = ("open", "high", "low", "close", "volume")
"""Columns of the frame that a function gets."""
SLOWEST = 5.0
"""The most seconds for 1,000 bars of one symbol; a slower function is refused."""
_FORMS = "return a Series, DataFrame or array with one row for each row of the frame that it was given, in that order"


@dataclass(frozen=True)
class Declared:
    """The declaration of a function by `feature`."""

    name: str
    warmup: int | None


@overload
def feature(function: Function, /) -> Function: ...
@overload
def feature(*, name: str | None = None, warmup: int | None = None) -> Callable[[Function], Function]: ...
def feature(
    function: Callable[..., Any] | None = None, /, *, name: str | None = None, warmup: int | None = None
) -> Any:
    """Declare a feature of your own: a function of one symbol's bars, which `features.own` can name.

    The function takes a DataFrame, indexed by session, with the symbol's adjusted ``open, high, low, close`` and its
    ``volume`` up to some session. It returns one number for each row, as a Series, or several as columns of a
    DataFrame. Row t may depend only on rows up to t; the leak check before training tests this.

    Parameters
    ----------
    function
        The function, if the decorator is written without brackets.
    name
        Name of the feature, by default that of the function; letters, digits and underscores.
    warmup
        How many bars of the symbol must precede the first valid row. By default this is measured: rows at the beginning
        without a number are not used.

    Returns
    -------
    Callable
        The function itself.

    Raises
    ------
    ConfigError
        The name is not valid, or the warm-up is below 0.

    Examples
    --------
    >>> import tenor
    >>> @tenor.feature(warmup=10)
    ... def reversal(bars):
    ...     return bars["close"].pct_change(10)
    """

    def declare(function: Function) -> Function:
        declared = Declared(name or function.__name__, warmup)
        check_name(declared.name)
        if warmup is not None and (type(warmup) is not int or warmup < 0):
            raise ConfigError(f"own feature {declared.name!r}: warmup is {warmup!r}; it must be a whole number >= 0.")
        function.__dict__["__tenor_feature__"] = declared
        return function

    return declare if function is None else declare(function)


def check_name(name: str) -> None:
    """Raise ConfigError for a name that a column can't have."""
    if not name.isidentifier() or not name.isascii() or name.startswith("_"):
        raise ConfigError(f"own feature {name!r}: a name is made of letters, digits and underscores, a letter first.")


@dataclass(frozen=True)
class OwnFunction:
    """A user's function that computes one or several features from a symbol's bars.

    Attributes
    ----------
    name
        Name of the feature.
    source
        Its code, which is saved with a model.
    warmup
        Declared number of bars before the first valid one; None if it is measured.
    columns
        The features that it computes; empty until it has been run (`measured`).
    """

    name: str
    source: Source
    warmup: int | None = None
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, code: str | Callable[..., Any]) -> OwnFunction:
        """The function that `code` is or names (`tenor.user_code.source_of`).

        Raises
        ------
        ConfigError
            There is no such function, it can't be saved with a model, or it does not take exactly one frame.
        """
        source = source_of(code)
        function = source.load()
        declared = getattr(function, "__tenor_feature__", Declared(source.name, None))
        check_name(declared.name)
        _check_signature(declared.name, function)
        return cls(declared.name, source, declared.warmup)

    @property
    def title(self) -> str:
        """Its name in messages."""
        return f"own feature {self.name!r} ({self.source.file})"

    def compute(self, frame: pd.DataFrame, symbol: str) -> dict[str, Float64]:
        """The features on `frame` (index session, columns `COLUMNS`), by name, each [bar]; infinite values become NaN.

        Raises
        ------
        DataError
            The function raises, or what it returns does not fit the frame.
        """
        columns = self._call(frame, symbol)
        if self.columns and tuple(columns) != self.columns:
            raise DataError(
                f"{self.title} returned the columns {', '.join(columns)} for {symbol}, and {', '.join(self.columns)} "
                "before: return the same columns for every symbol."
            )
        return {name: np.where(np.isfinite(values), values, np.nan) for name, values in columns.items()}

    def measured(
        self, frames: Mapping[str, pd.DataFrame], *, clock: Callable[[], float] = time.monotonic
    ) -> OwnFunction:
        """The same with known columns, after a run on the bars of some symbols.

        Raises
        ------
        DataError
            For the reasons of `compute`; or the function returns an infinite value, no number at all, other values when
            it is called again, or takes too long.
        """
        result: dict[str, list[Float64]] = {}
        for symbol, frame in frames.items():
            begun = clock()
            columns = self._call(frame, symbol)
            seconds = clock() - begun
            if seconds > SLOWEST * max(len(frame), 200) / 1000:
                raise DataError(
                    f"{self.title} took {seconds:.1f} s for the {len(frame)} bars of {symbol}, and is run for every "
                    f"symbol at every forecast; {SLOWEST:g} s for 1,000 bars is the most: compute whole columns "
                    "instead of row by row."
                )
            again = self._call(frame, symbol)
            for name, values in columns.items():
                if name not in again or not np.array_equal(values, again[name], equal_nan=True):
                    raise DataError(
                        f"{self.title} returned other numbers in column {name!r} when it was called again with the "
                        f"bars of {symbol}: fix its seeds, and keep nothing between calls."
                    )
                infinite = np.flatnonzero(np.isinf(values))
                if len(infinite):
                    day = frame.index[infinite[0]]
                    raise DataError(
                        f"{self.title} returned {values[infinite[0]]} for {symbol} at {day:%Y-%m-%d} in column {name!r}"
                        ": return NaN where there is no number (a division by zero, a log of zero)."
                    )
                result.setdefault(name, []).append(values)
        for name, each in result.items():
            if not any(np.isfinite(values).any() for values in each):
                raise DataError(
                    f"{self.title} returned no number at all in column {name!r} for {', '.join(list(frames)[:3])}: it "
                    "needs more bars than there are, or divides by nothing."
                )
        return replace(self, columns=tuple(result))

    def _call(self, frame: pd.DataFrame, symbol: str) -> dict[str, Float64]:
        function = self.source.load()
        try:
            with np.errstate(all="ignore"):
                output = function(frame.copy())  # a copy: a function may write into its frame
        except (Exception, SystemExit) as error:  # a user's code may raise anything
            text = one_line(error, 160).rstrip(".")
            raise DataError(
                f"{self.title} raised {type(error).__name__}{f' ({text})' if text else ''} on the {len(frame)} bars of "
                f"{symbol}: make it work on any stretch of bars."
            ) from error
        return _columns(output, frame, symbol, self)


def frame_of(sessions: pd.DatetimeIndex, series: Mapping[str, Float64]) -> pd.DataFrame:
    """The frame that a function gets: `COLUMNS` by session."""
    return pd.DataFrame({c: series[c] for c in COLUMNS}, index=pd.DatetimeIndex(sessions, name="session"))


def _columns(output: Any, frame: pd.DataFrame, symbol: str, function: OwnFunction) -> dict[str, Float64]:
    """The columns of `output`, which must have the rows of `frame`."""
    title, count = function.title, len(frame)
    if isinstance(output, np.ndarray) and output.ndim in (1, 2):
        if len(output) != count:
            raise DataError(f"{title} returned {len(output)} rows for the {count} bars of {symbol}: {_FORMS}.")
        one = output.ndim == 1 or output.shape[1] == 1
        names = [function.name] if one else [f"column_{i}" for i in range(output.shape[1])]
        output = pd.DataFrame(output.reshape(count, -1), index=frame.index, columns=names)
    if isinstance(output, pd.Series):
        output = output.to_frame(function.name)
    if not isinstance(output, pd.DataFrame):
        raise DataError(f"{title} returned {type(output).__name__}, not numbers for each bar: {_FORMS}.")
    _check_rows(output, frame, symbol, title)
    if not len(output.columns):
        raise DataError(f"{title} returned a frame without columns: {_FORMS}.")
    names = [str(name) for name in output.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{title} returned two columns named {twice!r}: give each a name of its own.")
    columns = {}
    for place, name in enumerate(names):
        column = output.iloc[:, place]
        full = function.name if len(names) == 1 else f"{function.name}_{name}"
        columns[full] = _numbers(column, full, symbol, title)
    return columns


def _check_rows(output: pd.DataFrame, frame: pd.DataFrame, symbol: str, title: str) -> None:
    index, bars = output.index, frame.index
    if index.equals(bars):
        return
    if isinstance(index, pd.DatetimeIndex) and len(index) and (late := index[index > bars[-1]]).size:
        raise DataError(
            f"{title} returned {len(late)} row{'s' if len(late) > 1 else ''} after the last bar of {symbol}, "
            f"{bars[-1]:%Y-%m-%d} (the first is {late[0]:%Y-%m-%d}): a feature has a row for each "
            "bar, none for the future."
        )
    if len(index) != len(bars):
        raise DataError(f"{title} returned {len(index)} rows for the {len(bars)} bars of {symbol}: {_FORMS}.")
    raise DataError(
        f"{title} returned rows with another index ({index[0]!r} first, the frame has {bars[0]:%Y-%m-%d}) for {symbol}"
        ": leave the index of the frame as it is."
    )


def _numbers(column: pd.Series[Any], name: str, symbol: str, title: str) -> Float64:
    dtype = column.dtype
    if pd.api.types.is_complex_dtype(dtype) or not (
        pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
    ):
        known = column.dropna()
        example = f", {known.iloc[0]!r} for example" if len(known) else ""
        raise DataError(
            f"{title} returned {dtype} in column {name!r} for {symbol}{example}: return numbers; code texts as 0 and 1."
        )
    return column.to_numpy(dtype="float64", na_value=np.nan)


def _check_signature(name: str, function: Callable[..., Any]) -> None:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in functions have no signature
        return
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    needed = [p.name for p in parameters if p.default is p.empty and p.kind in kinds[:2]]
    named = [p.name for p in parameters if p.default is p.empty and p.kind is inspect.Parameter.KEYWORD_ONLY]
    takes = any(p.kind in kinds for p in parameters)
    if len(needed) > 1 or named or not takes:
        shown = ", ".join(p.name for p in parameters)
        raise ConfigError(
            f"own feature {name!r} takes ({shown}); it must take one argument, the frame of a symbol's bars, and give "
            "all others a default."
        )
