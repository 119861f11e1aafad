"""Events from the user's files. A row has a symbol, a day, a kind, since when the day was known, and until when."""

from __future__ import annotations

import csv
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tenor.errors import DataError, UnusableError, one_line
from tenor.features.own.moments import moments_of_cells
from tenor.ingest.files.bar_files import FileBatch, FileSummary, refused_file
from tenor.ingest.files.news_tables import header_of
from tenor.ingest.files.refusals import join_refusals, refusal_frame
from tenor.schema import WITHDRAWN, Bool, Events
from tenor.storage.frames import read_frame
from tenor.symbols import clean_symbol

_ALIASES = {
    "symbol": ("symbol", "ticker"),
    "session": ("session", "date", "day"),
    "kind": ("kind", "event", "event_type"),
    "known_since": ("known_since", "known_at", "announced", "announced_at"),
    WITHDRAWN: (WITHDRAWN, "withdrawn_at", "withdrawn"),
}
# columns of bars or news: a table that has one of them does not hold events, even if it has a column `event`
_OTHERS = {"close", "adj_close", "text", "headline", "title", "body"}
_DAY = r"\d{4}-\d{2}-\d{2}"
_MOMENT = re.compile(rf"{_DAY}(?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?(?:Z|[+-]\d{{2}}:?\d{{2}}))?")
_MOMENTS = "write a day (YYYY-MM-DD), or a moment with its zone (…T16:30-05:00)"
_KNOWN = "write the day on which it was announced: a forecast may know an event only from then on"
_REQUIRED = {
    "session": "write the day of each event as YYYY-MM-DD",
    "kind": "name the kind of each event: earnings, dividend …",
    "known_since": _KNOWN,
}


def field_of_event(name: str) -> str:
    """Tenor's name of the column that a file calls `name`; empty if it is not a column of events."""
    return next((column for column, aliases in _ALIASES.items() if _plain(name) in aliases), "")


def is_event_file(path: Path) -> bool:
    """Whether `path` holds events: a table with a kind and a day, and neither prices nor texts."""
    try:
        names = {_plain(name) for name in header_of(path)}
    except (OSError, ValueError, csv.Error, pa.ArrowException, RecursionError, UnusableError):
        return False
    return bool(names & set(_ALIASES["kind"]) and names & set(_ALIASES["session"]) and not names & _OTHERS)


def read_event_file(path: Path, *, calendar: str | None = None, known: Events | None = None) -> FileBatch:
    """Read the events in `path`.

    A row that can't be used is refused. So is a row that claims an earlier `known_since` than the lake has.

    Parameters
    ----------
    path
        A CSV or Parquet file.
    calendar
        For symbols whose names do not show their market: a day in `known_since` means the close of this exchange on
        that day. New York's by default.
    known
        The events that the lake already has.
    """
    try:
        frame = columns_of_events(read_frame(path))
        # the header is line 1 of a text file
        first = 1 if path.suffix.lower() in (".parquet", ".pq") else 2
        events, refused = read_events(frame, calendar or "XNYS", str(path), first=first, known=known)
        usable = len(frame) - refused["row"].nunique()
        rows = 0 if events is None else len(events.frame)
        notes = (f"{usable - rows} rows appear twice",) if usable > rows else ()
        symbols = 0 if events is None else events.frame["symbol"].nunique()
        summary = FileSummary(str(path), symbols, len(frame), usable, len(frame) - usable, notes)
        return FileBatch(None, refused, (summary,), events=events)
    except UnusableError as error:
        return refused_file(path, error)
    except DataError as error:
        return refused_file(path, UnusableError(f"can't be used ({one_line(error, 200).rstrip('.')})", "correct it"))


def columns_of_events(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of events in `frame`, as texts.

    Raises
    ------
    UnusableError
        A required column is missing.
    """
    plain = {_plain(str(name)): name for name in reversed(list(frame.columns))}
    columns: dict[str, Any] = {}
    for column, aliases in _ALIASES.items():
        own = next((plain[alias] for alias in aliases if alias in plain), None)
        if own is None and column in _REQUIRED:
            has = ", ".join(map(str, frame.columns))
            raise UnusableError(f"has no column {column!r} (its header: {has})", _REQUIRED[column])
        columns[column] = pd.Series([""] * len(frame), dtype="str") if own is None else _texts(frame[own])
    return pd.DataFrame(columns)


def read_events(
    frame: pd.DataFrame, calendar: str, where: str, *, first: int, known: Events | None = None
) -> tuple[Events | None, pd.DataFrame]:
    """The usable rows of `frame` (as `columns_of_events` returns it), and the refusals of the others.

    Parameters
    ----------
    frame, calendar, known
        As `read_event_file` takes them.
    where
        The file or frame, for messages.
    first
        The number of the first row in messages.
    """
    refused: list[pd.DataFrame] = []
    new = partial(refusal_frame, file=where, kind="event")
    usable = np.ones(len(frame), dtype=bool)
    lines = np.arange(len(frame)) + first

    def refuse(hit: Any, column: str, why: str | np.ndarray[Any, Any], remedy: str) -> None:
        rows = np.flatnonzero(np.asarray(hit, dtype=bool) & usable)
        if len(rows):
            usable[rows] = False
            reasons = why if isinstance(why, str) else why[rows]
            cells = frame[column].iloc[rows].str.slice(0, 60).tolist()
            refused.append(new(row=lines[rows], column=column, value=cells, why=reasons, remedy=remedy))

    symbol = frame["symbol"].map(lambda text: clean_symbol(text) if text else "")
    refuse((frame["symbol"] != "") & (symbol == ""), "symbol", "is not a symbol", "correct it, or leave it empty")
    session = _days(frame["session"])
    refuse(session.isna(), "session", "is not a date", "write the day as YYYY-MM-DD")
    kind = frame["kind"].str.strip().str.lower().str.replace(r"\s+", "_", regex=True)
    refuse(kind == "", "kind", "is missing", "name the kind: earnings, dividend …")
    cells = frame["known_since"].str.strip()
    refuse(cells == "", "known_since", "is missing", _KNOWN)
    read = cells.str.fullmatch(_MOMENT.pattern) & _days(cells.str.slice(0, 10)).notna()
    refuse(~read, "known_since", "is not a date", _MOMENTS)
    late = _days(cells.str.slice(0, 10)) > session
    refuse(late, "known_since", "lies after the event itself", "correct it; what is known afterwards is a table (--as)")

    taken_back = frame[WITHDRAWN].str.strip()
    read = taken_back.str.fullmatch(_MOMENT.pattern) & _days(taken_back.str.slice(0, 10)).notna()
    refuse((taken_back != "") & ~read, WITHDRAWN, "is not a date", f"{_MOMENTS}, or leave it empty: the event stands")

    def moments_of(cells: pd.Series[Any], column: str, rows: Bool) -> pd.Series[Any]:
        moments = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
        places = np.flatnonzero(rows)
        if len(places):
            moments.iloc[places] = moments_of_cells(
                cells.iloc[places], symbol.iloc[places], column, where, calendar=calendar
            )
        return moments

    moments = moments_of(cells, "known_since", usable)
    withdrawn = moments_of(taken_back, WITHDRAWN, usable & (taken_back != "").to_numpy())
    remedy = "correct it; a date that was never known needs no row"
    refuse(withdrawn <= moments, WITHDRAWN, "is not after known_since", remedy)
    table = pd.DataFrame(
        {"symbol": symbol, "session": session, "kind": kind, "known_since": moments, WITHDRAWN: withdrawn}
    )
    # of rows that contradict each other, the one with the latest known_since stays: it can't look ahead. A row that was
    # withdrawn before another was announced does not contradict it
    key = ["symbol", "session", "kind"]
    ordered = table[usable].sort_values("known_since", kind="stable")
    following = ordered.groupby(key)["known_since"].shift(-1)
    last = following.where(~(ordered[WITHDRAWN] <= following) & (following > ordered["known_since"]))
    last = last.reindex(table.index)
    words = _worded(last, "contradicts a row that says {} UTC")
    refuse(last.notna() & (table["known_since"] < last), "known_since", words, "keep one row; the later one was taken")
    if known is not None:
        earliest = known.frame.drop_duplicates(key)
        before = table.merge(earliest, on=key, how="left", suffixes=("", "_before"))["known_since_before"]
        words = _worded(before, "is earlier than {} UTC, which the lake has")
        hit = (table["known_since"] < before).to_numpy()
        refuse(hit, "known_since", words, "keep that date: an event can't become known earlier afterwards")
    # of rows that differ only in the withdrawal, keep the one that has it
    rows = table[usable].sort_values(WITHDRAWN, kind="stable").drop_duplicates([*key, "known_since"]).sort_index()
    return Events(rows) if len(rows) else None, join_refusals(refused)


def _worded(moments: pd.Series[Any], text: str) -> np.ndarray[Any, Any]:
    """`text` with each of `moments` filled in; empty for NaT."""
    return np.array(["" if pd.isna(m) else text.format(f"{m:%Y-%m-%d %H:%M}") for m in moments], dtype=object)


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").lstrip("\ufeff")


def _texts(cells: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        zoned = isinstance(cells.dtype, pd.DatetimeTZDtype)
        days = not zoned and bool((cells.dropna() == cells.dropna().dt.normalize()).all())
        texts = cells.dt.strftime("%Y-%m-%d") if days else cells.map(lambda m: "" if pd.isna(m) else m.isoformat())
        return texts.fillna("").astype("str").reset_index(drop=True)
    return cells.map(lambda cell: "" if pd.isna(cell) else str(cell).strip()).astype("str").reset_index(drop=True)


def _days(cells: pd.Series[Any]) -> pd.Series[Any]:
    days = cells.where(cells.str.fullmatch(_DAY).astype(bool))
    return pd.to_datetime(days, format="%Y-%m-%d", errors="coerce").astype("datetime64[us]")
