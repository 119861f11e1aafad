"""Features of events: sessions until the next event of a kind that is already known, and since the last one.

Around an earnings date of 2024-02-01 that became known on 2024-01-29 (before that, no next one is known)::

    session     sessions until the next   since the last
    2024-01-26  none known                none known
    2024-01-29  3                         none known
    2024-01-31  1                         none known
    2024-02-01  none known                0
    2024-02-02  none known                1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenor.calendars import exchange
from tenor.features.axis import Axis
from tenor.schema import WITHDRAWN, Events, Float64

FARTHEST = 60
"""Events this many sessions away, or more, count as none."""
_SOON = np.log1p(FARTHEST)
_AHEAD = pd.Timedelta(days=200)


@dataclass(frozen=True)
class EventKind:
    """One kind of event, and its two features.

    Attributes
    ----------
    kind
        The name of the kind, as in the events.
    """

    kind: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the two features: sessions until the next known event, and since the last one.

        Their values are log(1 + n) / log(1 + 60) for n sessions, and 1 if there is no event.
        """
        name = "".join(c if c.isalnum() else "_" for c in self.kind.lower())
        return (f"{name}_next", f"{name}_last")

    def features(self, events: Events, axis: Axis, symbols: Sequence[str]) -> dict[str, Float64]:
        """The features by name, each [session, symbol], in 0..1.

        An event counts from the first close at or after its `known_since`, until the first close at or after its
        `withdrawn_since`. So a date that was moved stops being the next one when the move is known, and earlier rows do
        not change. An event on a day without a session counts for the next session.
        """
        frame = events.frame[events.frame["kind"] == self.kind]
        shape = (len(axis.sessions), len(symbols))
        ahead, behind = np.full(shape, FARTHEST), np.full(shape, FARTHEST)
        later = exchange(axis.calendar).sessions(axis.sessions[-1], axis.sessions[-1] + _AHEAD)[1:]
        sessions = axis.sessions.append(later)
        place = np.asarray(sessions.searchsorted(pd.DatetimeIndex(frame["session"])))
        known = np.asarray(axis.closes.searchsorted(pd.DatetimeIndex(frame["known_since"])))
        gone = np.asarray(axis.closes.searchsorted(pd.DatetimeIndex(frame[WITHDRAWN])))
        gone[frame[WITHDRAWN].isna().to_numpy()] = len(axis.sessions)
        # sessions before the axis, or after the days that are looked ahead, can't be counted
        inside = (place < len(sessions)) & (known < len(axis.sessions))
        inside &= (frame["session"] >= axis.sessions[0].normalize()).to_numpy()
        of = frame["symbol"].to_numpy()
        for i, symbol in enumerate(symbols):
            here = inside & ((of == symbol) | (of == ""))
            for day, row, end in zip(place[here], known[here], gone[here], strict=True):
                # known in the rows `row` .. `end` - 1: before its day as the next event, then as the last one
                before = np.arange(max(row, day - FARTHEST), min(day, end))
                ahead[before, i] = np.minimum(ahead[before, i], day - before)
                after = np.arange(max(row, day), min(day + FARTHEST, end))
                behind[after, i] = np.minimum(behind[after, i], after - day)
        names = self.columns
        return {names[0]: np.log1p(ahead) / _SOON, names[1]: np.log1p(behind) / _SOON}
