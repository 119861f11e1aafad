"""Bars from people's own files: CSV or Parquet, long or one file a symbol, whatever the export calls its columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tenor.errors import DataError, UnusableError
from tenor.ingest.files.cells import clean_symbol
from tenor.ingest.files.refusals import Refusal, joined, listed, refusal_frame
from tenor.ingest.files.rules import Sieve
from tenor.ingest.files.tables import PARQUET_SUFFIXES, TEXT_SUFFIXES, read_table
from tenor.schema import BAR_COLUMNS, Bars, News

_BATCH_ROWS = 1_000_000
# what price services add to a symbol when they name a file
_AROUND_SYMBOL = re.compile(r"^daily_(adjusted_)?|(\.us|_us_d| \(\d+\))$", re.IGNORECASE)


@dataclass(frozen=True)
class FileSummary:
    """What became of one file.

    Attributes
    ----------
    symbols
        How many have rows that were kept. `rows` read, `kept`, `refused`.
    notes
        What was assumed.
    """

    file: str
    symbols: int
    rows: int
    kept: int
    refused: int
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line."""
        notes = f" ({'; '.join(self.notes)})" if self.notes else ""
        return f"{self.file}: {self.kept} of {self.rows} rows kept, {self.refused} refused{notes}"


@dataclass(frozen=True)
class Imported:
    """What one or more files held.

    Attributes
    ----------
    bars, news
        What can be used; None where nothing can.
    refusals
        What can't, with the columns of `Refusal`.
    files
        What became of each file.
    """

    bars: Bars | None
    refusals: pd.DataFrame
    files: tuple[FileSummary, ...]
    news: News | None = None

    @property
    def refused(self) -> list[Refusal]:
        """`refusals` one by one."""
        return listed(self.refusals)


def find_files(path: Path, *, also: tuple[str, ...] = ()) -> list[Path]:
    """`path` itself, or the CSV and Parquet files (and those that end in `also`) under it; hidden ones are passed over.

    Raises
    ------
    DataError
        There is no such file, or no such file in the folder.
    """
    if path.is_file():
        return [path]
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder: check the path.")
    suffixes = (*TEXT_SUFFIXES, *PARQUET_SUFFIXES, *also)
    found = sorted(
        p
        for p in path.rglob("*")
        if p.suffix.lower() in suffixes
        and p.is_file()
        and not any(part.startswith(".") for part in p.relative_to(path).parts)
    )
    if not found:
        raise DataError(f"{path}: the folder has no file that ends in {', '.join(suffixes)}.")
    return found


def read_batches(
    paths: Sequence[Path], *, calendar: str | None = None, now: pd.Timestamp | None = None
) -> Iterator[Imported]:
    """Read the bars in `paths` (files and folders), some files at a time, so that memory stays bounded.

    A batch holds about a million rows, or one larger file; a symbol appears once in it, so that a later file revises
    an earlier one when batches are appended in turn.

    Parameters
    ----------
    calendar
        Whose sessions the rows must lie on; rows on other days are refused. By default each symbol's own.
    now
        UTC; rows of sessions that are not over by then are refused. The clock's time by default.

    Raises
    ------
    DataError
        A path does not exist, or a folder has no such file. What is wrong inside a file is a refusal.
    """
    now = now or pd.Timestamp.now("UTC")
    frames: list[pd.DataFrame] = []
    refusals: list[pd.DataFrame] = []
    files: list[FileSummary] = []
    held: set[str] = set()
    for path in [file for given in paths for file in find_files(Path(given))]:
        frame, refused, summary = _read_file(path, calendar, now)
        symbols = set(frame["symbol"].cat.categories)
        if files and (held & symbols or sum(map(len, frames)) + len(frame) > _BATCH_ROWS):
            yield _batch(frames, refusals, files)
            frames, refusals, files, held = [], [], [], set()
        frames.append(frame)
        refusals.append(refused)
        files.append(summary)
        held |= symbols
    if files:
        yield _batch(frames, refusals, files)


def read_bars(paths: Sequence[Path], *, calendar: str | None = None, now: pd.Timestamp | None = None) -> Imported:
    """All bars in `paths` at once, as `read_batches` reads them; where files disagree, the last one counts."""
    batches = list(read_batches(paths, calendar=calendar, now=now))
    frames = [batch.bars.frame for batch in batches if batch.bars]
    bars = Bars(pd.concat(frames).drop_duplicates(["symbol", "session"], keep="last")) if frames else None
    return Imported(bars, joined([b.refusals for b in batches]), tuple(f for b in batches for f in b.files))


def _batch(frames: list[pd.DataFrame], refusals: list[pd.DataFrame], files: list[FileSummary]) -> Imported:
    full = [frame.astype({"symbol": "str"}) for frame in frames if len(frame)]
    bars = Bars(pd.concat(full, ignore_index=True)) if full else None
    return Imported(bars, joined(refusals), tuple(files))


def _read_file(path: Path, calendar: str | None, now: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame, FileSummary]:
    try:
        raw = read_table(path)
        symbol = "" if "symbol" in raw.cells else clean_symbol(raw.symbol or _AROUND_SYMBOL.sub("", path.stem))
        if not symbol and "symbol" not in raw.cells:
            raise UnusableError("has no column for the symbol, and its name is none", "add a column ticker")
    except UnusableError as error:
        refused = refusal_frame(file=str(path), row=[0], kind="file", why=error.why, remedy=error.remedy)
        empty = pd.DataFrame(columns=list(BAR_COLUMNS)).astype({"symbol": "category"})
        return empty, refused, FileSummary(str(path), 0, 0, 0, 1)
    sieve = Sieve(str(path), raw, symbol)
    sieve.read()
    sieve.sound_prices()
    sieve.on_calendar(calendar, now)
    sieve.once()
    frame, refused = sieve.frame(), sieve.refusals()
    frame["symbol"] = frame["symbol"].cat.remove_unused_categories()
    rows = len(frame) + len(refused)
    symbols = len(frame["symbol"].cat.categories)
    return frame, refused, FileSummary(str(path), symbols, rows, len(frame), len(refused), tuple(sieve.notes))
