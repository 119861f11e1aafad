"""Parse times as texts: ISO 8601, e-mail and RSS (RFC 822), Twitter, and dates with English names of months.

A text that is not a time raises `UnusableError` with a specific reason: no hour, no zone, or an order of day and month
that is not clear from the text itself (`news_order` decides it for a file).
"""

from __future__ import annotations

import datetime as dt
import re

from tenor.errors import UnusableError
from tenor.ingest.files.date_texts import OpenDate, Order
from tenor.ingest.files.time_zones import in_zone

NO_ZONE = "has no zone"
NO_HOUR = "is a date without a time: it does not say when on that day"
WRITE_ZONE = "write times with a zone, like 2024-05-01T13:30:00Z"
_WRITE_ORDER = "write the year first, like 2024-05-01T13:30:00Z"
_CORRECT = "correct it or drop the row"

_LONGEST = 100
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<month>(?:{'|'.join(_MONTHS)})(?:uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?)\.?"
_WEEKDAY = rf"(?P<weekday>{'|'.join(_WEEKDAYS)})(?:day|sday|nesday|rsday|urday|s|rs|r)?\.?,?"
_DAY = r"(?P<day>\d{1,2})"
_YEAR = r"(?P<year>\d{4})"
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"(?:\s*(?P<half>[ap])\.?m\b\.?)?"
)


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# the rest of the text after the match is the zone
_SHAPES = (
    _shape(rf"{_YEAR}(?P<mark>[-/.])(?P<number>\d{{1,2}})(?P=mark){_DAY}(?:T|,?\s)\s?{_CLOCK}"),
    _shape(rf"(?:{_WEEKDAY}\s?)?{_DAY}[\s-]{_MONTH}[\s-](?P<year>\d{{4}}|\d{{2}}),?\s{_CLOCK}"),
    _shape(rf"(?:{_WEEKDAY}\s?)?{_MONTH}[\s-]{_DAY},?[\s-]{_YEAR},?\s(?:at\s)?{_CLOCK}"),
)
# Wed May 01 13:30:00 +0000 2024: Twitter, and the command date
_YEAR_LAST = _shape(rf"{_WEEKDAY}\s{_MONTH}\s{_DAY}\s{_CLOCK}(?:\s(?P<zone>\S+))?\s{_YEAR}")
_PACKED = re.compile(r"(\d{4})(\d{2})(\d{2})[Tt ](\d{2}):?(\d{2})(?::?(\d{2}))?(?=\D|$)")
_OPEN = _shape(
    r"(?P<one>\d{1,2})(?P<mark>[-/.])(?P<two>\d{1,2})(?P=mark)(?P<three>\d{4}|\d{2})"
    rf"(?:T|,?\s)\s?(?:(?:at|um|-)\s)?{_CLOCK}"
)
THIS_YEAR = 2049
"""The latest year that two digits can mean (RFC 2822, section 4.3)."""
_DATE_ALONE = _shape(
    r"(?:\d{4}[-/.]?\d{1,2}[-/.]?\d{1,2}|\d{4}-?W\d{2}(?:-?\d)?|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|"
    rf"(?:{_WEEKDAY}\s?)?(?:\d{{1,2}}[\s-]{_MONTH}|{_MONTH.replace('month', 'month2')}[\s-]\d{{1,2}}),?[\s-]\d{{2,4}})"
    r"\s?(?:Z|[+-]\d{2}:?\d{2}|[A-Za-z]+(?:/[A-Za-z_+-]+)*|\[[^\]]*\])?"
)


def open_date(text: str) -> OpenDate | None:
    """The date of a time such as 03/04/2020 14:00, whose order of day and month is ambiguous; None for other texts.

    Examples
    --------
    >>> open_date("03/04/2020 14:00 UTC").parts, open_date("2020-04-03 14:00 UTC")
    ((3, 4, 2020), None)
    """
    parts = _OPEN.match(" ".join(text.split())) if len(text) <= _LONGEST and text[:1].isdigit() else None
    return None if parts is None else _open_date(parts)


def _open_date(parts: re.Match[str]) -> OpenDate:
    numbers = int(parts["one"]), int(parts["two"]), int(parts["three"])
    return OpenDate("year last" if len(parts["three"]) == 4 else "two digits", parts["mark"] == ".", numbers)


def read_time(text: str, *, utc: bool = False, order: Order | None = None) -> tuple[dt.datetime, bool]:
    """Parse a time as a moment in UTC.

    Parameters
    ----------
    text
        A time with a zone.
    utc
        Whether a time without a zone is UTC.
    order
        The order of day, month and year in times such as 03/04/2020 14:00. If it is None, dates with points
        (03.04.2020) have the day first, and other ambiguous ones are refused.

    Returns
    -------
    tuple of datetime and bool
        The moment, and whether it is in UTC only because of `utc`.

    Raises
    ------
    UnusableError
        `text` is not a time, or its moment is not clear.

    Examples
    --------
    >>> read_time("Wed, 01 May 2024 09:30:00 EDT")[0].isoformat()
    '2024-05-01T13:30:00+00:00'
    """
    text = " ".join(text.split())
    if len(text) > _LONGEST:
        raise UnusableError("is not a time that tenor can read", WRITE_ZONE)
    if _DATE_ALONE.fullmatch(text):
        raise UnusableError(NO_HOUR, WRITE_ZONE)
    moment, zone = _local(_PACKED.sub(_unpacked, text, count=1) if text[:8].isdigit() else text, order, utc)
    assumed = utc and moment.tzinfo is None and not zone
    if moment.tzinfo is None and not zone and not utc:
        raise UnusableError(NO_ZONE, WRITE_ZONE)
    try:
        return in_zone(moment, "UTC" if assumed else zone).astimezone(dt.UTC), assumed
    except OverflowError:
        raise UnusableError("is not a time of the calendar", _CORRECT) from None


def _local(text: str, order: Order | None, utc: bool) -> tuple[dt.datetime, str]:
    """The local time, and the text of its zone; ``""`` if the time already has an offset that Python could parse."""
    try:
        return dt.datetime.fromisoformat(text), ""
    except ValueError:
        pass
    if parts := _YEAR_LAST.fullmatch(text):
        return _built(parts), parts["zone"] or ""
    for shape in _SHAPES:
        if parts := shape.match(text):
            return _built(parts), text[parts.end() :].strip()
    if parts := _OPEN.match(text):
        date, zone = _open_date(parts), text[parts.end() :].strip()
        if order is None and not (date.dotted and date.kind == "year last"):
            if not zone and not utc:
                raise UnusableError(NO_ZONE, WRITE_ZONE)  # it is not a time in either order
            raise UnusableError("does not show whether the day or the month is first", _WRITE_ORDER)
        day = date.read(order or "dmy", THIS_YEAR)
        if day is None:
            raise UnusableError("is not a time of the calendar", _CORRECT)
        return _at(day.year, day.month, day.day, parts), zone
    raise UnusableError("is not a time that tenor can read", WRITE_ZONE)


def _built(parts: re.Match[str]) -> dt.datetime:
    """The local time from the parts that one of `_SHAPES` matched."""
    named = parts.groupdict()
    year = int(named["year"])
    if len(named["year"]) == 2:
        # 02 Jan 24 is RFC 822 without the weekday; but in 02-Jan-24, 02 may also be the year
        if not named["weekday"] and parts.string[parts.start("month") - 1] != " ":
            raise UnusableError("does not show which of its numbers is the year", _WRITE_ORDER)
        year += 2000 if year < 50 else 1900  # RFC 2822, section 4.3
    month = int(named.get("number") or 0) or 1 + _MONTHS.index(named["month"][:3].lower())
    moment = _at(year, month, int(named["day"]), parts)
    weekday = named.get("weekday")
    if weekday and _WEEKDAYS[moment.weekday()] != weekday[:3].lower():
        raise UnusableError(f"names a weekday that is not the weekday of {moment:%Y-%m-%d}", _CORRECT)
    return moment


def _at(year: int, month: int, day: int, parts: re.Match[str]) -> dt.datetime:
    """The given day, with the time of day from `parts`."""
    hour = int(parts["hour"])
    half = (parts["half"] or "").lower()
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    elif half:
        raise UnusableError("is not a time of the calendar", _CORRECT)
    fraction = int((parts["fraction"] or "0")[:6].ljust(6, "0"))
    try:
        return dt.datetime(  # noqa: DTZ001 - the zone is read next
            year, month, day, hour, int(parts["minute"]), int(parts["second"] or 0), fraction
        )
    except ValueError:
        raise UnusableError("is not a time of the calendar", _CORRECT) from None


def _unpacked(parts: re.Match[str]) -> str:
    """20240501T133000 as 2024-05-01T13:30:00."""
    year, month, day, hour, minute, second = parts.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}"
