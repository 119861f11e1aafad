"""Read fields of a service's answer; a missing field or one of another type gives a clear error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd

from tenor.errors import SourceError
from tenor.schema import Float64

T = TypeVar("T")


def guarded(source: str, call: Callable[[], T]) -> T:
    """The result of `call`, which asks `source`.

    No source is trusted: any error that an unforeseen answer causes becomes a SourceError (``malformed``).
    """
    try:
        return call()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        message = f"{source} sent an answer of an unexpected form ({type(error).__name__}): see 'tenor data doctor'."
        raise SourceError(message, kind="malformed") from error


def field_at(value: Any, *path: str | int, source: str) -> Any:
    """The value at `path` inside the JSON `value`; raises SourceError with the name of the missing field."""
    for depth, key in enumerate(path):
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            raise format_changed(source, ".".join(map(str, path[: depth + 1]))) from None
    return value


def format_changed(source: str, field: str) -> SourceError:
    """The error for an answer of `source` that is not as documented: `field` is missing or of another type."""
    return SourceError(
        f"{source} has changed its answer: {field!r} is missing or of another type; see 'tenor data doctor'.",
        kind="malformed",
    )


def as_numbers(values: Any, *, source: str, field: str) -> Float64:
    """A list of numbers, or of texts that are numbers, as an array; null becomes NaN."""
    if not isinstance(values, (list, tuple)):
        raise format_changed(source, field)
    try:
        return np.array([np.nan if v is None else v for v in values], dtype=object).astype(np.float64)
    except (TypeError, ValueError):
        raise format_changed(source, field) from None


def as_moments(values: Sequence[Any], *, source: str, field: str, unit: Literal["s", "ms"] | None = None) -> Any:
    """Unix times (if `unit` is given) or ISO 8601 texts, as UTC moments."""
    try:
        index = pd.to_datetime(list(values), unit=unit, utc=True) if unit else pd.to_datetime(list(values), utc=True)
    except (ValueError, TypeError, OverflowError):
        raise format_changed(source, field) from None
    if len(index) and index.isna().any():
        raise format_changed(source, field)
    return pd.DatetimeIndex(index).as_unit("us")
