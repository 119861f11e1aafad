"""The result of a leak check: findings, each under the usual name of the leak, and what was checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LEAK_KINDS: dict[str, tuple[str, str]] = {
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
        "the model is trained on the test's targets",
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
        "not repeatable: two identical calls differ, so whether it depends on the future can't be tested",
        "fix its seeds, sort what it iterates over, and check again",
    ),
    "unresponsive": (
        "no change of the inputs changed the output, so nothing was proved",
        "compute from the frame that is passed in, not from a file or a cache",
    ),
    "raises": (
        "could not be checked: it raises",
        "make it work on any stretch of valid data",
    ),
}
"""The name and the remedy of each kind of finding."""


@dataclass(frozen=True)
class LeakFinding:
    """One leak, or one reason why nothing can be concluded.

    Attributes
    ----------
    kind
        A key of `LEAK_KINDS`.
    where
        The column, part or function, and the session.
    evidence
        What was observed, with numbers.
    """

    kind: str
    where: str
    evidence: str

    @property
    def title(self) -> str:
        """The name of the leak in words."""
        return LEAK_KINDS[self.kind][0]

    @property
    def remedy(self) -> str:
        """How to remove the leak."""
        return LEAK_KINDS[self.kind][1]

    def to_json(self) -> dict[str, str]:
        """A mapping of strings."""
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
    """The result of a check.

    Attributes
    ----------
    findings
        Leaks, in the order of the columns.
    checked
        What was tested, one line per test.
    notes
        What could not be tested, and why.
    """

    findings: tuple[LeakFinding, ...]
    checked: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True if there are no findings. This does not prove that there are no leaks; see ``docs/leakcheck.md``."""
        return not self.findings

    @property
    def kinds(self) -> tuple[str, ...]:
        """The distinct kinds of the findings, sorted."""
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
        """Text for a terminal: the result, the findings, what was checked, and what was not."""
        count = len(self.findings)
        summary = "No leak found." if self.ok else f"{count} finding{'s' if count > 1 else ''}."
        lines = [summary, *(f"- {finding.describe()}" for finding in self.findings)]
        lines += [f"checked: {line}" for line in self.checked]
        lines += [f"not checked: {line}" for line in self.notes]
        return "\n".join(lines)
