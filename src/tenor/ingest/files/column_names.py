"""Columns named by the user: ``text=Titel,published_at=Zeit`` states which column of a file holds what."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

from tenor.errors import ConfigError, UnusableError, did_you_mean

BAR_NAMES = {
    "date": "session",
    "session": "session",
    "symbol": "symbol",
    "ticker": "symbol",
    **{name: name for name in ("open", "high", "low", "close", "adj_close", "volume")},
}
NEWS_NAMES = {
    **{name: name for name in ("text", "published_at", "symbol", "source", "url")},
    "time": "published_at",
    "ticker": "symbol",
}
BAR_AND_NEWS_NAMES = {**NEWS_NAMES, **BAR_NAMES}
"""From each name that the user may give a column to tenor's name of it."""


def parse_columns(options: Sequence[str], known: Mapping[str, str] = BAR_AND_NEWS_NAMES) -> dict[str, str]:
    """Parse ``--columns``: from tenor's name of a column to the file's own name of it.

    Parameters
    ----------
    options
        Texts such as ``"date=Datum,close=Schluss"``; a name that contains a comma is written in quotes:
        ``'text=Titel,"symbol=WKN, ISIN"'``.
    known
        From each name that the user may give a column to tenor's name of it.

    Raises
    ------
    ConfigError
        A part is not ``name=Own``, the name is unknown, or a column is named twice.

    Examples
    --------
    >>> parse_columns(["date=Datum,close=Schluss", "ticker=WKN"])
    {'session': 'Datum', 'close': 'Schluss', 'symbol': 'WKN'}
    """
    columns: dict[str, str] = {}
    for part in (part for option in options for part in next(csv.reader([option], skipinitialspace=True), [])):
        example = "date" if "date" in known else next(iter(known))
        name, mark, own = (piece.strip() for piece in part.partition("="))
        if not mark or not own:
            raise ConfigError(f"--columns {part[:40]!r} is not NAME=COLUMN: write {example}=Datum.")
        plain = name.casefold().replace(" ", "_").replace("-", "_")
        if plain not in known:
            hint = did_you_mean(plain, known) or f" Take one of {', '.join(sorted(known))}."
            raise ConfigError(f"--columns: {name[:40]!r} is not a column of tenor's.{hint}")
        column = known[plain]
        if columns.get(column, own) != own:
            raise ConfigError(f"--columns names {name!r} twice, as {columns[column]!r} and {own!r}: name it once.")
        columns[column] = own
    return columns


def find_named(columns: Mapping[str, str], names: Sequence[str]) -> dict[str, int]:
    """The position among `names` of each of `columns` (as `parse_columns` returns them).

    A name is first compared exactly, then without case and surrounding spaces.

    Raises
    ------
    UnusableError
        The file has no such column; the message lists the names that it has.
    """
    places = {}
    exact = list(names)
    folded = [name.strip().casefold() for name in names]
    for column, own in columns.items():
        if own in exact:
            places[column] = exact.index(own)
        elif own.strip().casefold() in folded:
            places[column] = folded.index(own.strip().casefold())
        else:
            raise UnusableError(f"has no column {own!r} (its header: {shown_header(names)})", "correct --columns")
    return places


def shown_header(names: Sequence[str]) -> str:
    """The first names of a header, for a message."""
    return ", ".join(repr(name.strip()[:24]) for name in names[:12]) + (" …" if len(names) > 12 else "")
