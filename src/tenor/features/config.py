"""What the panel is made of."""

from __future__ import annotations

from dataclasses import dataclass

from tenor.errors import ConfigError, did_you_mean
from tenor.features.catalogue import GROUPS


@dataclass(frozen=True)
class FeatureConfig:
    """The recipe of a panel.

    Attributes
    ----------
    groups : which features (see ``docs/features.md``); their order does not matter.
    sentiment : mood features as well, wherever a Mood is given.
    horizons : sessions ahead of each target; rising.
    calendar : the exchange whose sessions are the panel's, by its exchange_calendars name; with ``@1h`` or ``@15m``
        (``XNYS@1h``) their bars of that length are.

    Raises
    ------
    ConfigError : a group is unknown or named twice, or the horizons are not rising whole numbers from 1.
    """

    groups: tuple[str, ...] = ("returns", "trend", "momentum", "volatility", "volume", "context")
    sentiment: bool = True
    horizons: tuple[int, ...] = (1, 5)
    calendar: str = "XNYS"

    def __post_init__(self) -> None:
        for group in self.groups:
            if group == "mood":
                raise ConfigError(
                    "features.groups does not take 'mood': mood features are switched by features.sentiment."
                )
            if group not in GROUPS:
                hint = did_you_mean(group, GROUPS) or f" Known: {', '.join(GROUPS)}."
                raise ConfigError(f"unknown feature group {group!r} in features.groups.{hint}")
            if self.groups.count(group) > 1:
                raise ConfigError(f"features.groups names {group!r} twice: once is enough.")
        if not self.groups:
            raise ConfigError(f"features.groups is empty: name at least one of {', '.join(GROUPS)}.")
        if not self.horizons:
            raise ConfigError("features.horizons is empty: name at least one, (1,) is the next session.")
        if any(type(h) is not int or h < 1 for h in self.horizons):
            raise ConfigError(f"features.horizons is {self.horizons}: horizons are whole numbers of sessions from 1.")
        rising = tuple(sorted(set(self.horizons)))
        if self.horizons != rising:
            raise ConfigError(f"features.horizons is {self.horizons}: write them rising and once each, {rising}.")
