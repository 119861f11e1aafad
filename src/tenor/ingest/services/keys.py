"""Keys of services, which are read from the environment once and never shown."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from tenor.errors import SourceError
from tenor.ingest.services.catalogue import key_variables


@dataclass(frozen=True)
class SourceKeys:
    """Keys by their environment variable. Neither `repr` nor an error shows one."""

    _values: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> SourceKeys:
        """The keys in `environment` that any source uses (`key_variables`)."""
        values = {variable: environment.get(variable, "").strip() for variable in key_variables()}
        return cls({variable: value for variable, value in values.items() if value})

    def __contains__(self, variable: str) -> bool:
        return variable in self._values

    def get(self, variable: str, source: str, what: str = "a key") -> str:
        """The key in `variable`; raises SourceError (``refused``) if it is not set."""
        if variable not in self._values:
            raise SourceError(f"{source} needs {what}: set the environment variable {variable}.", kind="refused")
        return self._values[variable]

    def hidden(self, text: str) -> str:
        """`text` with every key in it replaced by ``***``."""
        for value in self._values.values():
            text = text.replace(value, "***")
        return text


class HideKeys(logging.Filter):
    """Removes the keys from the HTTP client's log records."""

    def __init__(self, keys: SourceKeys) -> None:
        super().__init__()
        self._keys = keys

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every record, with the keys removed from it."""
        record.msg, record.args = self._keys.hidden(record.getMessage()), ()
        return True
