"""Identifies the kind of leak, from where and how features changed when the future changed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tenor.errors import RaisedError
from tenor.leakcheck import futures
from tenor.leakcheck.output import changed_cells
from tenor.leakcheck.report import LeakFinding
from tenor.leakcheck.runner import Change, FunctionRunner
from tenor.schema import Bool

STEPS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 60)
"""Number of sessions after a cut that are changed one at a time, to find how far a feature looks ahead."""
LEAST_BEFORE = 20
"""Least number of sessions before a changed one to conclude that it affects the whole history."""
LATE_SHARES = (0.5, 0.8, 0.97)
"""Positions, as shares of the history, of single sessions that are changed to find their effect on earlier rows."""


@dataclass
class Reach:
    """How far the effect of changing a single session reaches in one column.

    Attributes
    ----------
    ahead
        Largest number of sessions from an affected row to the changed session after it; 0 if there is none.
    back
        Likewise to an affected row after the changed session; -1 if not even its own row was affected.
    whole
        True if changing a late session affected the earliest rows.
    """

    ahead: int = 0
    back: int = -1
    whole: bool = False


class ObservedChanges:
    """The latest change of each kind, by column; a late cut has the most history.

    Attributes
    ----------
    values
        Changes caused by other values after the cut.
    rows
        Changes caused by other rows after the cut.
    holes
        Changes at gaps.
    today
        Changes caused by the bar of the session itself.
    """

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
        """Record `changes`, by column."""
        for column, change in changes.items():
            self._sorts[change.mode][column] = change


def name_leaks(runner: FunctionRunner, observed: ObservedChanges, stable: Bool, seed: int) -> list[LeakFinding]:
    """A finding for every stable column that changed before a cut, in the order of the columns."""
    columns = [int(i) for i in np.flatnonzero(stable)]
    worst = {i: observed.values[i] for i in columns if i in observed.values}
    causes = _causes(runner, worst, seed)
    reaches = _reaches(runner, worst, seed)
    removed = {i: observed.rows[i] for i in columns if i in observed.rows and i not in worst}
    texts = _text_causes(runner, removed)
    findings = []
    for i in columns:
        if i in worst:
            findings.append(_by_value(runner, worst[i], causes.get(i, []), reaches[i]))
        elif i in observed.rows:
            findings.append(_by_rows(runner, observed.rows[i], texts.get(i, [])))
        elif i in observed.holes:
            findings.append(LeakFinding("back_fill", _where(runner, observed.holes[i]), _filled(observed.holes[i])))
        if i in observed.today:
            text = f"{_cells(observed.today[i])} changed with that session's own bar, its open unchanged"
            findings.append(LeakFinding("same_day_close", _where(runner, observed.today[i]), text))
    return findings


def _causes(runner: FunctionRunner, worst: Mapping[int, Change], seed: int) -> dict[int, list[tuple[str, str]]]:
    """For each leaking column, the (table, column) of each input that affects it when changed alone."""
    causes: dict[int, list[tuple[str, str]]] = {}
    for cut in sorted({change.cut for change in worst.values()}):
        later = futures.after(runner.axes.sessions[cut])
        for source in runner.inputs.columns():
            moved: set[int] = set()
            for push in (0.0, 1.0):
                rng = np.random.default_rng([seed, 7, cut])
                other = futures.with_changed_values(runner.inputs, later, rng, only=source, push=push)
                with contextlib.suppress(RaisedError):
                    moved |= set(runner.changes(other, cut, "alone"))
            for i, change in worst.items():
                if change.cut == cut and i in moved:
                    causes.setdefault(i, []).append(source)
    return causes


def _reaches(runner: FunctionRunner, worst: Mapping[int, Change], seed: int) -> dict[int, Reach]:
    """Change one session at a time, up and then down, and measure how far from it the leaking columns change."""
    reaches = {i: Reach() for i in worst}
    if not worst:
        return reaches
    count = len(runner.axes.sessions)
    near = {(cut + step, cut) for cut in {c.cut for c in worst.values()} for step in STEPS if cut + step < count}
    late = {(int(share * (count - 1)), -1) for share in LATE_SHARES}
    # near: (changed session, its cut); late: -1 for no cut, for all columns
    for place, cut in sorted(near | late):
        rows = _rows_changed_by(runner, place, seed)
        for i, reach in reaches.items():
            hit = np.flatnonzero(rows[:, i])
            if not len(hit):
                continue
            ahead = place - int(hit[0])
            if cut < 0:
                reach.ahead, reach.back = max(reach.ahead, ahead), max(reach.back, int(hit[-1]) - place)
                first = int(np.isfinite(runner.base.values[..., i]).any(axis=1).argmax())
                reach.whole |= place - first > LEAST_BEFORE and ahead > 0.9 * (place - first)
            elif worst[i].cut == cut:
                reach.ahead = max(reach.ahead, ahead)
    return reaches


def _rows_changed_by(runner: FunctionRunner, place: int, seed: int) -> Bool:
    """[session, column]; where a column changed when only the session with index `place` was moved up or down."""
    rows = np.zeros((len(runner.axes.sessions), len(runner.base.names)), dtype=bool)
    session = futures.only_at(runner.axes.sessions[place])
    for push in (1.0, -1.0):
        rng = np.random.default_rng([seed, 8, place])
        try:
            cells = runner.run(futures.with_changed_values(runner.inputs, session, rng, push=push))
        except RaisedError:
            continue
        rows |= changed_cells(runner.base, cells)[0].any(axis=1)
    return rows


def _by_value(runner: FunctionRunner, change: Change, causes: Sequence[tuple[str, str]], reach: Reach) -> LeakFinding:
    tables = {table for table, _ in causes}
    if reach.whole and reach.back > 0:
        kind = "scaler_on_all_data"
    elif _fills_back(runner, change):
        kind = "back_fill"
    elif tables == {"news"} or (tables == {"sentiment"} and reach.back <= 0):
        kind = "news_after_close"
    elif reach.ahead == 0:
        kind = "future"
    else:
        kind = "centred_window" if reach.back > 0 else "future_value"
    inputs = (
        " or ".join(repr(c if table == "bars" else f"{table}.{c}") for table, c in causes) or "several inputs at once"
    )
    text = f"{_cells(change)} changed when {inputs} of later sessions changed"
    if kind == "scaler_on_all_data":
        affine = _affine(runner, change)
        how = f"the column became {affine}" if affine else "every row depends on all others (a rank, a fit, a fill)"
        text += f"; the last sessions reach back to the first rows: {how}"
    elif kind == "back_fill":
        text += "; each of these cells repeats the first value known later"
    elif reach.ahead:
        text += f"; it looks {reach.ahead} session{'s' if reach.ahead > 1 else ''} ahead"
        text += f" and {reach.back} back" if reach.back > 0 else ""
    return LeakFinding(kind, _where(runner, change), text)


def _text_causes(runner: FunctionRunner, rows: Mapping[int, Change]) -> dict[int, list[str]]:
    """For columns that changed with later rows: which of sentiment and news changes them alone."""
    causes: dict[int, list[str]] = {}
    for cut in sorted({change.cut for change in rows.values()}):
        for table in runner.inputs.tables.keys() - {"bars"}:
            without = futures.without_rows(runner.inputs, futures.after(runner.axes.sessions[cut]), only=table)
            with contextlib.suppress(RaisedError):
                for i in runner.changes(without, cut, "alone").keys() & rows.keys():
                    causes.setdefault(i, []).append(table)
    return causes


def _by_rows(runner: FunctionRunner, change: Change, texts: Sequence[str]) -> LeakFinding:
    if texts:
        text = f"{_cells(change)} changed when the {' and the '.join(texts)} of later sessions was removed"
        return LeakFinding("news_after_close", _where(runner, change), text)
    vanished = (np.isnan(change.before) != np.isnan(change.after))[change.cells].mean()
    how = "ended there" if change.mode == "truncated" else "had other rows later"
    if vanished > 0.5:
        text = f"{_cells(change)} appeared or vanished when the data {how}: later rows decide which rows there are"
        return LeakFinding("survivorship", _where(runner, change), text)
    affine = _affine(runner, change)
    # slope 1 with a shift is a count of rows, not a scaler
    if affine and not affine.startswith("1 x"):
        text = f"{_cells(change)} changed when the data {how}: the column became {affine}"
        return LeakFinding("scaler_on_all_data", _where(runner, change), text)
    text = (
        f"{_cells(change)} changed when the data {how}, though no later value changed them: they depend on the number "
        "of later rows"
    )
    return LeakFinding("future", _where(runner, change), text)


def _fills_back(runner: FunctionRunner, change: Change) -> bool:
    """Whether each changed cell equals the next row's value in both futures, after a gap or at the start."""
    for symbol in np.flatnonzero(change.cells.any(axis=0)):
        old, new = change.before[:, symbol], change.after[:, symbol]
        rows = np.flatnonzero(change.cells[:, symbol])
        present = np.flatnonzero(~np.isnan(old) & ~np.isnan(new))
        if not len(present) or present[-1] <= rows[-1]:
            return False
        later = present[np.searchsorted(present, rows, side="right")]
        if not (np.isclose(old[rows], old[later], rtol=1e-9) & np.isclose(new[rows], new[later], rtol=1e-9)).all():
            return False
        if rows[0] != present[0] and not _input_missing(runner, rows, int(symbol)):
            return False
    return True


def _input_missing(runner: FunctionRunner, rows: NDArray[np.intp], symbol: int) -> bool:
    """Whether an input was missing in all of these rows of the symbol."""
    bars = runner.inputs.tables["bars"]
    mine = bars[bars["symbol"] == runner.axes.symbols[symbol]].set_index("session")
    return bool(mine.reindex(runner.axes.sessions[rows]).isna().any(axis=1).all())


def _filled(change: Change) -> str:
    gap = "rows" if change.mode == "missing rows" else "values"
    return (
        f"{_cells(change)} changed with later sessions once {gap} up to that session were missing, and only then: "
        "gaps are filled from what comes after them"
    )


def _affine(runner: FunctionRunner, change: Change) -> str:
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
    return f"{slope:.4g} x {shift:+.4g} of what it was, for {runner.axes.symbols[symbol]}"


def _cells(change: Change) -> str:
    past = slice(change.cut + 1)
    known = ~np.isnan(change.before[past]) | change.cells[past]
    sizes = change.size[past][change.cells[past]]
    finite = sizes[np.isfinite(sizes)]
    largest = f" (by up to {finite.max():.3g})" if len(finite) else ""
    return f"{int(change.cells.sum())} of {int(known.sum())} cells up to that session{largest}"


def _where(runner: FunctionRunner, change: Change) -> str:
    return f"feature {runner.base.names[change.column]!r}, session {runner.axes.sessions[change.cut]:%Y-%m-%d}"
