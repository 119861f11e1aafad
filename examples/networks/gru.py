"""A GRU over the features: one gated state a session, and a linear layer for each head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import tenor


class GRU(nn.Module):
    """`hidden` states over the features; the forecast of risk starts from the variance of the last month."""

    def __init__(
        self, config: tenor.ModelConfig, n_features: int, n_horizons: int, hidden: int = 64, month: int = 22
    ) -> None:
        super().__init__()
        self.month = month
        self.inputs = nn.Linear(n_features, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)  # reads in one direction: no session sees a later one
        self.dropout = nn.Dropout(config.dropout)
        self.risk = nn.Linear(hidden, n_horizons)
        self.mean = nn.Linear(hidden, n_horizons)
        self.up = nn.Linear(hidden, n_horizons)
        for head in (self.risk, self.mean, self.up):  # training starts at the forecasts that are hard to beat
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """From [batch, time, features] to heads [batch, time, horizons]."""
        states, _ = self.gru(torch.tanh(self.inputs(x)))  # [batch, time, hidden]
        states = self.dropout(states)
        return {
            "log_variance": self.risk(states) + tenor.pooled_log_variance(x, self.month),
            "mean": self.mean(states),
            "up_logit": self.up(states),
        }
