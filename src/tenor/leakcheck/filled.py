"""Were gaps filled from later rows? A column that begins with a run of the value that comes after it says so."""

from __future__ import annotations

import numpy as np

from tenor.leakcheck.columns import Table
from tenor.leakcheck.report import Finding
from tenor.schema import Bool, Float64

DEFAULTS = (0.0, 1.0, -1.0, 0.5, 50.0, 100.0)
"""Values that people fill gaps with on purpose."""
LEAST_RUN, LEAST_RUN_ALONE = 3, 5
"""Equal first values that count, where several symbols have them and where one has."""


def filled_back(table: Table, name: str) -> list[Finding]:
    """A finding if symbols begin with a run of one value, or if gaps of other columns hold the next row's value."""
    values = table.numbers(name)
    groups = [(symbol, rows) for symbol, rows in table.by_symbol() if rows.stop - rows.start >= 30]
    return _first_runs(table, name, values, groups) or _in_gaps(table, name, values, groups)


def _first_runs(table: Table, name: str, values: Float64, groups: list[tuple[str, slice]]) -> list[Finding]:
    runs = {}
    for symbol, rows in groups:
        length = _first_run(values[rows])
        if length:
            runs[symbol] = (length, rows.start + int(np.isfinite(values[rows]).argmax()))
    firsts = {values[start] for _, start in runs.values()}
    several = len(runs) > 1
    if not runs or (several and len(firsts) < len(runs) / 2):  # the same value everywhere is a default
        return []
    symbol, (length, start) = max(runs.items(), key=lambda run: run[1][0])
    if length < (LEAST_RUN if several else LEAST_RUN_ALONE):
        return []
    many = f"; {len(runs)} of {len(groups)} symbols begin so" if several else ""
    text = (
        f"its first {length} rows all hold {values[start]:.6g}, the value of "
        f"{table.dates[start + length - 1]:%Y-%m-%d}, and such runs do not come again{many}"
    )
    return [Finding("back_fill", f"column {name!r}, {table.row(start)}", text)]


def _first_run(values: Float64) -> int:
    """Length of the first run of equal values, where it stands out from all later ones and is no default; else 0."""
    known = values[np.isfinite(values)]
    if len(known) < 30 or known[0] in DEFAULTS:
        return 0
    ends = np.flatnonzero(np.diff(known) != 0)
    if not len(ends):
        return 0
    length, rest = int(ends[0]) + 1, known[ends[0] + 1 :]
    if length < LEAST_RUN or len(np.unique(rest)) < 20:
        return 0
    others = np.diff(np.concatenate([ends, [len(known) - 1]]))
    return length if 3 * int(others.max()) <= length else 0


def _in_gaps(table: Table, name: str, values: Float64, groups: list[tuple[str, slice]]) -> list[Finding]:
    """In rows where other columns are missing: is it the next known value, and not the last?"""
    others = [c for c in (*table.features, table.price) if c not in (name, None)]
    if not others:
        return []
    gaps: Bool = np.zeros(len(values), dtype=bool)
    for other in others:
        gaps |= np.isnan(table.numbers(str(other)))
    gaps &= np.isfinite(values)
    ahead = behind = plain = repeated = 0
    first = -1
    for _, rows in groups:
        x, hole = values[rows], gaps[rows].copy()
        # warm-ups are told by the first runs
        hole[: int(np.argmin(hole)) if not hole.all() else len(hole)] = False
        following, before = np.append(x[1:], np.nan), np.append(np.nan, x[:-1])
        next_only, last_only = hole & (x == following) & (x != before), hole & (x == before) & (x != following)
        ahead, behind = ahead + int(next_only.sum()), behind + int(last_only.sum())
        usual = ~hole & ~np.append(hole[1:], False) & ~np.append(False, hole[:-1])
        plain, repeated = plain + int(usual.sum()), repeated + int((usual & (x == following)).sum())
        if first < 0 and next_only.any():
            first = rows.start + int(next_only.argmax())
    if ahead < LEAST_RUN or ahead <= 4 * behind or repeated > 0.05 * max(plain, 1):
        return []
    text = (
        f"in {ahead} rows in which other columns are missing it holds the next row's value and not the last one's "
        f"(the other way round in {behind})"
    )
    return [Finding("back_fill", f"column {name!r}, {table.row(first)}", text)]
