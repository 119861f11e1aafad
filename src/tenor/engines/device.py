"""The processor that networks are trained on: this machine's cores, or a CUDA card that PyTorch sees."""

from __future__ import annotations

import warnings
from typing import Literal

import torch

from tenor.errors import ConfigError

Device = Literal["cpu", "cuda"]


def device_of(setting: str, key: str, *, worth: bool = True) -> Device:
    """What the setting `key` with the value `setting` means on this machine.

    Parameters
    ----------
    setting
        ``cpu``; ``cuda``; or ``auto``, which is ``cuda`` where PyTorch sees a card and the work is `worth` it.
    key
        For the message.
    worth
        Whether there is so much to do that the card's start pays.

    Raises
    ------
    ConfigError
        It is ``cuda``, and PyTorch sees no card.
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
        warnings.simplefilter("ignore")  # of a driver that is too old: the error that names the setting says it
        return bool(torch.cuda.is_available())


def card_name() -> str:
    """What the maker calls the card."""
    return str(torch.cuda.get_device_name())


def _why() -> str:
    if torch.version.cuda is None:
        return "this build of it is for the CPU"
    return f"it is built for CUDA {torch.version.cuda}; the machine has no card or no driver for it"
