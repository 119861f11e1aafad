"""Sessions and markets: which sessions an exchange has, and on which market a symbol trades.

`Exchange` is one calendar of exchange_calendars: its sessions, when they open and close, and to which one a moment
belongs. ``XNYS@1h`` is a calendar too. Its sessions are New York's bars of one hour: the first begins at the open, each
follows the one before, and the last ends with the close, however short it is. Such a session is named by the UTC moment
of its close. So code that works with a calendar of days also works with bars.

`Market` is where a symbol trades, read from how the symbol is written (as Yahoo writes it): ``SAP.DE``, ``BTC-USD``.
`calendar_of` and the functions below it place symbols of several markets on the sessions of one calendar.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.errors import ConfigError, DataError
from tenor.schema import LENGTHS, AsOf, BarInterval, label, within_days
from tenor.symbols import COIN, INDICES, MARKET_SUFFIXES, PAIR
from tenor.timetables import timetable

YEARS = (2015, 2024)
"""First and last year in which sessions are counted; fixed, so that annualised figures do not change over time."""

MarketKind = Literal["stock", "crypto", "currency"]


class Exchange:
    """One exchange's calendar.

    Parameters
    ----------
    code
        An exchange_calendars name: ``XNYS`` (New York), ``XLON``, ``XTKS`` …, or ``24/7``. With ``@1h`` or ``@15m`` the
        sessions are its bars of that length.

    Raises
    ------
    ConfigError
        The calendar, or bars of that length, do not exist.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.interval = interval_of(code)
        self._table = timetable(days_of(code))
        self._sessions, self._opens, self._closes = self._table.sessions, self._table.opens, self._table.closes
        if self.interval != "1d":
            self._opens, self._closes = _cut(self._opens, self._closes, LENGTHS[self.interval])
            self._sessions = self._closes.tz_localize(None)

    def sessions(self, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
        """All sessions from `first` to `last`, both included."""
        return self._sessions[(self._sessions >= first) & (self._sessions <= last)]

    def close(self, session: pd.Timestamp) -> pd.Timestamp:
        """The moment (UTC) at which `session` closes, early closes included."""
        return self._closes[self._place(session)]

    def following(self, session: pd.Timestamp, count: int = 1) -> pd.Timestamp:
        """The session `count` sessions after `session`, which may be a day without a session, such as a Saturday."""
        place = int(self._sessions.searchsorted(session, side="right")) - 1 + count
        if not 0 <= place < len(self._sessions):
            raise DataError(f"{self.code}: the calendar has no session {count} after {self.label(session)}.")
        return self._sessions[place]

    def cut_offs(self, as_of: AsOf = "close", *, axis: str | None = None) -> pd.DatetimeIndex:
        """For each session the moment (UTC) up to which what happens belongs to it: its close, or the next open.

        With ``as_of="open"``, nights, weekends and holidays belong to the session before them, so that a forecast made
        before the open uses their news. In a market that never closes, the next open is the close.

        Parameters
        ----------
        as_of
            ``close`` or ``open``.
        axis
            The calendar on whose sessions forecasts are made, if it is another one. With ``as_of="open"``, forecasts
            are made before the next open of `axis` after the row that shows a session (`tenor.features.axis`). Nothing
            later then counts as known, even if it is before this exchange's own next open.
        """
        if as_of == "close":
            return self._closes
        return _before_next_open(self.code, None if axis == self.code else axis)

    def session_of(
        self, moments: pd.Series[Any], *, margin: pd.Timedelta, as_of: AsOf = "close", axis: str | None = None
    ) -> pd.Series[Any]:
        """The first session whose cut-off (`cut_offs` less `margin`) lies after each moment.

        What is published at or after the cut-off of a session belongs to the next one.

        Parameters
        ----------
        moments
            Tz-aware, in any zone.
        margin
            How long before the close, or the next open, the cut-off is; not negative.
        as_of, axis
            As in `cut_offs`.

        Returns
        -------
        pandas.Series
            Session dates on the same index; NaT outside the calendar.

        Raises
        ------
        DataError
            `moments` have no time zone.
        """
        if not isinstance(moments.dtype, pd.DatetimeTZDtype):
            raise DataError("moments have no time zone: convert them to UTC first.")
        utc = moments.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
        cut_offs = self.cut_offs(as_of, axis=axis) - margin
        place = np.asarray(cut_offs.searchsorted(pd.DatetimeIndex(utc), side="right"))
        known = (place < len(self._sessions)) & utc.notna().to_numpy() & (utc >= self._closes[0] - margin).to_numpy()
        dates = self._sessions.to_numpy()[np.minimum(place, len(self._sessions) - 1)]
        return pd.Series(np.where(known, dates, np.datetime64("NaT")), index=moments.index, dtype="datetime64[us]")

    @property
    def zone(self) -> str:
        """The exchange's time zone, by its IANA name."""
        return self._table.zone

    @property
    def note(self) -> str:
        """What is uncertain about its sessions, in words; empty if nothing is."""
        code, table = days_of(self.code), self._table
        if table.weekdays_only:
            return f"the holidays of {code} are not known: every usual trading day counts as a session"
        if table.known_until is not None:
            until = f"{table.known_until:%Y-%m-%d}"
            return f"the holidays of {code} are known to {until}: later sessions follow its usual weekdays and holidays"
        return ""

    def uncertain(self, session: pd.Timestamp) -> bool:
        """Whether the calendar may lack a holiday at or before `session`; `note` says why."""
        until = self._table.known_until
        return self._table.weekdays_only or (until is not None and session >= until + pd.Timedelta(days=1))

    def last_closed(self, moment: pd.Timestamp) -> pd.Timestamp:
        """The last session that was over at `moment` (with time zone), including one that closed exactly then."""
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
        """How many sessions a year has, on average over `YEARS`; used to annualise figures of one session."""
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
    """The exchange `code`; each is built once."""
    return Exchange(code)


@functools.cache
def _before_next_open(code: str, axis: str | None) -> pd.DatetimeIndex:
    """For each session of `code` its next open, or that of `axis` after the row that shows it, if that is earlier."""
    opens, closes = (_microseconds(each) for each in (exchange(code)._opens, exchange(code)._closes))
    moments = np.append(opens[1:], closes[-1])  # after the last session of the calendar no open is known
    if axis is not None:
        rows, starts = (_microseconds(each) for each in (exchange(axis)._closes, exchange(axis)._opens))
        following = np.searchsorted(rows, closes) + 1  # the first row whose close knows the session, and the next one
        limit = np.where(following < len(starts), starts[np.minimum(following, len(starts) - 1)], closes)
        moments = np.maximum(np.minimum(moments, limit), closes)
    return pd.DatetimeIndex(moments.view("datetime64[us]"), tz="UTC")


def _microseconds(moments: pd.DatetimeIndex) -> NDArray[np.int64]:
    return np.asarray(moments.as_unit("us").asi8)


def days_of(code: str) -> str:
    """The exchange of `code` without the length of its bars: ``XNYS`` of ``XNYS@1h``."""
    return code.partition("@")[0]


def interval_of(code: str) -> BarInterval:
    """The length of a session of `code`: ``1h`` of ``XNYS@1h``, ``1d`` of ``XNYS``.

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
    """The name of the calendar of bars of `interval` on the exchange `calendar`: ``XNYS`` and ``1h`` give ``XNYS@1h``.

    `days_of` and `interval_of` give the two parts back.
    """
    return calendar if interval == "1d" else f"{calendar}@{interval}"


def through(sessions: pd.DatetimeIndex, until: str) -> int:
    """How many of `sessions` are not after `until`.

    `until` is a day (YYYY-MM-DD), all of which counts, or the moment of a close. Days of intraday bars are UTC days.
    """
    last = pd.Timestamp(until)
    if len(until) <= len("YYYY-MM-DD") and within_days(sessions):
        last += pd.Timedelta(days=1)
    return int(sessions.searchsorted(last, side="right"))


@dataclass(frozen=True)
class Market:
    """Where a symbol trades.

    Attributes
    ----------
    calendar
        exchange_calendars name; ``24/7`` for coins (UTC days), ``24/5`` for currencies (UTC days without weekends).
    currency
        Currency of its prices.
    kind
        What the symbol is: a stock, an index, a coin (``crypto``) …
    """

    calendar: str
    currency: str
    kind: MarketKind = "stock"

    @property
    def exchange(self) -> Exchange:
        """The exchange of its calendar."""
        return exchange(self.calendar)

    @property
    def sessions_per_year(self) -> float:
        """Sessions in a year, to annualise daily figures: about 252 in New York, 245 in Tokyo, 365 for coins."""
        return self.exchange.sessions_per_year


def market_of(symbol: str) -> Market:
    """The market of `symbol`; New York if the symbol has no known suffix.

    Examples
    --------
    >>> market_of("AAPL").calendar, market_of("SAP.DE").calendar, market_of("RELIANCE.NS").currency
    ('XNYS', 'XETR', 'INR')
    >>> market_of("BTC-USD").kind, market_of("EURUSD=X").calendar, market_of("BRK-B").calendar
    ('crypto', '24/5', 'XNYS')
    """
    if coin := COIN.fullmatch(symbol):
        return Market("24/7", coin[2], "crypto")
    if pair := PAIR.fullmatch(symbol):
        return Market("24/5", pair[2], "currency")
    if symbol in INDICES:
        return Market(*INDICES[symbol])
    _, dot, suffix = symbol.rpartition(".")
    calendar, currency = MARKET_SUFFIXES.get(suffix, ("XNYS", "USD")) if dot else ("XNYS", "USD")
    return Market(calendar, currency)


def calendar_of(symbol: str, axis: str) -> str:
    """The calendar of `symbol` in a panel on the sessions of `axis`: that of its market, if its name shows the market.

    A name that shows no market (``AAPL``, ``BRK-B``) is assumed to trade on `axis`, so that users' files with names of
    their own work on any calendar. If `axis` has intraday bars, the symbol's bars have the same length.

    Examples
    --------
    >>> calendar_of("7203.T", "XNYS"), calendar_of("AAPL", "XNYS"), calendar_of("ABC", "XLON")
    ('XTKS', 'XNYS', 'XLON')
    >>> calendar_of("BTC-USD", "XNYS@1h"), calendar_of("AAPL", "XNYS@1h")
    ('24/7@1h', 'XNYS@1h')
    """
    return with_interval(market_of(symbol).calendar, interval_of(axis)) if shows_market(symbol) else axis


def shows_market(symbol: str) -> bool:
    """Whether the name of `symbol` shows where it trades."""
    return bool(parts_of(symbol)[1]) or symbol in INDICES


def by_calendar(symbols: pd.Series[Any], axis: str) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each calendar on which one of `symbols` trades (`calendar_of`), with the rows of its symbols.

    A row without a symbol belongs to `axis`.
    """
    names = symbols.astype("str").fillna("")
    own = names.map({name: calendar_of(str(name), axis) for name in names.unique()}).to_numpy()
    for each in sorted(set(own)):
        yield each, np.asarray(own == each)


def sessions_of(
    moments: pd.Series[Any], symbols: pd.Series[Any], axis: str, *, margin_minutes: int = 0, as_of: AsOf = "close"
) -> pd.Series[Any]:
    """`Exchange.session_of` for each of `moments`, by the calendar of its symbol; NaT where there is none."""
    margin = pd.Timedelta(minutes=margin_minutes)
    sessions = pd.Series(pd.NaT, index=moments.index, dtype="datetime64[us]")
    for each, rows in by_calendar(symbols, axis):
        sessions[rows] = exchange(each).session_of(moments[rows], margin=margin, as_of=as_of, axis=axis)
    return sessions


def parts_of(symbol: str) -> tuple[str, str]:
    """Both sides of a coin or a pair of currencies (``BTC-USD``: ``BTC``, ``USD``), or stem and suffix of a stock.

    Examples
    --------
    >>> parts_of("SAP.DE"), parts_of("EURUSD=X"), parts_of("AAPL")
    (('SAP', 'DE'), ('EUR', 'USD'), ('AAPL', ''))
    """
    if pair := COIN.fullmatch(symbol) or PAIR.fullmatch(symbol):
        return pair[1], pair[2]
    stem, dot, suffix = symbol.rpartition(".")
    return (stem, suffix) if dot and suffix in MARKET_SUFFIXES else (symbol, "")


def known_rows(days: pd.DatetimeIndex, calendar: str, moments: pd.DatetimeIndex) -> NDArray[np.intp]:
    """For each of `moments` the place of the last of `days` that was over by then; -1 before the first.

    This puts symbols of several markets on one axis: at any moment each shows the last bar that was known then. Tokyo's
    session is over before New York's of the same date opens. A coin's UTC day ends after New York has closed, so at
    New York's close the last known bar of the coin is that of the day before.

    Parameters
    ----------
    days
        Sessions of `calendar` that have a bar, in rising order.
    calendar
        Calendar of `days`.
    moments
        With time zone, in any order.

    Returns
    -------
    numpy.ndarray
        Places in `days`, as long as `moments`.

    Raises
    ------
    DataError
        `days` are not in rising order.
    """
    if not days.is_monotonic_increasing:
        raise DataError("sessions must be in rising order to be placed on an axis of moments: sort the bars first.")
    last_over = exchange(calendar).closed_by(moments)
    # NaT (nothing was over yet) becomes a moment before all days, hence place -1
    place = np.asarray(days.searchsorted(last_over.fillna(pd.Timestamp("1677-12-31")), side="right")) - 1
    return place.astype(np.intp)


def _cut(
    opens: pd.DatetimeIndex, closes: pd.DatetimeIndex, length: pd.Timedelta
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Opens and closes of the bars of `length` between each of `opens` and its close."""
    # the number of bars each day, the last one possibly shorter; then for each bar its place within its day
    count = np.ceil(np.asarray((closes - opens) / length)).astype(np.int64)
    first = np.repeat(np.cumsum(count) - count, count)
    begins = opens.repeat(count) + (np.arange(int(count.sum())) - first) * length
    # the unit of the sums depends on the version of pandas
    ends = np.minimum((begins + length).as_unit("us").asi8, closes.repeat(count).as_unit("us").asi8)
    return begins.as_unit("us"), pd.DatetimeIndex(ends.view("datetime64[us]"), tz="UTC")
