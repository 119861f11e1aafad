"""What the user says about files, where they do not say it themselves."""

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
        The order of dates such as 02/12/2024: ``dmy``, ``mdy``, or ``ymd`` where years have two digits. None: decided
        file by file.
    decimal
        The decimal mark: ``point`` or ``comma``. None: decided file by file.
    columns
        The file's own name of each of tenor's columns that the user named (`column_names.parse_columns`).
    stored
        The bars of symbols that are known already; asked for only where nothing in a file decides.
    encoding
        Of text files that are neither UTF-8 nor UTF-16. None: Windows-1252, where they can be.
    known
        The symbols that there are bars of; asked for only where a cell of news may have a class of shares behind a
        blank.
    vouched
        The extra sessions of a calendar that there are bars of; asked for only where rows lie on no session.
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
        """The same from a user's words.

        Raises
        ------
        ConfigError
            `dates` or `decimal` is none of the words, or there is no such `encoding`.
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
        """The same, where the bars of `frames` are known as well, and later ones count."""

        def stored(symbols: Sequence[str]) -> pd.DataFrame:
            own = [self.stored(symbols)] if self.stored else []
            read = [frame.loc[frame["symbol"].isin(symbols), ["symbol", "session", "close"]] for frame in frames]
            every = [frame.astype({"symbol": "str"}) for frame in (*own, *read) if len(frame)]
            if not every:
                return pd.DataFrame({"symbol": [], "session": [], "close": []})
            return pd.concat(every, ignore_index=True).drop_duplicates(["symbol", "session"], keep="last")

        return replace(self, stored=stored)
