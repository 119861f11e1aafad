"""The base class of sources of news, and their answers: items with a UTC time; those without one are refused."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tenor.ingest.services.source import Source
from tenor.schema import News, news_id

_EARLIEST = pd.Timestamp("1990-01-01", tz="UTC")
_LONGEST = 4000


@dataclass(frozen=True)
class NewsAnswer:
    """Items of one source.

    Attributes
    ----------
    frame
        Columns ``published_at`` (UTC), ``symbol`` (``""`` if the source names none), ``text``, ``url``.
    refused
        Number of items without a usable time or text.
    names
        Names of companies, by symbol, if the source has them.
    """

    frame: pd.DataFrame
    refused: int = 0
    names: dict[str, str] | None = None


class NewsSource(Source, ABC):
    """A service that has news.

    Attributes
    ----------
    by_symbol : bool
        Whether it is asked for each symbol; otherwise it is asked once, and its items are assigned to symbols by text.
    """

    by_symbol: bool = True

    @abstractmethod
    def serves(self, symbol: str) -> bool:
        """Whether it has news of `symbol` at all."""

    @abstractmethod
    def items(self, symbol: str, *, since: pd.Timestamp, now: pd.Timestamp) -> NewsAnswer:
        """Items published from `since` to `now` (UTC), about `symbol` (``""`` for a source that is asked once).

        Raises
        ------
        SourceError
            The source did not answer, or its answer is not as documented.
        """


def news_answer(
    rows: Iterable[tuple[Any, str, Any, Any]],
    *,
    since: pd.Timestamp,
    now: pd.Timestamp,
    names: dict[str, str] | None = None,
) -> NewsAnswer:
    """Make an answer from rows of time, symbol, text and URL, and count the refused ones.

    An item dated more than an hour after `now` is refused: its date is wrong, or it is not published yet.

    Parameters
    ----------
    rows
        (time, symbol, text, url). A time is seconds since 1970, a Timestamp with a zone, or None.
    since, now
        UTC; the period of the request.
    names
        Names of companies, by symbol.
    """
    rows_in_range, refused = [], 0
    for moment, symbol, text, url in rows:
        at = _moment(moment)
        body = " ".join(text.split())[:_LONGEST] if isinstance(text, str) else ""
        # a lone surrogate is legal in JSON, but can't be stored as text
        body = body.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if at is None or not body or not _EARLIEST <= at <= now + pd.Timedelta(hours=1):
            refused += 1
        elif since <= at <= now:
            rows_in_range.append((at, symbol, body, url if isinstance(url, str) else ""))
    frame = pd.DataFrame(rows_in_range, columns=["published_at", "symbol", "text", "url"])
    frame["published_at"] = pd.to_datetime(frame["published_at"], utc=True).astype("datetime64[us, UTC]")
    frame = frame.astype({"symbol": "str", "text": "str", "url": "str"})
    return NewsAnswer(frame.drop_duplicates(["published_at", "symbol", "text"], ignore_index=True), refused, names)


def as_news(frame: pd.DataFrame, source: str) -> News:
    """The items of an answer, each of one symbol, as `News` of `source`."""
    ids = [news_id(source, text) for text in frame["text"]]
    return News(frame.assign(id=pd.Series(ids, dtype="str", index=frame.index), source=source))


def iso_moment(text: Any, *, zoned: bool = True) -> pd.Timestamp | None:
    """An ISO 8601 time as UTC; None if it can't be read, or if it has no zone and `zoned` is true."""
    try:
        moment = pd.Timestamp(text) if isinstance(text, str) and text else pd.NaT
    except ValueError:
        return None
    if not isinstance(moment, pd.Timestamp):
        return None
    if moment.tzinfo is None:
        return None if zoned else moment.tz_localize("UTC")
    return moment.tz_convert("UTC")


def _moment(value: Any) -> pd.Timestamp | None:
    if isinstance(value, pd.Timestamp):
        return value.tz_convert("UTC") if value.tzinfo is not None else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and 0 < value < 1e11:
        return pd.Timestamp(int(value * 1_000_000), unit="us", tz="UTC")
    return None
