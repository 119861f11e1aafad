"""Marks two numbers that a sentence compares with ``up`` or ``down``: the encoder reads words well, not numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_SCALE = {
    "k": 1e3, "thousand": 1e3, "lakh": 1e5, "lakhs": 1e5,
    "m": 1e6, "mn": 1e6, "mln": 1e6, "mio": 1e6, "million": 1e6, "millions": 1e6,
    "cr": 1e7, "crore": 1e7, "crores": 1e7,
    "b": 1e9, "bn": 1e9, "bln": 1e9, "billion": 1e9, "billions": 1e9,
    "t": 1e12, "tn": 1e12, "trn": 1e12, "trillion": 1e12,
}  # fmt: skip
_CURRENCY = {
    "$": "usd", "us$": "usd", "dollar": "usd", "dollars": "usd", "€": "eur", "euro": "eur", "euros": "eur",
    "£": "gbp", "pound": "gbp", "pounds": "gbp", "rs": "inr", "rs.": "inr", "₹": "inr", "rupees": "inr",
    "¥": "jpy", "yen": "jpy", "kronor": "sek", "kroner": "nok", "cents": "cents", "pence": "pence",
}  # fmt: skip
_CODES = "eur|usd|gbp|sek|nok|dkk|chf|jpy|inr|cny|rmb|aud|cad|rub|pln"
_NAMES = "euros?|dollars?|pounds?|rupees|yen|kronor|kroner|cents|pence"
_AMOUNT = re.compile(
    rf"""(?<![\w.,:/-])
    (?P<before>{_CODES}|us\$|[$€£¥₹]|euro|rs\.?)?\s?
    (?P<sign>[-−])?
    (?P<number>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d{{1,3}}(?:\ \d{{3}})+(?![\d.])|\d*\.\d+|\d+)
    (?:\s?(?P<unit>{"|".join(sorted(_SCALE, key=len, reverse=True))})\b)?
    (?:\s?(?P<percent>%|pct\b|percent\b|per\ cent\b)|\s?(?P<after>{_CODES}|{_NAMES})\b)?
    (?![\w/:-])""",
    re.IGNORECASE | re.VERBOSE,
)
_MONTH = re.compile(
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|january|february|march|april|june|july|august|"
    r"september|october|november|december)\.?\s?$",
    re.IGNORECASE,
)
_STARTS_WITH_MONTH = re.compile(
    r"\s?(?:st|nd|rd|th)?\s?(?:of\s)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE
)
_COUNTED = re.compile(r"\s?-?(?:month|week|day|year|quarter|hour|pc?t\s?point|percentage\spoint)s?\b", re.IGNORECASE)
# the later number first: "12 compared with 10", "12 (10)", "12, while analysts had expected 10"
_AGAINST = re.compile(r"\b(?:compar(?:ed|ing|able)|against|versus|vs|from|than)\b", re.IGNORECASE)
_SOME_TIME_AGO = re.compile(
    r"\b(?:previous(?:ly)?|prior|earlier|before|year-ago|corresponding|consensus|estimates?|expected|forecasts?|"
    r"predicted|poll)\b",
    re.IGNORECASE,
)
_AND = re.compile(r"\band\b", re.IGNORECASE)
_BRACKET = re.compile(r"[^.;()]{0,30}\(\s?(?:[^().;]{0,40}:)?\s?$")
_AFTERWARDS = re.compile(
    r"[^.;]{0,12}\b(?:a|one|the|last|previous|corresponding|comparison)\s(?:(?:year|quarter|period)\s)?"
    r"(?:earlier|before|ago|year|quarter|period|corresponding|previous)\b",
    re.IGNORECASE,
)
_FROM = re.compile(r"\bfrom\b[^.;,]{0,24}$", re.IGNORECASE)
_TO = re.compile(r"[^.;]{0,50}\bto\b[^.;,]{0,12}$", re.IGNORECASE)
_LOSS = re.compile(r"\b(?:loss(?:es)?|lost|deficit|negative|minus)\b", re.IGNORECASE)
_GAIN = re.compile(r"\b(?:profits?|gains?|earned|earnings|surplus|positive|plus|income)\b", re.IGNORECASE)
_FARTHEST = 90  # most characters between two numbers that are compared
_NEAR = 60  # characters around a number that describe it


@dataclass(frozen=True)
class _Amount:
    """A number in a text: where it stands, its value, and its kind (a currency, ``%`` or nothing)."""

    start: int
    end: int
    value: float
    scale: float | None
    kind: str


def mark_numbers(text: str) -> str:
    """`text` with a word in brackets after the more recent of two numbers that it compares.

    The word is ``(up)`` or ``(down)``; for losses it is ``(better)`` or ``(worse)``. Numbers in different currencies,
    years, dates and numbers that are not compared are left alone.

    Examples
    --------
    >>> mark_numbers("Sales were 12 mn against 10 mn")
    'Sales were 12 mn (up) against 10 mn'
    >>> mark_numbers("The loss was 12 mn against 10 mn in 2008")
    'The loss was 12 mn (worse) against 10 mn in 2008'
    """
    if sum(c.isdigit() for c in text) < 2:
        return text
    marks: dict[int, str] = {}
    for first, second in pairwise(_amounts(text)):
        if (mark := _mark(text, first, second)) is not None:
            position, word = mark
            marks.setdefault(position, word)
    # from the end on, so that the positions before stay valid
    for position in sorted(marks, reverse=True):
        text = f"{text[:position]} ({marks[position]}){text[position:]}"
    return text


def _amounts(text: str) -> Iterator[_Amount]:
    for match in _AMOUNT.finditer(text):
        number, unit = match["number"], match["unit"]
        currency = (match["before"] or match["after"] or "").lower()
        bare = not (currency or unit or match["percent"])
        if bare and (
            (len(number) == 4 and number[:2] in ("19", "20"))
            or _MONTH.search(_just_before(text, match.start("number")))
            or _STARTS_WITH_MONTH.match(text, match.end())
            or _COUNTED.match(text, match.end())
        ):
            continue
        value = float(number.replace(",", "").replace(" ", ""))
        yield _Amount(
            match.start() + (len(match[0]) - len(match[0].lstrip())),
            match.start() + len(match[0].rstrip()),
            -value if match["sign"] else value,
            _SCALE[unit.lower()] if unit else None,
            "%" if match["percent"] else _CURRENCY.get(currency, currency),
        )


def _mark(text: str, first: _Amount, second: _Amount) -> tuple[int, str] | None:
    """The position and the word of the mark; None where the two are not compared, or are equal."""
    between = text[first.end : second.start]
    if len(between) > _FARTHEST or re.search(r"[.;!?]\s+[A-Z]", between):
        return None
    if (first.kind and second.kind and first.kind != second.kind) or "%" in {first.kind, second.kind} != {"%"}:
        return None
    if _FROM.search(_just_before(text, first.start)) and _TO.match(between):
        now, then = second, first
    elif (
        _AGAINST.search(between)
        or _BRACKET.match(between)
        or _is_earlier_or_expected(between, text[second.end : second.end + _NEAR])
    ):
        now, then = first, second
    else:
        return None
    # "12 (10) mn": a unit that only one has holds for both
    value_now = now.value * (now.scale or then.scale or 1.0)
    value_then = then.value * (then.scale or now.scale or 1.0)
    first_lost, second_lost = _called_loss(text, first, second)
    now_lost, then_lost = (first_lost, second_lost) if now is first else (second_lost, first_lost)
    if now_lost:
        value_now = -abs(value_now)
    if then_lost:
        value_then = -abs(value_then)
    if value_now == value_then:
        return None
    better, worse = ("better", "worse") if now_lost or then_lost else ("up", "down")
    return now.end, better if value_now > value_then else worse


def _just_before(text: str, position: int) -> str:
    return text[max(0, position - _NEAR) : position]


def _is_earlier_or_expected(between: str, after: str) -> bool:
    """Whether the second number is called an earlier or an expected one, in the same clause as the first."""
    return not _AND.search(between) and bool(_SOME_TIME_AGO.search(between) or _AFTERWARDS.match(after))


def _called_loss(text: str, first: _Amount, second: _Amount) -> tuple[bool, bool]:
    """Whether each is a loss, by the last word before it that says so.

    Without such a word a minus makes the first one a loss, and the second is what the first is.
    """
    first_lost = bool(_last_word_is_loss(_just_before(text, first.start)) or first.value < 0)
    second_lost = _last_word_is_loss(text[first.end : second.start])
    return first_lost, first_lost if second_lost is None else second_lost


def _last_word_is_loss(text: str) -> bool | None:
    """Whether the last word for a loss comes after the last one for a gain; None where there is neither."""
    loss = max((match.start() for match in _LOSS.finditer(text)), default=-1)
    gain = max((match.start() for match in _GAIN.finditer(text)), default=-1)
    return None if loss == gain == -1 else loss > gain
