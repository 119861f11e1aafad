"""Which market a symbol trades on, by how it is written: its calendar, time zone, currency and kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.errors import DataError
from tenor.sessions import Exchange, exchange, interval_of, with_interval

Kind = Literal["stock", "crypto", "currency"]

# suffix -> exchange_calendars name and quote currency. London is quoted in pence (GBp), as its sources quote it.
# The National Stock Exchange of India has no calendar of its own there; it keeps Bombay's holidays.
_SUFFIXES: dict[str, tuple[str, str]] = {
    "L": ("XLON", "GBp"), "DE": ("XETR", "EUR"), "F": ("XFRA", "EUR"), "PA": ("XPAR", "EUR"), "AS": ("XAMS", "EUR"),
    "BR": ("XBRU", "EUR"), "LS": ("XLIS", "EUR"), "MI": ("XMIL", "EUR"), "MC": ("XMAD", "EUR"), "VI": ("XWBO", "EUR"),
    "HE": ("XHEL", "EUR"), "IR": ("XDUB", "EUR"), "AT": ("ASEX", "EUR"), "SW": ("XSWX", "CHF"), "ST": ("XSTO", "SEK"),
    "CO": ("XCSE", "DKK"), "OL": ("XOSL", "NOK"), "WA": ("XWAR", "PLN"), "PR": ("XPRA", "CZK"), "BD": ("XBUD", "HUF"),
    "IS": ("XIST", "TRY"), "T": ("XTKS", "JPY"), "NS": ("XBOM", "INR"), "BO": ("XBOM", "INR"), "HK": ("XHKG", "HKD"),
    "SS": ("XSHG", "CNY"), "SZ": ("XSHG", "CNY"), "KS": ("XKRX", "KRW"), "KQ": ("XKRX", "KRW"), "TW": ("XTAI", "TWD"),
    "SI": ("XSES", "SGD"), "AX": ("XASX", "AUD"), "NZ": ("XNZE", "NZD"), "TO": ("XTSE", "CAD"), "V": ("XTSE", "CAD"),
    "SA": ("BVMF", "BRL"), "MX": ("XMEX", "MXN"), "JO": ("XJSE", "ZAc"), "TA": ("XTAE", "ILA"), "SR": ("XSAU", "SAR"),
}  # fmt: skip
_COIN = re.compile(r"([A-Z0-9]{2,10})-(USD|USDT|USDC|EUR|GBP|JPY|BTC|ETH)")
_PAIR = re.compile(r"([A-Z]{3})([A-Z]{3})=X")


@dataclass(frozen=True)
class Market:
    """Where a symbol trades.

    Attributes
    ----------
    calendar : exchange_calendars name; ``24/7`` for coins (UTC days), ``24/5`` for currencies (UTC days but weekends).
    currency : what its prices are in.
    kind : what it is.
    """

    calendar: str
    currency: str
    kind: Kind = "stock"

    @property
    def exchange(self) -> Exchange:
        """Its calendar."""
        return exchange(self.calendar)

    @property
    def sessions_per_year(self) -> float:
        """What annualises a daily figure: about 252 in New York, 245 in Tokyo, 365 for coins."""
        return self.exchange.sessions_per_year


def market_of(symbol: str) -> Market:
    """The market of `symbol`; without a known suffix it is a US one.

    Examples
    --------
    >>> market_of("AAPL").calendar, market_of("SAP.DE").calendar, market_of("RELIANCE.NS").currency
    ('XNYS', 'XETR', 'INR')
    >>> market_of("BTC-USD").kind, market_of("EURUSD=X").calendar, market_of("BRK-B").calendar
    ('crypto', '24/5', 'XNYS')
    """
    if coin := _COIN.fullmatch(symbol):
        return Market("24/7", coin[2], "crypto")
    if pair := _PAIR.fullmatch(symbol):
        return Market("24/5", pair[2], "currency")
    _, dot, suffix = symbol.rpartition(".")
    calendar, currency = _SUFFIXES.get(suffix, ("XNYS", "USD")) if dot else ("XNYS", "USD")
    return Market(calendar, currency)


def calendar_of(symbol: str, axis: str) -> str:
    """The calendar of `symbol` beside others on the sessions of `axis`: its market's, where its name tells that.

    A name that tells no market (``AAPL``, ``BRK-B``) is taken to trade on `axis`: so one's own files, with names of
    one's own, stand on whatever calendar they come from. On an axis of bars its own are as long.

    Examples
    --------
    >>> calendar_of("7203.T", "XNYS"), calendar_of("AAPL", "XNYS"), calendar_of("ABC", "XLON")
    ('XTKS', 'XNYS', 'XLON')
    >>> calendar_of("BTC-USD", "XNYS@1h"), calendar_of("AAPL", "XNYS@1h")
    ('24/7@1h', 'XNYS@1h')
    """
    return with_interval(market_of(symbol).calendar, interval_of(axis)) if tells_market(symbol) else axis


def tells_market(symbol: str) -> bool:
    """Whether the name of `symbol` says where it trades."""
    return bool(parts_of(symbol)[1])


def by_calendar(symbols: pd.Series[Any], axis: str) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each calendar of `calendar_of`, and which rows are of symbols of it; a row without a symbol goes by `axis`."""
    names = symbols.astype("str").fillna("")
    own = names.map({name: calendar_of(str(name), axis) for name in names.unique()}).to_numpy()
    for each in sorted(set(own)):
        yield each, np.asarray(own == each)


def sessions_of(
    moments: pd.Series[Any], symbols: pd.Series[Any], axis: str, *, margin_minutes: int = 0
) -> pd.Series[Any]:
    """`Exchange.session_of` each of `moments`, by the calendar of its symbol; NaT where there is none."""
    margin = pd.Timedelta(minutes=margin_minutes)
    found = pd.Series(pd.NaT, index=moments.index, dtype="datetime64[us]")
    for each, rows in by_calendar(symbols, axis):
        found[rows] = exchange(each).session_of(moments[rows], margin=margin)
    return found


def parts_of(symbol: str) -> tuple[str, str]:
    """The two sides of a coin or a pair of currencies (``BTC-USD``: ``BTC``, ``USD``), or stem and suffix of a stock.

    Examples
    --------
    >>> parts_of("SAP.DE"), parts_of("EURUSD=X"), parts_of("AAPL")
    (('SAP', 'DE'), ('EUR', 'USD'), ('AAPL', ''))
    """
    if found := _COIN.fullmatch(symbol) or _PAIR.fullmatch(symbol):
        return found[1], found[2]
    stem, dot, suffix = symbol.rpartition(".")
    return (stem, suffix) if dot and suffix in _SUFFIXES else (symbol, "")


def known_rows(days: pd.DatetimeIndex, calendar: str, moments: pd.DatetimeIndex) -> NDArray[np.intp]:
    """For each of `moments` the place of the last of `days` that was over by then; -1 before the first.

    It is how symbols of several markets stand on one axis: at any moment each shows the last bar that was knowable
    there. Tokyo's of the day is over before New York opens; a coin's UTC day ends after New York has closed, so that
    at New York's close the coin's bar of the day before is the last one known.

    Parameters
    ----------
    days : sessions of `calendar` that have a bar, rising.
    moments : tz-aware; rising or not.

    Raises
    ------
    DataError : `days` are not rising.
    """
    if not days.is_monotonic_increasing:
        raise DataError("sessions must be rising to be placed on an axis of moments: sort the bars first.")
    over = exchange(calendar).closed_by(moments)
    place = np.asarray(days.searchsorted(over.fillna(pd.Timestamp("1677-12-31")), side="right")) - 1
    return place.astype(np.intp)
