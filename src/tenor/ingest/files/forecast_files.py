"""Read forecasts of any model from CSV, Parquet or a frame; one row for each symbol, session and horizon.

This module checks what can be checked without the bars: names, numbers, dates, duplicate rows, crossing quantiles.
Whether a forecast can be judged, and whether it was made in time, is checked where the bars are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from tenor.calendars import calendar_of
from tenor.errors import LONGEST_SYMBOL, CellError, DataError, FrameError, UnusableError, one_line
from tenor.ingest.files.cells import distinct, read_symbols
from tenor.ingest.files.date_order import DateEvidence
from tenor.ingest.files.date_texts import ORDERS
from tenor.ingest.files.forecast_cells import (
    NO_MOMENT,
    ForecastCells,
    read_days,
    read_horizons,
    read_moments,
    read_numbers,
    refuse_cell,
)
from tenor.ingest.files.forecast_columns import (
    NAMES,
    QUANTITIES,
    ForecastColumns,
    match_forecast_columns,
    plain_column,
)
from tenor.ingest.files.json_files import JSON_SUFFIXES
from tenor.ingest.files.tables import PARQUET_SUFFIXES, parse_rows
from tenor.ingest.files.text_files import (
    delimiter_of,
    encoding_of,
    is_missing,
    opening_lines,
    split_line,
)
from tenor.schema import Float64

_DATES = ("session", "target_session", "trained_until")
_TIMES = ("as_of", "made_at")
_NUMBERS = (*QUANTITIES, "last_price")
_ABOVE_ZERO = ("price", "last_price", "volatility", "variance")
_BOUNDS = {"volatility": (1e-12, 1e12), "variance": (1e-24, 1e24), "log_variance": (-55.0, 55.0)}
"""From a column to its smallest and largest plausible number, in any common unit; the variance must be finite too."""
_KEYS = ["symbol", "session", "as_of", "target_session", "horizon"]
_ROUNDING = 1e-9
"""A quantile may be below the one of the next lower level by this share of its size, because of rounding."""


@dataclass(frozen=True)
class ForecastRows:
    """The forecasts of one model.

    Attributes
    ----------
    name
        The name of the model: from the column ``model``, otherwise the file's name without its suffix.
    frame
        One row for each forecast: ``symbol``; ``session``, ``target_session``, ``trained_until`` (days; NaT if not
        given); ``as_of``, ``made_at`` (UTC; NaT if not given); ``horizon`` (0 if it follows from the two sessions);
        ``price, return, volatility, variance, log_variance, p_up, last_price`` (NaN if not given); ``row``, its line or
        row number in the file.
    levels
        The levels of the quantiles, ascending.
    quantiles
        [row, level]; NaN if not given.
    quantiles_of
        The quantity of the quantiles, ``price`` or ``return``; ``""`` if the names do not state it.
    notes
        What was assumed or ignored, in words.
    """

    name: str
    frame: pd.DataFrame
    levels: tuple[float, ...]
    quantiles: Float64
    quantiles_of: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of forecasts."""
        return len(self.frame)

    def has(self, column: str) -> bool:
        """Whether any row has a value of `column`."""
        return bool(self.frame[column].notna().any())


def read_forecasts(
    source: str | Path | pd.DataFrame | Any,
    *,
    columns: Mapping[str, str] | None = None,
    dates: str | None = None,
    name: str | None = None,
    calendar: str = "XNYS",
    now: pd.Timestamp | None = None,
) -> list[ForecastRows]:
    """Read a file or a frame of forecasts.

    Parameters
    ----------
    source
        A CSV or Parquet file, a pandas frame, or another table with a method ``to_pandas``.
    columns
        From tenor's names of columns to those of the file.
    dates
        The order of dates such as 02/12/2024: ``dmy``, ``mdy`` or ``ymd``; None decides it from the file.
    name
        The name of the model; by default the file's name, or ``forecasts``.
    calendar
        The exchange of symbols whose names show no market; it helps to decide the order of dates.
    now
        UTC; the current time by default.

    Returns
    -------
    list of ForecastRows
        One for each model that a column ``model`` names; otherwise a single one.

    Raises
    ------
    DataError
        The file can't be used; the message names the row, the value and the remedy.
    """
    order = next((each for each in ORDERS if each == dates), None)
    if dates is not None and order is None:
        raise DataError(f"--dates is {dates!r}; it takes {', '.join(ORDERS)}: day, month, year in their order.")
    file = Path(source).name if isinstance(source, (str, Path)) else (name or "forecasts")
    try:
        raw = _read_file(Path(source)) if isinstance(source, (str, Path)) else _of_frame(source, file)
        matched = match_forecast_columns(raw.names, columns or {}, file)
        if not len(raw.rows):
            raise UnusableError("has columns but no rows", "export it again")
        rows = _rows(raw, matched, order, calendar, now or pd.Timestamp.now("UTC"))
    except UnusableError as error:
        place = f", row {error.row - (not isinstance(source, (str, Path)))}" if error.row else ""
        column = f", column {error.column!r}" if error.column else ""
        value = f": {error.value!r}" if error.value else ""
        why = f"{file}{place}{column}{value} {error.why}: {error.remedy}"
        raise _refused(why, error.mend, error.column, of_frame=not isinstance(source, (str, Path))) from error
    except CellError as error:
        raise _refused(str(error), error.mend, error.column, of_frame=not isinstance(source, (str, Path))) from error
    own = name or (Path(source).stem if isinstance(source, (str, Path)) else "forecasts")
    return _by_model(replace(rows, name=own), raw, matched, named=name is not None)


def _refused(why: str, mend: str, column: str, *, of_frame: bool) -> DataError:
    """The error that refuses a file; for a frame, with the line of code that repairs it."""
    if not of_frame:
        return DataError(why if why.endswith(("?", ".")) else f"{why}.")
    return FrameError(why, mend.replace("CELLS", f"df[{column!r}]").replace("NAME", repr(column)))


def _read_file(path: Path) -> ForecastCells:
    try:
        with path.open("rb") as stream:
            head = stream.read(1 << 12)
    except IsADirectoryError as error:
        raise UnusableError("is a folder", "name the files of forecasts in it") from error
    except FileNotFoundError as error:
        raise UnusableError("is not there", "check the path") from error
    except OSError as error:
        raise UnusableError(f"can't be read ({error.strerror})", "check the file and its rights") from error
    if not head.strip():
        raise UnusableError("is empty", "export it again")
    if head[:4] == b"PAR1" or path.suffix.lower() in PARQUET_SUFFIXES:
        try:
            with path.open("rb") as stream:
                table = pyarrow.parquet.read_table(stream)
        except (pa.ArrowException, OSError) as error:
            raise UnusableError(
                f"is not a readable Parquet file ({one_line(error, 120).rstrip('.')})", "export it again"
            ) from error
        return _of_table(table, path.name)
    if path.suffix.lower() in JSON_SUFFIXES:
        raise UnusableError("is JSON", "write the forecasts as CSV or Parquet")
    encoding = encoding_of(path, read_texts=False)
    lines = opening_lines(path, encoding.name)
    delimiter = delimiter_of(lines, _meaning)
    names = [name.strip() for name in split_line(lines[0], delimiter)]
    codec = {"utf-8-sig": "utf-8"}.get(encoding.name, encoding.name)
    cells, ragged = parse_rows(path, codec, delimiter, len(names), 1, range(len(names)))
    if ragged:
        line, _ = ragged[0]
        more = f", and {len(ragged) - 1} more lines likewise" if len(ragged) > 1 else ""
        raise UnusableError(f"has another number of cells than the header{more}", "write one value a cell", row=line)
    notes = (encoding.note,) if encoding.note else ()
    rows = np.arange(2, 2 + len(cells))
    return ForecastCells(path.name, names, lambda i: cells[str(i)], rows, notes, decimal_comma=delimiter != ",")


def _meaning(names: list[str]) -> int:
    """How many names of a header are known."""
    from tenor.ingest.files.forecast_columns import NAMES, level_kind

    plain = [name.strip().casefold().replace(" ", "_") for name in names]
    return sum(name in NAMES or bool(level_kind(name)) or name[:1] == "q" for name in plain)


def _of_table(table: Any, file: str) -> ForecastCells:
    names = [str(name) for name in table.column_names]
    return ForecastCells(file, names, lambda i: table.column(i), np.arange(1, table.num_rows + 1))


def _of_frame(source: Any, file: str) -> ForecastCells:
    """The cells of a frame; a frame of polars or an Arrow table as well."""
    if isinstance(source, pa.Table):
        return replace(_of_table(source, file), from_zero=True)
    frame = source.to_pandas() if not isinstance(source, pd.DataFrame) and hasattr(source, "to_pandas") else source
    if frame is None:
        raise UnusableError("is None, not a table", "give a file, or a frame with one row per forecast")
    if not isinstance(frame, pd.DataFrame):
        try:
            frame = pd.DataFrame(frame)
        except (TypeError, ValueError) as error:
            raise UnusableError(
                f"of type {type(source).__name__} is not a table", "give a file, or a frame with one row per forecast"
            ) from error
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    if isinstance(frame.columns, pd.MultiIndex):
        raise UnusableError("has columns of several levels", "give a frame with one level: symbol, session, horizon …")
    names = [str(name) for name in frame.columns]

    def cell(i: int) -> Any:
        column = frame.iloc[:, i]
        if column.dtype == object or isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype("object").where(column.notna(), None)
            kinds = {type(value) for value in column if value is not None}
            if any(issubclass(kind, (dict, list, tuple, set)) for kind in kinds):
                first = next(i for i, value in enumerate(column) if isinstance(value, (dict, list, tuple, set)))
                raise UnusableError(
                    "has a collection in each cell",
                    "give one value a cell",
                    row=first + 1,
                    column=names[i],
                    mend="CELLS = CELLS.str[0]",
                )
            try:
                return pa.chunked_array([pa.array(column, from_pandas=True)])
            except pa.ArrowException:
                return pa.chunked_array([pa.array([None if v is None else str(v) for v in column], pa.string())])
        try:
            return pa.chunked_array([pa.array(column, from_pandas=True)])
        except pa.ArrowException as error:
            raise UnusableError(
                f"is of type {column.dtype}", "give numbers, dates or texts", column=names[i]
            ) from error

    return ForecastCells(file, names, cell, np.arange(1, len(frame) + 1), from_zero=True)


def _rows(raw: ForecastCells, matched: ForecastColumns, order: Any, calendar: str, now: pd.Timestamp) -> ForecastRows:
    notes = list(raw.notes)
    if matched.ignored:
        more = f" and {len(matched.ignored) - 6} more" if len(matched.ignored) > 6 else ""
        notes.append(f"columns that are ignored: {', '.join(matched.ignored[:6])}{more}")
    count = len(raw.rows)
    codes, symbols, texts = read_symbols(raw.cell(matched.place["symbol"]))
    names = np.array([symbol or text.strip() for symbol, text in zip(symbols, texts, strict=True)], dtype=object)
    missing = np.array([not symbol and is_missing(text) for symbol, text in zip(symbols, texts, strict=True)])
    refuse_cell(
        raw,
        matched.place["symbol"],
        missing[codes],
        "is missing",
        "name the symbol in every row",
        "df = df[CELLS.notna()]",
    )
    long = np.array([len(name) > LONGEST_SYMBOL for name in names])
    refuse_cell(
        raw,
        matched.place["symbol"],
        long[codes],
        f"has more than {LONGEST_SYMBOL} characters",
        "name one symbol in each row, and close every quotation mark",
    )
    data: dict[str, Any] = {"symbol": names[codes]}
    calendars = [calendar_of(symbol, calendar) for symbol in names]
    for column in _DATES:
        if column in matched.place:
            evidence = DateEvidence(
                raw.rows,
                raw.names[matched.place[column]],
                codes,
                names.tolist(),
                calendars,
                np.full(count, np.nan),
                now,
                order,
            )
            data[column] = read_days(raw, matched.place[column], evidence, notes, needed=column != "trained_until")
        else:
            data[column] = np.full(count, np.datetime64("NaT"), NO_MOMENT)
    for column in _TIMES:
        if column in matched.place:
            moments, days = read_moments(raw, matched.place[column])
            if days is not None and column == "as_of" and "session" not in matched.place:
                data["session"] = days
                notes.append("'as_of' holds dates: read as the session after whose close the forecast was made")
            data[column] = moments
        else:
            data[column] = pd.Series(pd.NaT, index=range(count), dtype="datetime64[us, UTC]")
    data["horizon"] = read_horizons(raw, matched.place.get("horizon"), count)
    for column in _NUMBERS:
        numbers = np.full(count, np.nan)
        if column in matched.place:
            numbers = read_numbers(raw, matched.place[column])
            _in_range(raw, column, matched.place[column], numbers)
        data[column] = numbers
    levels = tuple(matched.quantiles)
    columns = [read_numbers(raw, place) for place in matched.quantiles.values()]
    quantiles = np.stack(columns, axis=1) if columns else np.full((count, 0), np.nan)
    if not any(np.isfinite(data[column]).any() for column in QUANTITIES) and not np.isfinite(quantiles).any():
        raise UnusableError("holds no forecast: all its cells are empty", "write numbers into the columns")
    frame = pd.DataFrame(data).assign(row=raw.rows - raw.from_zero)
    _refuse_doubled(raw, frame)
    _refuse_crossing(raw, matched, quantiles)
    return ForecastRows("", frame, levels, quantiles, matched.of, tuple(notes))


def _in_range(raw: ForecastCells, column: str, place: int, numbers: Float64) -> None:
    if column in _ABOVE_ZERO:
        remedy = "leave the cell empty where there is no forecast"
        refuse_cell(raw, place, numbers <= 0, "is not above 0", remedy, "CELLS = CELLS.where(CELLS > 0)")
    if column in _BOUNDS:
        low, high = _BOUNDS[column]
        refuse_cell(
            raw,
            place,
            (numbers < low) | (numbers > high),
            f"is not within {low:g} and {high:g}",
            f"write {column} as docs/judge.md says",
            f"CELLS = CELLS.where(CELLS.between({low:g}, {high:g}))",
        )
    if column == "p_up":
        percent = np.nanmax(numbers, initial=0.0) > 1 and np.nanmin(numbers, initial=0.0) >= 0
        remedy = "divide it by 100 if it is in per cent" if percent else "write the probability of a rise"
        mend = "CELLS = CELLS / 100" if percent else "CELLS = CELLS.where(CELLS.between(0, 1))"
        refuse_cell(raw, place, (numbers < 0) | (numbers > 1), "is not within 0 and 1", remedy, mend)


def _refuse_doubled(raw: ForecastCells, frame: pd.DataFrame) -> None:
    if any(name.strip().casefold() in ("model", "model_name") for name in raw.names):
        return  # several models may forecast the same session: each model is checked separately
    _refuse_same(frame, _KEYS, raw)


def _refuse_same(frame: pd.DataFrame, keys: list[str], raw: ForecastCells) -> None:
    """Refuse forecasts of the same symbol, session and horizon."""
    doubled = frame.duplicated(keys).to_numpy()
    if not doubled.any():
        return
    second = frame[doubled].iloc[0]
    same = frame[
        (frame[keys] == second[keys]).where(frame[keys].notna(), frame[keys].isna() & second[keys].isna()).all(axis=1)
    ]
    moment = next(second[key] for key in ("session", "as_of", "target_session") if pd.notna(second[key]))
    day = f"{moment:%Y-%m-%d}"
    own = [name for name in raw.names if NAMES.get(plain_column(name)) in (*keys, "model")]
    raise UnusableError(
        f"repeats row {int(same['row'].iloc[0])}: {second['symbol']}, {day}, {int(second['horizon'])} ahead "
        f"({int(doubled.sum()):,} rows are duplicates)",
        "keep one row per symbol, session and horizon, and one model per file (or add a column 'model')",
        row=int(second["row"]) + raw.from_zero,
        mend=f"df = df.drop_duplicates({own!r}, keep='last')",
    )


def _refuse_crossing(raw: ForecastCells, matched: ForecastColumns, quantiles: Float64) -> None:
    places = list(matched.quantiles.values())
    own = [raw.names[place] for place in places]
    below = np.full(len(quantiles), -np.inf)
    which = np.full(len(quantiles), -1)
    for j, place in enumerate(places):
        now = quantiles[:, j]
        crossed = now < below - _ROUNDING * np.maximum(1.0, np.abs(now))
        if crossed.any():
            first = int(np.flatnonzero(crossed)[0])
            other = raw.names[places[which[first]]]
            raise UnusableError(
                f"is below {other!r} ({below[first]:g}): quantiles cross in {int(crossed.sum()):,} rows",
                "sort the quantiles of each row",
                row=int(raw.rows[first]),
                column=raw.names[place],
                value=f"{now[first]:g}",
                mend=f"df[{own!r}] = np.sort(df[{own!r}], axis=1)",
            )
        known = ~np.isnan(now)
        below = np.where(known, np.maximum(now, below), below)
        which = np.where(known, j, which)


def _by_model(rows: ForecastRows, raw: ForecastCells, matched: ForecastColumns, *, named: bool) -> list[ForecastRows]:
    """The rows of each model that the column ``model`` names; all rows if there is no such column."""
    if "model" not in matched.place:
        return [rows]
    codes, texts = distinct(raw.cell(matched.place["model"]))
    labels = [(text or "").strip() for text in texts]
    parts = []
    for code in dict.fromkeys(codes.tolist()):
        here = codes == code
        frame = rows.frame[here].reset_index(drop=True)
        name = rows.name if named and len(set(labels)) == 1 else labels[code] or rows.name
        try:
            _refuse_same(frame, _KEYS, raw)
        except UnusableError as error:
            why = f"{raw.file}, row {error.row - raw.from_zero} {error.why}: {error.remedy}"
            raise _refused(why, error.mend, "", of_frame=raw.from_zero) from error
        parts.append(replace(rows, name=name, frame=frame, quantiles=rows.quantiles[here]))
    return parts
