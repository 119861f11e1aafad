"""When bars and forecasts count as late, and the sentences that say so. Needs the standard library alone."""

from __future__ import annotations

GRACE = 6 * 3600.0
"""Seconds after a close in which its bar, and a forecast from it, need not be there yet."""
GRACE_WITHIN = 2 * 3600.0
"""The same after the close of a bar within the day."""


def grace_of(calendar: str) -> float:
    """Seconds after a close of `calendar` in which its bar need not be there yet."""
    return GRACE_WITHIN if "@" in calendar else GRACE


def behind_reason(session: str, count: int) -> str:
    """Why a forecast is stale after `count` sessions that have closed since `session`, the last one it used."""
    have = "session has" if count == 1 else "sessions have"
    return f"the last session used is {session}: {count:,} {have} closed since"


def bars_behind(symbol: str, last: str, source: str, behind: int, calendar: str, expected: str) -> str:
    """One line about a symbol whose last bar, of the session `last`, is `behind` sessions older than `expected`."""
    return f"the last bar of {symbol} is of {last} (from {source}), {behind} sessions of {calendar} behind {expected}"


def refusal(why: str) -> str:
    """What is said of a symbol whose stale bars the settings refuse; `why` is from `bars_behind`."""
    return f"{why}: run 'tenor data fetch', or set sources.when_stale to say."
