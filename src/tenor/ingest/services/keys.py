"""Keys of services: read from the environment once, and never shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tenor.errors import SourceError

VARIABLES = {
    "alphavantage": ("ALPHAVANTAGE_API_KEY",),
    "tiingo": ("TIINGO_API_KEY",),
    "finnhub": ("FINNHUB_API_KEY",),
    "reddit": ("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET"),
}
"""The environment's variables that a source needs (Reddit: may have)."""


@dataclass(frozen=True)
class Keys:
    """The keys that were found, by their variable; its text says which, never what they are."""

    _values: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Keys:
        """Those of `VARIABLES` that `environment` has."""
        names = [name for variables in VARIABLES.values() for name in variables]
        return cls({name: environment[name].strip() for name in names if environment.get(name, "").strip()})

    def __contains__(self, variable: str) -> bool:
        return variable in self._values

    def get(self, variable: str, source: str) -> str:
        """The key; raises SourceError (``refused``) where there is none."""
        if variable not in self._values:
            raise SourceError(f"{source} needs a key: set the environment's {variable}.", kind="refused")
        return self._values[variable]

    def hidden(self, text: str) -> str:
        """`text` with every key in it replaced by ``***``."""
        for value in self._values.values():
            text = text.replace(value, "***")
        return text
