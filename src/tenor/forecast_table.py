"""Forecasts as a table, in the same form from command line, API and dashboard; `tenor judge` reads such files.

There is one row for each symbol, session and horizon; prices are adjusted. Only the standard library is needed, and
pyarrow for Parquet. `docs/forecast-files.md` describes the columns.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenor.errors import ConfigError, StoreError, did_you_mean
from tenor.storage.files import write_whole

Row = Mapping[str, Any]
"""A row: from each column to a text, a number or None. Moments and sessions are texts in ISO 8601."""

BEFORE = ("symbol", "session", "as_of", "target_session", "horizon", "last_price", "price", "return", "volatility")
AFTER = ("p_up", "trained_until", "made_at", "model")
"""The columns before and after the quantiles of the price, ``q01`` to ``q99``."""

CSV, PARQUET = "csv", "parquet"
MEDIA = {CSV: "text/csv", PARQUET: "application/vnd.apache.parquet"}
"""Media types by format; the name of the format is also the ending of its files."""

_DATES = ("session", "target_session", "trained_until")
_MOMENTS = ("as_of", "made_at")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets run a text that starts with one of these as a formula."""


def quantile_column(level: float | str) -> str:
    """The name of the column of the quantile at `level`.

    >>> quantile_column("0.05"), quantile_column(0.5), quantile_column(0.025)
    ('q05', 'q50', 'q0.025')
    """
    hundredths = float(level) * 100
    return f"q{round(hundredths):02d}" if abs(hundredths - round(hundredths)) < 1e-9 else f"q{float(level):g}"


def level_of(column: str) -> float:
    """The level of the quantile in a column, the inverse of `quantile_column`.

    >>> level_of("q05"), level_of("q0.025")
    (0.05, 0.025)
    """
    digits = column.removeprefix("q")
    return float(digits) if "." in digits else float(digits) / 100


def forecast_row(forecast: Mapping[str, Any], *, trained_until: str | None, made_at: float) -> dict[str, Any]:
    """The row of a forecast.

    Parameters
    ----------
    forecast
        A forecast as `Forecast.to_json` returns it.
    trained_until
        See `trained_until_of`.
    made_at
        When it was computed, in Unix time.
    """
    return {
        "symbol": forecast["symbol"],
        "session": forecast["session"],
        # the last moment of information; for a forecast made before the open, that of its news
        "as_of": moment(datetime.fromisoformat(forecast.get("news_until") or forecast["as_of"])),
        "target_session": forecast["target_session"],
        "horizon": int(forecast["horizon"]),
        "last_price": forecast["last_price"],
        "price": forecast["price"],
        "return": forecast["expected_return"],
        "volatility": forecast["volatility"],
        **{quantile_column(level): price for level, price in forecast["quantiles"].items()},
        "p_up": forecast["p_up"],
        "trained_until": trained_until,
        "made_at": moment(datetime.fromtimestamp(made_at, UTC)),
        "model": f"tenor {forecast['model_version']}",
    }


def trained_until_of(card: Mapping[str, Any]) -> str | None:
    """The first session that a version was not trained on, by its card; None if the card does not state it."""
    return (dict(card.get("split") or {}).get("test") or (None,))[0]


def moment(when: datetime) -> str:
    """A moment in UTC, to the second: ``2024-01-05T21:30:00Z``."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def columns_of(rows: Iterable[Row]) -> list[str]:
    """The columns that occur in `rows`, in the order of the file."""
    there = {name for row in rows for name in row}
    quantiles = sorted((name for name in there if name not in (*BEFORE, *AFTER)), key=level_of)
    return [*(name for name in BEFORE if name in there), *quantiles, *(name for name in AFTER if name in there)]


def format_of(path: Path) -> str:
    """The format by a file's ending; raises ConfigError for any other than ``.csv`` and ``.parquet``."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in MEDIA:
        hint = did_you_mean(ending, MEDIA)
        raise ConfigError(f"{str(path)!r} names no format of forecasts: let it end in .csv or .parquet.{hint}")
    return ending


def to_csv(rows: Sequence[Row]) -> bytes:
    """`rows` as CSV in UTF-8; the first line has the names of the columns.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    columns = columns_of(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode()


def to_parquet(rows: Sequence[Row]) -> bytes:
    """`rows` as Parquet, with sessions as timestamps without time zone, and moments in UTC.

    Raises ModuleNotFoundError if pyarrow is not installed.
    """
    import pyarrow as pa
    from pyarrow import parquet

    fields, arrays = [], []
    for name in columns_of(rows):
        values = [row.get(name) for row in rows]
        if name in (*_DATES, *_MOMENTS):
            kind = pa.timestamp("us", tz="UTC" if name in _MOMENTS else None)
            values = [None if value is None else datetime.fromisoformat(value) for value in values]
        else:
            kind = {"symbol": pa.string(), "model": pa.string(), "horizon": pa.int64()}.get(name, pa.float64())
        fields.append(pa.field(name, kind))
        arrays.append(pa.array(values, kind))
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(arrays, schema=pa.schema(fields)), sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def write_forecasts(path: Path, rows: Sequence[Row]) -> None:
    """Write `rows` to `path`, in the format of its ending, either completely or not at all.

    Raises
    ------
    ConfigError
        The name ends neither in ``.csv`` nor in ``.parquet``.
    StoreError
        The file can't be written.
    """
    data = to_parquet(rows) if format_of(path) == PARQUET else to_csv(rows)
    try:
        write_whole(path, data)
    except OSError as error:
        raise StoreError(f"{str(path)!r} can't be written: {error.strerror or error}; choose another place.") from None


def _cell(value: Any) -> Any:
    if value is None or value != value:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
