"""Whether times such as 03/04/2020 14:00 in a file of news are day first or month first: decided for the whole file.

Numbers above 12 decide first, then times that would be in the future, then the order of the rows. If the order remains
unclear, the file is refused, because with a wrong day a forecast could use news before it was published.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import numpy as np

from tenor.errors import UnusableError
from tenor.ingest.files.date_texts import ORDER_WORDS, OpenDate, Order
from tenor.ingest.files.time_texts import THIS_YEAR, open_date

# with at least this many distinct days, an ascending or descending order of the rows is not a coincidence
_IN_ORDER = 8


def order_of_times(cells: Iterable[str], now: dt.datetime, given: Order | None, column: str) -> tuple[Order, str]:
    """Decide the order of day and month in the times of a file.

    Parameters
    ----------
    cells
        The times of a file, from its first row to its last.
    now
        The current time, UTC.
    given
        The order that the user stated, if any.
    column
        The file's own name of the column.

    Returns
    -------
    tuple of str and str
        The order, and a note about what was assumed; the note is ``""`` if there was no doubt.

    Raises
    ------
    UnusableError
        The order can't be decided, or the times contradict the order that the user stated.
    """
    texts: dict[OpenDate, str] = {}
    rows: list[OpenDate] = []
    for cell in cells:
        date = open_date(cell)
        if date is not None:
            texts.setdefault(date, cell)
            if not rows or rows[-1] != date:
                rows.append(date)
    kinds = _orders(texts)
    days = {order: {date: date.read(order, THIS_YEAR) for date in texts} for order in kinds}
    sound = [date for date in texts if any(days[order][date] for order in kinds)]
    possible = [order for order in kinds if all(days[order][date] for date in sound)]
    if given is not None:
        return _as_said(given, possible, days, sound, texts, column), ""
    if not possible:
        first = next(date for date in sound if days[kinds[0]][date] is None)
        why, remedy = f"can't be {ORDER_WORDS[kinds[0]]}, as other rows must be", "write all times alike, year first"
        raise UnusableError(why, remedy, column=column, value=texts[first])
    if len(possible) == 1:
        return possible[0], f"times are read {ORDER_WORDS[possible[0]]}: some numbers are above 12"
    if len({tuple(days[order].values()) for order in possible}) == 1:
        return possible[0], ""
    if all(date.dotted and date.kind == "year last" for date in texts):
        return "dmy", ""  # a date with points between its parts almost never has the month first
    return _by_evidence(possible, days, rows, now, texts, column)


def _orders(dates: Iterable[OpenDate]) -> list[Order]:
    """The orders that all `dates` can have."""
    orders: list[Order] = ["dmy", "mdy", "ymd"]
    for date in dates:
        orders = [order for order in orders if order in date.orders]
    return orders


def _as_said(
    given: Order,
    possible: list[Order],
    days: dict[Order, dict[OpenDate, dt.date | None]],
    sound: list[OpenDate],
    texts: dict[OpenDate, str],
    column: str,
) -> Order:
    if given in possible or not sound:
        return given
    bad = next((date for date in sound if given not in days or days[given][date] is None), sound[0])
    remedy = f"give --dates {possible[0]}" if possible else "write all times alike, year first"
    raise UnusableError(f"can't be {ORDER_WORDS[given]}", remedy, column=column, value=texts[bad])


def _by_evidence(
    possible: list[Order],
    days: dict[Order, dict[OpenDate, dt.date | None]],
    rows: list[OpenDate],
    now: dt.datetime,
    texts: dict[OpenDate, str],
    column: str,
) -> tuple[Order, str]:
    """The one order without news in the future, or the one in which the rows are sorted by time."""
    tomorrow = now.date() + dt.timedelta(days=1)  # in time zones east of UTC it is a day later already
    ahead = {order: sum(day is not None and day > tomorrow for day in days[order].values()) for order in possible}
    in_order = [order for order in possible if not ahead[order] and _sorted([days[order][date] for date in rows])]
    not_ahead = [order for order in possible if not ahead[order]]
    example = next(date for date in texts if len({days[order][date] for order in possible}) > 1)
    for orders, why in (
        (not_ahead, "otherwise some would be from the future"),
        (in_order, "otherwise the rows would not be in order"),
    ):
        if len(orders) == 1:
            shown = f"{texts[example]!r} are read {ORDER_WORDS[orders[0]]} ({days[orders[0]][example]})"
            return orders[0], f"times such as {shown}: {why}"
    words = " or ".join(f"{ORDER_WORDS[order]} ({days[order][example]})" for order in possible)
    remedy = "say which with " + " or ".join(f"--dates {order}" for order in possible)
    raise UnusableError(f"may be {words}", remedy, column=column, value=texts[example])


def _sorted(days: list[dt.date | None]) -> bool:
    """Whether `days` are in ascending or descending order, and enough of them to tell."""
    numbers = np.array([day.toordinal() for day in days if day is not None])
    steps = np.diff(numbers)
    return len(np.unique(numbers)) >= _IN_ORDER and bool((steps >= 0).all() or (steps <= 0).all())
