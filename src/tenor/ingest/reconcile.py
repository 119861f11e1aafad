"""Decide which rows of a source's answer go into the lake, given the rows that it already has.

Adjusted prices are only known up to a factor, because each later split or dividend rescales all earlier prices. So rows
with two scales must never be mixed. If the scale of a source's own rows has changed, its whole history is written
again; the old versions are kept, for reading the state at an earlier moment. If rows of another source must stay, the
new ones are scaled to equal them at a session that both have.
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
"""Smaller relative differences are rounding, neither a revision nor a new scale."""
_NUMBERS = (*PRICES, "volume")


@dataclass(frozen=True)
class Span:
    """The first and the last session of one source's rows of a symbol."""

    source: str
    first: pd.Timestamp
    last: pd.Timestamp


@dataclass(frozen=True)
class Boundary:
    """Which of a symbol's stored rows a source must not change, and which it may replace.

    Attributes
    ----------
    base_last
        The last session of the rows that must stay; None if there are none.
    own_last
        The last session of the source's own rows; None if there are none.
    """

    base_last: pd.Timestamp | None
    own_last: pd.Timestamp | None

    @classmethod
    def of(cls, spans: Sequence[Span], source: str, *, primary: bool, live: Collection[str]) -> Boundary:
        """The boundary for `source`: rows from files stay, and only the primary source may replace rows of others."""
        base = [s.last for s in spans if s.source != source and not (primary and s.source in live)]
        own = [s for s in spans if s.source == source]
        return cls(max(base) if base else None, max(s.last for s in own) if own else None)

    def since(self, exchange: Exchange, *, first: pd.Timestamp, overlap: int) -> pd.Timestamp:
        """The session to ask from: `overlap` sessions before the stored rows end, or `first` if there are none."""
        last = self.base_last if self.base_last is not None else self.own_last
        return first if last is None else exchange.following(last, -overlap)


def scale_changed(own: pd.DataFrame, fresh: pd.DataFrame) -> bool:
    """Whether a source's `own` stored rows have adjusted prices on another scale than its `fresh` ones.

    They are compared at the earliest common session, which every later split or dividend has rescaled. Without a common
    session the scales can't be compared, and the result is True.
    """
    if own.empty:
        return False
    common = own.merge(fresh, on="session", suffixes=("_own", ""))
    if common.empty:
        return True
    row = common.sort_values("session").iloc[0]
    return bool(abs(row["adj_close"] / row["adj_close_own"] - 1.0) > NOISE)


def spliced(stored: pd.DataFrame, fresh: pd.DataFrame, base_last: pd.Timestamp, source: str) -> pd.DataFrame:
    """The rows of `fresh` after `base_last`, with adjusted prices scaled to equal the stored ones at a common session.

    Raises
    ------
    SourceError
        There is no common session.
    """
    base = stored[(stored["session"] <= base_last) & (stored["source"] != source)]
    common = base.merge(fresh, on="session", suffixes=("_stored", "")).sort_values("session")
    if common.empty:
        raise SourceError(
            f"{source} has no session in common with the lake: its prices can't be scaled to meet them.",
            kind="away",
        )
    last = common.iloc[-1]
    rows = fresh[fresh["session"] > base_last]
    return rows.assign(adj_close=rows["adj_close"] * (last["adj_close_stored"] / last["adj_close"]))


def carried_back(stored: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """The stored rows from before `fresh` begins, on the scale of `fresh`; empty if the scale is the same."""
    common = stored.merge(fresh, on="session", suffixes=("_stored", "")).sort_values("session")
    older: pd.DataFrame = stored[stored["session"] < fresh["session"].min()]
    if common.empty or older.empty:
        return older.iloc[:0]
    row = common.iloc[0]
    ratio = row["adj_close"] / row["adj_close_stored"]
    return older.iloc[:0] if abs(ratio - 1.0) <= NOISE else older.assign(adj_close=older["adj_close"] * ratio)


def without_noise(stored: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The `rows` that differ, by more than rounding, from the rows that the lake has from the same ``source``."""
    if stored.empty or rows.empty:
        return rows
    beside = rows[["session"]].merge(stored, on="session", how="left")
    same = (beside["source"].to_numpy() == rows["source"].to_numpy()) & np.isclose(
        rows[list(_NUMBERS)].to_numpy(), beside[list(_NUMBERS)].to_numpy(dtype="float64"), rtol=NOISE, atol=0.0
    ).all(axis=1)
    changed: pd.DataFrame = rows[~same]
    return changed


def disagreements(first: pd.DataFrame, second: pd.DataFrame, *, bound_bps: float) -> list[tuple[pd.Timestamp, float]]:
    """The sessions on which daily adjusted returns of two frames differ by more than a bound, and by how many bps.

    Returns are compared, because prices depend on the scale, and some sources have only adjusted prices.
    """
    common = (
        first[["session", "adj_close"]].merge(second[["session", "adj_close"]], on="session").sort_values("session")
    )
    if len(common) < 2:
        return []
    moves = [np.diff(np.log(common[c].to_numpy(dtype="float64"))) for c in ("adj_close_x", "adj_close_y")]
    apart = np.abs(moves[0] - moves[1]) * 1e4
    places = np.flatnonzero(apart > bound_bps)
    return [(common["session"].iloc[int(i) + 1], float(apart[i])) for i in places]
