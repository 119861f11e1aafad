"""The base class of sources of events, and their answers: events, each with the first session that can react to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.calendars import market_of, parts_of
from tenor.ingest.services.source import Source

EARNINGS = "earnings"
EXPECTED = "earnings_expected"
"""The kind of expected days of results: they follow from last year's by a rule, not from the company."""
_FURTHEST = pd.Timedelta(days=400)
_CLOSED = pd.Timedelta(days=14)
"""The longest time for which an exchange may be closed."""


@dataclass(frozen=True)
class EventAnswer:
    """Events of one source.

    Attributes
    ----------
    frame
        Columns ``symbol``, ``session``, ``kind`` and ``known_since`` (UTC; NaT means since the arrival of the answer).
    covered
        For a calendar of coming dates, the last day that it covers; a date up to then that it no longer lists was moved
        or called off. None for a source that lists past events.
    refused
        Number of rows without a usable date.
    note
        What a person should know.
    """

    frame: pd.DataFrame
    covered: pd.Timestamp | None = None
    refused: int = 0
    note: str = ""


class EventSource(Source, ABC):
    """A service that has dates of events.

    Attributes
    ----------
    by_symbol : bool
        Whether it is asked for each symbol; otherwise it is asked once for the events of all symbols.
    """

    by_symbol: bool = True

    @abstractmethod
    def serves(self, symbol: str) -> bool:
        """Whether it has events of `symbol` at all."""

    @abstractmethod
    def events(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> EventAnswer:
        """The events of `symbol` (``""`` for a source that is asked once) that became known from `since` to `now`.

        Parameters
        ----------
        symbol
            In Yahoo's notation.
        since, now
            UTC. A calendar of coming dates returns all dates from `now` on.

        Raises
        ------
        SourceError
            The source has no such symbol, did not answer, or its answer is not as documented.
        """


def us_stock(symbol: str) -> bool:
    """Whether `symbol` is listed in the US, judging by its name."""
    market = market_of(symbol)
    return market.kind == "stock" and market.calendar == "XNYS" and not parts_of(symbol)[1] and symbol[:1] != "^"


def reacting_session(symbol: str, day: Any, *, after_close: bool) -> pd.Timestamp | None:
    """The first session that can react to news on `day`; None if `day` is not a date (YYYY-MM-DD).

    It is the session of `day` itself, or the next one if the news comes after the close or there is no session that
    day.
    """
    if not isinstance(day, str):
        return None
    try:
        date = pd.to_datetime(day, format="%Y-%m-%d")
        following = market_of(symbol).exchange.sessions(date, date + _CLOSED)
    except (ValueError, OverflowError):
        return None
    place = 1 if after_close and len(following) and following[0] == date else 0
    return following[place] if place < len(following) else None


def calendar_answer(
    rows: Iterable[tuple[str, Any, bool]], *, kind: str, now: pd.Timestamp, covered: pd.Timestamp
) -> EventAnswer:
    """Make an answer from the rows of a calendar; past days and days more than 400 days ahead are left out.

    Parameters
    ----------
    rows
        The rows of the calendar: the symbol, the day, and whether the event is after the close.
    kind
        The kind of the events.
    now
        UTC; the moment of the request.
    covered
        The last day that the calendar covers.
    """
    listed, refused = [], 0
    for symbol, day, after_close in rows:
        session = reacting_session(symbol, day, after_close=after_close)
        if session is None:
            refused += 1
        elif market_of(symbol).exchange.last_closed(now) < session <= now.tz_localize(None) + _FURTHEST:
            listed.append((symbol, session))
    frame = pd.DataFrame(listed, columns=["symbol", "session"]).drop_duplicates()
    never = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
    return EventAnswer(event_frame(frame.assign(kind=kind, known_since=never)), covered, refused)


def event_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with the columns and types of `EventAnswer.frame`, sorted."""
    known = pd.to_datetime(frame["known_since"], utc=True).astype("datetime64[us, UTC]")
    typed = frame.assign(known_since=known).astype({"symbol": "str", "session": "datetime64[us]", "kind": "str"})
    columns = ["symbol", "session", "kind", "known_since"]
    return typed[columns].sort_values(columns, kind="stable", ignore_index=True)
