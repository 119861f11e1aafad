"""Whether dates such as 02/12/2024 are day first or month first: decided for a file as a whole.

A number above 12 decides. If there is none, a reading is accepted only if there is evidence for it and none against it:
its days are past sessions of the exchange, they follow each other, they are in order, and they agree with bars in the
lake. If the order remains unclear, the file is refused, because a wrong reading would overwrite bars.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.errors import UnusableError
from tenor.ingest.files.date_texts import ORDER_WORDS, OpenDate, Order
from tenor.ingest.files.sessions import Days, first_unfinished, sessions_between

StoredBars = Callable[[Sequence[str]], pd.DataFrame]
"""The bars of symbols that are known already: ``symbol, session, close``."""

# rows follow each other if at least the share _DENSE of the sessions in their range has a row, and this share is at
# least _DENSER times that of the other reading
_DENSE, _DENSER = 0.5, 4.0
# a close that differs from the stored one by more than this (relative) counts as a different bar
_OTHER = 0.005
# a file continues the stored bars if it lies within _NEXT sessions of them, and does not if it lies beyond _AWAY
_NEXT, _AWAY = 5, 10
_ALIKE = np.log(2.0)


@dataclass(frozen=True)
class DateEvidence:
    """The evidence, apart from the texts, that decides the order of dates.

    Attributes
    ----------
    rows
        The line or row number of each row in the file, [n].
    name
        The file's own name of the column.
    codes
        The symbol of each row, as an index into `symbols`, [n].
    symbols
        The symbols.
    calendars
        The calendar of each symbol.
    closes
        The close of each row, [n]; NaN if there is none.
    now
        The current time, UTC.
    order
        The order that the user stated, if any.
    stored
        Returns bars that are already known; called only if dates can be read in several ways.
    """

    rows: NDArray[np.int64]
    name: str
    codes: NDArray[np.int32]
    symbols: Sequence[str]
    calendars: Sequence[str]
    closes: NDArray[np.float64]
    now: pd.Timestamp
    order: Order | None = None
    stored: StoredBars | None = None


@dataclass(frozen=True)
class _Reading:
    """The rows with ambiguous dates, read in one order, and the evidence for and against this order.

    Attributes
    ----------
    days
        The days of those rows in this order.
    off
        How many rows do not lie on a past session, or repeat the day of another row.
    back
        How many steps from row to row go against the direction of most steps.
    density
        Share of the sessions between first and last row that have a row; NaN with fewer than two rows.
    other, same
        How many rows have a different close from the bar of that day in the lake, and how many have the same.
    away
        Sessions between the rows and the nearest stored bars; NaN if nothing is stored.
    """

    days: Days
    off: int
    back: int
    density: float
    other: int
    same: int
    away: float


def decide(dates: dict[str, OpenDate], texts: NDArray[np.object_], evidence: DateEvidence) -> tuple[Order, str]:
    """Decide the order of `dates`, which are all of one kind.

    Parameters
    ----------
    dates
        The ambiguous date of each distinct text.
    texts
        The text of each row of the file; some may not be in `dates`.
    evidence
        The other evidence: symbols, closes, calendars, stored bars.

    Returns
    -------
    tuple of str and str
        The order, and a note about what was assumed; the note is ``""`` if there was no doubt.

    Raises
    ------
    UnusableError
        The order can't be decided.
    """
    year = evidence.now.year
    kinds = next(iter(dates.values())).orders
    dotted = all(date.dotted for date in dates.values())
    days = {order: {text: date.read(order, year) for text, date in dates.items()} for order in kinds}
    sound = [text for text in dates if any(days[order][text] for order in kinds)]
    possible = [order for order in kinds if all(days[order][text] for text in sound)]
    if evidence.order:
        return _said(evidence, kinds, possible, days, sound), ""
    if not possible:
        _refuse_both(evidence, kinds, days, sound, texts)
    distinct_days = [order for i, order in enumerate(possible) if all(days[order] != days[o] for o in possible[:i])]
    if len(distinct_days) == 1:
        above = [date.parts for date in dates.values() if date.kind == "year last" and date.parts[0] > 12]
        return possible[0], "dates are read day first: some first numbers are above 12" if above and not dotted else ""
    # a date with points between its parts almost never has the month first
    usual: Order | None = "dmy" if dotted and kinds == ("dmy", "mdy") else None
    if dotted and not usual and {"mdy", "dmy"} <= set(possible):
        possible.remove("mdy")
    return _by_evidence(possible, days, texts, evidence, usual)


def _said(
    evidence: DateEvidence,
    kinds: Sequence[Order],
    possible: Sequence[Order],
    days: dict[Order, dict[str, dt.date | None]],
    sound: Sequence[str],
) -> Order:
    """The order that the user stated, if the dates can have it; otherwise the file is refused."""
    order = evidence.order or kinds[0]
    if order == "mdy" and order not in kinds:
        order = "dmy"  # 02-Jan-24: the month is a word
    if order not in kinds:
        raise UnusableError(
            f"has dates that can't be {ORDER_WORDS[order]}",
            "leave out --dates",
            column=evidence.name,
            value=sound[0] if sound else "",
        )
    if order not in possible and possible:
        text = next(text for text in sound if days[order][text] is None)
        raise UnusableError(
            f"can't be {ORDER_WORDS[order]}", f"give --dates {possible[0]}", column=evidence.name, value=text
        )
    return order


def _refuse_both(
    evidence: DateEvidence,
    kinds: Sequence[Order],
    days: dict[Order, dict[str, dt.date | None]],
    sound: Sequence[str],
    texts: NDArray[np.object_],
) -> None:
    first = next(t for t in sound if days[kinds[0]][t] is None)
    second = next(t for t in sound if days[kinds[0]][t] is not None)
    word = ORDER_WORDS[kinds[0]]
    raise UnusableError(
        f"can't be {word}, and {second!r} can be nothing else"
        if days[kinds[1]][second] is None
        else f"can't be {word}",
        "write all dates alike, as YYYY-MM-DD",
        row=_row(first, texts, evidence),
        column=evidence.name,
        value=first,
    )


def _by_evidence(
    possible: Sequence[Order],
    days: dict[Order, dict[str, dt.date | None]],
    texts: NDArray[np.object_],
    evidence: DateEvidence,
    usual: Order | None,
) -> tuple[Order, str]:
    """The one order with evidence for it and none against it; or `usual`, if there is no evidence against that."""
    places = np.flatnonzero(np.isin(texts, list(days[possible[0]])))
    stored = None if evidence.stored is None else evidence.stored(_symbols(evidence, places))
    readings = {order: _reading(days[order], texts, places, evidence, stored) for order in possible}
    for order in possible:
        others = [other for other in possible if other != order]
        reasons = [_reasons(readings[order], readings[other], other) for other in others]
        against = [_reasons(readings[other], readings[order], order) for other in others]
        if order == usual and not any(against):
            return order, ""
        if all(reasons) and not any(against):
            text = _example(texts, places, days, possible)
            shown = f"dates such as {text!r} are read {ORDER_WORDS[order]} ({days[order][text]})"
            return order, f"{shown}: {'; '.join(dict.fromkeys(r for rs in reasons for r in rs[:2]))}"
    text = _example(texts, places, days, possible)
    words = " or ".join(f"{ORDER_WORDS[order]} ({days[order][text]})" for order in possible)
    raise UnusableError(
        f"may be {words}",
        "say which with " + " or ".join(f"--dates {order}" for order in possible),
        row=_row(text, texts, evidence),
        column=evidence.name,
        value=text,
    )


def _reading(
    days: dict[str, dt.date | None],
    texts: NDArray[np.object_],
    places: NDArray[np.intp],
    evidence: DateEvidence,
    stored: pd.DataFrame | None,
) -> _Reading:
    own = np.array([days[text] for text in texts[places]], dtype="datetime64[D]")
    codes = evidence.codes[places]
    off, expected, present = 0, 0, 0
    for code in np.unique(codes):
        among = np.unique(own[(codes == code) & ~np.isnat(own)])
        if not len(among):
            continue
        sessions = sessions_between(evidence.calendars[code], among[0], among[-1])
        soon = first_unfinished(evidence.calendars[code], evidence.now)
        over = np.isin(among, sessions) & (among < soon if soon is not None else True)
        off += int((codes == code).sum() - over.sum())
        expected, present = expected + len(sessions), present + int(over.sum())
    steps = np.diff(own.astype("int64"))[codes[1:] == codes[:-1]]
    back = int(min((steps < 0).sum(), (steps > 0).sum()))
    density = present / expected if expected and len(places) > 1 else float("nan")
    other, same, away = _beside(own, codes, evidence.closes[places], evidence, stored)
    return _Reading(own, off, back, density, other, same, away)


def _beside(
    days: Days,
    codes: NDArray[np.int32],
    closes: NDArray[np.float64],
    evidence: DateEvidence,
    stored: pd.DataFrame | None,
) -> tuple[int, int, float]:
    """`_Reading.other`, `_Reading.same` and `_Reading.away` of rows on `days`."""
    if stored is None or stored.empty:
        return 0, 0, float("nan")
    names = np.array(list(evidence.symbols), dtype=object)[codes]
    own = pd.DataFrame({"symbol": names, "session": days.astype("datetime64[us]"), "own": closes})
    known = pd.DataFrame(
        {
            "symbol": stored["symbol"].astype("str").astype("object"),
            "session": stored["session"].to_numpy().astype("datetime64[us]"),
            "close": stored["close"].to_numpy(),
        }
    )
    both = own.merge(known, on=["symbol", "session"])
    differ = ~(np.abs(both["own"] / both["close"] - 1.0) <= _OTHER)
    away = float("nan")
    for symbol, rows in own.groupby("symbol"):
        bars = known[known["symbol"] == symbol].sort_values("session")
        if len(bars) and not rows["session"].isin(bars["session"]).any():
            calendar = evidence.calendars[list(evidence.symbols).index(str(symbol))]
            gap = _gap(rows.sort_values("session"), bars, calendar)
            away = gap if np.isnan(away) else max(away, gap)
    return int(differ.sum()), int((~differ).sum()), away


def _gap(rows: pd.DataFrame, bars: pd.DataFrame, calendar: str) -> float:
    """Sessions between `rows` and the stored `bars` before or after them; large if the closes there are far apart."""
    gaps = []
    for early, late, price in ((bars, rows, "close"), (rows, bars, "own")):
        other = "own" if price == "close" else "close"
        before = early[early["session"] < late["session"].iloc[0]]
        if len(before):
            first, last = before["session"].iloc[-1], late["session"].iloc[0]
            between = sessions_between(calendar, np.datetime64(first, "D"), np.datetime64(last, "D"))
            alike = abs(np.log(late[other].iloc[0] / before[price].iloc[-1])) < _ALIKE
            gaps.append(float(len(between) - 1) if alike else float("inf"))
    return min(gaps, default=float("inf"))


def _reasons(one: _Reading, other: _Reading, order: Order) -> list[str]:
    """The evidence, in words, for `one` and against `other`, which is read in `order`."""
    word = ORDER_WORDS[order]
    count = len(one.days)
    reasons = []
    if one.other == 0 and other.other > 0:
        reasons.append(f"{word}, {other.other} bars of the lake would change")
    if other.same == 0 and one.same > 0 and one.other == 0:
        reasons.append("the lake has these bars")
    if one.off <= count // 10 and other.off > max(2 * one.off, 0):
        reasons.append(f"{word}, {other.off} of {count} rows would lie on no session that is over")
    if one.density >= _DENSE and one.density >= _DENSER * other.density:
        reasons.append(f"{word}, the rows would not follow each other")
    if one.back == 0 and other.back > 0:
        reasons.append(f"{word}, the rows would not be in order")
    if one.away <= _NEXT and other.away > _AWAY:
        reasons.append("they follow the bars in the lake")
    return reasons


def _symbols(evidence: DateEvidence, places: NDArray[np.intp]) -> list[str]:
    return [evidence.symbols[code] for code in np.unique(evidence.codes[places]) if evidence.symbols[code]]


def _example(
    texts: NDArray[np.object_],
    places: NDArray[np.intp],
    days: dict[Order, dict[str, dt.date | None]],
    possible: Sequence[Order],
) -> str:
    """The first text that means different days in different orders."""
    own = list(dict.fromkeys(texts[places]))
    return str(next((t for t in own if len({days[order][t] for order in possible}) > 1), own[0]))


def _row(text: str, texts: NDArray[np.object_], evidence: DateEvidence) -> int:
    return int(evidence.rows[int(np.flatnonzero(texts == text)[0])])
