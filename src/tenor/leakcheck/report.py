"""What a leak check hands back: findings, each under the name by which people know the leak, and what was checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

KINDS: dict[str, tuple[str, str]] = {
    "scaler_on_all_data": (
        "scaler (or another statistic) fitted on all data",
        "fit it on the training rows alone, or on a trailing or expanding window, and apply it to the rest",
    ),
    "centred_window": (
        "centred window, or another window that reaches ahead",
        "use trailing windows only: rolling(n) without center=True, no smoothing over the whole series",
    ),
    "future_value": (
        "a later session's value as an input",
        "shift it so that row t holds what was known at the close of t, or move it to the targets",
    ),
    "same_day_close": (
        "same-day close (or the target itself) as an input",
        "lag the column until it holds nothing from after the decision, or drop it",
    ),
    "back_fill": (
        "back-fill: gaps filled from later values",
        "fill forward from the last known value or leave the gap; drop warm-up rows instead of filling them",
    ),
    "news_after_close": (
        "news dated after the close",
        "give an item to the first session whose cut-off lies after its publication",
    ),
    "news_without_time": (
        "news with a day but no time",
        "take the time of publication from the source, or count such an item from the next session on",
    ),
    "shuffled_split": (
        "shuffled split: test rows lie between training rows in time",
        "split by date: all training sessions, a gap of at least the horizon, then the test sessions",
    ),
    "overlapping_targets": (
        "training targets that reach into the test",
        "drop at least `horizon` sessions between the parts (a purge)",
    ),
    "test_set_early_stopping": (
        "test-set early stopping",
        "stop, and choose anything else, on a validation part that ends before the test begins",
    ),
    "trained_on_test": (
        "the test's targets take part in training",
        "fit on the training rows alone",
    ),
    "survivorship": (
        "rows chosen by what came later (survivorship)",
        "choose symbols and sessions by what was known in that session",
    ),
    "future": (
        "depends on later sessions",
        "compute row t from rows up to t alone",
    ),
    "not_repeatable": (
        "not repeatable: two identical calls differ, so nothing can be said of the future",
        "fix its seeds, sort what it iterates over, and check again",
    ),
    "unresponsive": (
        "no input changed any output, so nothing was proved",
        "make sure that it computes from the frame that it is given, and not from a file or a cache",
    ),
    "raises": (
        "could not be checked: it raises",
        "make it work on any stretch of valid data",
    ),
}
"""Kind of finding -> its name in words, and what to do."""


@dataclass(frozen=True)
class Finding:
    """One leak, or one reason why nothing can be said.

    Attributes
    ----------
    kind
        A key of `KINDS`.
    where
        The column, part or function, and the session.
    evidence
        What was seen, with numbers.
    """

    kind: str
    where: str
    evidence: str

    @property
    def title(self) -> str:
        """The name of the leak in words."""
        return KINDS[self.kind][0]

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return KINDS[self.kind][1]

    def to_json(self) -> dict[str, str]:
        """A mapping of texts."""
        return {
            "kind": self.kind,
            "title": self.title,
            "where": self.where,
            "evidence": self.evidence,
            "remedy": self.remedy,
        }

    def describe(self) -> str:
        """One line: kind, place, evidence, remedy."""
        return f"{self.kind}: {self.where}: {self.evidence} [{self.title}] Remedy: {self.remedy}."


@dataclass(frozen=True)
class LeakReport:
    """What a check found.

    Attributes
    ----------
    findings
        Leaks, in the order of the columns.
    checked
        What was tried, one line each.
    notes
        What could not be tried, and why.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True if nothing was found. It means no more than that; see ``docs/leakcheck.md``."""
        return not self.findings

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds found, each once, sorted."""
        return tuple(sorted({finding.kind for finding in self.findings}))

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "ok": self.ok,
            "findings": [finding.to_json() for finding in self.findings],
            "checked": list(self.checked),
            "notes": list(self.notes),
        }

    def describe(self) -> str:
        """Lines for a terminal: the verdict, each finding, what was checked, what was not."""
        count = len(self.findings)
        verdict = "No leak found." if self.ok else f"{count} finding{'s' if count > 1 else ''}."
        lines = [verdict, *(f"- {finding.describe()}" for finding in self.findings)]
        lines += [f"checked: {line}" for line in self.checked]
        lines += [f"not checked: {line}" for line in self.notes]
        return "\n".join(lines)
