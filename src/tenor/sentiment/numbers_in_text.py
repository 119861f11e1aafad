"""Two figures that a sentence compares: a word tells the encoder which is larger, as it reads words, not numbers."""

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
# the later figure first: "12 compared with 10", "12 (10)", "12, while analysts had expected 10"
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
_FARTHEST = 90  # characters between two figures that are still compared
_NEAR = 60  # characters around a figure that say what it is


@dataclass(frozen=True)
class _Amount:
    """A figure in a text: where it stands, its value, and what it counts (a currency, percent or nothing)."""

    start: int
    end: int
    value: float
    scale: float | None
    kind: str


def mark_figures(text: str) -> str:
    """`text` with a word in brackets after the later of two figures that it compares: "12 mn (up) against 10 mn".

    ``(up)`` or ``(down)`` says which is larger; where one is called a loss, ``(better)`` or ``(worse)``. Figures in
    different currencies, years, dates and figures that nothing compares are left alone.
    """
    if sum(c.isdigit() for c in text) < 2:
        return text
    marks: dict[int, str] = {}
    for first, second in pairwise(_amounts(text)):
        if (told := _compared(text, first, second)) is not None:
            marks.setdefault(*told)
    for position in sorted(marks, reverse=True):
        text = f"{text[:position]} ({marks[position]}){text[position:]}"
    return text


def _amounts(text: str) -> Iterator[_Amount]:
    for found in _AMOUNT.finditer(text):
        number, unit = found["number"], found["unit"]
        currency = (found["before"] or found["after"] or "").lower()
        bare = not (currency or unit or found["percent"])
        if bare and (
            (len(number) == 4 and number[:2] in ("19", "20"))
            or _MONTH.search(_just_before(text, found.start("number")))
            or _STARTS_WITH_MONTH.match(text, found.end())
            or _COUNTED.match(text, found.end())
        ):
            continue
        value = float(number.replace(",", "").replace(" ", ""))
        yield _Amount(
            found.start() + (len(found[0]) - len(found[0].lstrip())),
            found.start() + len(found[0].rstrip()),
            -value if found["sign"] else value,
            _SCALE[unit.lower()] if unit else None,
            "%" if found["percent"] else _CURRENCY.get(currency, currency),
        )


def _compared(text: str, first: _Amount, second: _Amount) -> tuple[int, str] | None:
    """Where the mark goes and what it says; None where the two are not compared, or the same."""
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
        or _says_when(between, text[second.end : second.end + _NEAR])
    ):
        now, then = first, second
    else:
        return None
    scales = now.scale or then.scale or 1.0, then.scale or now.scale or 1.0
    values = [now.value * scales[0], then.value * scales[1]]
    lost = _called_loss(text, first, second)
    if any(lost):
        now_lost, then_lost = lost if now is first else lost[::-1]
        values = [-abs(values[0]) if now_lost else values[0], -abs(values[1]) if then_lost else values[1]]
    if values[0] == values[1]:
        return None
    words = ("better", "worse") if any(lost) else ("up", "down")
    return now.end, words[values[0] < values[1]]


def _just_before(text: str, position: int) -> str:
    return text[max(0, position - _NEAR) : position]


def _says_when(between: str, after: str) -> bool:
    """Whether the second figure is called an earlier or an expected one, in the same breath as the first."""
    return not _AND.search(between) and bool(_SOME_TIME_AGO.search(between) or _AFTERWARDS.match(after))


def _called_loss(text: str, first: _Amount, second: _Amount) -> tuple[bool, bool]:
    """Whether each is a loss by the last word before it that says so; the second is what the first is, unless told."""
    one = _last_word(_just_before(text, first.start)) or first.value < 0
    other = _last_word(text[first.end : second.start])
    return bool(one), bool(one if other is None else other)


def _last_word(text: str) -> bool | None:
    loss = max((found.start() for found in _LOSS.finditer(text)), default=-1)
    gain = max((found.start() for found in _GAIN.finditer(text)), default=-1)
    return None if loss == gain == -1 else loss > gain
