"""Checks a finished table for information that was not yet known.

Each column is checked in three ways: does it have information on the moves ahead (`tenor.leakcheck.lead`), was it
scaled with all rows, and were its gaps filled from later rows? `tenor.leakcheck.dates` checks dates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from tenor.calendars import by_calendar
from tenor.errors import ConfigError
from tenor.leakcheck.dataset import Dataset, read_roles
from tenor.leakcheck.dates import check_news, check_split
from tenor.leakcheck.lead import (
    LEAST_ROWS,
    MOST_AHEAD,
    Lead,
    Moves,
    best_lead,
    centred_on,
    is_rescaled,
    moves_of_price,
    moves_of_target,
)
from tenor.leakcheck.report import LeakFinding, LeakReport
from tenor.leakcheck.scaled import scaled_on_all, undecided
from tenor.schema import AsOf, Bool, Float64

LEAD_SYMBOLS = 8
"""Number of symbols in lead tests, those with the longest histories."""
LEAD_ROWS = 2500
"""Number of rows per symbol in lead tests, the last ones."""

DEFAULTS = (0.0, 1.0, -1.0, 0.5, 50.0, 100.0)
"""Values that are often used to fill gaps on purpose."""
LEAST_RUN, LEAST_RUN_ALONE = 3, 5
"""Least number of equal first values that count as a run, if several symbols have one, and if only one has."""


def check_dataset(
    frame: pd.DataFrame,
    *,
    target: str | None = None,
    date: str | None = None,
    symbol: str | None = None,
    features: Sequence[str] | None = None,
    horizon: int = 1,
    split: str | None = None,
    train_end: pd.Timestamp | str | None = None,
    published_at: str | None = None,
    price: str | None = None,
    calendar: str = "XNYS",
    as_of: AsOf = "close",
    progress: Callable[[int, int], None] | None = None,
) -> LeakReport:
    """Look for leaks in a table with one row per symbol and date, from its numbers and dates alone.

    Parameters
    ----------
    frame
        The table.
    target, date, symbol, split, published_at, price
        Names of columns; those not given are looked up under their usual names, except the target. `split` has the
        values train, valid and test; `price` is a close that is known in its own row.
    features
        The input columns; by default all other numeric ones.
    horizon
        Number of rows after which the target of a row is known.
    train_end
        Last day of the training rows, if there is no split column.
    calendar
        The exchange whose closes news is compared with, for symbols whose names contain no market.
    as_of
        ``close``: a row may have news up to the close of its session; ``open``: up to the next open.
    progress
        Called with the number of checked features, and the number of all features.

    Returns
    -------
    LeakReport
        The findings, what was checked, and what was not.

    Raises
    ------
    ConfigError
        A named column is missing, or an option is out of its range.
    DataError
        The table can't be used.
    """
    if horizon < 1:
        raise ConfigError(f"horizon is {horizon}: a target is known after one row at the earliest.")
    table = read_roles(
        frame,
        target=target,
        date=date,
        symbol=symbol,
        features=features,
        split=split,
        train_end=train_end,
        published_at=published_at,
        price=price,
    )
    groups = list(table.by_symbol())
    findings: list[LeakFinding] = []
    size = (
        f"{len(table.frame)} rows, {len(groups)} symbol{'s' if len(groups) > 1 else ''}, "
        f"{table.dates.min():%Y-%m-%d} to {table.dates.max():%Y-%m-%d}, {len(table.features)} features"
    )
    checked = [size]
    notes = [f"{', '.join(map(repr, table.left_out))}: no numbers"] if table.left_out else []

    leads, line, tested = _leads(table, horizon, progress)
    findings += leads
    (checked if tested else notes).append(line)
    findings += scaled_on_all(table, horizon)
    ranged = undecided(table)
    if ranged:
        notes.append(
            f"{', '.join(map(repr, ranged[:8]))}{' …' if len(ranged) > 8 else ''}: scaled to a range, by which rows "
            "can't be told without the training rows: name --split or --train-end"
        )
    for name in table.features:
        findings += _filled_back(table, name)
    known = "" if table.part is not None else "; the training rows are not known: name --split or --train-end"
    checked.append(f"scaling over all rows, and gaps filled from later rows{known}")
    if table.part is not None:
        findings += check_split(table, horizon, calendar)
        checked.append("training and test rows in time")
    else:
        notes.append("the split: name the column with --split")
    if table.published is not None:
        findings += check_news(table, calendar, as_of)
        exchanges = " and ".join(each for each, _ in by_calendar(table.symbols, calendar))
        checked.append(f"{table.published!r} against the {as_of}s of {exchanges}")
    return LeakReport(tuple(findings), tuple(checked), tuple(notes))


def _leads(
    table: Dataset, horizon: int, progress: Callable[[int, int], None] | None
) -> tuple[list[LeakFinding], str, bool]:
    """Findings for columns that know later moves; a line on what was tested or why not; whether it was tested."""
    symbols = sorted(table.by_symbol(), key=lambda group: group[1].start - group[1].stop)[:LEAD_SYMBOLS]
    rows = [slice(max(s.start, s.stop - LEAD_ROWS), s.stop) for _, s in symbols if s.stop - s.start >= LEAST_ROWS]
    if table.published is not None:
        # a table of news has many rows per session, so the next row is not the next session
        rows = [r for r in rows if table.dates[r].is_unique]
    sources: list[tuple[str, list[Moves]]] = []
    if rows and table.target is not None:
        sources.append((table.target, [moves_of_target(table.numbers(table.target)[r], horizon) for r in rows]))
    if rows and table.price is not None:
        sources.append((table.price, [moves_of_price(table.numbers(table.price)[r]) for r in rows]))
    if not sources:
        why = "no target or price is named" if rows else f"no symbol has {LEAST_ROWS} rows"
        return [], f"whether a feature knows what comes next: {why}", False
    findings = []
    for place, name in enumerate(table.features):
        column = [table.numbers(name)[r] for r in rows]
        for source, moves in sources:
            best = best_lead(column, moves)
            if best is not None and best.leaks:
                findings.append(_lead_finding(table, name, source, column, moves, best, rows))
                break
        if progress:
            progress(place + 1, len(table.features))
    names = " and ".join(repr(source) for source, _ in sources)
    line = f"what each feature knows of the next {MOST_AHEAD} moves of {names}, {len(rows)} symbols"
    return findings, line, True


def _lead_finding(
    table: Dataset,
    name: str,
    source: str,
    column: Sequence[Float64],
    moves: Sequence[Moves],
    best: Lead,
    rows: Sequence[slice],
) -> LeakFinding:
    text = (
        f"{best.share:.0%} of what is new in it is explained by later moves of {source!r} "
        f"(an honest column stays below {best.limit:.0%}; {best.rows} rows)"
    )
    window, base = _window(table, name, source, column, moves, rows)
    if window:
        return LeakFinding(
            "centred_window",
            f"column {name!r}",
            f"{text}; it is the mean of {window} rows of {base} around each row, {window // 2} ahead",
        )
    at_once = all(move.known_after == 1 for move in moves)
    if best.further if at_once else best.first < 0.05:
        return LeakFinding("centred_window", f"column {name!r}", f"{text}; they reach {best.ahead} rows ahead")
    if source == table.target and is_rescaled(column, [table.numbers(source)[r] for r in rows]):
        text += f"; it is {source!r} itself, scaled"
    elif at_once:
        text += "; nearly all of it by the very next one: it holds the close on which that move ends"
    return LeakFinding("same_day_close", f"column {name!r}", text)


def _window(
    table: Dataset, name: str, source: str, column: Sequence[Float64], moves: Sequence[Moves], rows: Sequence[slice]
) -> tuple[int, str]:
    """If the column is a centred moving average: the window length, and of what; else 0 and an empty text."""
    # compared only on the first symbol, the longest one
    others = {repr(n): table.numbers(n)[rows[0]] for n in (*table.features, table.price) if n not in (name, None)}
    if moves[0].known_after == 1:
        past = np.concatenate([[np.nan], moves[0].ahead[:-1]])
        others[f"the moves of {source!r}"] = past
        others[f"the level of {source!r}"] = np.cumsum(np.nan_to_num(past))
    for base, other in others.items():
        window = centred_on(column[0], other) if np.isfinite(other).any() else 0
        if window:
            return window, base
    return 0, ""


def _filled_back(table: Dataset, name: str) -> list[LeakFinding]:
    """A finding if symbols begin with a run of one value, or if gaps were filled with the next row's value."""
    values = table.numbers(name)
    groups = [(symbol, rows) for symbol, rows in table.by_symbol() if rows.stop - rows.start >= 30]
    return _first_runs(table, name, values, groups) or _in_gaps(table, name, values, groups)


def _first_runs(table: Dataset, name: str, values: Float64, groups: list[tuple[str, slice]]) -> list[LeakFinding]:
    runs = {}
    for symbol, rows in groups:
        length = _first_run(values[rows])
        if length:
            runs[symbol] = (length, rows.start + int(np.isfinite(values[rows]).argmax()))
    firsts = {values[start] for _, start in runs.values()}
    several = len(runs) > 1
    if not runs or (several and len(firsts) < len(runs) / 2):  # the same value in most symbols is a default
        return []
    symbol, (length, start) = max(runs.items(), key=lambda run: run[1][0])
    if length < (LEAST_RUN if several else LEAST_RUN_ALONE):
        return []
    others = f"; {len(runs)} of {len(groups)} symbols begin like this" if several else ""
    text = (
        f"its first {length} rows all hold {values[start]:.6g}, the value of "
        f"{table.dates[start + length - 1]:%Y-%m-%d}, and no later run is nearly as long{others}"
    )
    return [LeakFinding("back_fill", f"column {name!r}, {table.row(start)}", text)]


def _first_run(values: Float64) -> int:
    """Length of the first run of equal values, if three times as long as any later one and no default; else 0."""
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


def _in_gaps(table: Dataset, name: str, values: Float64, groups: list[tuple[str, slice]]) -> list[LeakFinding]:
    """A finding if the column, in rows where others are missing, equals the next known value and not the last one."""
    others = [c for c in (*table.features, table.price) if c not in (name, None)]
    if not others:
        return []
    gaps: Bool = np.zeros(len(values), dtype=bool)
    for other in others:
        gaps |= np.isnan(table.numbers(str(other)))
    gaps &= np.isfinite(values)
    ahead = behind = plain = repeated = 0  # equal to the next row only, to the last only; other rows, repeats
    first = -1
    for _, rows in groups:
        x, hole = values[rows], gaps[rows].copy()
        # gaps at the start are warm-ups, which `_first_runs` checks
        hole[: int(np.argmin(hole)) if not hole.all() else len(hole)] = False
        following, before = np.append(x[1:], np.nan), np.append(np.nan, x[:-1])
        next_only = hole & (x == following) & (x != before)
        last_only = hole & (x == before) & (x != following)
        ahead += int(next_only.sum())
        behind += int(last_only.sum())
        # how often a row equals the next one outside of gaps: in a column with many repeats this is no evidence
        usual = ~hole & ~np.append(hole[1:], False) & ~np.append(False, hole[:-1])
        plain += int(usual.sum())
        repeated += int((usual & (x == following)).sum())
        if first < 0 and next_only.any():
            first = rows.start + int(next_only.argmax())
    if ahead < LEAST_RUN or ahead <= 4 * behind or repeated > 0.05 * max(plain, 1):
        return []
    text = (
        f"in {ahead} rows in which other columns are missing it holds the next row's value and not the last one's "
        f"(the opposite in {behind})"
    )
    return [LeakFinding("back_fill", f"column {name!r}, {table.row(first)}", text)]
