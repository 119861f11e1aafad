"""What the user stated about files that the files themselves may not show."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from tenor.errors import ConfigError
from tenor.ingest.files.date_order import StoredBars
from tenor.ingest.files.date_texts import ORDERS, Order
from tenor.ingest.files.numbers import DECIMALS, Decimal
from tenor.ingest.files.text_files import known_encoding


@dataclass(frozen=True)
class Reading:
    """How files are to be read.

    Attributes
    ----------
    dates
        The order of dates such as 02/12/2024: ``dmy``, ``mdy``, or ``ymd`` for years of two digits. None decides it
        for each file.
    decimal
        The decimal mark: ``point`` or ``comma``. None decides it for each file.
    columns
        From tenor's name of a column to the file's own, for the columns that the user named (`parse_columns`).
    stored
        Returns the bars that are already known of some symbols; called only if a file alone does not decide.
    encoding
        The encoding of text files that are neither UTF-8 nor UTF-16. None means Windows-1252, if they can be read so.
    known
        Returns the symbols with bars; called only if a cell of news may mean a share class (``BRK B``).
    vouched
        Returns the extra sessions of a calendar that have bars; called only if rows do not lie on a session.
    """

    dates: Order | None = None
    decimal: Decimal | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    stored: StoredBars | None = None
    encoding: str | None = None
    known: Callable[[], Collection[str]] | None = None
    vouched: Callable[[str], Collection[pd.Timestamp]] | None = None

    @classmethod
    def of(
        cls,
        *,
        dates: str | None = None,
        decimal: str | None = None,
        columns: Mapping[str, str] | None = None,
        stored: StoredBars | None = None,
        encoding: str | None = None,
        known: Callable[[], Collection[str]] | None = None,
        vouched: Callable[[str], Collection[pd.Timestamp]] | None = None,
    ) -> Reading:
        """Create a `Reading` from a user's options, after checking them. Parameters as the attributes.

        Raises
        ------
        ConfigError
            `dates` or `decimal` has an unknown value, or there is no such `encoding`.
        """
        order = next((each for each in ORDERS if each == dates), None)
        mark = next((each for each in DECIMALS if each == decimal), None)
        if dates is not None and order is None:
            raise ConfigError(f"--dates is {dates!r}; it takes {', '.join(ORDERS)}: day, month, year in their order.")
        if decimal is not None and mark is None:
            raise ConfigError(f"--decimal is {decimal!r}; it takes {' or '.join(DECIMALS)}.")
        codec = None if encoding is None else known_encoding(encoding)
        return cls(order, mark, dict(columns or {}), stored, codec, known, vouched)

    def extra_days(self, calendar: str) -> Collection[pd.Timestamp]:
        """The extra sessions of `calendar` that are known."""
        return self.vouched(calendar) if self.vouched else ()

    def beside(self, frames: list[pd.DataFrame]) -> Reading:
        """A copy whose `stored` also returns the bars of `frames`; of repeated bars the last one counts."""

        def stored(symbols: Sequence[str]) -> pd.DataFrame:
            own = [self.stored(symbols)] if self.stored else []
            read = [frame.loc[frame["symbol"].isin(symbols), ["symbol", "session", "close"]] for frame in frames]
            every = [frame.astype({"symbol": "str"}) for frame in (*own, *read) if len(frame)]
            if not every:
                return pd.DataFrame({"symbol": [], "session": [], "close": []})
            return pd.concat(every, ignore_index=True).drop_duplicates(["symbol", "session"], keep="last")

        return replace(self, stored=stored)
