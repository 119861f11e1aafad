"""Bars and news from the user's files and folders, and from datasets as they were published."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from tenor.errors import DataError, UnusableError
from tenor.ingest.files.bar_files import (
    FileBatch,
    FileSummary,
    find_files,
    leads_out,
    read_bars,
    read_batches,
    refused_file,
    refused_link,
)
from tenor.ingest.files.check import Jump, SymbolReport, check_bars, find_jumps
from tenor.ingest.files.event_files import is_event_file, read_event_file
from tenor.ingest.files.json_files import JSON_SUFFIXES, is_bar_json
from tenor.ingest.files.news_files import is_news_file, read_news_file
from tenor.ingest.files.reading import Reading
from tenor.ingest.files.refusals import REFUSAL_COLUMNS, Refusal
from tenor.ingest.files.stocknet import is_stocknet, read_stocknet_bars, read_stocknet_news
from tenor.schema import Events

__all__ = [
    "JSON_SUFFIXES",
    "REFUSAL_COLUMNS",
    "FileBatch",
    "FileSummary",
    "Jump",
    "Reading",
    "Refusal",
    "SymbolReport",
    "check_bars",
    "find_files",
    "find_jumps",
    "is_stocknet",
    "read_bars",
    "read_batches",
    "read_event_file",
    "read_files",
    "read_news_file",
    "read_stocknet_bars",
    "read_stocknet_news",
]


def read_files(
    paths: Sequence[str | Path],
    *,
    calendar: str | None = None,
    now: pd.Timestamp | None = None,
    reading: Reading | None = None,
    events: Callable[[], Events | None] = lambda: None,
) -> Iterator[FileBatch]:
    """Read `paths`, batch by batch: files of bars, of news or of events, folders of them, or the StockNet folder.

    A path that does not exist, or a folder without such files, is reported as one refusal.

    Parameters
    ----------
    paths
        Files and folders.
    calendar
        The exchange on whose sessions bars must lie. By default each symbol's own.
    now
        UTC; bars of sessions that are not over by then, and news published later, are refused. The current time by
        default.
    reading
        What the user stated about the files, and the bars that are already known.
    events
        Returns the events that are already known; called for each file of events.
    """
    reading = reading or Reading()
    for path in map(Path, paths):
        if is_stocknet(path):
            yield from read_batches([path / "price" / "raw"], calendar=calendar, now=now, reading=reading)
            yield read_stocknet_news(path, now=now)
            continue
        try:
            every = find_files(path, also=JSON_SUFFIXES)
        except DataError as error:
            why, _, remedy = str(error).removeprefix(f"{path}: ").removesuffix(".").partition(": ")
            yield refused_file(
                path,
                UnusableError(why.removeprefix("the folder "), remedy or "name a file or a folder with such files"),
            )
            continue
        yield from (refused_link(file) for file in every if leads_out(file, path))
        files = [file for file in every if not leads_out(file, path)]
        of_events = [file for file in files if file.suffix.lower() not in JSON_SUFFIXES and is_event_file(file)]
        for file in of_events:
            yield read_event_file(file, calendar=calendar, known=events())
        files = [file for file in files if file not in of_events]
        bars_in_json = {file for file in files if _is_bar_json(file, reading.columns)}
        # a JSON file found in a folder may hold anything; one that the user named is read, or refused with a reason
        if path in files and path.suffix.lower() in JSON_SUFFIXES and path not in bars_in_json:
            news = [path]
        else:
            candidates = [file for file in files if file not in bars_in_json]
            news = [file for file in candidates if is_news_file(file, reading.columns, reading.encoding)]
        other = [file for file in files if file not in set(news)]
        if bars := [file for file in other if file in bars_in_json or file.suffix.lower() not in JSON_SUFFIXES]:
            yield from read_batches(bars, calendar=calendar, now=now, reading=reading)
        for file in news:
            yield from read_news_file(file, now=now, reading=reading)


def _is_bar_json(path: Path, columns: Mapping[str, str]) -> bool:
    return path.suffix.lower() in JSON_SUFFIXES and is_bar_json(path, columns)
