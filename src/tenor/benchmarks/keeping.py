"""Seeds that were trained before, kept on disk: a benchmark that was killed goes on with those it had not finished."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tenor.schema import Float32, Panel

FORMAT = 1


@dataclass(frozen=True)
class Kept:
    """One file a seed, ``<key>/<seed>.npz``; each appears whole or not at all.

    Attributes
    ----------
    folder
        Of one configuration on one data set.
    owner
        The process that began the run.
    """

    folder: Path
    owner: int

    def of(self, seed: int) -> tuple[Float32, tuple[float, ...]] | None:
        """The logits and validation curve of `seed`; None where they are not there or can't be read."""
        try:
            with np.load(self.folder / f"{seed}.npz", allow_pickle=False) as found:
                return found["logit"], tuple(map(float, found["curve"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, seed: int, logit: Float32, curve: Sequence[float]) -> None:
        """Write what `seed` says after each epoch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / f".{seed}.{os.getpid()}"
        with fresh.open("wb") as file:
            np.savez(file, logit=logit, curve=np.asarray(curve))
        fresh.replace(self.folder / f"{seed}.npz")

    def orphaned(self) -> bool:
        """Whether this is a process that trains for an owner that is no more."""
        return os.getpid() != self.owner and os.getppid() != self.owner


def kept_in(root: Path, panel: Panel, label: Float32, parts: Sequence[slice], settings: dict[str, Any]) -> Kept:
    """Where the seeds of `settings` on this very data are kept; other data, parts or versions never meet them."""
    digest = hashlib.sha256()
    for array in (panel.values, panel.mask, panel.targets, panel.volatility, label):
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    about = {
        "format": FORMAT,
        "versions": [version("tenor"), torch.__version__],
        "parts": [[part.start, part.stop] for part in parts],
        "settings": settings,
        "data": digest.hexdigest(),
    }
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
    return Kept(root / name, os.getpid())
