"""Bars from the user's files: CSV or Parquet, all symbols in one file or one file for each symbol."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from tenor.errors import DataError, UnusableError, one_line
from tenor.ingest.files.layouts import are_candles
from tenor.ingest.files.reading import Reading
from tenor.ingest.files.refusals import Refusal, file_refusal, join_refusals, refusals_of
from tenor.ingest.files.rules import RowFilter
from tenor.ingest.files.tables import PARQUET_SUFFIXES, TEXT_SUFFIXES, RawTable, read_table
from tenor.schema import BAR_COLUMNS, Bars, Events, News
from tenor.symbols import clean_symbol, taken_for

_BATCH_ROWS = 1_000_000
# what price services write before and after the symbol in a file's name
_AROUND_SYMBOL = re.compile(
    r"^daily_(adjusted_)?|( Historical Data| Stock Price History|_(daily_|price-)?histor(ical-data|y)[-_][-\d]+)?"
    r"(\.us|_us_d| \(\d+\)|[-_](1d|daily|d1)([-_]\d{4}-\d\d(-\d\d)?)?)?$",
    re.IGNORECASE,
)
# the name of a file exported from TradingView: the exchange, the symbol, the length of a bar, and a suffix
_CHART = re.compile(r"(?:(?:NASDAQ|NYSE|AMEX|BATS|ARCA|NYSE_ARCA|CBOE)_)?([^_,]+), 1D(?:[_ ].*)?")
# a cryptocurrency pair as Binance writes it: the coin and the currency of its price
_COIN = re.compile(r"([A-Z0-9]{2,10}?)(USDT|USDC|USD|EUR|GBP|JPY|BTC|ETH)")


@dataclass(frozen=True)
class FileSummary:
    """How much of one file was imported.

    Attributes
    ----------
    file
        The path of the file.
    symbols
        How many symbols have rows that can be used.
    rows
        How many rows were read.
    usable
        How many rows can be used.
    refused
        How many rows can't be used.
    notes
        Assumptions made while reading the file.
    """

    file: str
    symbols: int
    rows: int
    usable: int
    refused: int
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """The summary in one line."""
        notes = f" ({'; '.join(self.notes)})" if self.notes else ""
        return f"{self.file}: {self.usable} of {self.rows} rows usable, {self.refused} refused{notes}"


@dataclass(frozen=True)
class FileBatch:
    """The contents of one or more files.

    Attributes
    ----------
    bars
        The bars that can be used; None where there are none.
    refusals
        The rows that can't be used, with the columns of `Refusal`.
    files
        A summary of each file.
    news
        The news that can be used; None where there are none.
    events
        The events that can be used; None where there are none.
    """

    bars: Bars | None
    refusals: pd.DataFrame
    files: tuple[FileSummary, ...]
    news: News | None = None
    events: Events | None = None

    @property
    def refused(self) -> list[Refusal]:
        """The rows of `refusals`, each as a `Refusal`."""
        return refusals_of(self.refusals)


def find_files(path: Path, *, also: tuple[str, ...] = ()) -> list[Path]:
    """`path` itself if it is a file; otherwise the CSV and Parquet files in it and its subfolders, except hidden ones.

    Parameters
    ----------
    path
        A file or folder.
    also
        Suffixes of other files to include, such as ``.json``.

    Returns
    -------
    list of Path
        Sorted.

    Raises
    ------
    DataError
        There is no such file or folder, or the folder has no such file.
    """
    if path.is_file():
        return [path]
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder: check the path.")
    suffixes = (*TEXT_SUFFIXES, *PARQUET_SUFFIXES, *also)
    inside = path.resolve()
    files = sorted(
        p
        for p in path.rglob("*")
        if p.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in p.relative_to(path).parts)
        # a link that leads out of the folder is listed too, so that the reader can refuse it by name (`leads_out`)
        and (p.is_file() or not _target(p).is_relative_to(inside))
    )
    if not files:
        raise DataError(f"{path}: the folder has no file that ends in {', '.join(suffixes)}.")
    return files


def leads_out(file: Path, given: Path) -> bool:
    """Whether `file`, found in the folder `given`, is a link to a place outside it. Such files must not be read.

    Otherwise a person who can write to the folder could make the import quote any file that its user may read. A path
    that the user named directly is read, even if it is a link.
    """
    return file != given and not _target(file).is_relative_to(given.resolve())


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `resolve` raises for links that lead to each other


def refused_link(file: Path) -> FileBatch:
    """The refusal of a file for which `leads_out` is true; neither its content nor its target is quoted."""
    return refused_file(file, UnusableError("is a link that leads out of the folder", "copy the file there"))


def refused_file(path: Path, error: UnusableError) -> FileBatch:
    """A batch that holds only the refusal of a whole file."""
    return FileBatch(None, file_refusal(path, error), (FileSummary(str(path), 0, 0, 0, 1),))


def read_batches(
    paths: Sequence[Path],
    *,
    calendar: str | None = None,
    now: pd.Timestamp | None = None,
    reading: Reading | None = None,
) -> Iterator[FileBatch]:
    """Read the bars in `paths` (files and folders), a few files at a time, so that memory stays bounded.

    A batch has up to about a million rows, or one larger file. No two files of a batch have a symbol in common.
    Therefore, if the batches are stored one after the other, a later file revises an earlier one.

    Parameters
    ----------
    paths
        Files and folders.
    calendar
        The exchange on whose sessions the rows must lie; rows on other days are refused. By default each symbol's own.
    now
        UTC; rows of sessions that are not over by then are refused. The current time by default.
    reading
        What the user stated about the files, and the bars that are already known.

    Raises
    ------
    DataError
        A path does not exist, or a folder has no such file. Unusable rows inside a file are refusals.
    """
    now = now or pd.Timestamp.now("UTC")
    frames: list[pd.DataFrame] = []
    refusals: list[pd.DataFrame] = []
    files: list[FileSummary] = []
    batch_symbols: set[str] = set()
    found = [(file, Path(given)) for given in paths for file in find_files(Path(given))]
    for path, given in found:
        if leads_out(path, given):
            yield refused_link(path)
            continue
        frame, refused, summary = _read_file(path, calendar, now, (reading or Reading()).beside(frames))
        symbols = set(frame["symbol"].cat.categories)
        if files and (batch_symbols & symbols or sum(map(len, frames)) + len(frame) > _BATCH_ROWS):
            yield _batch(frames, refusals, files)
            frames, refusals, files, batch_symbols = [], [], [], set()
        frames.append(frame)
        refusals.append(refused)
        files.append(summary)
        batch_symbols |= symbols
    if files:
        yield _batch(frames, refusals, files)


def read_bars(
    paths: Sequence[Path],
    *,
    calendar: str | None = None,
    now: pd.Timestamp | None = None,
    reading: Reading | None = None,
) -> FileBatch:
    """Read all bars in `paths` at once; parameters and errors as in `read_batches`.

    Where files disagree about a bar, the last file counts.
    """
    batches = list(read_batches(paths, calendar=calendar, now=now, reading=reading))
    frames = [batch.bars.frame for batch in batches if batch.bars]
    bars = Bars(pd.concat(frames).drop_duplicates(["symbol", "session"], keep="last")) if frames else None
    return FileBatch(bars, join_refusals([b.refusals for b in batches]), tuple(f for b in batches for f in b.files))


def _batch(frames: list[pd.DataFrame], refusals: list[pd.DataFrame], files: list[FileSummary]) -> FileBatch:
    full = [frame.astype({"symbol": "str"}) for frame in frames if len(frame)]
    bars = Bars(pd.concat(full, ignore_index=True)) if full else None
    return FileBatch(bars, join_refusals(refusals), tuple(files))


def _read_file(
    path: Path, calendar: str | None, now: pd.Timestamp, reading: Reading
) -> tuple[pd.DataFrame, pd.DataFrame, FileSummary]:
    rows = 0
    try:
        raw = read_table(path, reading.columns, reading.encoding)
        rows = len(raw.rows) + len(raw.ragged)
        named, symbol = _symbol_of(path, raw)
        row_filter = RowFilter(str(path), raw, symbol, calendar, now, reading)
        if symbol and (note := taken_for(named)):
            row_filter.notes.append(note)
        row_filter.read()
        row_filter.sound_prices()
        row_filter.on_calendar()
        row_filter.one_bar_a_day()
    except UnusableError as error:
        return _refused(path, rows, error)
    except (pa.ArrowException, ArithmeticError, LookupError, TypeError, ValueError) as error:
        # errors of libraries in cases that no rule covers: one bad file must not stop the import of a folder
        why = f"can't be read ({type(error).__name__}: {one_line(error, 120)})"
        return _refused(path, rows, UnusableError(why, "export it again, as CSV with one row per bar"))
    frame, refused = row_filter.frame(), row_filter.refusals()
    frame["symbol"] = frame["symbol"].cat.remove_unused_categories()
    rows = len(frame) + len(refused)
    symbols = len(frame["symbol"].cat.categories)
    return frame, refused, FileSummary(str(path), symbols, rows, len(frame), len(refused), tuple(row_filter.notes))


def _refused(path: Path, rows: int, error: UnusableError) -> tuple[pd.DataFrame, pd.DataFrame, FileSummary]:
    """An empty frame, and the refusal of the whole file."""
    empty = pd.DataFrame(columns=list(BAR_COLUMNS)).astype({"symbol": "category"})
    return empty, file_refusal(path, error), FileSummary(str(path), 0, rows, 0, 1)


def _symbol_of(path: Path, raw: RawTable) -> tuple[str, str]:
    """The symbol of all rows, as written in the header or the file's name, and as tenor writes it.

    Both are ``""`` if the file has a column of symbols.
    """
    if "symbol" in raw.cells:
        return "", ""
    chart = _CHART.fullmatch(path.stem)
    name = raw.symbol or (chart[1] if chart else _AROUND_SYMBOL.sub("", path.stem))
    symbol = clean_symbol(name)
    if not symbol:
        raise UnusableError("has no column for the symbol, and its own name is not a symbol", "add a column ticker")
    coin = _COIN.fullmatch(symbol) if are_candles(raw.columns.names) else None
    return name, f"{coin[1]}-{coin[2]}" if coin else symbol
