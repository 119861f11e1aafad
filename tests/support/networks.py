"""Networks as a user writes them, in files."""

from __future__ import annotations

from pathlib import Path

from tenor.config import ModelConfig

HEADER = """import torch
from torch import nn
from torch.nn import functional


class Net(nn.Module):
"""
INIT = """    def __init__(self, config, n_features, n_horizons):
        super().__init__()
        self.width = n_horizons
        self.inputs = nn.Linear(n_features, 6)
        self.lstm = nn.LSTM(6, 6, batch_first=True)
        self.out = nn.Linear(6, 3 * n_horizons)

"""
FORWARD = """    def forward(self, x):
        h = torch.tanh(self.inputs(x))
        h, _ = self.lstm(h)
        risk, mean, up = self.out(h).chunk(3, dim=-1)
        return {"log_variance": risk, "mean": mean, "up_logit": up}
"""
WHOLE = HEADER + INIT + FORWARD
"""A network that can be used."""


def written(folder: Path, text: str = WHOLE, name: str = "mine.py") -> str:
    """Write `text` and return what names its class in ``model.network``."""
    (folder / name).write_text(text, encoding="utf-8")
    return f"{folder / name}:Net"


def own(folder: Path, text: str = WHOLE, **keys: object) -> ModelConfig:
    """The config of a network with `text`."""
    return ModelConfig(**{"lookback": 8, "network": written(folder, text), **keys})


def changed(*changes: tuple[str, str]) -> str:
    """`WHOLE` with each first text replaced by the second; the first must be in it."""
    text = WHOLE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text
