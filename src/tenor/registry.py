"""Trained models by version, and the pointer to the one in use, in a folder.

``<version>/`` holds what `Forecaster.save` wrote and never changes: a version is a hash of all that is in it.
``champion.json`` names the version that is taken when none is asked for.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from tenor.errors import ModelError, did_you_mean
from tenor.training import Forecaster


class Registry:
    """The model versions under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, forecaster: Forecaster) -> Path:
        """Save `forecaster` under its version, make it the champion, and return its folder."""
        folder = self.folder / forecaster.version
        if not folder.exists():
            forecaster.save(folder)
        self.promote(forecaster.version)
        return folder

    def promote(self, version: str) -> None:
        """Make `version` the champion."""
        self._require(version)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".champion-")
        with os.fdopen(handle, "w") as file:
            json.dump({"version": version}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self.folder / "champion.json")

    def versions(self) -> tuple[str, ...]:
        """All versions, the one saved first first."""
        saved = sorted(self.folder.glob("[!.]*/forecaster.json"), key=lambda path: path.stat().st_mtime_ns)
        return tuple(path.parent.name for path in saved)

    def champion(self) -> str:
        """The version in use; raises ModelError when nothing was trained yet."""
        pointer = self.folder / "champion.json"
        try:
            return str(json.loads(pointer.read_text())["version"])
        except FileNotFoundError:
            raise ModelError(f"no trained model under {str(self.folder)!r}: run 'tenor train' first.") from None
        except (ValueError, KeyError, TypeError):
            raise ModelError(f"{str(pointer)!r} is damaged: run 'tenor train' again to write it.") from None

    def load(self, version: str | None = None) -> Forecaster:
        """The forecaster of `version`, or the champion."""
        version = version or self.champion()
        self._require(version)
        return Forecaster.load(self.folder / version)

    def companion(self, forecaster: Forecaster, name: str) -> Path:
        """Where a model that `forecaster` is compared with is kept, so that it is trained once."""
        return self.folder / "companions" / f"{forecaster.version}-{name}"

    def _require(self, version: str) -> None:
        versions = self.versions()
        if version not in versions:
            hint = did_you_mean(version, versions) or f" Known: {', '.join(versions) or 'none'}."
            raise ModelError(f"no model version {version!r} under {str(self.folder)!r}.{hint}")
