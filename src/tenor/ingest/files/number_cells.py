"""Strip numbers of currency signs, spaces and suffixes, and find out what the marks in each cell can mean.

A mark is a point or a comma: the decimal mark, or a thousands separator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tenor.ingest.files.cells import as_bools, trimmed
from tenor.ingest.files.text_files import MISSING_WORDS

Flags = NDArray[np.bool_]

_MISSING = pa.array(MISSING_WORDS)
_SPACES = "[\\s\u00a0\u2007\u2009\u202f]"
_CODES = r"USD|EUR|GBP|GBX|GBp|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|zł|kr|Rs\.?"
_SIGNS = rf"(?:US|CA|HK|NZ|R|A|C|S)?[$]|[€£¥₹₩₽₺₿₪₫฿]|(?:{_CODES})"
_CURRENCY = (
    rf"^{_SPACES}*(?P<sign>[-+(]*){_SPACES}*(?P<before>{_SIGNS})?{_SPACES}*"
    rf"(?P<rest>.*?){_SPACES}*(?P<after>{_SIGNS})?{_SPACES}*(?P<close>\)?)$"
)
_MULTIPLES: tuple[tuple[str, float], ...] = (
    ("k|tsd\\.?", 1e3),
    ("m|mn|mio\\.?", 1e6),
    ("b|bn|mrd\\.?", 1e9),
    ("t", 1e12),
    ("lakh|lac", 1e5),
    ("cr", 1e7),
)
# a space of any kind, or an apostrophe, as the thousands separator
_GAP = rf"(\d)(?:{_SPACES}|['’])(\d{{3}})\b"


@dataclass(frozen=True)
class NumberCells:
    """A column of numbers as texts, without currency, spaces and apostrophes, and what its marks can mean.

    Attributes
    ----------
    column
        tenor's name.
    raw
        The cells as they stand in the file.
    texts
        What remains of each cell: sign, digits and marks.
    factor
        The factor of a suffix K, M or B; 1 without one, [n].
    missing
        Whether the cell has no value, [n].
    currency
        The currency sign or code of each cell; ``""`` without one.
    point
        Whether the cell proves that the point is the decimal mark, [n].
    comma
        Whether the cell proves that the comma is the decimal mark, [n].
    either
        Whether the cell has a single mark, which may be decimal or a thousands separator, [n].
    ungrouped
        Whether the cell has four or more digits before any mark, so without thousands separators, [n].
    """

    column: str
    raw: Any
    texts: Any
    factor: NDArray[np.float64]
    missing: Flags
    currency: Any
    point: Flags
    comma: Flags
    either: Flags
    ungrouped: Flags


def parse_cells(name: str, column: Any) -> NumberCells:
    """Parse the column `name`, a column of texts."""
    raw = trimmed(column)
    missing = missing_cells(raw)
    sign, rest, factor, currency = _parts(pc.if_else(missing, "", pc.fill_null(raw, "")))
    before = rest
    if _some(rest, rf"{_SPACES}|['’]"):
        for _ in range(4):  # each pass removes every other gap
            rest = pc.replace_substring_regex(rest, _GAP, r"\1\2")
    gapped = as_bools(pc.not_equal(before, rest))

    def match(pattern: str) -> Flags:
        return as_bools(pc.match_substring_regex(rest, pattern))

    def decides(mark: str, other: str) -> Flags:
        if not _some(rest, rf"{mark}|{other}"):
            return np.zeros(len(rest), dtype=bool)
        alone = match(
            rf"^\d*{mark}(\d{{0,2}}|\d{{4,}})([eE][+-]?\d+)?$|^0*{mark}\d+$|^\d{{4,}}{mark}\d+$"
            rf"|^0\d*{mark}\d+$|^\d*{mark}\d+[eE][+-]?\d+$"
        )
        grouped = match(
            rf"^\d{{1,3}}({other}\d{{2,3}})*{other}\d{{3}}{mark}\d*$|^\d{{1,3}}({other}\d{{2,3}})+{other}\d{{3}}$"
        )
        spaced = gapped & match(rf"^\d+{mark}\d+$") if gapped.any() else gapped
        return (alone & match(r"\d")) | grouped | spaced

    point, comma = decides(r"\.", ","), decides(",", r"\.")
    either = match(r"^[1-9]\d{0,2}[.,]\d{3}$") & ~point & ~comma
    ungrouped = match(r"^\d{4,}([.,]\d*)?$") & ~gapped
    texts = pc.binary_join_element_wise(sign, rest, "")
    return NumberCells(name, raw, texts, factor, as_bools(missing), currency, point, comma, either, ungrouped)


def missing_cells(texts: Any) -> Any:
    """Which of `texts` mean that the value is missing."""
    return pc.or_(pc.is_null(texts), pc.fill_null(pc.is_in(pc.utf8_lower(texts), value_set=_MISSING), True))


def _parts(texts: Any) -> tuple[Any, Any, NDArray[np.float64], Any]:
    """The sign, the digits and marks, the factor of K, M or B, and the currency."""
    nothing = pc.replace_substring_regex(texts, "(?s).*", "")
    if not _some(texts, r"[^\d.,]"):
        return nothing, texts, np.ones(len(texts)), nothing
    found = pc.extract_regex(pc.replace_substring(texts, "−", "-"), _CURRENCY)
    found = found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])

    def part(key: str) -> Any:
        return pc.fill_null(pc.struct_field(found, key), "")

    rest, factor = part("rest"), np.ones(len(texts))
    for suffix, multiple in _MULTIPLES if _some(rest, r"\d\s*[A-Za-z]") else ():
        scaled = pc.match_substring_regex(rest, rf"(?i)^[\d.,'’\s]*\d{_SPACES}*(?:{suffix})$")
        factor = np.where(as_bools(scaled), multiple, factor)
        rest = pc.if_else(scaled, pc.replace_substring_regex(rest, rf"(?i){_SPACES}*(?:{suffix})$", ""), rest)
    sign = pc.if_else(
        pc.and_(pc.equal(part("sign"), "("), pc.equal(part("close"), ")")),
        "-",
        pc.if_else(pc.equal(part("close"), ""), part("sign"), "?"),  # an unmatched parenthesis is not a number
    )
    return sign, rest, factor, pc.binary_join_element_wise(part("before"), part("after"), "")


def _some(texts: Any, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())
