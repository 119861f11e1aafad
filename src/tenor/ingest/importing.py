"""Files, folders and the embedded data -> the lake; and a check of the bars in the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tenor.data import embedded_bars, embedded_sentiment
from tenor.ingest.files import FileSummary, SymbolReport, check_bars, read_files
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
        Likewise of news.
    sentiment
        Likewise of daily sentiment.
    refused
        One text for each refused row: file, row, column, value, reason and remedy.
    """

    files: tuple[FileSummary, ...]
    bars: Appended
    news: Appended
    sentiment: Appended
    refused: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether the import brought bars or news."""
        return self.bars != _NOTHING or self.news != _NOTHING

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return asdict(self)


def import_files(
    store: str, paths: Sequence[str], *, calendar: str | None = None, columns: Mapping[str, str] | None = None
) -> ImportResult:
    """Read files and folders into the lake; ``embedded`` stands for the bars and the sentiment that come with tenor.

    Parameters
    ----------
    store
        The lake.
    paths
        Files, folders, or ``embedded``.
    calendar
        The exchange of all symbols; by default each symbol's own.
    columns
        The files' own names of tenor's columns, as `tenor.ingest.files.column_names.parse_columns` reads them.

    Raises
    ------
    DataError
        A path does not exist. Unusable rows inside a file are refused one by one, and the other rows imported.
    StoreError
        The lake can't be written.
    """
    lake = Lake(store)
    files: list[FileSummary] = []
    refused: list[str] = []
    bars = news = sentiment = _NOTHING
    if EMBEDDED in paths:
        bars += lake.append_bars(embedded_bars(), source=EMBEDDED_SOURCE)
        sentiment += lake.append_sentiment(embedded_sentiment(), source=EMBEDDED_SOURCE)
    for batch in read_files([path for path in paths if path != EMBEDDED], calendar=calendar, columns=columns):
        if batch.bars is not None:
            bars += lake.append_bars(batch.bars, source="file")
        if batch.news is not None:
            news += lake.append_news(batch.news)
        lake.append_refusals(batch.refusals, files=[file.file for file in batch.files])
        files += batch.files
        refused += [refusal.describe() for refusal in batch.refused]
    return ImportResult(tuple(files), bars, news, sentiment, tuple(refused))


def check_lake(store: str, *, calendar: str | None = None) -> list[SymbolReport]:
    """A report on the lake's bars for each symbol."""
    lake = Lake(store)
    return check_bars(lake.bars(), calendar=calendar, refusals=lake.refusals())
