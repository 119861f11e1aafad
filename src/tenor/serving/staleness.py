"""How stale the published forecasts are, judged by the clock and the closes published with them, without a calendar."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from tenor.lateness import behind_reason, grace_of
from tenor.serving.published import SKEW, Index, SymbolEntry
from tenor.serving.schemas import Staleness

LATE = 3
"""Up to this many sessions behind, bars count as late; with more, fetching seems to have stopped."""


def staleness(index: Index, entry: SymbolEntry | None, now: float, problems: Sequence[str] = ()) -> Staleness:
    """How stale a forecast is.

    Parameters
    ----------
    index
        The index of published forecasts.
    entry
        The entry of the forecast; None for the freshest one of the index.
    now
        Unix time.
    problems
        Reasons why newer forecasts than in `index` may have been published, such as a failed read; each is a reason for
        staleness.
    """
    freshest = entry or max(index.entries.values(), key=lambda other: other.rank(now), default=None)
    if freshest is None:
        return Staleness(stale=True, sessions_behind=0, reasons=("nothing is published", *problems))
    published = freshest.published_at
    # an index published later than this entry has later closes, including all after the entry
    closes: Sequence[float] = index.head.get("closes", ())
    since = bisect_right(closes, now) - bisect_right(closes, published)
    grace = grace_of(index.head.get("calendar", ""))
    late = bisect_right(closes, now - grace) - bisect_right(closes, published)
    reasons = []
    if freshest.behind + late > 0:
        count = freshest.behind + max(since, 0)
        reasons.append(behind_reason(freshest.session, count))
    if closes and now - grace > closes[-1]:
        reasons.append("the last refresh is so old that the closes published with it have all passed")
    if now < published - SKEW:
        reasons.append("the forecasts were published in the future: a clock is wrong, here or at the refresh")
    if freshest.model_version != index.head.get("model_version", freshest.model_version):
        reasons.append(f"made by the model {freshest.model_version}, which is no longer the one in use")
    reasons += index.head.get("notes", ())
    reasons += problems
    replay = bool(index.head.get("replay", False))
    return Staleness(bool(reasons), freshest.behind + max(since, 0), tuple(dict.fromkeys(reasons)), replay)


def due(index: Index | None, now: float, *, delay: float) -> bool:
    """Whether a refresh is due: a session closed at least `delay` seconds ago, and no forecast uses its bar yet.

    Parameters
    ----------
    index
        The index of published forecasts, or None.
    now
        Unix time.
    delay
        Seconds after a close until its bars are available.
    """
    if index is None or not index.entries:
        return True
    published = float(index.head["published_at"])
    closes: Sequence[float] = index.head.get("closes", ())
    if closes and now > closes[-1]:
        return True  # all the closes published with it have passed
    freshest = max(index.entries.values(), key=lambda other: other.rank(now))
    if 0 < freshest.behind <= LATE and now - published >= delay:
        return True  # the last refresh ran before the bars were available
    # for a model that forecasts before the open: the news of the night is complete
    cut_offs: Sequence[float] = index.head.get("cut_offs", ())
    return any(published < close + delay <= now for close in closes) or any(published < c <= now for c in cut_offs)
