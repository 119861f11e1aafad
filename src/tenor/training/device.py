"""Whether a training runs on the CPU or on a graphics card. This is decided once, before keys are made of settings."""

from __future__ import annotations

from dataclasses import replace

from tenor.config import ModelConfig, TrainConfig
from tenor.engines import Engine
from tenor.engines.device import device_of
from tenor.errors import ConfigError

KEY = "training.device"
WORTH_STEPS = 5_000_000
"""The number of network steps from which starting a graphics card is worth it.

A step is one session of one symbol in one epoch of one network. With the default network this number takes about two
minutes on one core.
"""


def settled(training: TrainConfig, model: ModelConfig, engine: Engine, *, cells: int, networks: int) -> TrainConfig:
    """`training` with the actual ``device`` on this machine, ``cpu`` or ``cuda``, and its precision.

    Parameters
    ----------
    training, model
        Settings. With ``auto``, a user's own network is not trained on a card, because it is unknown how it behaves
        there; with ``cuda`` it is.
    engine
        Where tasks run; on other machines they train on the CPU.
    cells
        Number of sessions times symbols that a network is trained on.
    networks
        Number of seeds times folds.

    Raises
    ------
    ConfigError
        The device is ``cuda``, and there is no card, or the tasks run on other machines.
    """
    if not engine.shares_files:
        if training.device == "cuda":
            raise ConfigError(
                f"config key '{KEY}' is 'cuda', and the tasks run on a cluster, whose nodes train on their cores: take "
                "'cpu' or 'auto', or leave --engine out."
            )
        return replace(training, device="cpu", precision="float32")
    steps = cells * networks * training.epochs
    worth = not model.network and steps >= WORTH_STEPS
    device = device_of(training.device, KEY, worth=worth)
    # on the CPU there is only one precision, that of a training that asks for none
    precision = training.precision if device == "cuda" and not model.network else "float32"
    return replace(training, device=device, precision=precision)
