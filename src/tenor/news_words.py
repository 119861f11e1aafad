"""The effect of news on a forecast of risk, in words. Needs only the standard library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

LEAST_EFFECT = 0.02
"""The smallest change of log variance that is mentioned: one per cent of the volatility."""
NAMES = {
    "any": "news of any kind",
    "earnings": "news about earnings",
    "analyst": "analysts' actions",
    "merger": "news about mergers",
    "product": "news about products",
    "legal": "news about law and regulators",
    "payout": "news about dividends and buybacks",
    "macro": "news about the economy",
    "management": "news about the management",
    "price": "talk of the price",
}


TOPICS = ("topic:", "topic_")
"""How topics begin among kinds of news, and among the features of news."""


def kind_name(kind: str) -> str:
    """The name of a kind of news, or of a topic, in a sentence: ``earnings`` becomes ``news about earnings``."""
    for beginning in TOPICS:
        if kind.startswith(beginning):
            return f"the topic {kind.removeprefix(beginning)}"
    return NAMES.get(kind, kind)


def news_sentence(drivers: Sequence[Mapping[str, Any]]) -> str:
    """One sentence on what news adds to the forecast volatility; empty if that is almost nothing.

    Parameters
    ----------
    drivers
        Effects of news on the log variance, as in `tenor.schema.Forecast.news`: ``kind, effect, count, level,
        since_spike``.

    Examples
    --------
    >>> news_sentence([{"kind": "earnings", "effect": 0.4, "count": 12, "level": 3.0, "since_spike": 0}])
    'News widens the range by 22 %: news about earnings (12 items, 4 times their level).'
    """
    total = sum(driver["effect"] for driver in drivers)
    if abs(total) < LEAST_EFFECT:
        return ""
    change = math.expm1(total / 2)
    same_side = [d for d in drivers if d["effect"] * total > 0 and abs(d["effect"]) >= LEAST_EFFECT / 2]
    largest = sorted(same_side, key=lambda driver: -abs(driver["effect"]))[:3]
    parts = "; ".join(_part(driver) for driver in largest)
    verb = "widens" if total > 0 else "narrows"
    return f"News {verb} the range by {abs(change):.0%}{': ' + parts if parts else ''}.".replace("%", " %")


def _part(driver: Mapping[str, Any]) -> str:
    count, level, since = driver["count"], driver["level"], driver["since_spike"]
    facts = [f"{count:.0f} item{'' if round(count) == 1 else 's'}"]
    if count and level >= 0.05:
        times = count / level
        facts.append(
            f"{times:.0f} times their level" if times >= 1.5 else "as usual" if times > 0.67 else "fewer than usual"
        )
    elif count:
        facts.append("where there are hardly any")
    if since and since <= 20:
        facts.append(f"{since} session{'' if since == 1 else 's'} after a spike")
    return f"{kind_name(str(driver['kind']))} ({', '.join(facts)})"
