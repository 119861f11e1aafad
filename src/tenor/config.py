"""Config: every setting of a run, composed from the dataclasses beside what they configure, and read from TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenor.errors import ConfigError
from tenor.features import FeatureConfig
from tenor.model import ModelConfig
from tenor.options import from_mapping
from tenor.sentiment.mood import MoodConfig
from tenor.sources.config import SourcesConfig
from tenor.training import SplitConfig, TrainConfig
from tenor.training.folds import FoldConfig


@dataclass(frozen=True)
class Config:
    """All settings of a run; ``symbols`` empty means all that the lake holds."""

    symbols: tuple[str, ...] = ()
    sources: SourcesConfig = field(default_factory=SourcesConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    mood: MoodConfig = field(default_factory=MoodConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    folds: FoldConfig = field(default_factory=FoldConfig)

    @classmethod
    def read(cls, path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
        """The config in the TOML file `path`, then each ``key=value`` of `overrides` (``model.hidden=64``).

        Raises
        ------
        ConfigError : no such file, not TOML, an unknown key (with the nearest known one), a value out of its range.
        """
        values = _read_toml(path) if path else {}
        for override in overrides:
            _apply(values, override)
        return from_mapping(cls, values)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no config file {str(path)!r}: check the path given to --config.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {str(path)!r} can't be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"config file {str(path)!r} is not TOML: {error}.") from None


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"override {override!r} is not KEY=VALUE, for example model.hidden=64.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word needs no quotes on a command line
    *tables, last = key.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ConfigError(f"override {override!r}: {table!r} is a value, not a table.")
    values[last] = value
