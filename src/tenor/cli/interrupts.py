"""After Ctrl-C: what is kept, in one line."""

from __future__ import annotations

from collections.abc import Sequence

RESUMED = {
    "train": "finished epochs",
    "evaluate": "finished folds and networks",
    "ablate": "finished folds and networks",
    "tune": "finished fits",
    "benchmark": "finished networks",
    "fetch": "the symbols fetched so far",
    "import": "the files imported so far",
    "refresh": "scored texts; the forecasts published before stay",
    "upload": "the objects copied so far",
}
"""Verb -> what a run of it that was stopped leaves, and the next one goes on from."""


def interrupted(stop: BaseException) -> bool:
    """Whether the program ends because of Ctrl-C."""
    cause: BaseException | None = stop
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def what_stays(words: Sequence[str]) -> str:
    """What the command line `words` leaves, now that it was stopped."""
    verb = next((word for word in words if word in RESUMED), None)
    if verb is None:
        return "tenor: stopped; nothing half-written is left"
    return f"tenor: stopped; kept: {RESUMED[verb]}. The same command goes on from there"
