"""What of a source's answer goes into the lake, beside what the lake holds already.

Adjusted prices are known up to a factor: each later split or dividend scales all that came before. So an answer is
never laid beside rows of another scale. Where the scale of a source's own rows has changed, its whole history is
written anew (the old versions stay, for the as-of view); where rows of another source have to stand, the new ones are
scaled to meet them at a session that both have.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenor.calendars import Exchange
from tenor.errors import SourceError
from tenor.schema import PRICES

NOISE = 1e-6
"""Relative differences below this are rounding: no revision, and no new scale."""
_NUMBERS = (*PRICES, "volume")


@dataclass(frozen=True)
class Span:
    """The rows that count of one symbol and source: the first and last session."""

    source: str
    first: pd.Timestamp
    last: pd.Timestamp


@dataclass(frozen=True)
class Ground:
    """What a source may not touch and what it may renew, for one symbol.

    Attributes
    ----------
    base_last
        The last session of rows that stay as they are; None where there are none.
    own_last
        The last session of the source's own rows; likewise.
    """

    base_last: pd.Timestamp | None
    own_last: pd.Timestamp | None

    @classmethod
    def of(cls, spans: Sequence[Span], source: str, *, primary: bool, live: Collection[str]) -> Ground:
        """For `source`: files stay as they are; what another live source filled in, only the primary one may renew."""
        base = [s.last for s in spans if s.source != source and not (primary and s.source in live)]
        own = [s for s in spans if s.source == source]
        return cls(max(base) if base else None, max(s.last for s in own) if own else None)

    def since(self, exchange: Exchange, *, first: pd.Timestamp, overlap: int) -> pd.Timestamp:
        """From which session to ask: `overlap` sessions before what is held ends, or `first` where nothing is."""
        held = self.base_last if self.base_last is not None else self.own_last
        return first if held is None else exchange.following(held, -overlap)


def scale_changed(own: pd.DataFrame, fresh: pd.DataFrame) -> bool:
    """Whether the adjusted prices of a source's `own` held rows stand on another scale than its `fresh` ones.

    Told at the earliest session of both: whatever happened since has scaled it. Where they share no session, nobody
    knows, and the answer is yes.
    """
    if own.empty:
        return False
    common = own.merge(fresh, on="session", suffixes=("_own", ""))
    if common.empty:
        return True
    row = common.sort_values("session").iloc[0]
    return bool(abs(row["adj_close"] / row["adj_close_own"] - 1.0) > NOISE)


def spliced(held: pd.DataFrame, fresh: pd.DataFrame, base_last: pd.Timestamp, source: str) -> pd.DataFrame:
    """The rows of `fresh` after `base_last`, their adjusted prices scaled to meet the held ones.

    Raises
    ------
    SourceError
        The two share no session.
    """
    base = held[(held["session"] <= base_last) & (held["source"] != source)]
    common = base.merge(fresh, on="session", suffixes=("_held", "")).sort_values("session")
    if common.empty:
        raise SourceError(
            f"{source} has no session in common with what the lake holds: nothing to join at.", kind="away"
        )
    last = common.iloc[-1]
    rows = fresh[fresh["session"] > base_last]
    return rows.assign(adj_close=rows["adj_close"] * (last["adj_close_held"] / last["adj_close"]))


def carried_back(held: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """The held rows from before `fresh` begins, on the scale of `fresh`; none where the scale is the same."""
    common = held.merge(fresh, on="session", suffixes=("_held", "")).sort_values("session")
    older: pd.DataFrame = held[held["session"] < fresh["session"].min()]
    if common.empty or older.empty:
        return older.iloc[:0]
    row = common.iloc[0]
    ratio = row["adj_close"] / row["adj_close_held"]
    return older.iloc[:0] if abs(ratio - 1.0) <= NOISE else older.assign(adj_close=older["adj_close"] * ratio)


def without_noise(held: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Those of `rows` (with their ``source``) that the lake does not hold from the same source, but for rounding."""
    if held.empty or rows.empty:
        return rows
    beside = rows[["session"]].merge(held, on="session", how="left")
    same = (beside["source"].to_numpy() == rows["source"].to_numpy()) & np.isclose(
        rows[list(_NUMBERS)].to_numpy(), beside[list(_NUMBERS)].to_numpy(dtype="float64"), rtol=NOISE, atol=0.0
    ).all(axis=1)
    left: pd.DataFrame = rows[~same]
    return left


def disagreements(one: pd.DataFrame, other: pd.DataFrame, *, bound_bps: float) -> list[tuple[pd.Timestamp, float]]:
    """Sessions on which the daily adjusted returns of two frames differ by more than a bound, and by how many bps.

    Returns are compared, not prices: they do not depend on the scale, nor on a source having adjusted prices alone.
    """
    common = one[["session", "adj_close"]].merge(other[["session", "adj_close"]], on="session").sort_values("session")
    if len(common) < 2:
        return []
    moves = [np.diff(np.log(common[c].to_numpy(dtype="float64"))) for c in ("adj_close_x", "adj_close_y")]
    apart = np.abs(moves[0] - moves[1]) * 1e4
    places = np.flatnonzero(apart > bound_bps)
    return [(common["session"].iloc[int(i) + 1], float(apart[i])) for i in places]
