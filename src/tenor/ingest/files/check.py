"""Check bars for faults, symbol by symbol, before a model is trained on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.calendars import exchange, market_of
from tenor.errors import DataError
from tenor.schema import BAR_COLUMNS, Bars

# a larger absolute log return counts as a jump if the turnover is ordinary
_LARGE = 0.35
_SPLITS = (3 / 2, 2.0, 5 / 2, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0)
# a log return within this distance of a split's ratio counts as near it
_NEAR = 0.03
# multiples of the usual turnover (the median of `_TRADED` sessions). Above the first, trading explains a move near a
# split's ratio; above the second, it explains a large move
_BUSY = 2.0
_AWAKE = 1.5
_TRADED = 20
_STALE = 5


@dataclass(frozen=True)
class Jump:
    """A move that looks like an unadjusted split, or a large one with little turnover.

    Attributes
    ----------
    session
        The session of the move.
    factor
        The adjusted close of the session divided by that of the session before.
    split
        The nearest split ratio, such as ``"1:7"`` (one share became seven); ``""`` if none is near.
    """

    session: pd.Timestamp
    factor: float
    split: str


@dataclass(frozen=True)
class SymbolReport:
    """The faults in one symbol's bars.

    Attributes
    ----------
    symbol
        The symbol.
    first
        Session of its first bar.
    last
        Session of its last bar.
    sessions
        How many sessions have a bar.
    missing
        Sessions of the exchange between `first` and `last` without a bar.
    gaps
        The runs of missing sessions (first, last, count).
    duplicates
        Rows for a session that already has one, in the data or refused on import.
    nonpositive
        Rows with a price that is not positive, in the data or refused on import.
    high_below_low
        Rows with high below low, in the data or refused on import.
    off_calendar
        Rows on days on which the exchange was closed, in the data or refused on import.
    unreadable
        Rows with a missing or unreadable price, in the data or refused on import.
    outside
        Rows whose open or close lies outside low .. high by more than rounding.
    jumps
        Moves that look like unadjusted splits, and large ones with little turnover.
    stale
        Runs of at least five sessions with the same close (first, last, count).
    """

    symbol: str
    first: pd.Timestamp
    last: pd.Timestamp
    sessions: int
    missing: int
    gaps: tuple[tuple[pd.Timestamp, pd.Timestamp, int], ...]
    duplicates: int
    nonpositive: int
    high_below_low: int
    off_calendar: int
    unreadable: int
    outside: int
    jumps: tuple[Jump, ...]
    stale: tuple[tuple[pd.Timestamp, pd.Timestamp, int], ...]

    @property
    def clean(self) -> bool:
        """Whether there are no faults."""
        counts = (self.missing, self.duplicates, self.nonpositive, self.high_below_low, self.off_calendar)
        return not any((*counts, self.unreadable, self.outside, self.jumps, self.stale))

    def row(self) -> tuple[str, ...]:
        """One row of a table: symbol, first, last, sessions, and the count of each fault."""
        days = (self.sessions, self.missing, self.off_calendar)
        counts = (*days, self.duplicates, self.nonpositive, self.high_below_low)
        return (
            self.symbol,
            f"{self.first:%Y-%m-%d}",
            f"{self.last:%Y-%m-%d}",
            *map(str, counts),
            str(len(self.jumps)),
            str(len(self.stale)),
        )

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON scalars and lists; dates as YYYY-MM-DD."""
        plain: dict[str, Any] = dict(self.__dict__)
        for key in ("first", "last"):
            plain[key] = f"{plain[key]:%Y-%m-%d}"
        for key in ("gaps", "stale"):
            plain[key] = [{"first": f"{a:%Y-%m-%d}", "last": f"{b:%Y-%m-%d}", "sessions": n} for a, b, n in plain[key]]
        plain["jumps"] = [
            {"session": f"{j.session:%Y-%m-%d}", "factor": round(j.factor, 4), "split": j.split} for j in self.jumps
        ]
        return plain


def check_bars(
    bars: Bars | pd.DataFrame, *, calendar: str | None = None, refusals: pd.DataFrame | None = None
) -> list[SymbolReport]:
    """Look for faults in `bars`, symbol by symbol.

    Parameters
    ----------
    bars
        Bars, or a raw frame of the same columns that may hold what `Bars` refuses (duplicates, prices <= 0, …).
    calendar
        The exchange whose sessions count; by default each symbol's own.
    refusals
        Rows refused on import (columns of `Refusal`), counted under their symbols.

    Returns
    -------
    list of SymbolReport
        One for each symbol.

    Raises
    ------
    DataError
        A column is missing.
    """
    frame = bars.frame if isinstance(bars, Bars) else bars
    missing = [c for c in BAR_COLUMNS if c not in frame.columns]
    if missing:
        raise DataError(f"bars: no column {', '.join(map(repr, missing))}; a check needs {', '.join(BAR_COLUMNS)}.")
    counts: Counter[tuple[str, str]] = Counter()
    if refusals is not None and len(refusals):
        counts = Counter(zip(refusals["symbol"], refusals["kind"], strict=True))
    ordered = frame.sort_values(["symbol", "session"], kind="stable")
    return [_report(str(symbol), rows, calendar, counts) for symbol, rows in ordered.groupby("symbol", observed=True)]


def _report(symbol: str, rows: pd.DataFrame, calendar: str | None, refused: Counter[tuple[str, str]]) -> SymbolReport:
    def count(*kinds: str) -> int:
        return sum(refused[symbol, kind] for kind in kinds)

    prices = rows[["open", "high", "low", "close", "adj_close"]].to_numpy(dtype="float64")
    repeated = rows.duplicated("session").to_numpy()
    positive = np.isfinite(prices).all(axis=1) & (prices > 0).all(axis=1)
    inverted = prices[:, 1] < prices[:, 2]
    open_, high, low, close, _ = prices.T
    room = 1e-6 * high
    outside = ~inverted & ((np.maximum(open_, close) > high + room) | (np.minimum(open_, close) < low - room))
    sound = rows[~repeated & positive & ~inverted]
    days = pd.DatetimeIndex(rows["session"]).unique()
    expected = exchange(calendar or market_of(symbol).calendar).sessions(days[0], days[-1])
    absent = ~expected.isin(days)
    return SymbolReport(
        symbol=symbol,
        first=days[0],
        last=days[-1],
        sessions=len(days),
        missing=int(absent.sum()),
        gaps=_runs(expected, absent, 1),
        duplicates=int(repeated.sum()) + count("repeat", "conflict"),
        nonpositive=int((prices <= 0).any(axis=1).sum()) + count("nonpositive"),
        high_below_low=int(inverted.sum()) + count("high_below_low"),
        off_calendar=int((~days.isin(expected)).sum()) + count("off_calendar"),
        unreadable=int((~np.isfinite(prices).all(axis=1)).sum()) + count("row", "date", "empty", "number"),
        outside=int(outside.sum()),
        jumps=find_jumps(sound),
        stale=_stale(sound),
    )


def find_jumps(rows: pd.DataFrame) -> tuple[Jump, ...]:
    """Find moves near a split's ratio, and other large moves, on days without unusual turnover.

    A split takes effect overnight and leaves the turnover in money unchanged. News that moves a stock as far multiplies
    the turnover.
    """
    adjusted = rows["adj_close"].to_numpy(dtype="float64")
    if len(adjusted) < 2:
        return ()
    # the open on the scale of the adjusted close
    opened = rows["open"].to_numpy(dtype="float64") * adjusted / rows["close"].to_numpy(dtype="float64")
    move = np.log(adjusted[1:] / adjusted[:-1])
    overnight = np.log(opened[1:] / adjusted[:-1])
    turnover = rows["close"].to_numpy(dtype="float64") * rows["volume"].to_numpy(dtype="float64")
    usual = pd.Series(turnover).rolling(_TRADED, min_periods=1).median().to_numpy()[:-1]
    busy = (usual > 0) & (turnover[1:] > _BUSY * usual)
    awake = (usual > 0) & (turnover[1:] > _AWAKE * usual)
    ratios = np.log(np.array(_SPLITS))
    distance = np.abs(np.abs(overnight)[:, None] - ratios)
    near = distance.min(axis=1) < _NEAR
    split = near & ~busy & (np.abs(move) > ratios[0] - 2 * _NEAR)
    large = (np.abs(move) > _LARGE) & ~awake
    sessions = pd.DatetimeIndex(rows["session"])
    jumps = []
    for i in np.flatnonzero(split | large).tolist():
        ratio = _SPLITS[int(distance[i].argmin())]
        before, after = ("1", f"{ratio:.3g}") if overnight[i] < 0 else (f"{ratio:.3g}", "1")
        jumps.append(Jump(sessions[i + 1], float(np.exp(move[i])), f"{before}:{after}" if split[i] else ""))
    return tuple(jumps)


def _stale(rows: pd.DataFrame) -> tuple[tuple[pd.Timestamp, pd.Timestamp, int], ...]:
    close = rows["close"].to_numpy(dtype="float64")
    sessions = pd.DatetimeIndex(rows["session"])
    same = np.concatenate([[False], close[1:] == close[:-1]])
    # n equal closes in a row are n - 1 closes that equal their predecessor
    runs = _runs(sessions, same, _STALE - 1)
    places = [int(sessions.searchsorted(first)) - 1 for first, _, _ in runs]
    return tuple((sessions[i], last, n + 1) for i, (_, last, n) in zip(places, runs, strict=True))


def _runs(
    sessions: pd.DatetimeIndex, flags: NDArray[np.bool_], least: int
) -> tuple[tuple[pd.Timestamp, pd.Timestamp, int], ...]:
    """Runs of at least `least` sessions for which `flags` holds: first, last, count."""
    # +1 where a run begins, -1 behind its end
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype("int8"), [0]])))
    starts, stops = edges[::2], edges[1::2]
    return tuple(
        (sessions[a], sessions[b - 1], int(b - a)) for a, b in zip(starts, stops, strict=True) if b - a >= least
    )
