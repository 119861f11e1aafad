"""Checks of feature functions: their output up to a session must not change if later data change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from tenor.errors import ConfigError, DataError, RaisedError
from tenor.leakcheck import futures
from tenor.leakcheck.calendar_features import follows_the_calendar
from tenor.leakcheck.futures import Inputs
from tenor.leakcheck.naming import ObservedChanges, name_leaks
from tenor.leakcheck.output import changed_cells
from tenor.leakcheck.report import LeakFinding, LeakReport
from tenor.leakcheck.runner import FunctionRunner, RunProgress
from tenor.schema import Bars, Bool, DailySentiment, News

MODES = ("changed", "shuffled", "other rows", "truncated")
EARLY = (2, 10, 30)
"""Numbers of sessions from the start after which the future is always changed: there, back-filled warm-ups show."""


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
    progress: RunProgress | None = None,
) -> LeakReport:
    """Change, shuffle, drop, extend and truncate the data after several sessions, and compare the output before.

    Parameters
    ----------
    function
        ``function(frame)``, or ``function(frame, sentiment=..., news=...)`` with those that are given. `frame` is in
        long form, with symbol, session and numeric columns, sorted, indexed 0 .. n - 1. The function returns one row
        per (symbol, session): a DataFrame with these keys as columns or index, with one row for each row of `frame`, or
        with one column per symbol; or a Panel.
    bars, sentiment, news
        The real data.
    targets
        Output columns that look ahead on purpose; they are not checked.
    cuts
        Number of sessions after which the future is changed, in addition to early ones; or the sessions themselves.
    known_from
        The first session to cut after. For a function that fits something (a scaler) up to a fixed day, that day.
    decided
        ``close``: row t may use all data of session t. ``open``: of session t, only the open.
    calendar
        Exchange calendar of the symbols whose names contain no market.
    seed
        Seed of the random changes.
    name
        Name of the function in the report; by default its own.
    progress
        Called with the number of finished runs, and the least number of runs.

    Returns
    -------
    LeakReport
        The findings, what was checked, and what was not.

    Raises
    ------
    DataError
        The inputs or the output can't be used, or the function raises on the unchanged data.
    ConfigError
        An option is out of its range.
    """
    if decided not in ("close", "open"):
        raise ConfigError(f"decided is {decided!r}; it takes 'close' or 'open'.")
    title = str(name or getattr(function, "__name__", type(function).__name__))
    inputs = futures.gather_inputs(bars, sentiment, news, calendar)
    sessions = pd.DatetimeIndex(inputs.tables["bars"]["session"].unique()).sort_values()
    moments = _cuts(inputs, sessions, cuts, known_from)
    modes = (*MODES, "same day") if decided == "open" else MODES
    runner = FunctionRunner(function, inputs, title, tuple(targets), 2 + (len(modes) + 3) * len(moments), progress)
    unstable = _unstable(runner)

    observed = ObservedChanges()
    raised: dict[str, list[str]] = {}
    for number, at in enumerate(moments):
        for mode in modes:
            rng = np.random.default_rng([seed, number, len(mode)])
            try:
                observed.add(runner.changes(_future(inputs, mode, at, rng, calendar), runner.place(at), mode))
            except RaisedError as error:
                raised.setdefault(mode, []).append(f"{at:%Y-%m-%d}: {error}")
    hole_note = _in_holes(runner, moments[-3:], seed, observed)

    findings = [
        LeakFinding(
            "not_repeatable", f"feature {runner.base.names[i]!r} of {title}", "two calls on the same data differ"
        )
        for i in np.flatnonzero(unstable)
    ]
    findings += name_leaks(runner, observed, ~unstable, seed)
    findings += [
        LeakFinding("raises", title, f"in every future of the kind {mode!r}; after {messages[0]}")
        for mode, messages in raised.items()
        if len(messages) == len(moments)
    ]
    of_dates = not runner.responsive.any() and follows_the_calendar(runner)
    if not runner.responsive.any() and not of_dates:
        findings.append(
            LeakFinding("unresponsive", title, f"{runner.runs} calls on different data gave the same output")
        )
    return LeakReport(
        tuple(findings), _checked(runner, moments, modes), _notes(runner, raised, moments, hole_note, of_dates)
    )


def _cuts(
    inputs: Inputs,
    sessions: pd.DatetimeIndex,
    cuts: int | Sequence[pd.Timestamp],
    known_from: pd.Timestamp | str | None,
) -> list[pd.Timestamp]:
    """The sessions to cut after: early ones, evenly spaced ones, and two around the start of the last symbol."""
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
        raise ConfigError(f"cuts is {cuts}: it takes 1 or more.")
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
        return futures.with_changed_values(inputs, later, rng)
    if mode == "shuffled":
        return futures.with_shuffled_days(inputs, later, rng)
    if mode == "other rows":
        return futures.with_other_rows(inputs, later, rng, calendar)
    if mode == "same day":
        return futures.with_changed_values(inputs, futures.only_at(at), rng, keep=frozenset({"open"}))
    return futures.without_rows(inputs, later)


def _unstable(runner: FunctionRunner) -> Bool:
    """[column]; whether it differs between two calls on the same data."""
    try:
        again = runner.run(runner.inputs)
    except RaisedError as error:
        raise DataError(f"{runner.name} {error} when it was called again with the same data.") from error
    return np.asarray(changed_cells(runner.base, again, exact=True)[0].any(axis=(0, 1)))


def _in_holes(runner: FunctionRunner, moments: Sequence[pd.Timestamp], seed: int, observed: ObservedChanges) -> str:
    """Repeat the check with gaps that end at the cut: values from after the cut must not fill them.

    Returns
    -------
    str
        What the function raised on such data; empty if nothing.
    """
    refused = ""
    for number, at in enumerate(moments):
        for mode, rows in (("missing rows", True), ("missing values", False)):
            holed = futures.with_holes(runner.inputs, at, rows=rows)
            later = futures.with_changed_values(holed, futures.after(at), np.random.default_rng([seed, 99, number]))
            try:
                observed.add(runner.changes(later, runner.place(at), mode, runner.run(holed)))
            except RaisedError as error:
                refused = f"{mode}: it {error}"
    return refused


def _checked(runner: FunctionRunner, moments: Sequence[pd.Timestamp], modes: Sequence[str]) -> tuple[str, ...]:
    count = len(runner.base.names)
    tables = ", ".join(f"{len(frame)} rows of {table}" for table, frame in runner.inputs.tables.items())
    first = (
        f"{runner.name}: {count} feature{'s' if count > 1 else ''} of {len(runner.axes.symbols)} symbols from {tables}"
    )
    second = (
        f"the future after {len(moments)} sessions, {moments[0]:%Y-%m-%d} to {moments[-1]:%Y-%m-%d} "
        f"({', '.join(modes)}), and around gaps: {runner.runs} calls"
    )
    return first, second


def _notes(
    runner: FunctionRunner,
    raised: dict[str, list[str]],
    moments: Sequence[pd.Timestamp],
    hole_note: str,
    of_dates: bool,
) -> tuple[str, ...]:
    notes = [
        f"{mode}, {len(messages)} of {len(moments)} sessions; after {messages[0]}"
        for mode, messages in raised.items()
        if len(messages) < len(moments)
    ]
    if hole_note:
        notes.append(hole_note)
    unmoved = [repr(name) for name, moved in zip(runner.base.names, runner.responsive, strict=True) if not moved]
    if unmoved and runner.responsive.any():
        shown = ", ".join(unmoved[:8]) + (f" and {len(unmoved) - 8} more" if len(unmoved) > 8 else "")
        notes.append(f"{shown}: no change of the inputs changed {'them' if len(unmoved) > 1 else 'it'} anywhere")
    if of_dates:
        notes.append("the output depends on the dates alone: on the same days of another cycle of years it is the same")
    if runner.rounding > 0:
        notes.append(f"differences of at most {runner.rounding:.1e}, taken for rounding")
    return tuple(notes)
