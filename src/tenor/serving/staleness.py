"""How stale is it? Told from what was written down when the board was published, and the clock: without a calendar."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from tenor.serving.published import SKEW, SymbolEntry, Index
from tenor.serving.schemas import Staleness

GRACE = 6 * 3600.0
"""Seconds after a close within which its bar, and a forecast from it, may still be on their way."""
GRACE_WITHIN = 2 * 3600.0
"""The same after the close of a bar within the day."""
LATE = 3
"""Sessions behind which bars are late; further behind, nobody brings any."""


def staleness(index: Index, entry: SymbolEntry | None, now: float, problems: Sequence[str] = ()) -> Staleness:
    """How stale `entry` is at the Unix time `now`; with None, the freshest entry of the board.

    Parameters
    ----------
    problems
        Why the board may be older than it should be (it can't be read, say); each is a reason.
    """
    freshest = entry or max(index.entries.values(), key=lambda found: found.rank(now), default=None)
    if freshest is None:
        return Staleness(stale=True, sessions_behind=0, reasons=("the board is empty", *problems))
    published = freshest.published_at
    # closes of a later index reach further, and hold all that came after this entry was published
    closes: Sequence[float] = index.head.get("closes", ())
    since = bisect_right(closes, now) - bisect_right(closes, published)
    grace = GRACE_WITHIN if "@" in index.head.get("calendar", "") else GRACE
    late = bisect_right(closes, now - grace) - bisect_right(closes, published)
    reasons = []
    if freshest.behind + late > 0:
        count = freshest.behind + max(since, 0)
        reasons.append(f"the last session seen is {freshest.session}: {count:,} sessions have closed since")
    if closes and now - grace > closes[-1]:
        reasons.append("nothing was refreshed for longer than the board knows the exchange's calendar")
    if now < published - SKEW:
        reasons.append("the board was published in the future: a clock is wrong, here or where it was refreshed")
    if freshest.model_version != index.head.get("model_version", freshest.model_version):
        reasons.append(f"made by the model {freshest.model_version}, which is no longer the one in use")
    reasons += index.head.get("notes", ())
    reasons += problems
    return Staleness(bool(reasons), freshest.behind + max(since, 0), tuple(dict.fromkeys(reasons)))


def due(index: Index | None, now: float, *, delay: float) -> bool:
    """Whether a session has closed, `delay` seconds ago or more, that the board has not seen yet.

    Parameters
    ----------
    delay
        How long after a close its bars can be had.
    """
    if index is None or not index.entries:
        return True
    published = float(index.head["published_at"])
    closes: Sequence[float] = index.head.get("closes", ())
    if closes and now > closes[-1]:
        return True  # the board knows no closes any more
    freshest = max(index.entries.values(), key=lambda found: found.rank(now))
    if 0 < freshest.behind <= LATE and now - published >= delay:
        return True  # the refresh came before the bars did
    return any(published < close + delay <= now for close in closes)
