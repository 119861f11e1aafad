"""News from a frame, read by the rules for files. A frame with wrong rows is refused, with a line that repairs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tenor.errors import ColumnError, FrameError, UnusableError
from tenor.ingest.files.news_columns import guess_news_columns, news_columns
from tenor.ingest.files.news_files import NewsReader
from tenor.ingest.files.news_tables import NewsRows, cell_values
from tenor.ingest.files.reading import Reading
from tenor.ingest.files.time_texts import NO_HOUR, NO_ZONE
from tenor.ingest.frames.tables import FrameTable, table_of, unreadable, without_rows
from tenor.schema import News

_FEW_ROWS = 8
_NOTHING_ELSE = {"text": "texts", "published_at": "pd.to_datetime(times, utc=True)", "symbol": "symbols"}
"""From tenor's name of a column in which no row can be used to the code for new values."""


@dataclass(frozen=True)
class FrameNews:
    """The news of a frame.

    Attributes
    ----------
    news
        The news.
    notes
        What was assumed in reading them, in words.
    """

    news: News
    notes: tuple[str, ...] = ()


def news_of(frame: Any, *, now: pd.Timestamp | None = None) -> News:
    """The news in `frame`, which has a text, a time with zone and a symbol in each row, under any common column names.

    An item about several symbols (a list, or ``"AAPL, MSFT"``) becomes one item for each.

    Parameters
    ----------
    frame
        A pandas DataFrame, a table with Arrow's C stream interface (polars, Arrow, DuckDB), or `News`, which are
        returned unchanged.
    now
        UTC; items with a later time are refused. The present by default.

    Raises
    ------
    FrameError
        The frame can't be used. The message has the column, the row (counted from 0), the value, and the line of code
        that repairs it. A date without a time, or a time without a zone, is refused, because it could be wrong by
        hours.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({
    ...     "headline": ["Sales beat estimates"], "ticker": ["AAPL"], "published": ["2024-05-02T20:31:00Z"]
    ... })
    >>> news_of(frame).frame[["symbol", "text"]].values.tolist()
    [['AAPL', 'Sales beat estimates']]
    """
    return read_news(frame, now=now).news


def read_news(frame: Any, *, now: pd.Timestamp | None = None, what: str = "news") -> FrameNews:
    """As `news_of`, but with notes on what was assumed; `what` is the name of the frame in messages."""
    if isinstance(frame, FrameNews):
        return frame
    if isinstance(frame, News):
        return FrameNews(frame)
    table = table_of(frame, what)
    names = tuple(table.name(place) for place in range(len(table.labels)))
    try:
        columns = news_columns(names)
        cells = {names[place]: cell_values(table.column(place, lists=True)) for place in columns.place.values()}
    except ColumnError as error:
        raise unreadable(table, error, what) from None
    except UnusableError as error:
        raise FrameError(f"{what}: the frame {error.why}", _mend_columns(table, names)) from None
    rows = NewsRows(names, list(range(table.rows)), cells)
    reader = NewsReader(Path(what), now or pd.Timestamp.now("UTC"), Reading(), lambda: [rows])
    try:
        batch = reader.batch(rows, ())
    except UnusableError as error:  # the order of day and month is ambiguous
        at = names.index(columns.own("published_at"))
        cell = f"df[{table.labels[at]!r}]" if at >= table.index else "df.index"
        mend = f"{table.to_pandas}{cell} = pd.to_datetime({cell}, dayfirst=True, utc=True)  # or dayfirst=False"
        raise FrameError(f"{what}: the frame {error.why}", mend) from None
    if len(batch.refusals):
        raise _fault(batch.refusals, table, names, what)
    if batch.news is None:
        raise FrameError(f"{what}: no row of the frame is an item: look at its texts")
    return FrameNews(batch.news, batch.files[0].notes)


def _fault(refusals: pd.DataFrame, table: FrameTable, names: tuple[str, ...], what: str) -> FrameError:
    first = refusals.iloc[0]
    alike = refusals[(refusals["column"] == first["column"]) & (refusals["why"] == first["why"])]
    place = names.index(str(first["column"]))
    cells = f"df[{table.labels[place]!r}]" if place >= table.index else "df.index"
    dot = ".dt" if place >= table.index else ""
    is_ = f" is {str(first['value'])!r}, which" if first["value"] else ""
    more = f"; {len(alike)} rows have this fault" if len(alike) > 1 else ""
    why = f"{what}, row {first['row']}: {first['column']!r}{is_} {first['why']}{more}"
    if first["why"] == NO_ZONE:
        mend = f'{cells} = pd.to_datetime({cells}){dot}.tz_localize("UTC")  # if that is their zone'
    elif first["why"] == NO_HOUR:  # too late is safe, too early would be look-ahead
        day = f'pd.to_datetime({cells}.astype(str), format="mixed"){dot}.tz_localize("UTC")'
        mend = f"{cells} = {day} + pd.Timedelta(hours=24)  # known when its day is over"
    elif alike["row"].nunique() == table.rows:  # dropping them would leave nothing
        mend = f"{cells} = {_NOTHING_ELSE.get(_field(names, place), 'values')}  # one a row"
    elif len(alike) <= _FEW_ROWS:
        return FrameError(why, without_rows(table, alike["row"].tolist()))
    elif "future" in str(first["why"]):
        mend = f'df = df[pd.to_datetime({cells}, utc=True) <= pd.Timestamp.now("UTC")]'
    else:
        mend = f"df = df[{cells}.notna() & ({cells} != '')]"
    return FrameError(why, table.to_pandas + mend)


def _field(names: tuple[str, ...], place: int) -> str:
    """Tenor's name of the column at `place`."""
    return next((field for field, own in guess_news_columns(names).place.items() if own == place), "")


def _mend_columns(table: FrameTable, names: tuple[str, ...]) -> str:
    """The line that adds or renames the first column that is missing."""
    places = guess_news_columns(names).place
    if "symbol" not in places and {"text", "published_at"} <= places.keys():
        return f'{table.to_pandas}df["symbol"] = "AAPL"'
    column = next((column for column in ("text", "published_at", "symbol") if column not in places), "")
    if not column:
        return ""
    free = [i for i in range(table.index, len(names)) if i not in places.values()]
    if not free:
        return f"df[{column!r}] = …  # one value a row"
    return f"{table.to_pandas}df = df.rename(columns={{{table.labels[free[0]]!r}: {column!r}}})"
