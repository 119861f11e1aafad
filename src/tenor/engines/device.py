"""The processor that networks are trained on: the CPU cores of this machine, or a CUDA card that PyTorch can use."""

from __future__ import annotations

import warnings
from typing import Literal

import torch

from tenor.errors import ConfigError

Device = Literal["cpu", "cuda"]


def device_of(setting: str, key: str, *, worth: bool = True) -> Device:
    """The device that the value `setting` of the config key `key` selects on this machine.

    Parameters
    ----------
    setting
        ``cpu``; ``cuda``; or ``auto``, which is ``cuda`` if PyTorch sees a card and `worth` is True.
    key
        The config key, for the message.
    worth
        Whether there is enough work to be worth the start-up time of the card.

    Returns
    -------
    Device
        The device to train on.

    Raises
    ------
    ConfigError
        `setting` is ``cuda``, and PyTorch sees no card.
    """
    if setting == "cpu" or (setting == "auto" and not (worth and sees_card())):
        return "cpu"
    if not sees_card():
        raise ConfigError(
            f"config key '{key}' is 'cuda', and PyTorch {torch.__version__} sees no CUDA card here ({_why()}): take "
            "'auto' or 'cpu', or install PyTorch's build for CUDA and the card's driver."
        )
    return "cuda"


def sees_card() -> bool:
    """Whether PyTorch can use a CUDA card."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning about an old driver: the error on the setting reports it
        return bool(torch.cuda.is_available())


def card_name() -> str:
    """The product name of the card."""
    return str(torch.cuda.get_device_name())


def _why() -> str:
    if torch.version.cuda is None:
        return "this build of it is for the CPU"
    return f"it is built for CUDA {torch.version.cuda}; the machine has no card or no driver for it"
