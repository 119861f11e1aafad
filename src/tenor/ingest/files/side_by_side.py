"""Find the columns of wide tables, which have the columns of several symbols side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tenor.errors import UnusableError
from tenor.ingest.files.column_names import shown_header
from tenor.ingest.files.layouts import ALIASES, NAME_THEM, PRICE_COLUMNS, VALUE_COLUMNS, FileColumns, plain_name
from tenor.symbols import clean_symbol
from tenor.syntax import literal

# what may be in the first cell of a wide table
_CORNERS = ("", "price", "prices", "ticker", "tickers", "symbol", "symbols", "attribute", "attributes", "date")
# parts of a column's name that look like a symbol next to a field but are not symbols
_NO_TICKERS = {
    *("ADJ", "ASK", "AVG", "BID", "DAY", "MID", "PREV", "PRICE", "RAW", "TIME", "UNADJ", "VALUE", "CHANGE", "PCT"),
    *("USD", "EUR", "GBP", "JPY", "INR", "CHF", "CAD", "AUD", "CNY", "QUOTE", "BASE"),
}


@dataclass(frozen=True)
class WideColumns:
    """The columns of a wide table.

    Attributes
    ----------
    session
        The position of the column of dates.
    place
        From each symbol to the positions of its columns, as in `FileColumns.place`, without `session`.
    names
        The file's own names of the fields, without the symbols, by position.
    header_lines
        How many lines the header has.
    incomplete
        From each symbol without open, high, low or close to the missing columns.
    """

    session: int
    place: dict[str, dict[str, int]]
    names: tuple[str, ...]
    header_lines: int = 1
    incomplete: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> FileColumns:
        """The columns of the long table that the wide table is converted to."""
        first = next(iter(self.place.values()))
        every = {name: first.get(name, -1) for name in VALUE_COLUMNS if any(name in p for p in self.place.values())}
        for name, position in every.items():
            if position < 0:
                every[name] = next(p[name] for p in self.place.values() if name in p)
        return FileColumns({"session": self.session, **every}, self.names)


def stacked_header(rows: Sequence[Sequence[str]]) -> WideColumns | None:
    """The columns under two header lines, one of fields and one of symbols in either order, as yfinance writes them.

    Parameters
    ----------
    rows
        The cells of the first three lines.

    Returns
    -------
    WideColumns or None
        None if the lines are not such a header.
    """
    if len(rows) < 2 or len(rows[0]) != len(rows[1]) or len(rows[0]) < 2:
        return None
    top, below = _filled(rows[0]), [cell.strip() for cell in rows[1]]
    if plain_name(below[0]) not in _CORNERS or plain_name(top[0]) not in (*_CORNERS, *ALIASES["session"]):
        return None
    labelled = bool(below[0])
    for fields, tickers in ((top, below), (_filled(rows[1]), top)):
        known = [field_of(cell) for cell in fields[1:]]
        symbols = [clean_symbol(cell) for cell in tickers[1:]]
        # a line of numbers is a row of bars, not of symbols
        texts = labelled or all(re.search(r"[A-Za-z]", cell) for cell in tickers[1:])
        if any(known) and all(symbols) and texts and not any(field_of(cell) for cell in tickers[1:]):
            place: dict[str, dict[str, int]] = {}
            for i, (name, symbol) in enumerate(zip(known, symbols, strict=True), 1):
                if name:
                    place.setdefault(symbol, {}).setdefault(name, i)
            dated = len(rows) > 2 and not any(cell.strip() for cell in rows[2][1:])
            index = rows[2][0] if dated else (rows[0][0] if plain_name(rows[0][0]) in ALIASES["session"] else "Date")
            names = (index.strip() or "Date", *(cell.strip() for cell in fields[1:]))
            return wide_columns(0, place, names, 3 if dated else 2)
    return None


def joined_names(names: Sequence[str]) -> WideColumns | None:
    """Columns whose names have field and symbol: ``Close_AAPL``, ``AAPL Close``, ``('Close', 'AAPL')``, ``AAPL.Close``.

    Returns
    -------
    WideColumns or None
        None if no symbol has open, high, low and close with such names.
    """
    place: dict[str, dict[str, int]] = {}
    session, own = None, list(names)
    for i, name in enumerate(names):
        split = _split_name(name)
        if split:
            column, symbol, own[i] = split
            place.setdefault(symbol, {}).setdefault(column, i)
        elif session is None and plain_name(_untupled(name)) in ALIASES["session"]:
            session, own[i] = i, _untupled(name)
    if session is None and names and not _split_name(names[0]) and not names[0].strip():
        session = 0  # an index without a name
    if session is None or not any(set(PRICE_COLUMNS) <= p.keys() for p in place.values()):
        return None
    return wide_columns(session, place, tuple(own), 1)


def field_of(name: str) -> str:
    """The name in tenor of a price or the volume; ``""`` for any other name. Single letters are symbols."""
    plain = plain_name(name)
    if len(plain) < 2:
        return ""
    return next((column for column in VALUE_COLUMNS if plain in ALIASES[column]), "")


def _split_name(name: str) -> tuple[str, str, str] | None:
    """The field, the symbol and the file's name of the field, if `name` has a field and a symbol; otherwise None."""
    pair = _tuple_of(name)
    marks = re.finditer(r"[\s_.|:/-]+", name.strip())
    cuts = [(name.strip()[: m.start()], name.strip()[m.end() :]) for m in marks] if pair is None else [pair]
    found = []
    for first, second in cuts:
        for own, text in ((first, second), (second, first)):
            symbol = clean_symbol(text)
            if (column := field_of(own)) and symbol and symbol not in _NO_TICKERS and not field_of(text):
                found.append((column, symbol, own))
    # AAA_Adj Close is the adjusted close of AAA, not the close of AAA_Adj
    return max(found, key=lambda split: len(split[2]), default=None)


def _tuple_of(name: str) -> tuple[str, str] | None:
    """The two parts of ``"('Close', 'AAPL')"``."""
    if not re.fullmatch(r"\s*\(\s*'[^']*'\s*,\s*'[^']*'\s*\)\s*", name):
        return None
    first, second = literal(name.strip())
    return str(first), str(second)


def _untupled(name: str) -> str:
    pair = _tuple_of(name)
    return name if pair is None else next((part for part in pair if part), "")


def _filled(cells: Sequence[str]) -> list[str]:
    """`cells`, with empty ones filled from the left as in a spreadsheet's merged cells; the first cell may be empty."""
    filled = [cells[0].strip()]
    for cell in cells[1:]:
        filled.append(cell.strip() or (filled[-1] if len(filled) > 1 else ""))
    return filled


def wide_columns(
    session: int, place: dict[str, dict[str, int]], names: tuple[str, ...], header_lines: int
) -> WideColumns:
    """The columns of the symbols in `place` that have open, high, low and close; parameters as in `WideColumns`.

    Raises
    ------
    UnusableError
        No symbol has all four.
    """
    lacking = {symbol: tuple(c for c in PRICE_COLUMNS if c not in p) for symbol, p in place.items()}
    whole = {symbol: p for symbol, p in place.items() if not lacking[symbol]}
    if not whole:
        symbol, absent = next(iter(lacking.items()))
        raise UnusableError(
            f"has no column for {', '.join(absent)} of {symbol} (its fields: {shown_header(names)})", NAME_THEM
        )
    return WideColumns(session, whole, names, header_lines, {s: absent for s, absent in lacking.items() if absent})
