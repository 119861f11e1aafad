"""Find the columns of a file by the names that data vendors use, in several languages.

Names are compared without case, accents, spaces and punctuation. The user's own choice (``--columns``) comes first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tenor.errors import UnusableError, did_you_mean
from tenor.ingest.files.column_names import find_named, shown_header


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


# In order of preference: if a file has several of them, the first one counts. Some files have both an "original open"
# and an adjusted "open", while their high, low and close are unadjusted. Words of other languages and short names of
# database dumps come last.
ALIASES: dict[str, tuple[str, ...]] = {
    "session": (
        *_names("date, session, day, datetime, timestamp, index level 0, traddt, trade date, trading date, date1"),
        *_names("exchange date, business date, open time, window start, begins at, price date, datum, fecha, data"),
        *_names("dato, handelstag, 日付け, 日付, 日期, 交易日期, 날짜, дата, tarih, time, unix, ds, t"),
    ),
    "symbol": (
        *_names("ticker, symbol, stock, tic, tckrsymb, symbole, simbolo, kurzel, instrument, act symbol, unique id"),
        "name",
    ),
    "open": (
        *_names("original open, open, open price, opnpric, opening price, px open, eroffnung, eroffnungskurs, eroffn"),
        *_names("erster, ouverture, ouv, ouvert, apertura, abertura, openen, opening, oppen, oppning, otwarcie"),
        *_names("acilis, 始値, 开盘, 开盘价, 시가, откр, o"),
    ),
    "high": (
        *_names("high, high price, hghpric, day high, px high, hoch, hochst, hochstkurs, tageshoch, plus haut, haut"),
        *_names("maximo, maxima, massimo, max, mas alto, hoog, hogst, hogsta, najwyzszy, yuksek"),
        *_names("高値, 高, 最高, 最高价, 고가, макс, h"),
    ),
    "low": (
        *_names("low, low price, lwpric, day low, px low, tief, tiefst, tiefstkurs, tagestief, plus bas, bas"),
        *_names("minimo, minima, min, mas bajo, laag, lagst, lagsta, najnizszy, dusuk"),
        *_names("安値, 低, 最低, 最低价, 저가, мин, l"),
    ),
    "close": (
        *_names("close, close price, close last, clspric, closing price, schluss, schlusskurs, cloture, clos, cierre"),
        *_names("chiusura, fechamento, slutkurs, slotkoers, zamkniecie, 終値, 收盘, 收盘价, 종가, c, y"),
    ),
    "adj_close": (
        *_names("adj close, adjusted close, close adj, adjclose, closeadj, adj close price, adj price, adjusted"),
        *_names("bereinigter schluss, cloture ajustee, cierre ajustado"),
    ),
    "volume": (
        *_names("volume, vol, tick volume, tickvol, ttltradgvol, tottrdqty, ttl trd qnty, total traded quantity"),
        *_names("shares traded, no of shares, number of shares, total volume, px volume, stuecke, stucke, stuck"),
        *_names("volumen, volumes, wolumen, omsattning, hacim, hac, 出来高, 成交量, 交易量, 거래량, объем, v"),
    ),
    "period": ("per",),
    "series": ("sctysrs", "series"),
    "source": ("src",),
    "clock": ("time", "clock", "uhrzeit", "hora", "heure"),
}
# names of a last price; they mean the close only if the file also has open, high and low
_LAST = _names("last, latest, px last, price, zuletzt, letzter, dernier, ultimo, laatst, senast, simdi, 現在値, цена")
_UNIT = re.compile(r"[(\[][^)\]]*[)\]]")
_OTHER_PRICE = re.compile(r"(?i)[(\[][^)\]]*\b(adj|unadj|bid|ask|mid|prev|change|avg|52|week|year)")
PRICE_COLUMNS = ("open", "high", "low", "close")
_REQUIRED = ("session", *PRICE_COLUMNS)
VALUE_COLUMNS = (*PRICE_COLUMNS, "adj_close", "volume")
NAME_THEM = "name the columns date, open, high, low, close and, where there are any, ticker, adj close, volume"


@dataclass(frozen=True)
class FileColumns:
    """Which column of a file holds what.

    Attributes
    ----------
    place
        From tenor's name (`session`, `symbol`, `open` …, and `period` in Stooq's files) to the column's position.
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
            aliases = ALIASES[column]
            twins = [n for n in self.names if plain_name(n) in aliases and n != own]
            # one-letter names, and other columns of dates or symbols, are not alternatives worth a note
            twins = [n for n in twins if len(plain_name(n)) > 1 and column not in ("session", "clock", "symbol")]
            if twins and column not in self.chosen:
                notes.append(f"{column.replace('_', ' ')} is read from {own!r}, not {twins[0]!r}")
            elif column == "close" and plain_name(own) in _LAST and column not in self.chosen:
                notes.append(f"close is read from {own!r}")
        return notes

    @property
    def missing(self) -> list[str]:
        """Which of date, open, high, low and close are missing."""
        return ["date" if c == "session" else c for c in _REQUIRED if c not in self.place]


def match_columns(names: Sequence[str], chosen: Mapping[str, str] | None = None) -> FileColumns:
    """Find tenor's columns among `names`.

    Parameters
    ----------
    names
        The file's own names of its columns.
    chosen
        The user's own choice (see `column_names.parse_columns`).

    Raises
    ------
    UnusableError
        One of date, open, high, low, close or a chosen column is missing; the message lists the names of the file.
    """
    columns = guess_columns(names, chosen)
    if columns.missing:
        wanted = ", ".join(columns.missing)
        options = ",".join(f"{column}=…" for column in columns.missing)
        remedy = f"{NAME_THEM}, or say which they are: --columns {options}"
        if set(PRICE_COLUMNS) <= set(columns.missing):  # perhaps news with unknown names
            remedy += "; for news --columns text=…,published_at=…,symbol=…"
        raise UnusableError(f"has no column for {wanted} (its header: {shown_header(names)})", remedy)
    return columns


def guess_columns(names: Sequence[str], chosen: Mapping[str, str] | None = None) -> FileColumns:
    """As `match_columns`, but columns may be missing."""
    named = dict(chosen or {})
    try:
        place = find_named(named, names)
    except UnusableError as error:
        absent = next((own for own in named.values() if repr(own) in error.why), "")
        hint = did_you_mean(absent, [name.strip() for name in names]).strip()
        raise UnusableError(error.why, f"{error.remedy} ({hint})" if hint else error.remedy) from None
    plain = [plain_name(name) for name in names]
    # "Open (USD)", "Date (UTC)": text in brackets is a unit, unless it shows that the column is a different price
    bare = [plain_name(_UNIT.sub(" ", name)) if not _OTHER_PRICE.search(name) else "" for name in names]
    if "T" in names and "t" in names:  # a service's dump of all symbols of one day: T is the symbol, t the time
        place = {"symbol": list(names).index("T"), "session": list(names).index("t")} | place
    for column, aliases in ALIASES.items():
        taken = set(place.values())
        for alias in aliases if column not in place else ():
            position = next((i for i, name in enumerate(plain) if name == alias and i not in taken), None)
            if position is not None:
                place[column] = position
                break
        if column not in place:
            position = next((i for a in aliases for i, name in enumerate(bare) if name == a and i not in taken), None)
            place |= {column: position} if position is not None else {}
    if "close" not in place and {"open", "high", "low"} <= place.keys():
        last = next((plain.index(name) for name in _LAST if name in plain), None)
        if last is not None:
            place["close"] = last
    if "volume" not in place and "close" in place:
        # "Volume BTC", "Volume (lots)"
        counted = [i for i, name in enumerate(plain) if name.startswith("volume ") and i not in place.values()]
        if counted:
            place["volume"] = counted[0]
    ordered = {column: place[column] for column in ALIASES if column in place}
    return FileColumns(ordered, tuple(names), frozenset(named))


def headerless(cells: Sequence[str]) -> tuple[str, ...] | None:
    """The names of the columns of a file without a header, if `cells`, its first line, has one of two known layouts.

    Binance's candles have twelve columns: open time, prices, volume, close time and turnovers. MetaTrader 4 writes
    ``2024.01.02,00:00`` before the prices and the volume.

    Returns
    -------
    tuple of str or None
        None for any other line.
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
    """Whether `names` are those of Binance's candles, whose symbols are pairs of cryptocurrencies."""
    plain = [plain_name(name) for name in names]
    return "open time" in plain and bool(_CANDLE_NAMES & set(plain))


def plain_name(name: str) -> str:
    """A name in lower case without punctuation, such as ``"<Adj_Close>"``, ``"5. adjusted close"`` or ``"ADJ CLOSE"``.

    Examples
    --------
    >>> plain_name("5. Adjusted_Close"), plain_name("Clôture"), plain_name("Eröffnung")
    ('adjusted close', 'cloture', 'eroffnung')
    """
    name = re.sub(r"^\s*\d+\.\s*", "", name.casefold())
    letters = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    plain = unicodedata.normalize("NFC", letters).replace("ł", "l").replace("ø", "o").replace("ı", "i")
    return re.sub(r"[\W_]+", " ", plain).strip()
