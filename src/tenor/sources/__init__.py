"""Where bars and news come from: files and folders of the user's, and datasets as they were published."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from tenor.sources.check import Jump, SymbolReport, check_bars
from tenor.sources.files import FileSummary, Imported, read_bars, read_batches
from tenor.sources.refusals import REFUSAL_COLUMNS, Refusal
from tenor.sources.stocknet import is_stocknet, read_stocknet_bars, read_stocknet_news

__all__ = [
    "REFUSAL_COLUMNS",
    "FileSummary",
    "Imported",
    "Jump",
    "Refusal",
    "SymbolReport",
    "check_bars",
    "is_stocknet",
    "read",
    "read_bars",
    "read_batches",
    "read_stocknet_bars",
    "read_stocknet_news",
]


def read(paths: Sequence[str | Path], *, calendar: str = "XNYS", now: pd.Timestamp | None = None) -> Iterator[Imported]:
    """Read whatever `paths` are (files, folders of files, the StockNet folder), batch by batch.

    Parameters and errors are those of `read_batches`.
    """
    for path in map(Path, paths):
        if is_stocknet(path):
            yield from read_batches([path / "price" / "raw"], calendar=calendar, now=now)
            yield read_stocknet_news(path, now=now)
        else:
            yield from read_batches([path], calendar=calendar, now=now)
