"""Which column of a file holds what: names as publishers write them, in several languages, and tables side by side.

Names are compared without case, accents, spacing and punctuation. The user's own choice (``--columns``) comes first.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tenor.errors import UnusableError, did_you_mean
from tenor.ingest.files.cells import clean_symbol
from tenor.ingest.files.column_names import find_named, shown_header

# In order of preference: where a file has several, the first one counts. An "original open" stands beside an adjusted
# "open" in files whose high, low and close are unadjusted; the words of other languages and the short names of dumps
# come last.
_ALIASES: dict[str, tuple[str, ...]] = {
    "session": (
        *("date", "session", "day", "datetime", "timestamp", "index level 0", "traddt", "trade date", "trading date"),
        *(
            "date1",
            "open time",
            "window start",
            "begins at",
            "price date",
            "datum",
            "fecha",
            "data",
            "dato",
            "handelstag",
        ),
        *("日付け", "日付", "日期", "交易日期", "날짜", "дата", "tarih", "time", "unix", "t"),
    ),
    "symbol": (
        *("ticker", "symbol", "stock", "tic", "tckrsymb", "symbole", "simbolo", "kurzel", "instrument", "act symbol"),
        *("name",),
    ),
    "open": (
        *("original open", "open", "open price", "opnpric", "opening price", "eroffnung", "eroffnungskurs", "eroffn"),
        *("erster", "ouverture", "ouv", "ouvert", "apertura", "abertura", "openen", "opening", "oppen", "oppning"),
        *("otwarcie", "acilis", "始値", "开盘", "开盘价", "시가", "откр", "o"),
    ),
    "high": (
        *(
            "high",
            "high price",
            "hghpric",
            "day high",
            "hoch",
            "hochst",
            "hochstkurs",
            "tageshoch",
            "plus haut",
            "haut",
        ),
        *("maximo", "maxima", "massimo", "max", "mas alto", "hoog", "hogst", "hogsta", "najwyzszy", "yuksek"),
        *("高値", "高", "最高", "最高价", "고가", "макс", "h"),
    ),
    "low": (
        *("low", "low price", "lwpric", "day low", "tief", "tiefst", "tiefstkurs", "tagestief", "plus bas", "bas"),
        *("minimo", "minima", "min", "mas bajo", "laag", "lagst", "lagsta", "najnizszy", "dusuk"),
        *("安値", "低", "最低", "最低价", "저가", "мин", "l"),
    ),
    "close": (
        *(
            "close",
            "close price",
            "close last",
            "clspric",
            "closing price",
            "schluss",
            "schlusskurs",
            "cloture",
            "cierre",
        ),
        *("chiusura", "fechamento", "slutkurs", "slotkoers", "zamkniecie", "終値", "收盘", "收盘价", "종가", "c"),
    ),
    "adj_close": (
        *(
            "adj close",
            "adjusted close",
            "close adj",
            "adjclose",
            "adj close price",
            "adj price",
            "bereinigter schluss",
        ),
        *("cloture ajustee", "cierre ajustado"),
    ),
    "volume": (
        *(
            "volume",
            "vol",
            "tick volume",
            "tickvol",
            "ttltradgvol",
            "tottrdqty",
            "ttl trd qnty",
            "total traded quantity",
        ),
        *("shares traded", "no of shares", "stuecke", "stucke", "stuck", "volumen", "volumes", "wolumen", "omsattning"),
        *("hacim", "hac", "出来高", "成交量", "交易量", "거래량", "объем", "v"),
    ),
    "period": ("per",),
    "series": ("sctysrs", "series"),
    "source": ("src",),
    "clock": ("time", "clock", "uhrzeit", "hora", "heure"),
}
# what a last price is called; a name of its own only beside open, high and low
_LAST = (
    *("last", "latest", "price", "zuletzt", "letzter", "dernier", "ultimo", "laatst", "senast", "simdi"),
    *("現在値", "終値", "종가", "цена"),
)
_PRICES = ("open", "high", "low", "close")
_REQUIRED = ("session", *_PRICES)
_FIELDS = (*_PRICES, "adj_close", "volume")
# what stands in the corner of a table of several symbols
_CORNERS = ("", "price", "prices", "ticker", "tickers", "symbol", "symbols", "attribute", "attributes", "date")
# parts of names that look like a symbol beside a field, and are none
_NO_TICKERS = {
    *("ADJ", "ASK", "AVG", "BID", "DAY", "MID", "PREV", "PRICE", "RAW", "TIME", "UNADJ", "VALUE", "CHANGE", "PCT"),
    *("USD", "EUR", "GBP", "JPY", "INR", "CHF", "CAD", "AUD", "CNY", "QUOTE", "BASE"),
}
_WRITE = "name the columns date, open, high, low, close and, where there are any, ticker, adj close, volume"


@dataclass(frozen=True)
class FileColumns:
    """Which column of a file holds what.

    Attributes
    ----------
    place
        From tenor's name (`session`, `symbol`, `open` …, and `period` for Stooq's) to the column's position.
    names
        The file's own names, by position.
    chosen
        tenor's names of the columns that the user named.
    """

    place: dict[str, int]
    names: tuple[str, ...]
    chosen: frozenset[str] = frozenset()

    def own_name(self, column: str) -> str:
        """The file's own name of `column`."""
        return self.names[self.place[column]]

    def notes(self) -> list[str]:
        """The assumptions made about the columns, in words."""
        notes = []
        if "adj_close" not in self.place:
            notes.append("no adjusted close: the close is used, so splits and dividends show as moves")
        if "volume" not in self.place:
            notes.append("no volume: it is taken as 0")
        for column in self.place:
            own = self.own_name(column)
            aliases = _ALIASES[column]
            twins = [n for n in self.names if plain_name(n) in aliases and n != own]
            # short names and those of another kind are no twins of a column named in full
            twins = [n for n in twins if len(plain_name(n)) > 1 and column not in ("session", "clock", "symbol")]
            if twins and column not in self.chosen:
                notes.append(f"{column.replace('_', ' ')} is read from {own!r}, not {twins[0]!r}")
            elif column == "close" and plain_name(own) in _LAST and column not in self.chosen:
                notes.append(f"close is read from {own!r}")
        return notes

    @property
    def missing(self) -> list[str]:
        """Which of date, open, high, low and close there are not."""
        return ["date" if c == "session" else c for c in _REQUIRED if c not in self.place]


@dataclass(frozen=True)
class WideColumns:
    """Columns of several symbols side by side.

    Attributes
    ----------
    session
        The position of the dates.
    place
        For each symbol as `FileColumns.place`, without `session`.
    names
        The file's own names of the columns, by position: the fields alone.
    header_lines
        How many lines the header has.
    incomplete
        For each symbol that lacks open, high, low or close, what it lacks.
    """

    session: int
    place: dict[str, dict[str, int]]
    names: tuple[str, ...]
    header_lines: int = 1
    incomplete: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> FileColumns:
        """The columns of the long table that it becomes."""
        first = next(iter(self.place.values()))
        every = {name: first.get(name, -1) for name in _FIELDS if any(name in p for p in self.place.values())}
        for name, position in every.items():
            if position < 0:
                every[name] = next(p[name] for p in self.place.values() if name in p)
        return FileColumns({"session": self.session, **every}, self.names)


def match_columns(names: Sequence[str], chosen: Mapping[str, str] | None = None) -> FileColumns:
    """Find tenor's columns among `names`; `chosen` has the user's own choice (see `column_names.parse_columns`).

    Raises
    ------
    UnusableError
        One of date, open, high, low, close is missing, or a chosen one; the message has the names there are.
    """
    columns = guess_columns(names, chosen)
    if columns.missing:
        wanted = ", ".join(columns.missing)
        raise UnusableError(f"has no column for {wanted} (its header: {shown_header(names)})", _WRITE)
    return columns


def guess_columns(names: Sequence[str], chosen: Mapping[str, str] | None = None) -> FileColumns:
    """As `match_columns`, but columns may be missing."""
    named = {c: own for c, own in (chosen or {}).items() if c in _ALIASES}
    try:
        place = find_named(named, names)
    except UnusableError as error:
        absent = [own for own in named.values() if repr(own) in error.why]
        hint = did_you_mean(absent[0], [n.strip() for n in names]) if absent else ""
        raise UnusableError(error.why, f"{error.remedy}{hint.replace('?', '')}") from None
    plain = [plain_name(name) for name in names]
    if "T" in names and "t" in names:  # a dump of one day: the symbol is T, the time t
        place = {"symbol": list(names).index("T"), "session": list(names).index("t")} | place
    for column, aliases in _ALIASES.items():
        taken = set(place.values())
        for alias in aliases if column not in place else ():
            position = next((i for i, name in enumerate(plain) if name == alias and i not in taken), None)
            if position is not None:
                place[column] = position
                break
    if "close" not in place and {"open", "high", "low"} <= place.keys():
        last = next((plain.index(name) for name in _LAST if name in plain), None)
        if last is not None:
            place["close"] = last
    if "volume" not in place and "close" in place:
        # "Volume BTC", "Volume (lots)"
        counted = [i for i, name in enumerate(plain) if name.startswith("volume ") and i not in place.values()]
        if counted:
            place["volume"] = counted[0]
    ordered = {column: place[column] for column in _ALIASES if column in place}
    return FileColumns(ordered, tuple(names), frozenset(named))


def stacked_header(rows: Sequence[Sequence[str]]) -> WideColumns | None:
    """Columns under two header lines, fields over symbols or symbols over fields, as yfinance writes them.

    Parameters
    ----------
    rows
        The cells of the first three lines.

    Returns
    -------
    WideColumns or None
        None where the lines are no such header.
    """
    if len(rows) < 2 or len(rows[0]) != len(rows[1]) or len(rows[0]) < 2:
        return None
    top, below = _filled(rows[0]), [cell.strip() for cell in rows[1]]
    if plain_name(below[0]) not in _CORNERS or plain_name(top[0]) not in (*_CORNERS, *_ALIASES["session"]):
        return None
    labelled = bool(below[0])
    for fields, tickers in ((top, below), (_filled(rows[1]), top)):
        known = [_field_of(cell) for cell in fields[1:]]
        symbols = [clean_symbol(cell) for cell in tickers[1:]]
        # a line of numbers is a row of bars
        texts = labelled or all(re.search(r"[A-Za-z]", cell) for cell in tickers[1:])
        if any(known) and all(symbols) and texts and not any(_field_of(cell) for cell in tickers[1:]):
            place: dict[str, dict[str, int]] = {}
            for i, (name, symbol) in enumerate(zip(known, symbols, strict=True), 1):
                if name:
                    place.setdefault(symbol, {}).setdefault(name, i)
            dated = len(rows) > 2 and not any(cell.strip() for cell in rows[2][1:])
            index = rows[2][0] if dated else (rows[0][0] if plain_name(rows[0][0]) in _ALIASES["session"] else "Date")
            names = (index.strip() or "Date", *(cell.strip() for cell in fields[1:]))
            return _wide(0, place, names, 3 if dated else 2)
    return None


def joined_names(names: Sequence[str]) -> WideColumns | None:
    """Columns whose names hold field and symbol: ``Close_AAPL``, ``AAPL Close``, ``('Close', 'AAPL')``, ``AAPL.Close``.

    Returns
    -------
    WideColumns or None
        None where no symbol has open, high, low and close so.
    """
    place: dict[str, dict[str, int]] = {}
    session, own = None, list(names)
    for i, name in enumerate(names):
        split = _split_name(name)
        if split:
            column, symbol, own[i] = split
            place.setdefault(symbol, {}).setdefault(column, i)
        elif session is None and plain_name(_untupled(name)) in _ALIASES["session"]:
            session, own[i] = i, _untupled(name)
    if session is None and names and not _split_name(names[0]) and not names[0].strip():
        session = 0  # an index without a name
    if session is None or not any(set(_PRICES) <= p.keys() for p in place.values()):
        return None
    return _wide(session, place, tuple(own), 1)


def headerless(cells: Sequence[str]) -> tuple[str, ...] | None:
    """The names of the columns of a file without a header that `cells`, its first line, show to be one of two.

    Binance's candles have twelve columns: open time, prices, volume, close time and turnovers. MetaTrader 4 writes
    ``2024.01.02,00:00`` before the prices and the volume.
    """
    plain = [cell.strip() for cell in cells]
    if len(plain) == len(_CANDLE) and all(re.fullmatch(r"-?\d+(\.\d+)?", cell) for cell in plain):
        opened, closed = plain[0], plain[6]
        if opened.isdigit() and closed.isdigit() and len(opened) in (13, 16) and int(opened) < int(closed):
            return _CANDLE
    if len(plain) == len(_METATRADER) and re.fullmatch(r"\d{4}\.\d\d\.\d\d", plain[0]):
        return _METATRADER if re.fullmatch(r"\d\d:\d\d", plain[1]) else None
    return None


_CANDLE = (
    *("open time", "open", "high", "low", "close", "volume", "close time", "quote volume", "count"),
    *("taker buy volume", "taker buy quote volume", "ignore"),
)
_METATRADER = ("date", "time", "open", "high", "low", "close", "volume")
_CANDLE_NAMES = {"quote volume", "quote asset volume", "taker buy volume", "taker buy base asset volume"}


def are_candles(names: Sequence[str]) -> bool:
    """Whether `names` are those of Binance's candles, which are of coins."""
    plain = [plain_name(name) for name in names]
    return "open time" in plain and bool(_CANDLE_NAMES & set(plain))


def plain_name(name: str) -> str:
    """``"<Adj_Close>"``, ``"5. adjusted close"`` and ``"ADJ CLOSE"`` without their marks, in lower case.

    Examples
    --------
    >>> plain_name("5. Adjusted_Close"), plain_name("Clôture"), plain_name("Eröffnung")
    ('adjusted close', 'cloture', 'eroffnung')
    """
    name = re.sub(r"^\s*\d+\.\s*", "", name.casefold())
    letters = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    plain = unicodedata.normalize("NFC", letters).replace("ł", "l").replace("ø", "o").replace("ı", "i")
    return re.sub(r"[\W_]+", " ", plain).strip()


def _field_of(name: str) -> str:
    """The name in tenor of a price or the volume; ``""`` for any other name. Single letters are symbols."""
    plain = plain_name(name)
    if len(plain) < 2:
        return ""
    return next((column for column in _FIELDS if plain in _ALIASES[column]), "")


def _split_name(name: str) -> tuple[str, str, str] | None:
    """Field, symbol and the file's name of the field, where `name` holds field and symbol."""
    pair = _tuple_of(name)
    if pair is None:
        parts = re.split(r"[\s_.|:/-]+", name.strip())
        cut = [name.strip()[: -len(parts[-1])], parts[-1]], [parts[0], name.strip()[len(parts[0]) :]]
        options = [(a.strip(" _.|:/-"), b.strip(" _.|:/-")) for a, b in (*cut, *_cuts(name))]
    else:
        options = [pair]
    for first, second in options:
        for own, text in ((first, second), (second, first)):
            symbol = clean_symbol(text)
            if (column := _field_of(own)) and symbol and symbol not in _NO_TICKERS and not _field_of(text):
                return column, symbol, own
    return None


def _cuts(name: str) -> list[tuple[str, str]]:
    """Every way to cut `name` in two at a mark."""
    return [(name[: m.start()], name[m.end() :]) for m in re.finditer(r"[\s_.|:/-]+", name.strip())]


def _tuple_of(name: str) -> tuple[str, str] | None:
    """The two parts of ``"('Close', 'AAPL')"``."""
    if not re.fullmatch(r"\s*\(\s*'[^']*'\s*,\s*'[^']*'\s*\)\s*", name):
        return None
    first, second = ast.literal_eval(name.strip())
    return str(first), str(second)


def _untupled(name: str) -> str:
    pair = _tuple_of(name)
    return name if pair is None else next((part for part in pair if part), "")


def _filled(cells: Sequence[str]) -> list[str]:
    """`cells` with each empty one after the first as the one before: a spreadsheet's merged cells."""
    filled = [cells[0].strip()]
    for cell in cells[1:]:
        filled.append(cell.strip() or (filled[-1] if len(filled) > 1 else ""))
    return filled


def _wide(session: int, place: dict[str, dict[str, int]], names: tuple[str, ...], header_lines: int) -> WideColumns:
    lacking = {symbol: tuple(c for c in _PRICES if c not in p) for symbol, p in place.items()}
    whole = {symbol: p for symbol, p in place.items() if not lacking[symbol]}
    if not whole:
        symbol, absent = next(iter(lacking.items()))
        raise UnusableError(
            f"has no column for {', '.join(absent)} of {symbol} (its fields: {shown_header(names)})", _WRITE
        )
    return WideColumns(session, whole, names, header_lines, {s: absent for s, absent in lacking.items() if absent})
