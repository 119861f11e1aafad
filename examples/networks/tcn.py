"""A temporal convolutional network: dilated convolutions that are padded on the left alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

import tenor


class TCN(nn.Module):
    """`levels` convolutions of width 3, each reaching twice as far back: five of them see the last 63 sessions."""

    def __init__(
        self, config: tenor.ModelConfig, n_features: int, n_horizons: int, channels: int = 48, levels: int = 5
    ) -> None:
        super().__init__()
        self.inputs = nn.Linear(n_features, channels)
        self.convolutions = nn.ModuleList(nn.Conv1d(channels, channels, 3, dilation=2**i) for i in range(levels))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(levels))  # BatchNorm would mix symbols
        self.dropout = nn.Dropout(config.dropout)
        self.heads = nn.Linear(channels, 3 * n_horizons)
        nn.init.zeros_(self.heads.weight)  # training starts at the forecasts that are hard to beat
        nn.init.zeros_(self.heads.bias)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """From [batch, time, features] to heads [batch, time, horizons]."""
        states = torch.tanh(self.inputs(x))  # [batch, time, channels]
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            past = functional.pad(norm(states).transpose(1, 2), (2 * 2**i, 0))  # zeros before, nothing after
            states = states + self.dropout(functional.relu(convolution(past).transpose(1, 2)))
        risk, mean, up = self.heads(states).chunk(3, dim=-1)
        return {"log_variance": risk + tenor.pooled_log_variance(x, 22), "mean": mean, "up_logit": up}
