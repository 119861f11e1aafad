"""How the network is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tenor.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Sequence training with Adam (see ``docs/decisions/0004-sequence-training.md``).

    Attributes
    ----------
    seeds : one network each; the forecast is their mean.
    epochs : passes over the training part at most.
    patience : epochs without a better validation loss after which a seed stops.
    learning_rate, weight_decay : Adam's, the decay decoupled from the gradient.
    clip_norm : the gradient's norm is clipped here.
    segment : sessions of one symbol that are predicted in one run.
    burn_in : sessions run before them, which no loss is taken on.
    segments_per_step : segments in a batch.
    direction_weight : weight of the direction's cross-entropy beside the return's squared error; 0 leaves it out.
    target_clip : targets (returns in units of their volatility) are clipped here, in training alone.

    Raises
    ------
    ConfigError : a value is out of its range, or a seed is named twice.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: int = 30
    patience: int = 5
    learning_rate: float = 5e-4
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    segment: int = 120
    burn_in: int = 30
    segments_per_step: int = 64
    direction_weight: float = 0.5
    target_clip: float = 4.0

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or not all(0 <= s < 2**63 for s in self.seeds):
            raise ConfigError(
                f"config key 'training.seeds' is {list(self.seeds)}; name at least one whole number >= 0, each once."
            )
        for key, least in (("epochs", 1), ("patience", 1), ("segment", 1), ("burn_in", 0), ("segments_per_step", 1)):
            value = getattr(self, key)
            if not (isinstance(value, int) and value >= least):
                raise ConfigError(f"config key 'training.{key}' is {value!r}; it must be a whole number >= {least}.")
        for key in ("learning_rate", "clip_norm", "target_clip"):
            value = getattr(self, key)
            if not 0 < value < math.inf:
                raise ConfigError(f"config key 'training.{key}' is {value!r}; it must be above 0.")
        for key in ("weight_decay", "direction_weight"):
            value = getattr(self, key)
            if not 0 <= value < math.inf:
                raise ConfigError(f"config key 'training.{key}' is {value!r}; it must be at least 0.")
