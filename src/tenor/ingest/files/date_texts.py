"""Parse one date: its parts, and what they can mean.

In a text such as ``02/12/2024`` the order of day and month is ambiguous; it is decided for the column (`date_order`).
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from tenor.ingest.files.text_files import is_missing

Order = Literal["dmy", "mdy", "ymd"]
ORDERS: tuple[Order, ...] = ("dmy", "mdy", "ymd")
ORDER_WORDS: dict[Order, str] = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}

TIME_OF_DAY = "has a time of day, and tenor takes daily bars"
NOT_A_DATE = "is not a date that tenor can read"
NO_SUCH_DAY = "is not a day of the calendar"

_ISO = re.compile(r"(\d{4})([-/.])\s?(\d{1,2})\2\s?(\d{1,2})(?!\d)")
_PACKED = re.compile(r"(\d{4})(\d{2})(\d{2})(?!\d)")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?!\d)")
_SHORT = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{2})(?!\d)")
_CHINESE = re.compile(r"(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일]")
_CLOCK = re.compile(
    r"(?:[T ,]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<fraction>[.,]\d+)?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?",
)
_MONTHS = {
    1: "january januar janvier enero gennaio janeiro januari jan gen ene janv",
    2: "february februar fevrier febrero febbraio fevereiro februari feb fev fevr",
    3: "march marz mars marzo marco maart mar mrz maerz",
    4: "april avril abril aprile apr avr abr",
    5: "may mai mayo maggio maio mei mag maj",
    6: "june juni juin junio giugno junho jun giu",
    7: "july juli juillet julio luglio julho jul juil lug",
    8: "august aout agosto augustus augusti aug ago aou",
    9: "september septembre septiembre settembre setembro sep sept set",
    10: "october oktober octobre octubre ottobre outubro oct okt ott out",
    11: "november novembre noviembre novembro nov",
    12: "december dezember decembre diciembre dicembre dezembro dec dez dic",
}
_MONTH_OF = {name: month for month, names in _MONTHS.items() for name in names.split()}
_WEEKDAY_NAMES = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun",
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so",
    "lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim",
    "lunes martes miercoles jueves viernes sabado domingo mie jue vie sab dom",
    "lunedi martedi mercoledi giovedi venerdi gio",
)
_WEEKDAYS = {name for names in _WEEKDAY_NAMES for name in names.split()}
_WEEKDAY = re.compile(r"([^\W\d]+)\.?,?\s+")
_NAMED = re.compile(
    r"(?:(?P<year>\d{4})[-\s/]+(?P<m1>[^\W\d]+)\.?[-\s/]+(?P<d1>\d{1,2})"
    r"|(?P<m2>[^\W\d]+)\.?\s*(?P<d2>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y2>\d{4})"
    r"|(?P<d3>\d{1,2})(?:st|nd|rd|th|er|\.|º)?(?:[-\s/]+|(?=[^\W\d]))(?:de\s+|of\s+)?(?P<m3>[^\W\d]+)\.?,?(?:[-\s/]+|(?=\d))(?:de\s+)?(?P<y3>\d{4}|\d{2}))"
    r"(?!\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class OpenDate:
    """A date whose text alone does not show the order of day, month and year.

    Attributes
    ----------
    kind
        ``year last`` (02/12/2024), ``two digits`` (02/12/24) or ``named`` (02-Dec-24).
    dotted
        Whether its parts are separated by points.
    parts
        First, middle and last number; for the kind ``named`` the middle one is the month.
    """

    kind: Literal["year last", "two digits", "named"]
    dotted: bool
    parts: tuple[int, int, int]

    @property
    def orders(self) -> tuple[Order, ...]:
        """The orders that a date of this kind can have."""
        if self.kind == "year last":
            return ("dmy", "mdy")
        return ORDERS if self.kind == "two digits" else ("dmy", "ymd")

    def read(self, order: Order, this_year: int) -> dt.date | None:
        """The day in `order`; None if there is no such day. A year of two digits is at most `this_year`."""
        a, b, c = self.parts
        if self.kind == "named":
            year, month, day = (c, b, a) if order == "dmy" else (a, b, c)
        else:
            year, month, day = {"dmy": (c, b, a), "mdy": (c, a, b), "ymd": (a, b, c)}[order]
        if self.kind != "year last":
            year += 2000 if year + 2000 <= this_year else 1900
        return _day(year, month, day)


@dataclass(frozen=True)
class DateText:
    """One parsed text.

    Attributes
    ----------
    date
        The day, an `OpenDate` if its order is ambiguous, or None if the text is not a date.
    why
        Why the text is not a date; ``""`` if it is one.
    seconds
        The time of day, in seconds since midnight.
    offset
        The offset from UTC that the text names, in seconds; None if it names none.
    """

    date: dt.date | OpenDate | None
    why: str = ""
    seconds: float = 0.0
    offset: int | None = None


@functools.lru_cache(maxsize=1 << 16)
def parse_date(text: str) -> DateText:
    """Parse `text`, which has no leading or trailing spaces."""
    if is_missing(text):
        return DateText(None, "is missing")
    plain = " ".join(text.split())
    found = _numeric(plain) or _named(plain)
    if found is None:
        return DateText(None, NOT_A_DATE)
    date, end = found
    clock = _CLOCK.fullmatch(plain[end:])
    if clock is None:
        return DateText(None, NOT_A_DATE)
    if date is None:
        return DateText(None, NO_SUCH_DAY)
    seconds = _seconds(clock)
    if seconds is None:
        return DateText(None, NOT_A_DATE)
    return DateText(date, "", seconds, _offset(clock["zone"]))


def _numeric(text: str) -> tuple[dt.date | OpenDate | None, int] | None:
    """The date at the start of `text`, and where it ends."""
    if parts := _ISO.match(text) or _CHINESE.match(text):
        groups = parts.groups()
        year, month, day = groups[0], groups[-2], groups[-1]
        return _day(int(year), int(month), int(day)), parts.end()
    if parts := _YEAR_LAST.match(text):
        return OpenDate("year last", parts[2] == ".", (int(parts[1]), int(parts[3]), int(parts[4]))), parts.end()
    if parts := _SHORT.match(text):
        return OpenDate("two digits", parts[2] == ".", (int(parts[1]), int(parts[3]), int(parts[4]))), parts.end()
    if parts := _PACKED.match(text):
        return _day(int(parts[1]), int(parts[2]), int(parts[3])), parts.end()
    return None


def _named(text: str) -> tuple[dt.date | OpenDate | None, int] | None:
    """As `_numeric`, for dates with the month as a word."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    if len(plain) != len(text):  # positions would differ
        return None
    weekday = _WEEKDAY.match(plain)
    after = weekday.end() if weekday and weekday[1] in _WEEKDAYS else 0
    for parts in filter(None, (_NAMED.match(plain, start) for start in dict.fromkeys((0, after)))):
        month = _MONTH_OF.get(parts["m1"] or parts["m2"] or parts["m3"])
        if month is None:
            continue
        if parts["y3"] and len(parts["y3"]) == 2:
            return OpenDate("named", False, (int(parts["d3"]), month, int(parts["y3"]))), parts.end()
        year = int(parts["year"] or parts["y2"] or parts["y3"])
        return _day(year, month, int(parts["d1"] or parts["d2"] or parts["d3"])), parts.end()
    return None


def _seconds(clock: re.Match[str]) -> float | None:
    """Seconds since midnight; None if there is no such time of day."""
    if clock["hour"] is None:
        return 0.0
    hour, minute, second = int(clock["hour"]), int(clock["minute"]), int(clock["second"] or 0)
    if clock["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if clock["half"][0] in "pP" else 0)
    if hour > 23 or minute > 59 or second > 60:
        return None
    return 3600.0 * hour + 60.0 * minute + second + float("0" + (clock["fraction"] or "").replace(",", "."))


def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone.isalpha():
        return 0
    digits = zone[1:].replace(":", "")
    seconds = 3600 * int(digits[:2]) + 60 * int(digits[2:] or 0)
    return -seconds if zone[0] == "-" else seconds


def _day(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None
