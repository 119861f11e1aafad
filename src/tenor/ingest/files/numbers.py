"""Read numbers with decimal marks, thousands separators, currency signs, parentheses, and the suffixes K, M and B.

The meaning of a mark (point or comma) is decided for all prices of a file together, and for its volume: ``1.003`` is
one and three thousandths in one file, one thousand and three in another. Cells that can only be read in one way decide.
If there are none, the other prices of the row, the row before and the bars in the lake decide. If these don't decide
either, the file is refused. There is no Python loop over rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tenor.errors import UnusableError
from tenor.ingest.files.cells import as_bools, as_doubles, cell_texts, trimmed
from tenor.ingest.files.number_cells import Flags, NumberCells, missing_cells, parse_cells

Decimal = Literal["point", "comma"]
DECIMALS: tuple[Decimal, ...] = ("point", "comma")

_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# up to _TYPOS cells that contradict at least _OTHERS other cells are typos
_TYPOS, _OTHERS = 1, 10
_OPEN = ("may have a decimal mark or a thousands separator", "say which with --decimal point or --decimal comma")
# a wrong reading is wrong by a factor of 1,000
_WRONG = 30.0
_FAR = np.log(_WRONG)
_NEAR = np.log(4.0)


@dataclass(frozen=True)
class NumberColumn:
    """Numbers of n rows.

    Attributes
    ----------
    values
        The numbers, [n]; NaN if the cell is missing or wrong.
    missing
        Whether the cell is empty, [n].
    wrong
        Whether the cell is a text that is not a number, [n].
    """

    values: NDArray[np.float64]
    missing: Flags
    wrong: Flags


@dataclass(frozen=True)
class Evidence:
    """The evidence, apart from the cells, that decides what a mark means.

    Attributes
    ----------
    decimal
        The decimal mark that the user stated, if any.
    delimiter
        The delimiter of the file; ``""`` if it has none.
    rows
        The line or row number of each row in the file, [n].
    names
        From tenor's name of each column to the file's own.
    year_first
        Whether dates have the year first, as programs write them. Spreadsheets write both dates and numbers in the
        format of their country.
    codes
        The code of each row's symbol, [n].
    closes
        Returns the closes in the lake by the code of the symbol; called only if nothing else decides.
    """

    rows: NDArray[np.int64]
    names: Mapping[str, str]
    decimal: Decimal | None = None
    delimiter: str = ""
    year_first: bool = False
    codes: NDArray[np.int32] | None = None
    closes: Callable[[], Mapping[int, NDArray[np.float64]]] | None = None

    def unusable(self, column: str, place: int, value: str, why: str, remedy: str) -> UnusableError:
        """The error that refuses the file for one of its cells."""
        return UnusableError(why, remedy, row=int(self.rows[place]), column=self.names[column], value=value)


def read_numbers(columns: Mapping[str, Any], evidence: Evidence) -> tuple[dict[str, NumberColumn], list[str]]:
    """Read Arrow columns of numbers or texts: prices, and ``volume``.

    Parameters
    ----------
    columns
        The columns by tenor's names.
    evidence
        What decides the meaning of a mark if the cells don't.

    Returns
    -------
    tuple of dict and list
        The numbers by column, and what was assumed, in words.

    Raises
    ------
    UnusableError
        A mark can have two meanings, or has two meanings in one file.
    """
    values: dict[str, NumberColumn] = {}
    texts: dict[str, NumberCells] = {}
    for name, column in columns.items():
        kind = column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            numbers = as_doubles(column.cast(pa.float64(), safe=False))
            values[name] = NumberColumn(numbers, np.isnan(numbers), np.zeros(len(numbers), dtype=bool))
        elif quick := _quick(column, evidence.decimal):
            values[name] = quick
        else:
            texts[name] = parse_cells(name, column)
            _one_currency(texts[name], evidence)
    if not texts:
        return values, []
    # a column that `_quick` has read shows at most that the file's decimal mark is the point
    settled = any(name not in texts and _has_decimals(columns[name]) for name in columns if name != "volume")
    styles, notes = _styles(texts, values, evidence, settled=settled)
    for name, cells in texts.items():
        values[name] = _read(cells, styles[name])
    _mark_misfits(values, texts, styles, evidence.codes)
    return {name: values[name] for name in columns}, notes


def _quick(column: Any, decimal: Decimal | None) -> NumberColumn | None:
    """The column converted directly if all cells are plain numbers without ambiguous points; otherwise None."""
    texts = trimmed(column)
    missing = missing_cells(texts)
    filled = pc.if_else(missing, None, texts)
    try:
        values = as_doubles(filled.cast(pa.float64()))
    except pa.ArrowInvalid:
        return None
    if decimal == "comma" or (decimal is None and not _has_decimals(texts) and _any(texts, r"\.")):
        return None
    return NumberColumn(values, as_bools(missing), np.zeros(len(values), dtype=bool))


def _has_decimals(column: Any) -> bool:
    """Whether a cell has a point that can only be the decimal mark."""
    if not pa.types.is_string(column.type):
        return False
    return _any(column, r"^[+-]?\d*\.\d{0,2}$|\.\d{4,}|^[+-]?0?\.\d|\d{4}\.\d|\d\.\d+[eE]")


def _any(texts: Any, pattern: str) -> bool:
    step = 1 << 12
    return any(
        pc.any(pc.match_substring_regex(texts.slice(start, step), pattern)).as_py()
        for start in range(0, len(texts), step)
    )


def _one_currency(cells: NumberCells, evidence: Evidence) -> None:
    kinds = [kind for kind in pc.unique(cells.currency).to_pylist() if kind]
    if len(kinds) > 1:
        row = pc.index(cells.currency, kinds[1]).as_py()
        (value,) = cell_texts(cells.raw, np.array([row]))
        why = f"is in another currency than other rows ({', '.join(kinds[:3])})"
        raise evidence.unusable(cells.column, row, value, why, "export one currency a file")


def _styles(
    texts: Mapping[str, NumberCells], values: Mapping[str, NumberColumn], evidence: Evidence, *, settled: bool
) -> tuple[dict[str, Decimal], list[str]]:
    """The decimal mark of each column, and notes on what was assumed."""
    if evidence.decimal:
        return dict.fromkeys(texts, evidence.decimal), []
    prices = [cells for name, cells in texts.items() if name != "volume"]
    volume = texts.get("volume")
    notes: list[str] = []
    style: Decimal | None = _certain(prices, evidence, settled=settled)
    of_volume = _certain([volume], evidence, settled=False) if volume else None
    unclear = next((cells for cells in prices if cells.either.any()), None)
    if style is None and unclear is not None:
        style, why = _decided(prices, volume, values, of_volume, evidence)
        row = int(np.flatnonzero(unclear.either)[0])
        (value,) = cell_texts(unclear.raw, np.array([row]))
        if style is None:
            raise evidence.unusable(unclear.column, row, value, *_OPEN)
        shown = float(_read(unclear, style).values[row])
        notes.append(f"numbers such as {value!r} are read as {shown:.10g}: {why}")
    if volume is not None and of_volume is None:
        of_volume = _of_volume(volume, style, evidence)
    if style == "comma" and not notes:
        example = next((c for c in prices if c.comma.any()), None)
        if example is not None:
            (value,) = cell_texts(example.raw, np.flatnonzero(example.comma)[:1])
            notes.append(f"numbers have a decimal comma ({value!r})")
    chosen: dict[str, Decimal] = dict.fromkeys(texts, style or "point")
    if volume is not None:
        chosen["volume"] = of_volume or style or "point"
    return chosen, notes


def _certain(group: list[NumberCells], evidence: Evidence, *, settled: bool) -> Decimal | None:
    """The decimal mark according to the cells that can only be read in one way; None if there are none.

    Raises
    ------
    UnusableError
        These cells contradict each other, and it is not a typo in a single row.
    """
    rows: dict[Decimal, Flags] = {}
    for mark in DECIMALS:
        flags = [getattr(cells, mark) for cells in group]
        rows[mark] = np.logical_or.reduce(flags) if flags else np.zeros(0, dtype=bool)
    points, commas = (int(rows[mark].sum()) for mark in DECIMALS)
    if settled and not points:
        points = _OTHERS  # other columns of the file have a decimal point
    if not points or not commas:
        return "point" if points else "comma" if commas else None
    few, many = sorted((points, commas))
    if few <= _TYPOS and many >= _OTHERS:
        return "point" if points == many else "comma"
    rare: Decimal = "comma" if commas <= points else "point"
    cells = next((c for c in group if getattr(c, rare).any()), group[0])
    place = int(np.flatnonzero(getattr(cells, rare))[0])
    (value,) = cell_texts(cells.raw, np.array([place]))
    other = "point" if rare == "comma" else "comma"
    raise evidence.unusable(
        cells.column,
        place,
        value,
        f"has a decimal {rare}, and other cells a decimal {other}",
        f"write one of them, or say which with --decimal {other}",
    )


def _decided(
    prices: list[NumberCells],
    volume: NumberCells | None,
    values: Mapping[str, NumberColumn],
    of_volume: Decimal | None,
    evidence: Evidence,
) -> tuple[Decimal | None, str]:
    """The decimal mark of prices whose marks are all ambiguous, and the reason; None if it can't be decided."""
    read = {style: dict(values) | {cells.column: _read(cells, style) for cells in prices} for style in DECIMALS}
    tests: tuple[tuple[str, Callable[[dict[str, NumberColumn]], int]], ...] = (
        ("otherwise prices of one row would lie outside its low and high", _misplaced),
        ("otherwise closes would jump by a factor of 1,000", lambda n: _jumps(n, evidence.codes)),
        ("otherwise closes would be far from those in the lake", lambda n: _strangers(n, evidence)),
    )
    votes: dict[Decimal, str] = {}
    for why, count in tests:
        faults = {style: count(numbers) for style, numbers in read.items()}
        for style in DECIMALS:
            if not faults[style] and all(faults[other] for other in DECIMALS if other != style):
                votes.setdefault(style, why)
    if len(votes) == 1:
        return next(iter(votes.items()))
    if votes:
        return None, ""
    if of_volume:
        return of_volume, "the volume is written in this way"
    # four digits in a row in a file that a program wrote: it writes no thousands separators, so a point is the decimal
    # mark. This does not hold for a comma: a spreadsheet may show whole prices as 1,003 and the volume without commas
    ungrouped = (
        volume.ungrouped.any() if volume else "volume" in values and bool((values["volume"].values >= 1000).any())
    )
    if "." in _first(prices) and ungrouped and evidence.year_first and evidence.delimiter in ("", *",\t|"):
        return "point", "the volume has no thousands separators"
    return None, ""


def _first(prices: list[NumberCells]) -> str:
    cells = next(cells for cells in prices if cells.either.any())
    return str(cells.texts[int(np.flatnonzero(cells.either)[0])].as_py())


def _misplaced(numbers: dict[str, NumberColumn]) -> int:
    """In how many rows high is below low, or open or close lies far outside them (by 20 %)."""
    high, low = numbers["high"].values, numbers["low"].values
    bad = high < low
    for name in ("open", "close"):
        value = numbers[name].values
        bad |= (value > high * 1.2) | (value < low / 1.2)
    return int(bad.sum())


def _jumps(numbers: dict[str, NumberColumn], codes: NDArray[np.int32] | None) -> int:
    """How many closes differ from the symbol's previous close by more than a factor of 30."""
    closes = numbers["close"].values
    with np.errstate(divide="ignore", invalid="ignore"):
        moves = np.abs(np.diff(np.log(closes)))
    same = np.ones(len(moves), dtype=bool) if codes is None else codes[1:] == codes[:-1]
    return int((same & np.isfinite(moves) & (moves > _FAR)).sum())


def _strangers(numbers: dict[str, NumberColumn], evidence: Evidence) -> int:
    """For how many symbols the closes are far from all their closes in the lake."""
    if evidence.closes is None or evidence.codes is None:
        return 0
    count = 0
    for code, stored in evidence.closes().items():
        own = numbers["close"].values[evidence.codes == code]
        own = own[np.isfinite(own) & (own > 0)]
        if len(own) and len(stored):
            distance = float(np.abs(np.log(stored) - np.log(np.median(own))).min())
            count += distance > _NEAR
    return count


def _of_volume(volume: NumberCells, style: Decimal | None, evidence: Evidence) -> Decimal:
    """The decimal mark of a volume whose marks are all ambiguous."""
    if not volume.either.any():
        return style or "point"
    if style is not None:
        return style
    row = int(np.flatnonzero(volume.either)[0])
    (value,) = cell_texts(volume.raw, np.array([row]))
    if "," in value or volume.ungrouped.any():
        return "point"  # a volume with commas between thousands, or one without thousands separators
    raise evidence.unusable("volume", row, value, *_OPEN)


def _read(cells: NumberCells, style: Decimal) -> NumberColumn:
    mark, other = (r"\.", ",") if style == "point" else (",", r"\.")
    sound = rf"^[+-]?(\d{{1,3}}(?:{other}\d{{2,3}})*{other}\d{{3}}|\d+)({mark}\d*)?([eE][+-]?\d+)?$|^[+-]?{mark}\d+$"
    special = r"(?i)^[+-]?(inf|infinity)$"
    texts = cells.texts
    good = pc.or_(pc.match_substring_regex(texts, sound), pc.match_substring_regex(texts, special))
    good = pc.and_(good, pa.array(~cells.missing))
    bare = pc.replace_substring_regex(texts, other, "")
    bare = pc.replace_substring(bare, ",", ".") if style == "comma" else bare
    values = as_doubles(pc.if_else(good, bare, None).cast(pa.float64())) * cells.factor
    return NumberColumn(values, cells.missing, ~as_bools(good) & ~cells.missing)


def _mark_misfits(
    values: dict[str, NumberColumn],
    texts: Mapping[str, NumberCells],
    styles: Mapping[str, Decimal],
    codes: NDArray[np.int32] | None,
) -> None:
    """Mark prices as wrong that have a thousands separator and are far from all their neighbours: they are typos.

    The neighbours of a price are the other prices of its row, and the closes before and after it.
    """
    names = [name for name in values if name != "volume"]
    before, after = _closes_beside(values["close"].values, codes)
    for name in set(names) & texts.keys():
        own, mark = values[name].values, "," if styles[name] == "point" else "."
        marked = as_bools(pc.match_substring(texts[name].texts, mark)) & np.isfinite(own)
        if not marked.any():
            continue
        row = [values[other].values for other in names if other != name]
        far = np.zeros(len(own), dtype=bool)
        if row:
            far |= (own > np.fmax.reduce(row) * _WRONG) | (own < np.fmin.reduce(row) / _WRONG)
        # compared with two closes, because a single neighbour may itself be the wrong one
        far |= (own > np.maximum(before, after) * _WRONG) | (own < np.minimum(before, after) / _WRONG)
        far &= marked
        if far.any():
            wrong = values[name].wrong | far
            values[name] = NumberColumn(np.where(far, np.nan, own), values[name].missing, wrong)


def _closes_beside(
    closes: NDArray[np.float64], codes: NDArray[np.int32] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The closes of the rows before and after each row; NaN if that row is of another symbol."""
    before, after = np.full(len(closes), np.nan), np.full(len(closes), np.nan)
    same = np.ones(max(len(closes) - 1, 0), dtype=bool) if codes is None else codes[1:] == codes[:-1]
    before[1:] = np.where(same, closes[:-1], np.nan)
    after[:-1] = np.where(same, closes[1:], np.nan)
    return before, after
