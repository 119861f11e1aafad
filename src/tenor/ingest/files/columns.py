"""Which column is which, in the exports that people have: names are compared without case, spacing and marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tenor.errors import UnusableError

# by preference: where a file has several, the first counts. An "original open" stands beside an adjusted "open" in
# files whose high, low and close are unadjusted.
_ALIASES: dict[str, tuple[str, ...]] = {
    "session": ("date", "session", "day", "datetime", "timestamp", "index level 0"),
    "symbol": ("ticker", "symbol", "stock", "tic", "name"),
    "open": ("original open", "open", "open price"),
    "high": ("high", "high price"),
    "low": ("low", "low price"),
    "close": ("close", "close price"),
    "adj_close": ("adj close", "adjusted close", "close adj", "adjclose", "adj close price"),
    "volume": ("volume", "vol", "tick volume", "tickvol"),
    "period": ("per",),
}
_REQUIRED = ("session", "open", "high", "low", "close")


@dataclass(frozen=True)
class Columns:
    """Where a file keeps what.

    Attributes
    ----------
    place
        Tenor's name (`session`, `symbol`, `open` …, and `period` for Stooq's) to the column's position.
    names
        The file's own names, by position.
    """

    place: dict[str, int]
    names: tuple[str, ...]

    def own_name(self, column: str) -> str:
        """What the file calls tenor's `column`."""
        return self.names[self.place[column]]

    def notes(self) -> list[str]:
        """What was assumed, in words."""
        said = []
        if "adj_close" not in self.place:
            said.append("no adjusted close: the close is used, so splits and dividends show as moves")
        if "volume" not in self.place:
            said.append("no volume: it is taken as 0")
        for column in self.place:
            twins = [n for n in self.names if _plain(n) in _ALIASES[column] and n != self.own_name(column)]
            if twins:
                said.append(f"{column.replace('_', ' ')} is read from {self.own_name(column)!r}, not {twins[0]!r}")
        return said


def match(names: Sequence[str]) -> Columns:
    """Find tenor's columns among `names`.

    Raises
    ------
    UnusableError
        One of date, open, high, low, close is not there; the message has the names found.
    """
    columns = guess(names)
    missing = [c for c in _REQUIRED if c not in columns.place]
    if missing:
        wanted = ", ".join("date" if c == "session" else c for c in missing)
        shown = ", ".join(repr(n.strip()[:24]) for n in names[:12]) + (" …" if len(names) > 12 else "")
        raise UnusableError(
            f"has no column for {wanted} (its header: {shown})",
            "name the columns date, open, high, low, close and, where there are any, ticker, adj close, volume",
        )
    return columns


def guess(names: Sequence[str]) -> Columns:
    """As `match`, but whatever is found will do."""
    plain = [_plain(name) for name in names]
    place = {}
    for column, aliases in _ALIASES.items():
        for alias in aliases:
            if alias in plain:
                place[column] = plain.index(alias)
                break
    return Columns(place, tuple(names))


def _plain(name: str) -> str:
    """``"<Adj_Close>"``, ``"5. adjusted close"`` and ``"ADJ CLOSE"`` without their marks, in lower case."""
    name = re.sub(r"^\s*\d+\.\s*", "", name.casefold())
    return re.sub(r"[^a-z0-9]+", " ", name).strip()
