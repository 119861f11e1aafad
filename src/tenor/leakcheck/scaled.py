"""Checks whether columns of a finished table were scaled with a scaler fitted on all rows, test rows included.

A scaler gives exact moments, or an exact range, to the rows that it was fitted on, and to no others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tenor.leakcheck.dataset import Dataset
from tenor.leakcheck.dropped import (
    CERTAIN,
    LEAST_COLUMNS,
    MOST,
    ROBUST,
    STANDARD,
    TOGETHER,
    Dropped,
    precision,
    robust,
    standard,
)
from tenor.leakcheck.report import LeakFinding
from tenor.schema import Bool, Float64

EXACT = 1e-5
"""Tolerance of the moments (0 and 1) of a scaled column that was written with four digits or more."""
CENTRED = 1e-10
"""Tolerance of the mean of a centred column in full precision, in standard deviations."""
EPSILON = 0.1
"""Most relative shrinkage of a column by a small constant added to the denominator."""
LEAST_RANGE = 250
"""With fewer rows, a bounded indicator may reach each end of its range once by chance."""
LEAST_VALUES = 50
"""A column with fewer rows, or fewer different values, is not tested."""
SHORT = 0.05
"""Share of the range: an end was not set by the training rows if they stay at least this far away from it."""
MOST_STANDARDISED = 0.75
"""Of the columns that look standardised, this share must agree with dropped rows for a finding on them together."""
_LONG = 700  # from this many on, evenly spaced ranks are recognised even if some rows are missing
_ENDS = "its least value at"
_GREATEST = "its greatest magnitude at 1"
_FAR = 1e4  # larger values do not come from scaling


class _Scope(NamedTuple):
    """Rows that a scaler may have been fitted on together.

    Attributes
    ----------
    text
        The scope in words.
    groups
        For each fitted scaler, the rows of each symbol in it.
    """

    text: str
    groups: Sequence[Sequence[slice]]


def scaled_on_all(table: Dataset, horizon: int) -> list[LeakFinding]:
    """A finding for each column that was scaled on all rows together, or on all rows of each symbol.

    If the training rows are known, they must not have the same exact scaling by themselves.
    """
    findings = []
    ends: dict[str, set[str]] = {}  # by form, the columns with a finding
    unsure: dict[str, tuple[_Scope, Dropped]] = {}
    looks: list[str] = []
    for name in _tested(table):
        values = table.numbers(name)
        if few(values) or _within_dates(table, values):
            continue
        scopes = _scopes(table, values)
        form = next(((scope, form) for scope in scopes if (form := _exact(table, values, scope))), None)
        if form is not None and table.train is None and form[1].startswith((_ENDS, _GREATEST)):
            continue  # see `undecided`
        if form is not None:
            findings += _finding(table, name, values, *form)
            ends.setdefault(form[1], set()).add(name)
            continue
        if _looks_standardised(values):
            looks.append(name)
        best = _dropped(table, values, scopes, max(MOST, horizon))
        if best is None:
            continue
        if best[1].chance <= CERTAIN:
            findings.append(_dropped_finding(table, name, values, *best))
        unsure[name] = best
    findings += _scaled_alike(table, ends)
    sure = {finding.where for finding in findings}
    for name in _together(unsure, looks):
        if f"column {name!r}" not in sure:
            findings.append(_dropped_finding(table, name, table.numbers(name), *unsure[name]))
    return findings


def _scaled_alike(table: Dataset, ends: Mapping[str, set[str]]) -> list[LeakFinding]:
    """A finding for each column with the same range as a column with a finding, if no training row reaches its ends.

    By itself, a bounded column may come near its ends in the training rows. If another column was scaled on all rows to
    the same range, this one was scaled with it. If training rows reach both ends, the scaler did no harm.
    """
    forms = [form for form in ends if form.startswith((_ENDS, _GREATEST))]
    if table.train is None or not forms:
        return []
    named = set().union(*ends.values())
    findings = []
    for name in _tested(table):
        values = table.numbers(name)
        if name in named or few(values) or _within_dates(table, values):
            continue
        for scope in _scopes(table, values):
            form = _exact(table, values, scope, short=0.0)
            if form in forms:
                other = min(ends[form])
                text = f"over {scope.text} it has {form}, as {other!r} has{_of_training(table, values)}"
                findings.append(LeakFinding("scaler_on_all_data", f"column {name!r}", text))
                break
    return findings


def _tested(table: Dataset) -> tuple[str, ...]:
    return (*table.features, *([table.target] if table.target else []))


def undecided(table: Dataset) -> list[str]:
    """Columns scaled to a range, if it is not known whether the scaler saw test rows: training rows are unknown.

    A range set by the training rows is also that of all rows if no test row leaves it.
    """
    if table.train is not None:
        return []
    return [
        name
        for name in _tested(table)
        if not few(values := table.numbers(name))
        and not _within_dates(table, values)
        and any(_exact(table, values, scope).startswith((_ENDS, _GREATEST)) for scope in _scopes(table, values))
    ]


def few(values: Float64) -> bool:
    """Whether there are too few rows, or distinct values, to test."""
    known = values[np.isfinite(values)]
    return len(known) < LEAST_VALUES or len(np.unique(known)) < LEAST_VALUES


def _scopes(table: Dataset, values: Float64) -> list[_Scope]:
    groups = [rows for _, rows in table.by_symbol() if not few(values[rows])]
    scopes = [_Scope(f"all {len(values)} rows", [[rows for _, rows in table.by_symbol()]])]
    if len(groups) > 1:
        scopes.append(_Scope(f"all rows of each of {len(groups)} symbols", [[rows] for rows in groups]))
    return scopes


def _rows(group: Sequence[slice]) -> slice:
    return slice(group[0].start, group[-1].stop)


def _exact(table: Dataset, values: Float64, scope: _Scope, *, short: float = SHORT) -> str:
    """The exact scaling that the scope's rows have and the training rows do not have; empty if there is none.

    `short` is the share of the range by which training rows must stay away from an end.
    """
    slices = [_rows(group) for group in scope.groups]
    forms = {_form(values[rows]) for rows in slices}
    form = forms.pop() if len(forms) == 1 else ""
    if not form:
        return ""
    train = table.train
    if form.startswith((_ENDS, _GREATEST)) and not all(
        _beyond(values[rows], None if train is None else train[rows], one_end=form.startswith(_GREATEST), least=short)
        for rows in slices
    ):
        return ""
    if train is not None and all(
        _form(values[rows][train[rows]], ends_from=LEAST_VALUES, ranks=2) == form for rows in slices
    ):
        return ""
    return form


def _finding(table: Dataset, name: str, values: Float64, scope: _Scope, form: str) -> list[LeakFinding]:
    text = f"over {scope.text} it has {form}{_of_training(table, values)}"
    return [LeakFinding("scaler_on_all_data", f"column {name!r}", text)]


def _dropped_finding(table: Dataset, name: str, values: Float64, scope: _Scope, dropped: Dropped) -> LeakFinding:
    rows = "1 row that was" if dropped.rows == 1 else f"{dropped.rows} rows that were"
    text = (
        f"over {scope.text} and {rows} dropped at the end after scaling it has {dropped.form}"
        f"{_of_training(table, values)}"
    )
    return LeakFinding("scaler_on_all_data", f"column {name!r}", text)


def _of_training(table: Dataset, values: Float64) -> str:
    train = table.train
    if train is None:
        return "; if some of them are test rows, the scaler was fitted on them as well"
    part = values[train]
    return (
        f", over the {int(train.sum())} training rows mean {np.nanmean(part):.3g}, "
        f"standard deviation {np.nanstd(part):.3g}, range {np.nanmin(part):.3g} to {np.nanmax(part):.3g}"
    )


def _dropped(table: Dataset, values: Float64, scopes: Sequence[_Scope], most: int) -> tuple[_Scope, Dropped] | None:
    """The scaling of a scope's rows with some rows at the end added back: the one that is least likely by chance."""
    train = table.train
    best: tuple[_Scope, Dropped] | None = None
    for scope in scopes:
        # quartiles of training rows are values of the column; quartiles of other rows may be equal by chance
        for test in (standard, robust) if train is not None else (standard,):
            results, by_training = [], True
            for group in scope.groups:
                parts = [part for rows in group if len(part := _known(values[rows])) > LEAST_VALUES]
                if not parts or max(np.abs(part).max() for part in parts) > _FAR:
                    break
                result = test(parts, most)
                if result is None:
                    break
                results.append(result)
                if train is not None:
                    inside = [p for rows in group if len(p := _known(values[rows][train[rows]])) > LEAST_VALUES]
                    # rows of a correct scaler may have been dropped between the parts
                    own = test(inside, most) if inside else None
                    whole = _form(np.concatenate(inside)) if inside else ""
                    by_training = by_training and (
                        whole == result.form or (own is not None and own.chance <= max(result.chance, CERTAIN))
                    )
                else:
                    by_training = False
            if len(results) < len(scope.groups) or by_training:
                continue
            joint = Dropped(
                results[0].form, sum(each.rows for each in results), math.prod(each.chance for each in results)
            )
            if best is None or joint.chance < best[1].chance:
                best = scope, joint
    return best


def _together(unsure: Mapping[str, tuple[_Scope, Dropped]], looks: Sequence[str]) -> list[str]:
    """The columns that agree with dropped rows, if nearly all columns that look standardised do."""
    agreeing = [name for name in looks if name in unsure and unsure[name][1].form == STANDARD]
    if len(agreeing) < max(LEAST_COLUMNS, MOST_STANDARDISED * len(looks)):
        return []
    return agreeing if math.prod(unsure[name][1].chance for name in agreeing) <= TOGETHER else []


def _looks_standardised(values: Float64) -> bool:
    known = _known(values)
    return bool(abs(known.mean()) < 0.5 and 0.5 < known.std() < 2)


def _known(values: Float64) -> Float64:
    known: Float64 = values[np.isfinite(values)]
    return known


def _form(values: Float64, *, ends_from: int = LEAST_RANGE, ranks: int = 7) -> str:
    """The exact scaling of `values` in words; empty if there is none."""
    known = _known(values)
    if len(known) < LEAST_VALUES or np.abs(known).max() > _FAR:
        return ""
    digits = precision(known)
    full = digits < 1e-8
    mean, spread = float(known.mean()), float(known.std())
    if abs(mean) < EXACT and min(abs(spread - 1), abs(known.std(ddof=1) - 1)) < EXACT:
        return STANDARD
    # a small constant added to the denominator makes the standard deviation less than 1, and the mean stays 0
    if full and abs(mean) < CENTRED and 1 - EPSILON < spread < 1:
        return STANDARD
    # ranks divided by their number: evenly spaced, and nearly so if some rows are missing
    spaced = np.arange(1, len(known) + 1) / len(known)
    if np.abs(np.sort(known) - spaced).max() < (ranks if len(known) >= _LONG else 2) / len(known):
        return "ranks from 0 to 1, evenly spaced"
    quarter, middle, three = np.quantile(known, [0.25, 0.5, 0.75])
    apart = three - quarter
    if abs(middle) < EXACT and abs(apart - 1) < EXACT:
        return ROBUST
    if full and abs(middle) < CENTRED and 1 - 10 * EXACT < apart < 1:
        return ROBUST
    if len(known) < ends_from or len(np.unique(known)) < len(known) / 2:  # a ratio of small counts reaches its ends
        return ""
    return _ends(known, full=full)


def _ends(known: Float64, *, full: bool) -> str:
    """Ends of the range as a scaler sets them, with one row at each; a clipped or bounded column has many rows there.

    The upper end may be slightly lower because of a small constant in the denominator.
    """
    low, high = float(known.min()), float(known.max())
    lowest, highest = int((known == low).sum()), int((known == high).sum())
    span = high - low
    if max(lowest, highest) <= 2:
        if abs(high - 1) < 1e-9 and min(abs(low), abs(low + 1)) < 1e-9:
            return f"{_ENDS} {low:.0f} and its greatest at 1"
        if full:
            bottom = _round(low)
            top = _round(high, (0.01 if bottom in (-1, 0) and 0.95 < high <= 1 else 1e-6) * span)
            # values clipped at a number of standard deviations on both sides are not scaled to that range
            cut = bottom is not None and bottom <= -2 and bottom == -(top or 0.0)
            exact = bottom is not None and abs(low - bottom) <= 1e-12 * max(1.0, abs(low))
            if exact and top is not None and not cut:
                return f"{_ENDS} {bottom:g} and its greatest at {top:g}"
    greatest = float(np.abs(known).max())
    at = np.flatnonzero(np.abs(known) == greatest)
    if full and len(at) <= 2 and 0 not in at and abs(greatest - 1) < EXACT:  # the first row of a relative price is 1
        return _GREATEST
    return ""


def _round(value: float, within: float = 1e-12) -> float | None:
    """The usual end of a scaled range that `value` equals, or is below by less than `within`; else None."""
    for step in (1.0, 0.1, 0.05):
        if step == 1.0 or abs(value) <= 1 + within:
            nearest = math.ceil(value / step - 1e-9) * step
            if 0 <= nearest - value + 1e-12 <= within + 1e-12 and abs(nearest) <= 1000:
                return round(nearest, 2) + 0.0
    return None


def _beyond(values: Float64, train: Bool | None, *, one_end: bool = False, least: float = SHORT) -> bool:
    """Whether the ends can't be explained by a column that is bounded itself, such as an oscillator.

    The training rows stay far from an end that the scaler set; or, if they are not known, few rows come near it.
    """
    known = np.isfinite(values)
    low, high = values[known].min(), values[known].max()
    span = high - low
    upper = not one_end or high >= -low
    lower = not one_end or high < -low
    if train is not None:
        part = values[known & train]
        short = max((part.min() - low) * lower, (high - part.max()) * upper) if len(part) else 0.0
        return len(part) > 0 and short > least * span
    near = np.minimum(
        values[known] - low if lower else np.inf,
        high - values[known] if upper else np.inf,
    )
    return float((near < 0.02 * span).mean()) < 0.03


def _within_dates(table: Dataset, values: Float64) -> bool:
    """Whether the column is scaled within each date, across symbols: no leak, but it gives exact moments overall."""
    known: Bool = np.isfinite(values)
    days, counts = np.unique(table.dates.to_numpy()[known], return_inverse=True)
    size = np.bincount(counts)
    if len(days) == 0 or np.median(size) < 3:
        return False
    mean = np.bincount(counts, values[known]) / size
    return float((np.abs(mean - np.median(mean)) < 1e-4).mean()) > 0.9
