"""A small causal transformer: every session attends to those of its last `window`, and to no later one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import tenor


class Transformer(nn.Module):
    """`layers` of self-attention over a sliding window: memory grows with the sessions, not with their square."""

    def __init__(
        self,
        config: tenor.ModelConfig,
        n_features: int,
        n_horizons: int,
        size: int = 32,
        heads: int = 4,
        layers: int = 2,
        window: int = 32,
    ) -> None:
        super().__init__()
        self.window, self.heads = window, heads
        self.inputs = nn.Linear(n_features, size)
        self.attended = nn.ModuleList(nn.Linear(size, 3 * size) for _ in range(layers))
        self.lags = nn.Parameter(torch.zeros(layers, heads, window))  # how much each head minds each lag
        self.dense = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(size), nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))
            for _ in range(layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(layers))
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(size, 3 * n_horizons)
        nn.init.zeros_(self.out.weight)  # training starts at the forecasts that are hard to beat
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """From [batch, time, features] to heads [batch, time, horizons]."""
        # [time, window]: the sessions that each one attends to, the last is itself; before the first there is none
        steps = torch.arange(x.shape[1])[:, None] - torch.arange(self.window - 1, -1, -1)
        there = steps >= 0
        states = self.inputs(x)  # [batch, time, size]
        for norm, attended, lags, dense in zip(self.norms, self.attended, self.lags, self.dense, strict=True):
            query, key, value = (
                part.unflatten(-1, (self.heads, -1)) for part in attended(norm(states)).chunk(3, dim=-1)
            )  # [batch, time, heads, size / heads]
            past = key[:, steps.clamp(min=0)]  # [batch, time, window, heads, size / heads]
            scores = (query[:, :, None] * past).sum(-1) / query.shape[-1] ** 0.5 + lags.T  # by window and head
            weights = scores.masked_fill(~there[:, :, None], -1e9).softmax(dim=2)
            mixed = (weights[..., None] * value[:, steps.clamp(min=0)]).sum(2).flatten(2)
            states = states + self.dropout(mixed)
            states = states + self.dropout(dense(states))
        risk, mean, up = self.out(states).chunk(3, dim=-1)
        return {"log_variance": risk + tenor.pooled_log_variance(x, 22), "mean": mean, "up_logit": up}
