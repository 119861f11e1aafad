"""Trained models by version, and the pointer to the one in use, in a folder.

``<version>/`` holds what `Forecaster.save` wrote and never changes: a version is a hash of all that is in it.
``champion.json`` names the version that is taken when none is asked for.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from tenor.errors import ConfigError, ModelError, did_you_mean
from tenor.options import from_mapping, to_mapping
from tenor.sentiment.mood import MoodConfig
from tenor.training import Forecaster


class Registry:
    """The model versions under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, forecaster: Forecaster, mood: MoodConfig) -> Path:
        """Save `forecaster` under its version, make it the champion, and return its folder.

        `mood` is how the mood that it was trained with was made, so that it can be made again for a forecast.
        """
        folder = self.folder / forecaster.version
        if not folder.exists():
            forecaster.save(folder)
        self._write(folder / "mood.json", to_mapping(mood))
        self.promote(forecaster.version)
        return folder

    def promote(self, version: str) -> None:
        """Make `version` the champion."""
        self._require(version)
        self._write(self.folder / "champion.json", {"version": version})

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

    def mood(self, version: str) -> MoodConfig:
        """How the mood that `version` was trained with was made."""
        path = self.folder / version / "mood.json"
        try:
            return from_mapping(MoodConfig, json.loads(path.read_text()), "mood")
        except (OSError, ValueError, ConfigError) as error:
            raise ModelError(f"{str(path)!r} is missing or damaged ({error}): run 'tenor train' again.") from None

    def companion(self, forecaster: Forecaster, name: str) -> Path:
        """Where a model that `forecaster` is compared with is kept, so that it is trained once."""
        return self.folder / "companions" / f"{forecaster.version}-{name}"

    def _write(self, path: Path, value: dict[str, Any]) -> None:
        """Replace the JSON file `path` at once: a reader sees the old one or the new one, whole."""
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=f".{path.stem}-")
        with os.fdopen(handle, "w") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)

    def _require(self, version: str) -> None:
        versions = self.versions()
        if version not in versions:
            hint = did_you_mean(version, versions) or f" Known: {', '.join(versions) or 'none'}."
            raise ModelError(f"no model version {version!r} under {str(self.folder)!r}.{hint}")
