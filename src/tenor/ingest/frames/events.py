"""Events in a frame."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tenor.errors import FrameError, UnusableError
from tenor.ingest.files.event_files import columns_of_events, read_events
from tenor.ingest.frames.tables import table_of
from tenor.schema import Events


def events_of(frame: Any, *, calendar: str | None = None) -> Events:
    """The events in a table: what is known ahead, such as earnings dates.

    Parameters
    ----------
    frame
        `Events`, or a pandas, polars or Arrow table with ``session`` (the day of the event), ``kind``, ``known_since``
        (the day, or a moment with its zone, from which the date was known) and ``symbol`` (left out or empty: of all).
    calendar
        Whose closes days of ``known_since`` mean, for symbols whose names show no market; New York's by default.

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
    named = {table.name(place): table.column(place).to_pandas() for place in range(len(table.labels))}
    try:
        events, refused = read_events(columns_of_events(pd.DataFrame(named)), calendar or "XNYS", "events", first=0)
    except UnusableError as error:
        mend = 'df["known_since"] = …  # the day on which each date was announced' if "known_since" in error.why else ""
        raise FrameError(f"events: the frame {error.why}", mend) from None
    if len(refused):
        worst = refused.iloc[0]
        value = f" is {str(worst['value'])!r}, which" if worst["value"] else ""
        more = f"; {len(refused)} rows are refused" if len(refused) > 1 else ""
        rows = sorted(set(refused["row"].astype(int)))
        mend = f"{table.to_pandas}df = df.drop(df.index[{rows}])" if len(rows) <= _FEW else ""
        raise FrameError(
            f"events, row {worst['row']}: {worst['column']!r}{value} {worst['why']}{more}: {worst['remedy']}", mend
        )
    if events is None:
        raise FrameError("events: no row of the frame is an event")
    return events


_FEW = 8
