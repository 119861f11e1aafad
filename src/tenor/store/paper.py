"""The journal of paper trading in the lake: rows are only added, and the first writing counts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from tenor.errors import StoreError
from tenor.store.parts import open_parts
from tenor.store.tables import PAPER
from tenor.store.versions import Versions, as_table


class PaperJournal:
    """The table ``paper`` of a lake.

    Each write is one part, which is there completely or not at all. Of two writes about the same session of an account,
    the first counts, with all its rows.

    Parameters
    ----------
    location
        The lake: a folder, or ``s3://bucket/prefix``.

    Raises
    ------
    StoreError
        By every method, if the lake can't be read or written.
    """

    def __init__(self, location: str | Path) -> None:
        self._versions = Versions(open_parts(location))
        self.location = self._versions.location

    def rows(self) -> pd.DataFrame:
        """All rows, by account, session, event and symbol, with the table's columns."""
        frame = self._versions.read(PAPER, PAPER.columns, None, None)
        frame["decided"] = pd.to_datetime(frame["decided"])
        order = ["account", "session", "event", "symbol"]
        return frame.sort_values(order, kind="stable", ignore_index=True)

    def write(self, rows: pd.DataFrame) -> None:
        """Add `rows`, with the table's columns except ``batch``; missing columns stay empty."""
        if rows.empty:
            return
        with self._versions.store_errors("written"):
            filled = rows.reindex(columns=list(PAPER.columns)).assign(batch=secrets.token_hex(8))
            for column in ("session", "decided"):
                filled[column] = pd.to_datetime(filled[column]).dt.date
            self._versions.write(PAPER, as_table(PAPER, filled))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Prevent others from writing meanwhile. A bucket can't do this; there the first write counts."""
        with self._versions.store_errors("written"):
            if "://" not in self.location and not Path(self.location).expanduser().is_dir():
                raise StoreError(f"there is no lake {self.location}: check --store.")
            guard = self._versions.parts.alone()
            guard.__enter__()
        try:
            yield
        finally:
            guard.__exit__(None, None, None)
