"""Checks of dates: training rows before test rows, targets that end before the test, news before the close."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import by_calendar, exchange, sessions_of
from tenor.errors import DataError, one_line
from tenor.leakcheck.dataset import Dataset
from tenor.leakcheck.report import LeakFinding
from tenor.schema import AsOf

_MOMENTS = {"close": "close of", "open": "open after"}


def check_split(table: Dataset, horizon: int, calendar: str) -> list[LeakFinding]:
    """Findings if rows of a part lie among or after those of a later part, or if their targets reach into it."""
    findings = []
    days = _days(table, calendar)
    place = days.get_indexer(table.dates)
    for earlier, later in (("train", "valid"), ("train", "test"), ("valid", "test")):
        before, after = np.asarray(table.part == earlier), np.asarray(table.part == later)
        if not before.any() or not after.any():
            continue
        begins = int(place[after].min())
        inside = int((place[before] >= begins).sum())
        where = f"{earlier} and {later} rows"
        if inside:
            early = int((place[after] <= place[before].max()).sum())
            text = (
                f"{inside} of {int(before.sum())} {earlier} rows lie on or after {days[begins]:%Y-%m-%d}, where "
                f"{later} begins; {early} of {int(after.sum())} {later} rows lie "
                f"before the end of {earlier}"
            )
            findings.append(LeakFinding("shuffled_split", where, text))
        elif table.target is not None:
            reaching = int((place[before] + horizon > begins).sum())
            if reaching:
                text = (
                    f"the targets of {reaching} {earlier} rows end after {days[begins]:%Y-%m-%d}, where {later} begins "
                    f"(horizon {horizon})"
                )
                findings.append(LeakFinding("overlapping_targets", where, text))
    return findings


def _days(table: Dataset, calendar: str) -> pd.DatetimeIndex:
    """The exchange's sessions if all dates are sessions, so that missing dates count; else the dates of the table."""
    days = pd.DatetimeIndex(np.unique(table.dates.to_numpy()))
    own = [each for each, _ in by_calendar(table.symbols, calendar)]
    sessions = exchange(own[0]).sessions(days[0], days[-1])
    return sessions if len(own) == 1 and days.isin(sessions).all() else days


def check_news(table: Dataset, calendar: str, as_of: AsOf = "close") -> list[LeakFinding]:
    """Findings if an item was published after the close of its row's session, or has no time of day.

    If `as_of` is ``open``, news up to the open after a session belongs to that session.

    Parameters
    ----------
    table
        The table, with a column of publication times.
    calendar
        Exchange calendar of the symbols whose names contain no market.
    as_of
        ``close`` or ``open``: the moment up to which a row may have news.

    Returns
    -------
    list of LeakFinding
        The findings; empty if there are none.

    Raises
    ------
    DataError
        The times of publication can't be read, or have no time zone.
    """
    name = str(table.published)
    moments = _moments(table.frame[name], name)
    known = moments.notna().to_numpy()
    if not known.any():
        raise DataError(f"{name!r} is empty in every row.")
    dates = _sessions_of_rows(table, calendar)
    session = sessions_of(moments, table.symbols, calendar, as_of=as_of).to_numpy()
    late = known & (session > dates)
    findings = []
    if _no_time(table.frame[name]):
        same = known & (moments.dt.tz_localize(None).dt.normalize().to_numpy() >= dates)
        if same.any():
            count = f"{int(same.sum())} of {int(known.sum())} items"
            text = f"{count} have a day without a time, their row's own or a later one"
            return [LeakFinding("news_without_time", f"column {name!r}, {table.row(int(same.argmax()))}", text)]
        return []
    if late.any():
        first = int(late.argmax())
        text = (
            f"{int(late.sum())} of {int(known.sum())} items were published after the {_MOMENTS[as_of]} their row's "
            f"session; the first at {moments.iloc[first]:%Y-%m-%d %H:%M} UTC belongs to "
            f"{pd.Timestamp(session[first]):%Y-%m-%d}"
        )
        findings.append(LeakFinding("news_after_close", f"column {name!r}, {table.row(first)}", text))
    return findings


def _sessions_of_rows(table: Dataset, calendar: str) -> NDArray[np.datetime64]:
    """[row]; the session of each row; a row dated on a holiday or weekend belongs to the next session."""
    result = np.empty(len(table.dates), dtype="datetime64[us]")
    for each, rows in by_calendar(table.symbols, calendar):
        days = table.dates[rows].normalize()
        trading = exchange(each).sessions(days.min(), days.max() + pd.Timedelta(days=14))
        if trading.empty:
            raise DataError(f"{each} has no sessions about {days.min():%Y-%m-%d}: is the date column a date?")
        result[rows] = trading[trading.searchsorted(days).clip(max=len(trading) - 1)].to_numpy()
    return result


def _moments(column: pd.Series[Any], name: str) -> pd.Series[pd.Timestamp]:
    try:
        moments = pd.to_datetime(column, utc=True)
    except (ValueError, TypeError) as error:
        raise DataError(f"{name!r} can't be read as times: {one_line(error, 120)}.") from None
    if _no_time(column):
        return moments
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return moments
    texts = column.dropna().astype("str").head(1000)
    zoned = texts.str.contains(r"(?:Z|UTC|GMT|[+-]\d\d:?\d\d)\s*$", regex=True)
    if not zoned.all():
        raise DataError(f"{name!r} has no time zone, in {texts[~zoned].iloc[0]!r} for one: write times in UTC, with Z.")
    return moments


def _no_time(column: pd.Series[Any]) -> bool:
    """True if every item has a day and no time."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        known = column.dropna()
        return bool(len(known)) and bool((known == known.dt.normalize()).all())
    texts = column.dropna().astype("str").str.strip()
    return bool(len(texts)) and bool(texts.str.fullmatch(r"\d{4}-?\d\d-?\d\d(?:[T ]00:00(?::00)?)?").all())
