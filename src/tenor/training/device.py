"""Whether a training runs on the cores or on a card: settled once, before anything is named by its settings."""

from __future__ import annotations

from dataclasses import replace

from tenor.config import ModelConfig, TrainConfig
from tenor.engines import Engine
from tenor.engines.device import device_of
from tenor.errors import ConfigError

KEY = "training.device"
WORTH_STEPS = 5_000_000
"""Network steps (a session of one symbol, in one epoch of one network) from which the start of a card is worth it:
about two minutes of a core, with the default network."""


def settled(training: TrainConfig, model: ModelConfig, engine: Engine, *, cells: int, networks: int) -> TrainConfig:
    """`training` with ``device`` as it is on this machine, ``cpu`` or ``cuda``, and its precision.

    Parameters
    ----------
    training, model
        A network of the user's goes to a card where that is asked for by ``cuda``, and not by ``auto``: it is unknown
        what it does there.
    engine
        Tasks on other machines train on their cores.
    cells
        Sessions times symbols that a network is trained on.
    networks
        Seeds times folds.

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
    # the cores know one precision: theirs is that of a training that asks for none
    precision = training.precision if device == "cuda" and not model.network else "float32"
    return replace(training, device=device, precision=precision)
