"""Find the columns of a file of news by the names that publishers, brokers and feeds use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tenor.errors import UnusableError
from tenor.ingest.files.column_names import find_named, shown_header

NEWS_FIELDS = ("text", "published_at", "symbol", "source", "url")
# In order of preference. Names are compared without case and punctuation: publishedAt equals published_at.
_ALIASES: dict[str, tuple[str, ...]] = {
    "text": (
        *("text", "headline", "title", "fulltext", "webtitle", "headlinetext", "newstitle", "newsheadline"),
        *("body", "content", "tweet", "tweettext", "rawcontent", "message", "summary", "description", "selftext"),
    ),
    "published_at": (
        *(
            "publishedat",
            "published",
            "publishedutc",
            "publisheddate",
            "publishedtime",
            "publishedon",
            "publishedatutc",
        ),
        *("publishdate", "publishtime", "publishdatetime", "publicationdate", "publicationtime", "publicationdatetime"),
        *("datepublished", "datetimepublished", "providerpublishtime", "webpublicationdate", "pubdate", "pubtime"),
        *("datetime", "datetimeutc", "timestamp", "timestamputc", "time", "timeutc", "createdat", "createdutc"),
        *("createdatutc", "created", "createddate", "createdtime", "postedat", "postdate", "postedon", "tweetdate"),
        *("date", "dateutc", "dategmt", "timepublished", "seendate", "releasedat", "releasetime", "firstcreated"),
    ),
    "symbol": (
        *("symbol", "ticker", "symbols", "tickers", "stock", "stocks", "tickersymbol", "stocksymbol", "related"),
        *("relatedtickers", "relatedsymbols", "relatedstocks", "cashtags", "tickersymbols", "tickersentiment"),
    ),
    "source": ("source", "publisher", "provider", "sourcename", "site"),
    "url": ("url", "link", "articleurl", "newsurl", "weburl", "sourceurl", "permalink", "href"),
}
_CLOSES = {"close", "adjclose", "closelast"}
_PRICES = {"open", "high", "low"}
_BARS_OWN = {"open", "high", "low", "close", "adj_close"}  # columns that only bars have
_WANTED = {"text": "text", "published_at": "time", "symbol": "symbol"}


@dataclass(frozen=True)
class NewsColumns:
    """The columns of a file.

    Attributes
    ----------
    place
        From tenor's name (`NEWS_FIELDS`) to the column's position.
    names
        The file's own names, by position.
    named
        Which of tenor's columns the user named.
    """

    place: Mapping[str, int]
    names: tuple[str, ...]
    named: frozenset[str] = frozenset()

    def own(self, column: str) -> str:
        """The file's own name of `column`."""
        return self.names[self.place[column]]

    def notes(self) -> list[str]:
        """Which of several possible columns is used, in words."""
        notes = []
        for column in ("text", "published_at", "symbol"):
            twins = [n for n in self.names if plain_name(n) in _ALIASES[column] and n != self.own(column)]
            if twins and column not in self.named:
                what = _WANTED[column]
                notes.append(f"the {what} is read from {self.own(column)!r}, not {twins[0]!r}")
        return notes


def news_columns(names: Sequence[str], columns: Mapping[str, str] | None = None) -> NewsColumns:
    """Find tenor's columns among `names`.

    Parameters
    ----------
    names
        The file's own names of its columns.
    columns
        The user's own choice, as `parse_columns` returns it.

    Raises
    ------
    UnusableError
        There is no column for the text, the time or the symbol, or a column that the user named is missing.
    """
    found = guess_news_columns(names, columns)
    missing = [what for column, what in _WANTED.items() if column not in found.place]
    if missing:
        raise UnusableError(
            f"has no column for {', '.join(missing)} (its header: {shown_header(names)})",
            "name the columns text, published_at and symbol, or say which they are: "
            "--columns text=…,published_at=…,symbol=…",
        )
    return found


def guess_news_columns(names: Sequence[str], columns: Mapping[str, str] | None = None) -> NewsColumns:
    """As `news_columns`, but columns may be missing."""
    chosen = {column: own for column, own in (columns or {}).items() if column in NEWS_FIELDS}
    place = find_named(chosen, names)
    plain = [plain_name(name) for name in names]
    taken = set(place.values())
    for column, aliases in _ALIASES.items():
        if column not in place:
            places = (plain.index(alias) for alias in aliases if alias in plain)
            first = next((i for i in places if i not in taken), None)
            if first is not None:
                place[column] = first
    return NewsColumns(place, tuple(names), frozenset(chosen))


def names_news(names: Sequence[str], columns: Mapping[str, str] | None = None) -> bool:
    """Whether a header is that of news: it has a column of texts and no column of prices."""
    plain = {plain_name(name) for name in names}
    if any(column in _BARS_OWN and own in names for column, own in (columns or {}).items()):
        return False
    if plain & _CLOSES or len(plain & _PRICES) > 1:
        return False
    return bool(columns and "text" in columns) or any(alias in plain for alias in _ALIASES["text"])


def known_names(names: Sequence[str]) -> int:
    """How many of `names` are known names of columns of news."""
    every = {alias for aliases in _ALIASES.values() for alias in aliases}
    return sum(plain_name(name) in every for name in names)


def plain_name(name: str) -> str:
    """``"Published At"``, ``published_at`` and ``publishedAt`` as ``publishedat``."""
    return re.sub(r"[^a-z]", "", name.casefold())
