"""Which leak is it? From where and how features changed under other futures to the name that people know it by."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenor.errors import RaisedError
from tenor.leakcheck import futures
from tenor.leakcheck.bench import Bench, Change
from tenor.leakcheck.cells import differences
from tenor.leakcheck.report import Finding
from tenor.schema import Bool

STEPS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 60)
"""Sessions after a cut that are changed one at a time, to find how far a feature looks ahead."""
LEAST_BEFORE = 20
LATE = (0.5, 0.8, 0.97)
"""Where single sessions are changed to see what they do to all earlier rows, as shares of the history."""


@dataclass
class Reach:
    """What changing single sessions did to one column.

    Attributes
    ----------
    ahead
        The most sessions by which a changed row lay before the changed session; 0 if none did.
    back
        The most by which one lay after it; -1 if not even the session itself changed.
    whole
        A late session changed the earliest rows.
    """

    ahead: int = 0
    back: int = -1
    whole: bool = False


class Seen:
    """For each column, the last change of each sort that was seen; what is seen at a late cut has the most history."""

    def __init__(self) -> None:
        self.values: dict[int, Change] = {}
        self.rows: dict[int, Change] = {}
        self.holes: dict[int, Change] = {}
        self.today: dict[int, Change] = {}
        self._sorts = {
            "changed": self.values,
            "shuffled": self.values,
            "other rows": self.rows,
            "truncated": self.rows,
            "missing rows": self.holes,
            "missing values": self.holes,
            "same day": self.today,
        }

    def add(self, changes: Mapping[int, Change]) -> None:
        """Keep `changes`, by column."""
        for column, change in changes.items():
            self._sorts[change.mode][column] = change


def name_leaks(bench: Bench, seen: Seen, stable: Bool, seed: int) -> list[Finding]:
    """A finding for every stable column that changed before a cut; in the order of the columns."""
    columns = [int(i) for i in np.flatnonzero(stable)]
    worst = {i: seen.values[i] for i in columns if i in seen.values}
    causes = _causes(bench, worst, seed)
    reaches = _reaches(bench, worst, seed)
    said = _said(bench, {i: seen.rows[i] for i in columns if i in seen.rows and i not in worst})
    found = []
    for i in columns:
        if i in worst:
            found.append(_by_value(bench, worst[i], causes.get(i, []), reaches[i]))
        elif i in seen.rows:
            found.append(_by_rows(bench, seen.rows[i], said.get(i, [])))
        elif i in seen.holes:
            found.append(Finding("back_fill", _where(bench, seen.holes[i]), _filled(seen.holes[i])))
        if i in seen.today:
            text = f"{_cells(seen.today[i])} changed with that session's own bar, its open left as it was"
            found.append(Finding("same_day_close", _where(bench, seen.today[i]), text))
    return found


def _causes(bench: Bench, worst: Mapping[int, Change], seed: int) -> dict[int, list[tuple[str, str]]]:
    """For each leaking column, the (table, column) of the inputs that moved it when changed alone."""
    causes: dict[int, list[tuple[str, str]]] = {}
    for cut in sorted({change.cut for change in worst.values()}):
        later = futures.after(bench.grid.sessions[cut])
        for source in bench.inputs.columns():
            moved: set[int] = set()
            for push in (0.0, 1.0):
                rng = np.random.default_rng([seed, 7, cut])
                other = futures.changed(bench.inputs, later, rng, only=source, push=push)
                with contextlib.suppress(RaisedError):
                    moved |= set(bench.changes(other, cut, "alone"))
            for i, change in worst.items():
                if change.cut == cut and i in moved:
                    causes.setdefault(i, []).append(source)
    return causes


def _reaches(bench: Bench, worst: Mapping[int, Change], seed: int) -> dict[int, Reach]:
    """Change one session at a time, up and then down, and see how far from it the leaking columns move."""
    reaches = {i: Reach() for i in worst}
    if not worst:
        return reaches
    count = len(bench.grid.sessions)
    near = {(cut + step, cut) for cut in {c.cut for c in worst.values()} for step in STEPS if cut + step < count}
    late = {(int(share * (count - 1)), -1) for share in LATE}
    for place, cut in sorted(near | late):
        rows = _rows_changed_by(bench, place, seed)
        for i, reach in reaches.items():
            hit = np.flatnonzero(rows[:, i])
            if not len(hit):
                continue
            ahead = place - int(hit[0])
            if cut < 0:
                reach.ahead, reach.back = max(reach.ahead, ahead), max(reach.back, int(hit[-1]) - place)
                first = int(np.isfinite(bench.base.values[..., i]).any(axis=1).argmax())
                reach.whole |= place - first > LEAST_BEFORE and ahead > 0.9 * (place - first)
            elif worst[i].cut == cut:
                reach.ahead = max(reach.ahead, ahead)
    return reaches


def _rows_changed_by(bench: Bench, place: int, seed: int) -> Bool:
    """[session, column]: what changed when the session number `place` alone was pushed up, or down."""
    rows = np.zeros((len(bench.grid.sessions), len(bench.base.names)), dtype=bool)
    there = futures.only_at(bench.grid.sessions[place])
    for push in (1.0, -1.0):
        rng = np.random.default_rng([seed, 8, place])
        try:
            cells = bench.run(futures.changed(bench.inputs, there, rng, push=push))
        except RaisedError:
            continue
        rows |= differences(bench.base, cells)[0].any(axis=1)
    return rows


def _by_value(bench: Bench, change: Change, causes: Sequence[tuple[str, str]], reach: Reach) -> Finding:
    tables = {table for table, _ in causes}
    if reach.whole and reach.back > 0:
        kind = "scaler_on_all_data"
    elif _fills_back(bench, change):
        kind = "back_fill"
    elif tables == {"news"} or (tables == {"sentiment"} and reach.back <= 0):
        kind = "news_after_close"
    elif reach.ahead == 0:
        kind = "future"
    else:
        kind = "centred_window" if reach.back > 0 else "future_value"
    what = (
        " or ".join(repr(c if table == "bars" else f"{table}.{c}") for table, c in causes) or "several inputs at once"
    )
    text = f"{_cells(change)} changed when {what} of later sessions changed"
    if kind == "scaler_on_all_data":
        affine = _affine(bench, change)
        how = f"the column became {affine}" if affine else "every row depends on all others (a rank, a fit, a fill)"
        text += f"; the last sessions reach back to the first rows: {how}"
    elif kind == "back_fill":
        text += "; each of these cells repeats the first value known later"
    elif reach.ahead:
        text += f"; it looks {reach.ahead} session{'s' if reach.ahead > 1 else ''} ahead"
        text += f" and {reach.back} back" if reach.back > 0 else ""
    return Finding(kind, _where(bench, change), text)


def _said(bench: Bench, rows: Mapping[int, Change]) -> dict[int, list[str]]:
    """For columns that changed with later rows: of sentiment and news, which did it alone."""
    said: dict[int, list[str]] = {}
    for cut in sorted({change.cut for change in rows.values()}):
        for table in bench.inputs.tables.keys() - {"bars"}:
            silent = futures.truncated(bench.inputs, futures.after(bench.grid.sessions[cut]), only=table)
            with contextlib.suppress(RaisedError):
                for i in bench.changes(silent, cut, "alone").keys() & rows.keys():
                    said.setdefault(i, []).append(table)
    return said


def _by_rows(bench: Bench, change: Change, said: Sequence[str]) -> Finding:
    if said:
        text = f"{_cells(change)} changed when the {' and the '.join(said)} of later sessions was taken away"
        return Finding("news_after_close", _where(bench, change), text)
    vanished = (np.isnan(change.before) != np.isnan(change.after))[change.cells].mean()
    how = "ended there" if change.mode == "truncated" else "had other rows later"
    if vanished > 0.5:
        text = f"{_cells(change)} came or went when the data {how}: which rows there are depends on later ones"
        return Finding("survivorship", _where(bench, change), text)
    affine = _affine(bench, change)
    if affine and not affine.startswith("1 x"):
        text = f"{_cells(change)} changed when the data {how}: the column became {affine}"
        return Finding("scaler_on_all_data", _where(bench, change), text)
    text = f"{_cells(change)} changed when the data {how}, though no later value moved them: it counts later rows"
    return Finding("future", _where(bench, change), text)


def _fills_back(bench: Bench, change: Change) -> bool:
    """True if each changed cell repeats, before and after, the next row's value, and nothing was known before it."""
    for symbol in np.flatnonzero(change.cells.any(axis=0)):
        old, new = change.before[:, symbol], change.after[:, symbol]
        rows = np.flatnonzero(change.cells[:, symbol])
        there = np.flatnonzero(~np.isnan(old) & ~np.isnan(new))
        if not len(there) or there[-1] <= rows[-1]:
            return False
        later = there[np.searchsorted(there, rows, side="right")]
        if not (np.isclose(old[rows], old[later], rtol=1e-9) & np.isclose(new[rows], new[later], rtol=1e-9)).all():
            return False
        if rows[0] != there[0] and not _input_missing(bench, rows, int(symbol)):
            return False
    return True


def _input_missing(bench: Bench, rows: NDArray[np.intp], symbol: int) -> bool:
    """True if an input was missing in all of these rows of the symbol."""
    bars = bench.inputs.tables["bars"]
    mine = bars[bars["symbol"] == bench.grid.symbols[symbol]].set_index("session")
    return bool(mine.reindex(bench.grid.sessions[rows]).isna().any(axis=1).all())


def _filled(change: Change) -> str:
    gap = "rows" if change.mode == "missing rows" else "values"
    return (
        f"{_cells(change)} changed with later sessions once {gap} up to that session were missing, and only then: "
        "gaps are filled from what comes after them"
    )


def _affine(bench: Bench, change: Change) -> str:
    """``0.93 x + 0.02`` if the rows of the symbol that changed most were scaled and shifted alike, else empty."""
    symbol = int(change.cells.sum(axis=0).argmax())
    old, new = change.before[: change.cut + 1, symbol], change.after[: change.cut + 1, symbol]
    known = np.isfinite(old) & np.isfinite(new)
    x, y = old[known], new[known]
    if len(x) < 3 or np.ptp(x) == 0:
        return ""
    slope, shift = np.polyfit(x, y, 1)
    if np.abs(slope * x + shift - y).max() > 1e-5 * float(np.abs(y).max()):
        return ""
    return f"{slope:.4g} x {shift:+.4g} of what it was, for {bench.grid.symbols[symbol]}"


def _cells(change: Change) -> str:
    past = slice(change.cut + 1)
    known = ~np.isnan(change.before[past]) | change.cells[past]
    sizes = change.size[past][change.cells[past]]
    finite = sizes[np.isfinite(sizes)]
    largest = f" (by up to {finite.max():.3g})" if len(finite) else ""
    return f"{int(change.cells.sum())} of {int(known.sum())} cells up to that session{largest}"


def _where(bench: Bench, change: Change) -> str:
    return f"feature {bench.base.names[change.column]!r}, session {bench.grid.sessions[change.cut]:%Y-%m-%d}"
