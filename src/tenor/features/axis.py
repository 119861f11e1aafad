"""The sessions of a panel (its axis), and the rows in which the bars of other calendars appear.

A row of a panel is what was known at the close of a session of one calendar, the axis. A symbol of that calendar has
its bar of that session in the row. A symbol of another calendar has its last bar that was over by then. A bar appears
only once, in the first row in which it is known. If two became known since the row before, the later one appears.

Around Independence Day 2024, a Thursday, on New York's sessions::

    row         AAPL   7203.T  BTC-USD
    2024-07-02  07-02  07-02   07-01    Tokyo's day is over by then; the coin's UTC day is not
    2024-07-03  07-03  07-03   07-02
    2024-07-05  07-05  07-05   07-04    Tokyo's bar of 07-04 and the coin's of 07-03 are not shown: later ones are known
    2024-07-08  07-08  07-08   07-07    a Monday: the coin's Sunday
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import calendar_of, days_of, exchange, known_rows, shows_market
from tenor.errors import DataError, HistoryError
from tenor.schema import Bars, Bool

ROUND_THE_WORLD = ("XNYS", "24/7", "24/5")
"""Axes on which symbols without a market in their names may be mixed with symbols that have one.

On these the bar of a US stock is over at the close of the row of the same date.
"""

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Axis:
    """The sessions of a panel.

    Attributes
    ----------
    calendar
        Name of the calendar.
    sessions
        Its days (or the closes of intraday bars), in rising order.
    closes
        The close of each session (UTC).

    Examples
    --------
    >>> days = exchange("XNYS").sessions(pd.Timestamp("2024-07-02"), pd.Timestamp("2024-07-08"))
    >>> axis = Axis("XNYS", days, exchange("XNYS").closes(days))
    >>> tokyo = exchange("XTKS").sessions(pd.Timestamp("2024-07-02"), pd.Timestamp("2024-07-08"))
    >>> rows, shown = axis.rows(tokyo, "XTKS")
    >>> for row, bar in zip(rows, shown):
    ...     print(f"{axis.sessions[row]:%m-%d} shows {tokyo[bar]:%m-%d}")
    07-02 shows 07-02
    07-03 shows 07-03
    07-05 shows 07-05
    07-08 shows 07-08
    """

    calendar: str
    sessions: pd.DatetimeIndex
    closes: pd.DatetimeIndex

    @classmethod
    def of(cls, bars: Bars, calendar: str) -> Axis:
        """The axis from the first session at which a bar of `bars` is known to the last that ended by a bar's close.

        Raises
        ------
        DataError
            A bar is of a day that is not a session of its own calendar. Or a symbol has no market in its name while
            others have one, so that its market is uncertain.
        HistoryError
            The axis has no session.
        """
        calendars = calendars_of(bars.symbols, calendar)
        axis = exchange(calendar)
        days = bars.frame["session"].to_numpy()
        edges = []
        for name in sorted(set(calendars)):
            if len(set(calendars)) == 1:
                own, symbols = pd.DatetimeIndex(days), bars.frame["symbol"]
            else:
                here = bars.frame["symbol"].isin([s for s, c in zip(bars.symbols, calendars, strict=True) if c == name])
                own, symbols = pd.DatetimeIndex(days[here]), bars.frame.loc[here, "symbol"]
            known = exchange(name).sessions(own.min(), own.max())
            _refuse_strays(own, symbols, known, name)
            edges += exchange(name).closes(pd.DatetimeIndex([own.min(), own.max()])).tolist()
        # with a margin on both sides, for the closes of other markets and the longest holidays
        every = axis.sessions(_day(min(edges)) - pd.Timedelta(days=2), _day(max(edges)) + pd.Timedelta(days=15))
        closes = axis.closes(every)
        start = int(closes.searchsorted(min(edges)))
        stop = int(closes.searchsorted(max(edges), side="right"))
        if stop <= start:
            raise HistoryError(
                f"no session of {calendar} was over between the first bar and the last: import more history."
            )
        return cls(calendar, every[start:stop], closes[start:stop])

    def rows(self, days: pd.DatetimeIndex, calendar: str) -> tuple[Places, Places]:
        """The rows of the axis in which a bar appears, and which bar it is.

        Parameters
        ----------
        days
            The sessions of `calendar` that have a bar, in rising order.
        calendar
            The symbol's own calendar.

        Returns
        -------
        tuple of two arrays
            Places in `sessions`, and for each of them the place in `days` of its bar.
        """
        if calendar == self.calendar:
            return np.asarray(self.sessions.get_indexer(days)), np.arange(len(days))
        last = known_rows(days, calendar, self.closes)  # the last bar known in each row; -1 before the first
        rows = np.flatnonzero(np.diff(last, prepend=-1) > 0)  # only if it differs from that of the row before
        return rows, last[rows]

    def open_after(self, rows: Places, days: pd.DatetimeIndex, calendar: str) -> Bool:
        """Whether the bar of each of `days`, which appears in `rows`, opened not before the close of the previous row.

        A decision made at that close can't be traded at an earlier price.
        """
        if calendar == self.calendar or not len(rows):
            return np.ones(len(rows), dtype=bool)
        before = self.closes[np.maximum(rows - 1, 0)]
        return np.asarray((exchange(calendar).opens(days) >= before) | (rows == 0))

    def known(self, calendar: str) -> tuple[pd.DatetimeIndex, Places]:
        """The sessions of `calendar` within the axis, and for each row the place of the last one that was over."""
        if calendar == self.calendar:
            return self.sessions, np.arange(len(self.sessions))
        over = exchange(calendar).closed_by(self.closes)
        days = exchange(calendar).sessions(over.min(), over.max())
        return days, np.asarray(days.get_indexer(over))


def calendars_of(symbols: Sequence[str], axis: str) -> list[str]:
    """The calendar of each of `symbols` in a panel over the sessions of `axis`.

    Raises
    ------
    DataError
        A symbol has no market in its name while others have one, and on this axis it can't be taken for a US stock.
    """
    calendars = [calendar_of(symbol, axis) for symbol in symbols]
    with_market = [symbol for symbol in symbols if shows_market(symbol)]
    if with_market and days_of(axis) not in ROUND_THE_WORLD:
        for symbol in symbols:
            if not shows_market(symbol):
                raise DataError(
                    f"bars: the name of {symbol} has no market, and it stands beside {with_market[0]}, on {axis}: "
                    "write it with its market's suffix, or set features.calendar to XNYS if it is a US stock."
                )
    return calendars


def on_axis(frame: pd.DataFrame, axis: str) -> pd.DataFrame:
    """`frame` (columns ``symbol`` and ``session``) with the session of `axis` at whose close each row is known.

    If several rows of a symbol become known in one session, the last is kept. Rows of symbols that trade on `axis` are
    unchanged, and so are the order and the index.
    """
    symbols = frame["symbol"].unique()
    foreign = {s: c for s in symbols if (c := calendar_of(s, axis)) != axis}
    if not foreign:
        return frame
    sessions = frame["session"].copy()
    calendars = frame["symbol"].map(foreign)
    for calendar in sorted(set(foreign.values())):
        here = (calendars == calendar).to_numpy()
        over = exchange(calendar).closes(pd.DatetimeIndex(frame.loc[here, "session"]))
        # a close at the same moment as that of the axis counts as known there
        sessions[here] = (
            exchange(axis).session_of(pd.Series(over - pd.Timedelta(microseconds=1)), margin=pd.Timedelta(0)).to_numpy()
        )
    dated = frame.assign(session=sessions)
    return dated[dated["session"].notna() & ~dated.duplicated(["symbol", "session"], keep="last")]


def _refuse_strays(days: pd.DatetimeIndex, symbols: pd.Series[str], known: pd.DatetimeIndex, calendar: str) -> None:
    stray = np.asarray(~days.isin(known))
    if stray.any():
        rows = list(zip(symbols.to_numpy()[stray][:3], days[stray][:3], strict=True))
        named = ", ".join(f"{symbol} {exchange(calendar).label(day)}" for symbol, day in rows)
        more = f" and {int(stray.sum()) - len(rows)} more" if stray.sum() > len(rows) else ""
        raise DataError(
            f"bars: {named}{more}: no session of {calendar}. Drop these rows, or set features.calendar to the "
            "exchange they come from (24/7 for coins)."
        )


def _day(moment: pd.Timestamp) -> pd.Timestamp:
    return moment.tz_localize(None).normalize()
