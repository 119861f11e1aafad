"""A finished table: does it hold what was not known yet?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from tenor.calendars import by_calendar
from tenor.errors import ConfigError
from tenor.leakcheck.columns import Table, sort_out
from tenor.leakcheck.filled import filled_back
from tenor.leakcheck.lead import (
    LEAST_ROWS,
    MOST_AHEAD,
    Lead,
    Moves,
    centred_on,
    lead,
    moves_of_price,
    moves_of_target,
    same,
)
from tenor.leakcheck.parts import check_news, check_split
from tenor.leakcheck.report import Finding, LeakReport
from tenor.leakcheck.scaled import scaled_on_all
from tenor.schema import Float64

MOST_SYMBOLS = 8
"""Lead tests look at the symbols with the longest histories, so many of them."""
MOST_ROWS = 2500


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
    progress: Callable[[int, int], None] | None = None,
) -> LeakReport:
    """Look for leaks in a table of one row a symbol a date, by what its numbers and dates give away.

    Parameters
    ----------
    target, date, symbol, split, published_at, price
        Names of columns; all but the target are found by their usual names where they are not given. `split` holds
        train, valid and test; `price` is a close known in its own row.
    features
        The input columns; all other numeric ones if it is left out.
    horizon
        Rows after which the target of a row is known.
    train_end
        Last day of the training rows, where there is no split column.
    calendar
        The exchange whose closes news is held against; a symbol whose name tells another market goes by its own.

    Raises
    ------
    ConfigError
        A column named is not there, or an option is out of its range.
    DataError
        The table can't be used.
    """
    if horizon < 1:
        raise ConfigError(f"horizon is {horizon}: a target is known after one row at the earliest.")
    table = sort_out(
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
    findings: list[Finding] = []
    size = (
        f"{len(table.frame)} rows, {len(groups)} symbol{'s' if len(groups) > 1 else ''}, "
        f"{table.dates.min():%Y-%m-%d} to {table.dates.max():%Y-%m-%d}, {len(table.features)} features"
    )
    checked = [size]
    notes = [f"{', '.join(map(repr, table.left_out))}: no numbers"] if table.left_out else []

    found, told = _leads(table, horizon, progress)
    findings += found
    (checked if told.startswith("what") else notes).append(told)
    for name in (*table.features, *([table.target] if table.target else [])):
        findings += scaled_on_all(table, name)
        findings += filled_back(table, name) if name != table.target else []
    known = "" if table.part is not None else "; which rows are for training is not known: name --split or --train-end"
    checked.append(f"scaling over all rows, and gaps filled from later rows{known}")
    if table.part is not None:
        findings += check_split(table, horizon, calendar)
        checked.append("training and test rows in time")
    else:
        notes.append("the split: name the column with --split")
    if table.published is not None:
        findings += check_news(table, calendar)
        closes = " and ".join(each for each, _ in by_calendar(table.symbols, calendar))
        checked.append(f"{table.published!r} against the closes of {closes}")
    return LeakReport(tuple(findings), tuple(checked), tuple(notes))


def _leads(table: Table, horizon: int, progress: Callable[[int, int], None] | None) -> tuple[list[Finding], str]:
    """Columns that know what comes next, and what was held against what."""
    symbols = sorted(table.by_symbol(), key=lambda group: group[1].start - group[1].stop)[:MOST_SYMBOLS]
    rows = [slice(max(s.start, s.stop - MOST_ROWS), s.stop) for _, s in symbols if s.stop - s.start >= LEAST_ROWS]
    if table.published is not None:
        # a table of news has many rows a session, and so no rows ahead
        rows = [r for r in rows if table.dates[r].is_unique]
    sources: list[tuple[str, list[Moves]]] = []
    if rows and table.target is not None:
        sources.append((table.target, [moves_of_target(table.numbers(table.target)[r], horizon) for r in rows]))
    if rows and table.price is not None:
        sources.append((table.price, [moves_of_price(table.numbers(table.price)[r]) for r in rows]))
    if not sources:
        why = "no target or price is named" if rows else f"no symbol has {LEAST_ROWS} rows"
        return [], f"whether a feature knows what comes next: {why}"
    findings = []
    for place, name in enumerate(table.features):
        column = [table.numbers(name)[r] for r in rows]
        for source, moves in sources:
            one = lead(column, moves)
            if one is not None and one.leaks:
                findings.append(_named(table, name, source, column, moves, one, rows))
                break
        if progress:
            progress(place + 1, len(table.features))
    names = " and ".join(repr(source) for source, _ in sources)
    return findings, f"what each feature knows of the next {MOST_AHEAD} moves of {names}, {len(rows)} symbols"


def _named(
    table: Table,
    name: str,
    source: str,
    column: Sequence[Float64],
    moves: Sequence[Moves],
    one: Lead,
    rows: Sequence[slice],
) -> Finding:
    text = (
        f"{one.share:.0%} of what is new in it is explained by moves of {source!r} that come after "
        f"(an honest column stays below {one.limit:.0%}; {one.rows} rows)"
    )
    window, base = _window(table, name, source, column, moves, rows)
    if window:
        return Finding(
            "centred_window",
            f"column {name!r}",
            f"{text}; it is the mean of {window} rows of {base} around each row, {window // 2} ahead",
        )
    at_once = all(move.known_after == 1 for move in moves)
    if one.further if at_once else one.first < 0.05:
        return Finding("centred_window", f"column {name!r}", f"{text}; they reach {one.ahead} rows ahead")
    if source == table.target and same(column, [table.numbers(source)[r] for r in rows]):
        text += f"; it is {source!r} itself, scaled"
    elif at_once:
        text += "; nearly all of it by the very next one: it holds the close on which that move ends"
    return Finding("same_day_close", f"column {name!r}", text)


def _window(
    table: Table, name: str, source: str, column: Sequence[Float64], moves: Sequence[Moves], rows: Sequence[slice]
) -> tuple[int, str]:
    """The centred window whose mean the column is, and of what; 0 if it is none."""
    others = {repr(n): table.numbers(n)[rows[0]] for n in (*table.features, table.price) if n not in (name, None)}
    if moves[0].known_after == 1:
        known = np.concatenate([[np.nan], moves[0].ahead[:-1]])
        others[f"the moves of {source!r}"] = known
        others[f"the level of {source!r}"] = np.cumsum(np.nan_to_num(known))
    for base, other in others.items():
        window = centred_on(column[0], other) if np.isfinite(other).any() else 0
        if window:
            return window, base
    return 0, ""
