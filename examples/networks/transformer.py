"""A small causal transformer: every session attends to those of its last `window`, and to no later one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

import tenor


class Transformer(nn.Module):
    """Two layers of self-attention over a sliding window: memory grows with the sessions, not with their square."""

    def __init__(
        self,
        config: tenor.ModelConfig,
        n_features: int,
        n_horizons: int,
        size: int = 32,
        heads: int = 4,
        window: int = 22,
    ) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.inputs = nn.Linear(n_features, size)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(4))
        self.attended = nn.ModuleList(nn.Linear(size, 3 * size) for _ in range(2))
        self.lags = nn.Parameter(torch.zeros(2, window, heads))  # how much each head minds each lag
        self.dense = nn.ModuleList(nn.Sequential(nn.Linear(size, 64), nn.GELU(), nn.Linear(64, size)) for _ in range(2))
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(size, 3 * n_horizons)
        nn.init.zeros_(self.out.weight)  # training starts at the forecasts that are hard to beat
        nn.init.zeros_(self.out.bias)

    def past(self, values: Tensor) -> Tensor:
        """[batch, time, window, ...]: each session of `values` [batch, time, size] with those before it, by head."""
        padded = functional.pad(values, (0, 0, self.window - 1, 0))
        windows = torch.stack([padded[:, lag : lag + values.shape[1]] for lag in range(self.window)], 2)
        return windows.unflatten(-1, (self.heads, -1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """From [batch, time, features] to heads [batch, time, horizons]."""
        states = self.inputs(x)  # [batch, time, size]
        nothing = self.past(torch.ones_like(states))[..., 0] == 0  # [batch, time, window, heads]: before the first
        for layer in range(2):
            query, key, value = self.attended[layer](self.norms[layer](states)).chunk(3, dim=-1)
            query = query.unflatten(-1, (self.heads, -1)) / (query.shape[-1] / self.heads) ** 0.5
            scores = torch.einsum("bthd,btwhd->btwh", query, self.past(key)) + self.lags[layer]
            weights = scores.masked_fill(nothing, -1e9).softmax(dim=2)
            mixed = torch.einsum("btwh,btwhd->bthd", weights, self.past(value)).flatten(2)
            states = states + self.dropout(mixed)
            states = states + self.dropout(self.dense[layer](self.norms[2 + layer](states)))
        risk, mean, up = self.out(states).chunk(3, dim=-1)
        return {"log_variance": risk + tenor.pooled_log_variance(x, 22), "mean": mean, "up_logit": up}
