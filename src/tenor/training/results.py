"""Scores of fits, kept on disk: each appears whole or not at all, so that a killed search goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCORED, FAILED = "scored", "failed"
MARKS = "candidates"


@dataclass(frozen=True)
class Results:
    """A folder of results, ``<key of the fit>/<key of what was scored>.json``.

    Attributes
    ----------
    folder
        Where they lie; made when the first is written.
    owner
        The process that began the search. Another process that trains for it ends when it is gone.
    """

    folder: Path
    owner: int

    def of(self, fit: str, name: str) -> dict[str, Any] | None:
        """The result `name` of `fit`; None where there is none that can be read."""
        try:
            found = json.loads((self.folder / fit / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def any_of(self, fit: str) -> bool:
        """Whether `fit` was trained and scored before."""
        return any((self.folder / fit).glob("[!.]*.json"))

    def keep(self, fit: str, name: str, result: Mapping[str, Any]) -> None:
        """Write `result`, in place of an earlier one."""
        folder = self.folder / fit
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f".{name}.{os.getpid()}"
        fresh.write_text(json.dumps(dict(result)), encoding="utf-8")
        fresh.replace(folder / f"{name}.json")

    def remember(self, config: Mapping[str, Any]) -> None:
        """Leave a mark that `config` was tried: who picks the best has to say of how many."""
        (self.folder / MARKS).mkdir(parents=True, exist_ok=True)
        plain = json.dumps(dict(config), sort_keys=True)
        (self.folder / MARKS / hashlib.sha256(plain.encode()).hexdigest()[:24]).touch()

    def orphaned(self) -> bool:
        """Whether this is a process that trains for an owner that is no more."""
        return os.getpid() != self.owner and os.getppid() != self.owner


def tried(folder: Path) -> int:
    """How many configurations were tried by all searches that kept their results in `folder`; 0 where none did."""
    return sum(1 for _ in (folder / MARKS).glob("[!.]*"))
