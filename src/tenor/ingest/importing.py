"""Import files, folders and the embedded data into the lake; and check the bars in the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tenor.calendars import calendar_of
from tenor.data import embedded_bars, embedded_names, embedded_sentiment, has_embedded
from tenor.errors import ConfigError, DataError, did_you_mean
from tenor.features.extra_sessions import extra_days
from tenor.features.own import OwnTable, read_own_table
from tenor.features.own.functions import check_name
from tenor.ingest.files import JSON_SUFFIXES, FileSummary, Reading, SymbolReport, check_bars, find_files, read_files
from tenor.ingest.status import news_without_bars
from tenor.storage.frames import read_frame
from tenor.store import Appended, Lake

EMBEDDED = "embedded"
EMBEDDED_SOURCE = "StockNet, embedded"

_NOTHING = Appended(0, 0, 0)


@dataclass(frozen=True)
class ImportResult:
    """The result of an import.

    Attributes
    ----------
    files
        A summary of each file.
    bars
        How many bars were new, revised or already there.
    news
        The same counts for news.
    sentiment
        The same counts for daily sentiment.
    refused
        One text for each refused row: file, row, column, value, reason and remedy.
    without_bars
        Symbols with imported news but without bars in the lake.
    events
        The same counts for events.
    events_without_bars
        Symbols with imported events but without bars in the lake.
    missing
        The paths that do not exist; the others were imported.
    """

    files: tuple[FileSummary, ...]
    bars: Appended
    news: Appended
    sentiment: Appended
    refused: tuple[str, ...]
    without_bars: tuple[str, ...] = ()
    events: Appended = _NOTHING
    events_without_bars: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the import brought bars, news or events."""
        return any(each != _NOTHING for each in (self.bars, self.news, self.events))

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return asdict(self)


def import_files(
    store: str,
    paths: Sequence[str],
    *,
    calendar: str | None = None,
    dates: str | None = None,
    decimal: str | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> ImportResult:
    """Read files and folders into the lake; ``embedded`` stands for the bars and the sentiment that come with tenor.

    Parameters
    ----------
    store
        The lake.
    paths
        Files, folders and ``embedded``.
    calendar
        The exchange on whose sessions bars must be; by default each symbol's own.
    dates
        The order of dates such as 02/12/2024: ``dmy``, ``mdy`` or ``ymd``. By default it is decided for each file, and
        a file in which it is unclear is refused.
    decimal
        The decimal mark of bars, ``point`` or ``comma``; by default it is decided in the same way.
    columns
        From tenor's names of columns to those of the files (``{"session": "Datum"}``, as from `parse_columns`).
    encoding
        Encoding of text files that are neither UTF-8 nor UTF-16, by its name in Python; by default Windows-1252, if
        they can be read so.

    Raises
    ------
    ConfigError
        A path is empty, `dates` or `decimal` has an unknown value, or there is no such `encoding`.
    DataError
        No path exists, or the only one is a folder without files. Unusable rows inside a file are refused one by one,
        and the other rows imported.
    StoreError
        The lake can't be written.
    """
    if "" in map(str.strip, paths):
        raise ConfigError("a path to import is empty: name a file or a folder ('.' for the current one).")
    lake = Lake(store)
    reading = Reading.of(
        dates=dates,
        decimal=decimal,
        columns=columns,
        stored=lambda symbols: _closes(lake, symbols),
        encoding=encoding,
        known=lake.symbols,
        vouched=lambda code: _extra_days(lake, code, calendar),
    )
    files: list[FileSummary] = []
    refused: list[str] = []
    written_about: set[str] = set()
    bars = news = sentiment = events = _NOTHING
    symbols_of_events: set[str] = set()
    if EMBEDDED in paths:
        bars += lake.append_bars(embedded_bars(), source=EMBEDDED_SOURCE)
        sentiment += lake.append_sentiment(embedded_sentiment(), source=EMBEDDED_SOURCE)
        if has_embedded("open"):  # the same posts with the cut-off before the open; they are not counted twice
            lake.append_sentiment(embedded_sentiment("open"), source=EMBEDDED_SOURCE)
        lake.append_rows("names", embedded_names().assign(source=EMBEDDED_SOURCE))
    given = [path for path in paths if path != EMBEDDED]
    missing = tuple(path for path in given if not Path(path).exists())
    meant = next((path for path in missing if did_you_mean(path, (EMBEDDED,))), None)
    if meant is not None:
        raise DataError(f"{meant}: there is no such file or folder.{did_you_mean(meant, (EMBEDDED,))}")
    if given and len(paths) in (1, len(missing)):
        find_files(Path(given[0]), also=JSON_SUFFIXES)  # raises if there is nothing to import
    for batch in read_files(given, calendar=calendar, reading=reading, events=lambda: lake.events(source="file")):
        if batch.bars is not None:
            bars += lake.append_bars(batch.bars, source="file")
        if batch.news is not None:
            news += lake.append_news(batch.news)
            written_about |= set(batch.news.frame["symbol"])
        if batch.events is not None:
            events += lake.append_events(batch.events)
            symbols_of_events |= set(batch.events.frame["symbol"]) - {""}
        lake.append_refusals(batch.refusals, files=[file.file for file in batch.files])
        files += batch.files
        refused += [refusal.describe() for refusal in batch.refused]
    without_bars = tuple(sorted(written_about.intersection(news_without_bars(store)))) if written_about else ()
    strangers = tuple(sorted(symbols_of_events - set(lake.symbols()))) if symbols_of_events else ()
    return ImportResult(tuple(files), bars, news, sentiment, tuple(refused), without_bars, events, strangers, missing)


@dataclass(frozen=True)
class TableImport:
    """The result of importing one table of own features.

    Attributes
    ----------
    name
        Name of the table.
    columns
        Its numeric columns.
    rows
        How many cells were new, revised or already there.
    without_bars
        Symbols of the table without bars in the lake.
    """

    name: str
    columns: tuple[str, ...]
    rows: Appended
    without_bars: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return asdict(self)


def import_table(store: str, paths: Sequence[str], *, name: str, calendar: str | None = None) -> TableImport:
    """Read tables of own features into the lake, under `name` (docs/own-features.md).

    Parameters
    ----------
    store
        The lake.
    paths
        CSV or Parquet files with the columns ``symbol`` (unless rows concern all symbols), ``session`` or
        ``known_since``, and numbers.
    name
        Name of the table, which ``features.own = ["features:NAME"]`` then uses.
    calendar
        Calendar by which days without a time are read, for symbols whose names show no market; New York's by default.

    Raises
    ------
    ConfigError
        `name` can't be a feature's.
    DataError
        A file can't be used, or states that a value was known earlier than the lake has it; then nothing is written.
    """
    check_name(name)
    lake = Lake(store)
    read = [read_own_table(name, read_frame(Path(p)), calendar=calendar or "XNYS", where=p) for p in paths]
    known = lake.covariates(name)
    for path, table in zip(paths, read, strict=True):
        if not isinstance(table, OwnTable):
            raise DataError(
                f"{path} has neither a session nor known_since: it does not change, and travels with a model as it is; "
                f"name its path in features.own instead of importing it."
            )
        if known is not None:
            _refuse_earlier(table.frame, known, path)
    rows = _NOTHING
    columns: list[str] = []
    symbols: set[str] = set()
    for table in read:
        assert isinstance(table, OwnTable)
        rows += lake.append_covariates(name, table.frame)
        columns += table.numbers
        symbols |= set(table.frame["symbol"]) - {""}
    return TableImport(name, tuple(dict.fromkeys(columns)), rows, tuple(sorted(symbols - set(lake.symbols()))))


def _refuse_earlier(frame: pd.DataFrame, known: pd.DataFrame, path: str) -> None:
    """Refuse rows with an earlier `known_since` than the lake has for the same session."""
    first = known.groupby(["symbol", "session"])["known_since"].min().rename("before").reset_index()
    rows = frame.merge(first, on=["symbol", "session"])
    early = rows[(rows["known_since"] < rows["before"]).to_numpy()]
    if len(early):
        row = early.iloc[0]
        raise DataError(
            f"{path}: {row['symbol'] or 'all symbols'} {row['session']:%Y-%m-%d} is stated to be known since "
            f"{row['known_since']:%Y-%m-%d %H:%M} UTC, but the lake has it since {row['before']:%Y-%m-%d %H:%M} UTC: "
            "a value can't become known earlier afterwards; keep the first moment, or use another name."
        )


def _closes(lake: Lake, symbols: Sequence[str]) -> pd.DataFrame:
    """The lake's closes of `symbols`, with the columns ``symbol, session, close``."""
    known = sorted(set(symbols) & set(lake.symbols()))
    if not known:
        return pd.DataFrame({"symbol": [], "session": [], "close": []})
    return lake.bars(known).frame[["symbol", "session", "close"]]


def _extra_days(lake: Lake, code: str, given: str | None) -> pd.DatetimeIndex:
    """The extra sessions of the calendar `code` in the lake; `given` is that of symbols whose names show no market."""
    symbols = lake.symbols()
    own = [symbol for symbol in symbols if calendar_of(symbol, given or "XNYS") == code]
    return extra_days(pd.DatetimeIndex(lake.bars(own).frame["session"]) if own else pd.DatetimeIndex([]), code)


def check_lake(store: str, *, calendar: str | None = None) -> list[SymbolReport]:
    """Check the lake's bars; returns one report for each symbol."""
    lake = Lake(store)
    return check_bars(lake.bars(), calendar=calendar, refusals=lake.refusals())
