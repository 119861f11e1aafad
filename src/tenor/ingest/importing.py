"""Files, folders and the embedded bars -> the lake; and what is wrong with what the lake holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tenor.data import embedded_bars, embedded_sentiment
from tenor.ingest.files import FileSummary, SymbolReport, check_bars, read
from tenor.store import Appended, Lake

EMBEDDED = "embedded"
EMBEDDED_SOURCE = "StockNet, embedded"

NOTHING = Appended(0, 0, 0)


@dataclass(frozen=True)
class Collected:
    """What an import did.

    Attributes
    ----------
    files
        What became of each file.
    bars, news, sentiment
        What the lake made of the rows that were kept.
    refused
        One text a refused row, naming file, row, column, value, why and remedy.
    """

    files: tuple[FileSummary, ...]
    bars: Appended
    news: Appended
    sentiment: Appended
    refused: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether anything was kept."""
        return self.bars != NOTHING or self.news != NOTHING

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return asdict(self)


def collect(store: str, paths: Sequence[str], *, calendar: str | None = None) -> Collected:
    """Read files and folders into the lake; ``embedded`` stands for the bars and the sentiment that tenor carries.

    Raises
    ------
    DataError
        A path does not exist. What is wrong inside a file is refused, row by row, and the rest is kept.
    StoreError
        The lake can't be written.
    """
    lake = Lake(store)
    files: list[FileSummary] = []
    refused: list[str] = []
    bars = news = sentiment = NOTHING
    if EMBEDDED in paths:
        bars += lake.append_bars(embedded_bars(), source=EMBEDDED_SOURCE)
        sentiment += lake.append_sentiment(embedded_sentiment(), source=EMBEDDED_SOURCE)
    for batch in read([path for path in paths if path != EMBEDDED], calendar=calendar):
        if batch.bars is not None:
            bars += lake.append_bars(batch.bars, source="file")
        if batch.news is not None:
            news += lake.append_news(batch.news)
        lake.append_refusals(batch.refusals, files=[file.file for file in batch.files])
        files += batch.files
        refused += [refusal.describe() for refusal in batch.refused]
    return Collected(tuple(files), bars, news, sentiment, tuple(refused))


def check(store: str, *, calendar: str | None = None) -> list[SymbolReport]:
    """What is wrong with the lake's bars, by symbol."""
    lake = Lake(store)
    return check_bars(lake.bars(), calendar=calendar, refusals=lake.refusals())
