"""Events in a frame."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tenor.errors import ColumnError, FrameError, UnusableError
from tenor.ingest.files.event_files import columns_of_events, field_of_event, read_events
from tenor.ingest.frames.tables import FrameTable, table_of, unreadable, without_rows
from tenor.schema import Events


def events_of(frame: Any, *, calendar: str | None = None) -> Events:
    """The events in a table, that is, dates that are known ahead, such as those of earnings.

    Parameters
    ----------
    frame
        `Events`, or a pandas, polars or Arrow table with the columns ``session`` (the day of the event), ``kind``,
        ``known_since`` (the day, or a moment with time zone, from which the date was known) and ``symbol`` (missing or
        empty for events that concern all symbols).
    calendar
        The exchange, for symbols whose names show no market; a day in ``known_since`` means its close on that day. New
        York's by default.

    Raises
    ------
    FrameError
        A column is missing, or a row can't be used; rows count from 0.

    Examples
    --------
    >>> import pandas as pd
    >>> dates = pd.DataFrame({
    ...     "symbol": ["AAPL"], "session": ["2024-05-02"], "kind": ["earnings"], "known_since": ["2024-04-11"]
    ... })
    >>> events_of(dates).kinds
    ('earnings',)
    """
    if isinstance(frame, Events):
        return frame
    table = table_of(frame, "events")
    try:
        named = {table.name(place): table.column(place).to_pandas() for place in range(len(table.labels))}
        events, refused = read_events(columns_of_events(pd.DataFrame(named)), calendar or "XNYS", "events", first=0)
    except ColumnError as error:
        raise unreadable(table, error, "events") from None
    except UnusableError as error:
        mend = next((line for column, line in _MISSING.items() if repr(column) in error.why), "")
        mend = table.to_pandas + mend if mend else ""
        raise FrameError(f"events: the frame {error.why}", mend) from None
    if len(refused):
        worst = refused.iloc[0]
        value = f" is {str(worst['value'])!r}, which" if worst["value"] else ""
        more = f"; {len(refused)} rows are refused" if len(refused) > 1 else ""
        rows = sorted(set(refused["row"].astype(int)))
        if len(rows) == table.rows:
            mend = _mend_all(table, str(worst["column"]), str(worst["value"]))
        else:
            mend = without_rows(table, rows) if len(rows) <= _FEW else ""
        raise FrameError(
            f"events, row {worst['row']}: {worst['column']!r}{value} {worst['why']}{more}: {worst['remedy']}", mend
        )
    if events is None:
        raise FrameError("events: no row of the frame is an event")
    return events


def _mend_all(table: FrameTable, column: str, value: str) -> str:
    """The line that repairs a column in which no row can be used."""
    own = next((table.labels[i] for i in range(len(table.labels)) if field_of_event(table.name(i)) == column), column)
    cells = f"df[{own!r}]"
    if column == "session" and value.isdigit():
        return f"{table.to_pandas}{cells} = pd.to_datetime({cells}.astype(str))"
    if (column == "known_since" and "T" in value) or ":" in value:
        return f'{table.to_pandas}{cells} = pd.to_datetime({cells}).dt.tz_localize("UTC")  # if that is their zone'
    return table.to_pandas + _MISSING.get(column, f"{cells} = symbols  # one a row, or empty for all").replace(
        f"df[{column!r}]".replace("'", '"'), cells
    )


_MISSING = {
    "known_since": 'df["known_since"] = announced  # the day on which each date was announced',
    "kind": 'df["kind"] = "earnings"  # or one a row',
    "session": 'df["session"] = dates  # one a row: the day of the event',
}
_FEW = 8
