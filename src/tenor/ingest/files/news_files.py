"""News from the user's files, read batch by batch. Each row has a text, a time and a symbol."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tenor.errors import UnusableError
from tenor.ingest.files.bar_files import FileBatch, FileSummary, refused_file
from tenor.ingest.files.json_files import LINES_SUFFIXES
from tenor.ingest.files.news_cells import class_shares, read_source, read_symbols, read_text, read_url, shown
from tenor.ingest.files.news_columns import NewsColumns, names_news, news_columns
from tenor.ingest.files.news_order import order_of_times
from tenor.ingest.files.news_tables import NewsRows, header_of, read_rows
from tenor.ingest.files.news_times import TimeReader, full_hours, one_time_of_day
from tenor.ingest.files.reading import Reading
from tenor.ingest.files.refusals import join_refusals, refusal_frame
from tenor.ingest.files.time_texts import NO_ZONE, open_date
from tenor.schema import News, news_id

_CORRECT = "correct it or drop the row"


def is_news_file(path: Path, columns: Mapping[str, str] | None = None, encoding: str | None = None) -> bool:
    """Whether `path` holds news: a table or JSON with texts, and without prices.

    Parameters
    ----------
    path
        A file.
    columns
        Names of columns that the user gave, as `parse_columns` returns them.
    encoding
        The encoding that the user named, for a text that is neither UTF-8 nor UTF-16.
    """
    lines = path.suffix.lower() in LINES_SUFFIXES
    try:
        names = header_of(path, columns, encoding)
    except (OSError, ValueError, csv.Error, pa.ArrowException, RecursionError, UnusableError):
        return lines
    return names_news(names, columns) or (lines and not names)


def read_news_file(
    path: Path, *, now: pd.Timestamp | None = None, reading: Reading | None = None
) -> Iterator[FileBatch]:
    """Read the news in `path`, about 200,000 rows at a time, so that memory stays bounded.

    A row about several symbols becomes one item for each. A row without a text, a symbol or a time with its zone, or
    with a time after `now`, is refused. A file that can't be read at all is one refusal.

    Parameters
    ----------
    path
        A file of delimited text, JSON lines, JSON or Parquet.
    now
        UTC; the current time by default.
    reading
        What the user stated about the file: the names of columns, the order of dates, the encoding.
    """
    reading = reading or Reading()

    def every() -> Iterator[NewsRows]:
        return (rows for rows, _ in read_rows(path, reading.columns, reading.encoding))

    file = NewsReader(path, now or pd.Timestamp.now("UTC"), reading, every)
    try:
        for rows, notes in read_rows(path, reading.columns, reading.encoding):
            yield file.batch(rows, notes)
    except UnusableError as error:
        yield refused_file(path, error)


class NewsReader:
    """Reads the rows of one file or table, batch by batch.

    Some things are decided once for the file: the meaning of each column, the unit of numbers as times, the order of
    day and month, and the share classes.

    Parameters
    ----------
    path
        The name of the file or table in messages; its stem is the source of items that name no source.
    now
        UTC; items published later are refused.
    reading
        What the user stated about the file.
    every
        Returns all rows from the first on, to decide what one batch can't.
    """

    def __init__(
        self, path: Path, now: pd.Timestamp, reading: Reading, every: Callable[[], Iterable[NewsRows]]
    ) -> None:
        self._path = path
        self._now = now
        self._reading = reading
        self._every = every
        self._shares: frozenset[str] | None = None
        self._decided_order = False
        self._columns: NewsColumns | None = None
        self._times: TimeReader | None = None
        self._refused = partial(refusal_frame, file=str(path), kind="news")

    def batch(self, rows: NewsRows, notes: tuple[str, ...]) -> FileBatch:
        """The items in `rows` that can be used, the refusals of the others, and a summary."""
        refused = [
            self._refused(row=[place], column="row", value=text, why=why, remedy=_CORRECT)
            for place, text, why in rows.broken
        ]
        if not rows.places:
            return self._summed(None, refused, rows, 0, notes)
        if self._columns is None or self._times is None:
            self._columns = news_columns(rows.names, self._reading.columns)
            self._times = TimeReader(self._columns.own("published_at"), self._now)
        columns = self._columns
        places = np.array(rows.places)

        def cells(column: str) -> list[Any]:
            return rows.cells.get(columns.own(column), [None] * len(places)) if column in columns.place else []

        texts, no_text = zip(*map(read_text, cells("text")), strict=True)
        shares, more = self._class_shares(cells("symbol"))
        symbols, no_symbol, left_out = zip(*(read_symbols(cell, shares) for cell in cells("symbol")), strict=True)
        more = (*more, *self._order(self._times, cells("published_at")))
        times = self._times.read(pd.Series(cells("published_at"), dtype=object))
        late = (times.moments > self._now).to_numpy()
        usable = np.ones(len(places), dtype=bool)
        for column, why, remedy in (
            ("text", np.array(no_text, dtype=object), "drop the row"),
            ("symbol", np.array(no_symbol, dtype=object), _CORRECT),
            ("published_at", times.why, times.remedy),
            ("published_at", np.where(late, "is from the future", "").astype(object), _CORRECT),
        ):
            hit = (why != "") & usable
            usable &= ~hit
            refused += self._refusals(columns.own(column), cells(column), places, hit, why, remedy)
        news = self._news(cells, np.flatnonzero(usable), texts, times.moments, symbols)
        notes = (*notes, *columns.notes(), *more, *times.notes, *self._doubts(times.moments[usable], sum(left_out)))
        return self._summed(news, refused, rows, int(usable.sum()), notes)

    def _order(self, times: TimeReader, cells: list[Any]) -> tuple[str, ...]:
        """Decide the order of day and month from all rows of the file, at the first batch where it is ambiguous."""
        if self._decided_order or not any(isinstance(cell, str) and open_date(cell) for cell in cells):
            return ()
        self._decided_order = True
        try:
            every = (cell for cell in self._column("published_at") if isinstance(cell, str))
            times.order, note = order_of_times(every, self._now.to_pydatetime(), self._reading.dates, times.name)
        except UnusableError:
            if times.read(pd.Series(cells, dtype=object)).why.tolist().count(NO_ZONE) == len(cells):
                return ()  # they are not times in any order; each row is refused with its own reason
            raise
        return (note,) if note else ()

    def _class_shares(self, cells: list[Any]) -> tuple[frozenset[str], tuple[str, ...]]:
        """The share classes that cells write with a space (``BRK B``), and notes on how these cells are read."""
        maybe = {share: cell for cell in cells for share in class_shares(cell)}
        if not maybe:
            return frozenset(), ()
        if self._shares is None:
            # those written without a space elsewhere in the file, and those that have bars
            own = {symbol for cell in self._column("symbol") for symbol in read_symbols(cell)[0] if "-" in symbol}
            self._shares = frozenset(own) | frozenset(self._reading.known() if self._reading.known else ())
        joined = [share for share in maybe if share in self._shares]
        apart = [share for share in maybe if share not in self._shares and len(share.rpartition("-")[2]) == 1]
        notes = [f"{shown(maybe[share])} is taken for {share}" for share in joined[:3]]
        if apart:
            notes.append(f"{shown(maybe[apart[0]])} is read as two symbols: {apart[0]} is not known")
        return self._shares, tuple(notes)

    def _column(self, column: str) -> Iterator[Any]:
        """The cells of `column` in all rows of the file."""
        assert self._columns is not None
        if column not in self._columns.place:
            return
        name = self._columns.own(column)
        for rows in self._every():
            yield from rows.cells.get(name, ())

    def _refusals(
        self,
        name: str,
        cells: list[Any],
        places: NDArray[np.int64],
        hit: NDArray[np.bool_],
        why: NDArray[np.object_],
        remedy: str | NDArray[np.object_],
    ) -> list[pd.DataFrame]:
        """The refusals of the rows `hit`, one frame for each remedy."""
        remedies = np.full(len(places), remedy, dtype=object) if isinstance(remedy, str) else remedy
        frames = []
        for each in dict.fromkeys(remedies[hit].tolist()):
            index = np.flatnonzero(hit & (remedies == each))
            values = [shown(cells[i]) for i in index]
            frames.append(self._refused(row=places[index], column=name, value=values, why=why[index], remedy=each))
        return frames

    def _news(
        self, cells: Any, usable: NDArray[np.int64], texts: Any, moments: pd.Series[Any], symbols: Any
    ) -> News | None:
        if not len(usable):
            return None
        named, linked = cells("source"), cells("url")
        sources = [read_source(named[i], self._path.stem) if named else self._path.stem for i in usable]
        frame = pd.DataFrame(
            {
                "id": [news_id(source, texts[i]) for source, i in zip(sources, usable, strict=True)],
                "published_at": moments.iloc[usable].array,
                "text": [texts[i] for i in usable],
                "source": sources,
                "url": [read_url(linked[i]) if linked else "" for i in usable],
                "symbol": [list(symbols[i]) for i in usable],
            }
        )
        return News(frame.explode("symbol"))

    @staticmethod
    def _doubts(moments: pd.Series[Any], left_out: int) -> list[str]:
        notes = []
        if clock := one_time_of_day(moments):
            notes.append(f"every time is {clock} UTC: if these are dates, items count before they were published")
        elif full_hours(moments):
            notes.append("every time is a full hour: if they were rounded down, items count up to an hour too early")
        if left_out:
            notes.append(f"{left_out} items of lists of symbols are not symbols and were left out")
        return notes

    def _summed(
        self, news: News | None, refused: list[pd.DataFrame], rows: NewsRows, usable: int, notes: tuple[str, ...]
    ) -> FileBatch:
        refusals = join_refusals([frame for frame in refused if len(frame)])
        symbols = 0 if news is None else news.frame["symbol"].nunique()
        count = len(rows.places) + len(rows.broken)
        return FileBatch(
            None, refusals, (FileSummary(str(self._path), symbols, count, usable, len(refusals), notes),), news
        )
