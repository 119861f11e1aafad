"""Where bars and news come from: files and folders of the user's, and datasets as they were published."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from tenor.ingest.files.bar_files import FileSummary, Imported, find_files, read_bars, read_batches
from tenor.ingest.files.check import Jump, SymbolReport, check_bars, find_jumps
from tenor.ingest.files.news_files import JSON_SUFFIXES, is_news_file, read_news_file
from tenor.ingest.files.refusals import REFUSAL_COLUMNS, Refusal
from tenor.ingest.files.stocknet import is_stocknet, read_stocknet_bars, read_stocknet_news

__all__ = [
    "REFUSAL_COLUMNS",
    "FileSummary",
    "Imported",
    "Jump",
    "Refusal",
    "SymbolReport",
    "check_bars",
    "find_jumps",
    "is_stocknet",
    "read",
    "read_bars",
    "read_batches",
    "read_news_file",
    "read_stocknet_bars",
    "read_stocknet_news",
]


def read(
    paths: Sequence[str | Path], *, calendar: str | None = None, now: pd.Timestamp | None = None
) -> Iterator[Imported]:
    """Read whatever `paths` are (files of bars or of news, folders of them, the StockNet folder), batch by batch.

    Parameters and errors are those of `read_batches`.
    """
    for path in map(Path, paths):
        if is_stocknet(path):
            yield from read_batches([path / "price" / "raw"], calendar=calendar, now=now)
            yield read_stocknet_news(path, now=now)
        else:
            files = find_files(path, also=JSON_SUFFIXES)
            news = [file for file in files if is_news_file(file)]
            if bars := [file for file in files if file not in set(news)]:
                yield from read_batches(bars, calendar=calendar, now=now)
            for file in news:
                yield from read_news_file(file, now=now)
