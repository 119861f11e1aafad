"""Which symbols a text is about, by cashtag, by ticker and by the company's name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tenor.calendars import market_of, parts_of
from tenor.symbols import dotted, short_name

_CASHTAG = re.compile(r"(?<![\w$])\$([A-Za-z][A-Za-z0-9.&\-]{0,14})")
_LISTED = re.compile(r"\((?:NASDAQ|NYSE|NYSE American|AMEX|LSE|XETRA|TSX)\s*:\s*([A-Z.\-]{1,6})\)", re.IGNORECASE)
_WORD = re.compile(r"(?<![\w$.])[A-Z][A-Z0-9.&\-]{2,14}(?![\w])")
_SHORTEST_NAME = 4


class SymbolMatcher:
    """Finds the symbols that a text is about, for feeds that are not about a particular symbol.

    Parameters
    ----------
    symbols
        The symbols to look for.
    names
        Names of companies, by symbol; the legal form at the end is ignored.

    Examples
    --------
    >>> matcher = SymbolMatcher(["SAP.DE", "AAPL"], {"AAPL": "Orchard Example Inc."})
    >>> matcher.symbols("$sap up; Orchard Example opens a plant"), matcher.symbols("no orchard in sight")
    (['SAP.DE', 'AAPL'], [])
    """

    def __init__(self, symbols: Sequence[str], names: Mapping[str, str]) -> None:
        self._order = list(symbols)
        self._tickers: dict[str, str] = {}
        for symbol in symbols:
            for written in (symbol, dotted(symbol), parts_of(symbol)[0], f"{parts_of(symbol)[0]}.X"):
                if written != f"{symbol}.X" or market_of(symbol).kind == "crypto":
                    self._tickers.setdefault(written.upper(), symbol)
        self._names = []
        for symbol in symbols:
            name = short_name(names.get(symbol, ""))
            if len(name) >= _SHORTEST_NAME:
                self._names.append((symbol, re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")))

    def symbols(self, text: str) -> list[str]:
        """The symbols that `text` is about, in the order in which they are looked for.

        A ticker without ``$`` counts only if it has at least three capitals, and not in a text written in capitals. A
        name must be written as the company writes it.
        """
        written = {m.upper().rstrip(".-") for m in _CASHTAG.findall(text)} | {m.upper() for m in _LISTED.findall(text)}
        if not text.isupper():
            written |= {m.rstrip(".-") for m in _WORD.findall(text)}
        symbols = {self._tickers[w] for w in written if w in self._tickers}
        symbols |= {symbol for symbol, name in self._names if name.search(text)}
        return [symbol for symbol in self._order if symbol in symbols]
