"""Checkpoints: the whole state of a seed in training, in one file that is written completely or not at all.

The file is in the safetensors format (networks, Adam's moments, random state), with the history as JSON in its header.
The name of its folder is a key of everything that the training depends on, so other settings or data never use it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from tenor.config import to_mapping
from tenor.storage.files import content_key, read_json, write_whole
from tenor.training.trainer import History, Task, Trainer

FILE = "state.safetensors"
FORMAT = 2
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def folder_name(task: Task, fingerprint: str) -> str:
    """The name of the folder of `task`, whose data has `fingerprint`; other seeds in the config do not change it."""
    return content_key(
        {
            "format": FORMAT,
            "torch": torch.__version__,
            "data": fingerprint,
            "rows": [task.train.start, task.train.stop, task.valid.start, task.valid.stop],
            "model": to_mapping(task.model),
            "training": {**to_mapping(task.training), "seeds": [task.seed]},
        }
    )


def save(folder: Path, trainer: Trainer) -> None:
    """Write the state of `trainer`, between two epochs, in place of the previous one."""
    tensors: dict[str, Tensor] = {"random": torch.get_rng_state()}
    for name, value in trainer.net.state_dict().items():
        tensors[f"net.{name}"] = value.clone()  # layers of a user's network may share a tensor
    for name, value in trainer.best.items():
        tensors[f"best.{name}"] = value
    for name, parameter in trainer.net.named_parameters():
        # Adam has no moments for a parameter of a user's network that is frozen or not used
        for moment, value in trainer.optimiser.state.get(parameter, {}).items():
            tensors[f"adam.{moment}.{name}"] = value
    # the history is in the header, so that progress can be reported without reading the tensors
    write_whole(folder / FILE, to_bytes(tensors, metadata={"history": json.dumps(asdict(trainer.history))}))


def restore(folder: Path, trainer: Trainer) -> bool:
    """Give a new `trainer` the state saved in `folder`; returns False if there is none that can be read."""
    try:
        with safe_open(folder / FILE, framework="pt") as file:
            history = _history(file.metadata())
            # copies, because the memory of a mapped file may be gone once it is closed
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError):
        return False
    names = list(trainer.net.state_dict())
    trainer.net.load_state_dict({name: tensors[f"net.{name}"] for name in names})
    trainer.best = {name: tensors[f"best.{name}"] for name in names}
    for name, parameter in trainer.net.named_parameters():
        if f"adam.{MOMENTS[0]}.{name}" in tensors:
            moments = {moment: tensors[f"adam.{moment}.{name}"].to(parameter.device) for moment in MOMENTS}
            trainer.optimiser.state[parameter] = moments
    trainer.history = history
    torch.set_rng_state(tensors["random"])
    return True


def saved_bytes(folder: Path) -> bytes:
    """The checkpoint in `folder` as bytes, to continue on another machine; empty if there is none."""
    try:
        return (folder / FILE).read_bytes()
    except OSError:
        return b""


def save_bytes(folder: Path, state: bytes) -> None:
    """Write a checkpoint that `saved_bytes` returned on another machine."""
    write_whole(folder / FILE, state)


def saved_history(folder: Path) -> History:
    """The history saved in `folder`; an empty one if there is none yet."""
    try:
        with safe_open(folder / FILE, framework="pt") as file:
            return _history(file.metadata())
    except (OSError, SafetensorError):
        return History()


def _history(metadata: dict[str, str]) -> History:
    return History(**read_json(metadata["history"]))
