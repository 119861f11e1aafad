"""Events as the lake stores them: announcements of each source in one table, and withdrawals in another.

A date that a calendar lists, no longer lists, and lists again has one row in ``events`` and one in ``withdrawals``::

    events       known since April 2
    withdrawals  withdrawn since April 9, restored since April 12
    read back    known April 2 to 9, and since April 12
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from tenor.schema import WITHDRAWN, Events

KEY = ("symbol", "session", "kind")
RESTORED = "restored_since"
_Span = tuple[pd.Timestamp, pd.Timestamp | None]


def stored_rows(events: Events) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`events` as rows of the tables ``events`` and ``withdrawals``, without their source."""
    frame = events.frame
    rows = frame.drop_duplicates(list(KEY)).drop(columns=WITHDRAWN)
    restored = frame.groupby(list(KEY), sort=False)["known_since"].shift(-1)
    taken_back = frame.assign(restored_since=restored)[frame[WITHDRAWN].notna().to_numpy()]
    return rows, taken_back[[*KEY, WITHDRAWN, RESTORED]].reset_index(drop=True)


def voided(withdrawals: pd.DataFrame, stated: pd.DataFrame) -> pd.DataFrame:
    """The `withdrawals` of events in `stated` that `stated` itself does not have, marked as never made.

    Both have the columns of `stored_rows`.
    """
    about = withdrawals.merge(stated[list(KEY)].drop_duplicates(), on=list(KEY))
    marked = about.merge(stated[[*KEY, WITHDRAWN]], on=[*KEY, WITHDRAWN], how="left", indicator="stands")
    gone = marked[(marked["stands"] == "left_only").to_numpy()].drop(columns="stands")
    return gone.assign(restored_since=gone[WITHDRAWN])


def events_of_rows(rows: pd.DataFrame, withdrawals: pd.DataFrame) -> Events:
    """The events from stored rows, with their ``source``; a date is known as long as one source announces it.

    Parameters
    ----------
    rows
        Rows of the table ``events``.
    withdrawals
        Rows of the table ``withdrawals``.
    """
    first = rows.groupby(list(KEY))["known_since"].min().reset_index()
    first[WITHDRAWN] = pd.Series(pd.NaT, index=first.index, dtype="datetime64[us, UTC]")
    if withdrawals.empty:
        return Events(first)
    about = withdrawals[list(KEY)].drop_duplicates()
    simple = first.merge(about, on=list(KEY), how="left", indicator="taken_back")
    simple = simple[(simple["taken_back"] == "left_only").to_numpy()].drop(columns="taken_back")
    gaps: dict[tuple[Any, ...], list[_Span]] = {}
    for row in withdrawals.to_dict("records"):
        until = row[RESTORED]
        gap = (row[WITHDRAWN], None if pd.isna(until) else until)
        gaps.setdefault(tuple(row[c] for c in (*KEY, "source")), []).append(gap)
    spans: dict[tuple[Any, ...], list[_Span]] = {}
    for row in rows.merge(about, on=list(KEY)).to_dict("records"):
        own = _without(row["known_since"], gaps.get(tuple(row[c] for c in (*KEY, "source")), ()))
        spans.setdefault(tuple(row[c] for c in KEY), []).extend(own)
    made = [
        (*key, since, until)
        for key, each in spans.items()
        for since, until in _joined(each)
        # announced again after it was over, which is not used
        if since < pd.Timestamp(key[1]).tz_localize("UTC") + pd.Timedelta(days=2)
    ]
    others = pd.DataFrame(made, columns=list(first.columns)).astype({c: first[c].dtype for c in first.columns})
    return Events(pd.concat([simple, others], ignore_index=True))


def _without(known: pd.Timestamp, gaps: Iterable[_Span]) -> list[_Span]:
    """The spans from `known` on that lie in none of `gaps`, in order."""
    spans: list[_Span] = []
    start: pd.Timestamp | None = known
    for since, until in sorted(gaps, key=lambda gap: gap[0]):
        if start is None:
            break
        if until is not None and until <= max(since, start):  # restored at once, or before it was known
            continue
        if since > start:
            spans.append((start, since))
        start = until
    return [*spans, (start, None)] if start is not None else spans


def _joined(spans: Iterable[_Span]) -> list[_Span]:
    """The union of `spans`, disjoint and in order."""
    joined: list[_Span] = []
    for since, until in sorted(spans, key=lambda span: span[0]):
        if joined and (joined[-1][1] is None or since <= joined[-1][1]):
            start, end = joined[-1]
            joined[-1] = (start, None if end is None or until is None else max(end, until))
        else:
            joined.append((since, until))
    return joined
