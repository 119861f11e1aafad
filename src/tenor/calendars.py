"""Exchange sessions: which there are, when they close, and which one a moment belongs to (exchange_calendars).

``XNYS@1h`` is a calendar too, and its sessions are the bars of one hour of each day in New York: they begin at the
open, follow each other every hour, and the last one ends with the close, however short it is. Such a session is named
by the UTC moment of its own close. All that goes by a calendar so goes by bars as well.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import exchange_calendars
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.errors import ConfigError, DataError, did_you_mean
from tenor.schema import LENGTHS, BarInterval, label, within_days

FIRST = "1990-01-01"
YEARS = (2015, 2024)
"""Years in which sessions are counted: always the same, so that a figure does not depend on the day it is made on."""


class Exchange:
    """One exchange's calendar.

    Parameters
    ----------
    code
        An exchange_calendars name: ``XNYS`` (New York), ``XLON``, ``XTKS`` …, or ``24/7``; with ``@1h`` or ``@15m``
        its bars of that length.

    Raises
    ------
    ConfigError
        There is no such calendar, or there are no bars of that length.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.interval = interval_of(code)
        self._calendar = _calendar(days_of(code))
        self._sessions = pd.DatetimeIndex(self._calendar.sessions).as_unit("us")
        self._opens = pd.DatetimeIndex(self._calendar.opens).tz_convert("UTC").as_unit("us")
        self._closes = pd.DatetimeIndex(self._calendar.closes).tz_convert("UTC").as_unit("us")
        if self.interval != "1d":
            self._opens, self._closes = _cut(self._opens, self._closes, LENGTHS[self.interval])
            self._sessions = self._closes.tz_localize(None)

    def sessions(self, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
        """All sessions from `first` to `last`, both included."""
        return self._sessions[(self._sessions >= first) & (self._sessions <= last)]

    def close(self, session: pd.Timestamp) -> pd.Timestamp:
        """The moment (UTC) at which `session` closes; early closes are known."""
        return self._closes[self._place(session)]

    def following(self, session: pd.Timestamp, count: int = 1) -> pd.Timestamp:
        """The session `count` sessions after `session`, which may itself be no session (a stray Saturday bar, say)."""
        place = int(self._sessions.searchsorted(session, side="right")) - 1 + count
        if not 0 <= place < len(self._sessions):
            raise DataError(f"{self.code}: the calendar has no session {count} after {self.label(session)}.")
        return self._sessions[place]

    def session_of(self, moments: pd.Series[Any], *, margin: pd.Timedelta) -> pd.Series[Any]:
        """The first session whose cut-off (its close less `margin`) lies after each moment.

        What is published at or after the cut-off of a session belongs to the next one.

        Parameters
        ----------
        moments
            Tz-aware; any zone.
        margin
            How long before the close the cut-off lies, >= 0.

        Returns
        -------
        Series of session dates on the same index; NaT where the calendar does not reach.
        """
        if not isinstance(moments.dtype, pd.DatetimeTZDtype):
            raise DataError("moments have no time zone: convert them to UTC first.")
        utc = moments.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
        place = np.asarray((self._closes - margin).searchsorted(pd.DatetimeIndex(utc), side="right"))
        known = (place < len(self._sessions)) & utc.notna().to_numpy() & (utc >= self._closes[0] - margin).to_numpy()
        dates = self._sessions.to_numpy()[np.minimum(place, len(self._sessions) - 1)]
        return pd.Series(np.where(known, dates, np.datetime64("NaT")), index=moments.index, dtype="datetime64[us]")

    @property
    def zone(self) -> str:
        """The exchange's time zone, by its IANA name."""
        return str(self._calendar.tz)

    def last_closed(self, moment: pd.Timestamp) -> pd.Timestamp:
        """The last session that was over at `moment` (tz-aware); its close may be that very moment."""
        place = int(self._closes.searchsorted(moment.tz_convert("UTC"), side="right")) - 1
        if place < 0:
            raise DataError(f"{self.code}: the calendar has no session that was over at {moment:%Y-%m-%d %H:%M}.")
        return self._sessions[place]

    def closed_by(self, moments: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """For each of `moments` (tz-aware) the last session that was over by then; NaT before the first close."""
        place = np.asarray(self._closes.searchsorted(moments.tz_convert("UTC"), side="right")) - 1
        dates = self._sessions.to_numpy()[np.maximum(place, 0)]
        return pd.DatetimeIndex(np.where(place >= 0, dates, np.datetime64("NaT")))

    def closes(self, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """When each of `sessions` closes (UTC)."""
        return self._closes[self._places(sessions)]

    def opens(self, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """When each of `sessions` opens (UTC)."""
        return self._opens[self._places(sessions)]

    def label(self, session: pd.Timestamp) -> str:
        """`session` as text (see `tenor.schema.label`)."""
        return label(session, intraday=self.interval != "1d")

    @functools.cached_property
    def sessions_per_year(self) -> float:
        """How many sessions a year has, by `YEARS`: what annualises a session's figure."""
        years = np.asarray(self._sessions.year)
        whole = years[(years > years[0]) & (years >= YEARS[0]) & (years <= YEARS[1])]
        return len(whole) / len(np.unique(whole))

    def _places(self, sessions: pd.DatetimeIndex) -> NDArray[np.intp]:
        place = np.asarray(self._sessions.get_indexer(sessions))
        if (place < 0).any():
            raise DataError(f"{self.label(sessions[place < 0][0])} is not a session of {self.code}.")
        return place

    def _place(self, session: pd.Timestamp) -> int:
        place = int(self._sessions.searchsorted(session))
        if place == len(self._sessions) or self._sessions[place] != session:
            raise DataError(f"{self.label(session)} is not a session of {self.code}.")
        return place


@functools.cache
def exchange(code: str) -> Exchange:
    """The exchange `code`, made once."""
    return Exchange(code)


def days_of(code: str) -> str:
    """The exchange whose days, or whose bars, `code` means: ``XNYS`` of ``XNYS@1h``."""
    return code.partition("@")[0]


def interval_of(code: str) -> BarInterval:
    """How long a session of `code` is: ``1h`` of ``XNYS@1h``, ``1d`` of ``XNYS``.

    Raises
    ------
    ConfigError
        There are no bars of that length.
    """
    _, at, length = code.partition("@")
    for interval in LENGTHS:
        if interval == (length if at else "1d"):
            return interval
    raise ConfigError(f"calendar {code!r}: there are no bars of {length!r}; it takes @1h, @15m, or a name without '@'.")


def with_interval(calendar: str, interval: BarInterval) -> str:
    """The calendar of the bars of `interval` on the exchange `calendar`: the reverse of `days_of` and `interval_of`."""
    return calendar if interval == "1d" else f"{calendar}@{interval}"


def through(sessions: pd.DatetimeIndex, until: str) -> int:
    """How many of `sessions` there are up to `until`: a day (YYYY-MM-DD), whole, or the moment of a bar's close.

    Days of intraday bars are UTC days.
    """
    last = pd.Timestamp(until)
    if len(until) <= len("YYYY-MM-DD") and within_days(sessions):
        last += pd.Timedelta(days=1)
    return int(sessions.searchsorted(last, side="right"))


def _cut(
    opens: pd.DatetimeIndex, closes: pd.DatetimeIndex, length: pd.Timedelta
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Opens and closes of the bars of `length` between each of `opens` and its close."""
    count = np.ceil(np.asarray((closes - opens) / length)).astype(np.int64)
    first = np.repeat(np.cumsum(count) - count, count)
    begins = opens.repeat(count) + (np.arange(int(count.sum())) - first) * length
    ends = np.minimum((begins + length).asi8, closes.repeat(count).asi8)
    return begins.as_unit("us"), pd.DatetimeIndex(ends.view("datetime64[us]"), tz="UTC")


def _calendar(code: str) -> Any:
    known = exchange_calendars.get_calendar_names()
    if code not in known:
        raise ConfigError(f"unknown exchange calendar {code!r}.{did_you_mean(code, known) or ' US stocks: XNYS.'}")
    earliest = exchange_calendars.get_calendar(code).bound_min()
    start = max(pd.Timestamp(FIRST), earliest) if earliest is not None else pd.Timestamp(FIRST)
    return exchange_calendars.get_calendar(code, start=start)


# which market a symbol trades on, by how it is written ----------------------------------------------------------------


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
    calendar
        exchange_calendars name; ``24/7`` for coins (UTC days), ``24/5`` for currencies (UTC days but weekends).
    currency
        What its prices are in.
    kind
        What it is.
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
    days
        Sessions of `calendar` that have a bar, rising.
    moments
        Tz-aware; rising or not.

    Raises
    ------
    DataError
        `days` are not rising.
    """
    if not days.is_monotonic_increasing:
        raise DataError("sessions must be rising to be placed on an axis of moments: sort the bars first.")
    over = exchange(calendar).closed_by(moments)
    place = np.asarray(days.searchsorted(over.fillna(pd.Timestamp("1677-12-31")), side="right")) - 1
    return place.astype(np.intp)
