"""Feature functions under other futures: what they said up to a session must not change with what came after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from tenor.errors import ConfigError, DataError, RaisedError
from tenor.leakcheck import futures
from tenor.leakcheck.bench import Bench, Progress
from tenor.leakcheck.cells import differences
from tenor.leakcheck.futures import Inputs
from tenor.leakcheck.naming import Seen, name_leaks
from tenor.leakcheck.report import Finding, LeakReport
from tenor.schema import Bars, Bool, DailySentiment, News

MODES = ("changed", "shuffled", "other rows", "truncated")
EARLY = (2, 10, 30)
"""Sessions after the first at which cuts always lie: that is where warm-ups are filled back."""


def check_features(
    function: Callable[..., Any],
    bars: Bars | pd.DataFrame,
    *,
    sentiment: DailySentiment | pd.DataFrame | None = None,
    news: News | pd.DataFrame | None = None,
    targets: Sequence[str] = (),
    cuts: int | Sequence[pd.Timestamp] = 6,
    known_from: pd.Timestamp | str | None = None,
    decided: Literal["close", "open"] = "close",
    calendar: str = "XNYS",
    seed: int = 0,
    name: str | None = None,
    progress: Progress | None = None,
) -> LeakReport:
    """Change, reshuffle, drop, add and cut off the future of `bars` after several sessions, and see what moved before.

    Parameters
    ----------
    function
        ``function(frame)``, or ``function(frame, sentiment=..., news=...)`` with those that are given. `frame` is
        long, with symbol, session and numbers, sorted, indexed 0 .. n - 1. It returns one row a (symbol, session): a
        DataFrame with or indexed by these keys, something row by row with `frame`, one column a symbol, or a Panel.
    targets
        Columns that look ahead on purpose; they are left out.
    cuts
        How many sessions to cut after, beside three early ones; or the sessions themselves.
    known_from
        Cut only from this session on. For functions that fit something (a scaler) up to a fixed day: that day.
    calendar
        Of the symbols whose names tell no market; the others go by their own market's.
    decided
        ``close``: row t may use all of session t. ``open``: of session t it may use the open alone.
    progress
        Called with (runs done, runs at least to do).

    Raises
    ------
    DataError
        The inputs or what the function returns can't be used, or the function raises on the unchanged data.
    ConfigError
        An option is out of its range.
    """
    if decided not in ("close", "open"):
        raise ConfigError(f"decided is {decided!r}; it takes 'close' or 'open'.")
    called = str(name or getattr(function, "__name__", type(function).__name__))
    inputs = futures.gather(bars, sentiment, news, calendar)
    sessions = pd.DatetimeIndex(inputs.tables["bars"]["session"].unique()).sort_values()
    moments = _cuts(inputs, sessions, cuts, known_from)
    modes = (*MODES, "same day") if decided == "open" else MODES
    bench = Bench(function, inputs, called, tuple(targets), 2 + (len(modes) + 3) * len(moments), progress)
    unstable = _unstable(bench)

    seen = Seen()
    raised: dict[str, list[str]] = {}
    for number, at in enumerate(moments):
        for mode in modes:
            rng = np.random.default_rng([seed, number, len(mode)])
            try:
                seen.add(bench.changes(_future(inputs, mode, at, rng, calendar), bench.place(at), mode))
            except RaisedError as error:
                raised.setdefault(mode, []).append(f"{at:%Y-%m-%d}: {error}")
    hole_note = _in_holes(bench, moments[-3:], seed, seen)

    findings = [
        Finding("not_repeatable", f"feature {bench.base.names[i]!r} of {called}", "two calls on the same data differ")
        for i in np.flatnonzero(unstable)
    ]
    findings += name_leaks(bench, seen, ~unstable, seed)
    findings += [
        Finding("raises", called, f"in every future of the kind {mode!r}; after {told[0]}")
        for mode, told in raised.items()
        if len(told) == len(moments)
    ]
    if not bench.responsive.any():
        findings.append(Finding("unresponsive", called, f"{bench.runs} calls on different data gave the same output"))
    return LeakReport(tuple(findings), _checked(bench, moments, modes), _notes(bench, raised, moments, hole_note))


def _cuts(
    inputs: Inputs,
    sessions: pd.DatetimeIndex,
    cuts: int | Sequence[pd.Timestamp],
    known_from: pd.Timestamp | str | None,
) -> list[pd.Timestamp]:
    """The sessions to cut after: early ones, even ones, and one soon after the last symbol begins."""
    first = 0 if known_from is None else int(sessions.searchsorted(pd.Timestamp(known_from)))
    last = len(sessions) - 2
    if not isinstance(cuts, int):
        chosen = [int(sessions.searchsorted(pd.Timestamp(at), side="right")) - 1 for at in cuts]
        outside = [f"{pd.Timestamp(at):%Y-%m-%d}" for at, place in zip(cuts, chosen, strict=True) if place < 0]
        if outside or not chosen or max(chosen) > last:
            raise ConfigError(
                f"cuts lie between {sessions[0]:%Y-%m-%d} and the last session but one; {outside or list(cuts)} do not."
            )
        return [sessions[place] for place in sorted(set(chosen))]
    if cuts < 1:
        raise ConfigError(f"cuts is {cuts}: at least one is needed.")
    if last - first < 3:
        raise DataError(f"{len(sessions)} sessions, {max(last - first + 2, 0)} of them to cut in: too few to check.")
    begins = inputs.tables["bars"].groupby("symbol")["session"].min().max()
    late = int(sessions.searchsorted(begins))
    early = [first + place for place in EARLY] + [late - 1, late + 2]
    even = np.linspace(first + 0.1 * (last - first), first + 0.97 * (last - first), cuts + 1)[1:].round().astype(int)
    inside = {place for place in [*early, *even.tolist()] if first <= place <= last}
    return [sessions[place] for place in sorted(inside)]


def _future(inputs: Inputs, mode: str, at: pd.Timestamp, rng: np.random.Generator, calendar: str) -> Inputs:
    later = futures.after(at)
    if mode == "changed":
        return futures.changed(inputs, later, rng)
    if mode == "shuffled":
        return futures.shuffled(inputs, later, rng)
    if mode == "other rows":
        return futures.other_rows(inputs, later, rng, calendar)
    if mode == "same day":
        return futures.changed(inputs, futures.only_at(at), rng, keep=frozenset({"open"}))
    return futures.truncated(inputs, later)


def _unstable(bench: Bench) -> Bool:
    """[column]: those that differ between two calls on the same data."""
    try:
        again = bench.run(bench.inputs)
    except RaisedError as error:
        raise DataError(f"{bench.name} {error} when it was called again with the same data.") from error
    return np.asarray(differences(bench.base, again, exact=True)[0].any(axis=(0, 1)))


def _in_holes(bench: Bench, moments: Sequence[pd.Timestamp], seed: int, seen: Seen) -> str:
    """The same with gaps that end at the cut: what fills them may not come from after it. Returns what was refused."""
    refused = ""
    for number, at in enumerate(moments):
        for mode, rows in (("missing rows", True), ("missing values", False)):
            holed = futures.with_holes(bench.inputs, at, rows=rows)
            later = futures.changed(holed, futures.after(at), np.random.default_rng([seed, 99, number]))
            try:
                seen.add(bench.changes(later, bench.place(at), mode, bench.run(holed)))
            except RaisedError as error:
                refused = f"{mode}: it {error}"
    return refused


def _checked(bench: Bench, moments: Sequence[pd.Timestamp], modes: Sequence[str]) -> tuple[str, ...]:
    count = len(bench.base.names)
    tables = ", ".join(f"{len(frame)} rows of {table}" for table, frame in bench.inputs.tables.items())
    first = (
        f"{bench.name}: {count} feature{'s' if count > 1 else ''} of {len(bench.grid.symbols)} symbols from {tables}"
    )
    second = (
        f"the future after {len(moments)} sessions, {moments[0]:%Y-%m-%d} to {moments[-1]:%Y-%m-%d} "
        f"({', '.join(modes)}), and around gaps: {bench.runs} calls"
    )
    return first, second


def _notes(bench: Bench, raised: dict[str, list[str]], moments: Sequence[pd.Timestamp], holes: str) -> tuple[str, ...]:
    notes = [
        f"{mode}, {len(told)} of {len(moments)} sessions; after {told[0]}"
        for mode, told in raised.items()
        if len(told) < len(moments)
    ]
    if holes:
        notes.append(holes)
    silent = [repr(name) for name, moved in zip(bench.base.names, bench.responsive, strict=True) if not moved]
    if silent and bench.responsive.any():
        shown = ", ".join(silent[:8]) + (f" and {len(silent) - 8} more" if len(silent) > 8 else "")
        notes.append(f"{shown}: no change of the inputs moved {'them' if len(silent) > 1 else 'it'} anywhere")
    if bench.rounding > 0:
        notes.append(f"differences of at most {bench.rounding:.1e}, taken for rounding")
    return tuple(notes)
