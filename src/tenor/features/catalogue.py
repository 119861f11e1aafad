"""All features, as declared beside the code that computes them; ``docs/features.md`` is written from this list."""

from __future__ import annotations

from collections.abc import Sequence

from tenor.errors import ConfigError, did_you_mean
from tenor.features.context import context_feature
from tenor.features.feature import Feature
from tenor.features.indicators import VOLATILITY_WARMUP, indicator
from tenor.features.kinds import TEMPLATES
from tenor.features.schedule import schedule_feature
from tenor.features.sentiment import SENTIMENT_FEATURES

FEATURES: tuple[Feature, ...] = (
    *indicator.features,
    *context_feature.features,
    *schedule_feature.features,
    *SENTIMENT_FEATURES,
)
"""All features in the panel's order."""

SENTIMENT = "sentiment"
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(f.group for f in FEATURES if f.group != SENTIMENT))
"""The groups that ``features.groups`` takes; sentiment has its own switch, ``features.sentiment``."""


def check_groups(groups: Sequence[str]) -> None:
    """Raise ConfigError for an unknown group; similar names are suggested."""
    for group in groups:
        if group == SENTIMENT:
            raise ConfigError(
                "features.groups does not take 'sentiment': sentiment features are switched by features.sentiment."
            )
        if group not in GROUPS:
            hint = did_you_mean(group, GROUPS) or f" Known: {', '.join(GROUPS)}."
            raise ConfigError(f"unknown feature group {group!r} in features.groups.{hint}")


def feature_names(groups: Sequence[str]) -> tuple[str, ...]:
    """The names of all features of `groups`, in the catalogue's order, whatever the order of `groups`."""
    return tuple(f.name for f in FEATURES if f.group in groups)


def warmup(groups: Sequence[str]) -> int:
    """How many bars of a symbol must precede its first known cell if `groups` are chosen."""
    return max([VOLATILITY_WARMUP, *(f.warmup for f in FEATURES if f.group in groups)])


def markdown() -> str:
    """The catalogue as the table of ``docs/features.md``."""
    rows = [("feature", "group", "formula", "source", "warm-up"), ("---",) * 5]
    rows += [(f"`{f.name}`", f.group, f.formula, f.source, str(f.warmup)) for f in (*FEATURES, *TEMPLATES)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
