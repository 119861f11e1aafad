"""Was a column scaled with all rows, those of the test among them? Its moments give it away to many digits."""

from __future__ import annotations

import numpy as np

from tenor.leakcheck.columns import Table
from tenor.leakcheck.report import Finding
from tenor.schema import Bool, Float64

EXACT = 1e-5
"""How near to 0 and 1 the moments of a scaled column come, when it was written with four digits or more."""
LEAST_RANGE = 250
"""Rows below which a bounded indicator may touch its ends once each by itself."""
_ENDS = "its least value at"
_FAR = 1e4
LEAST = 50
"""Fewer rows, or fewer different values, say nothing."""


def scaled_on_all(table: Table, name: str) -> list[Finding]:
    """A finding if all rows together (or all rows of each symbol) are scaled exactly and the training rows are not."""
    values = table.numbers(name)
    if _few(values) or _within_dates(table, values):
        return []
    groups = [rows for _, rows in table.by_symbol() if not _few(values[rows])]
    scopes = {f"all {len(values)} rows": [slice(0, len(values))]}
    if len(groups) > 1:
        scopes[f"all rows of each of {len(groups)} symbols"] = groups
    for scope, slices in scopes.items():
        forms = {_form(values[rows]) for rows in slices}
        form = forms.pop() if len(forms) == 1 else ""
        if not form:
            continue
        train = table.train
        if form.startswith(_ENDS) and not all(
            _beyond(values[rows], None if train is None else train[rows]) for rows in slices
        ):
            continue
        if train is None:
            text = f"over {scope} it has {form}"
            return [Finding("scaler_on_all_data", f"column {name!r}", f"{text}; if some of them are for testing, they "
                            "took part")]  # fmt: skip
        if all(_form(values[rows][train[rows]], ends_from=LEAST) == form for rows in slices):
            continue
        part = values[train]
        text = (
            f"over {scope} it has {form}, over the {int(train.sum())} training rows mean {np.nanmean(part):.3g}, "
            f"standard deviation {np.nanstd(part):.3g}, range {np.nanmin(part):.3g} to {np.nanmax(part):.3g}"
        )
        return [Finding("scaler_on_all_data", f"column {name!r}", text)]
    return []


def _few(values: Float64) -> bool:
    known = values[np.isfinite(values)]
    return len(known) < LEAST or len(np.unique(known)) < LEAST


def _form(values: Float64, *, ends_from: int = LEAST_RANGE) -> str:
    """How `values` are scaled, exactly; empty if they are not."""
    known = values[np.isfinite(values)]
    if len(known) < LEAST or np.abs(known).max() > _FAR:
        return ""
    if abs(known.mean()) < EXACT and min(abs(known.std() - 1), abs(known.std(ddof=1) - 1)) < EXACT:
        return "mean 0 and standard deviation 1"
    ranks = np.arange(1, len(known) + 1) / len(known)
    if np.abs(np.sort(known) - ranks).max() < 2 / len(known):
        return "ranks from 0 to 1, evenly spaced"
    quarter, middle, three = np.quantile(known, [0.25, 0.5, 0.75])
    if abs(middle) < EXACT and abs(three - quarter - 1) < EXACT:
        return "median 0 and quartiles 1 apart"
    low, high = known.min(), known.max()
    if len(known) < ends_from or len(np.unique(known)) < len(known) / 2:  # a share of a few touches its ends
        return ""
    once = max((known == low).sum(), (known == high).sum()) <= 2
    if once and abs(high - 1) < 1e-9 and min(abs(low), abs(low + 1)) < 1e-9:
        return f"{_ENDS} {low:.0f} and its greatest at 1"
    return ""


def _beyond(values: Float64, train: Bool | None) -> bool:
    """True if the ends tell more than that the column is bounded, as an oscillator is.

    The training rows stop well short of one end; or, where they are not known, few rows come near either.
    """
    known = np.isfinite(values)
    low, high = values[known].min(), values[known].max()
    span = high - low
    if train is not None:
        part = values[known & train]
        return len(part) > 0 and max(part.min() - low, high - part.max()) > 0.05 * span
    return float((np.minimum(values[known] - low, high - values[known]) < 0.02 * span).mean()) < 0.03


def _within_dates(table: Table, values: Float64) -> bool:
    """True if the column is scaled within each date, across symbols: that is honest, and makes the whole even too."""
    known: Bool = np.isfinite(values)
    days, counts = np.unique(table.dates.to_numpy()[known], return_inverse=True)
    size = np.bincount(counts)
    if len(days) == 0 or np.median(size) < 3:
        return False
    mean = np.bincount(counts, values[known]) / size
    return float((np.abs(mean - np.median(mean)) < 1e-4).mean()) > 0.9
