"""The attention LSTM and its config. It reads a run of sessions once and predicts at every one of them.

A feature gate, an LSTM, attention over its last `lookback` hidden states, a dense layer, and two heads a horizon:
the return (in units of its volatility) and the logit of its being positive. Nothing at step t looks past step t.

Letters in shape comments: B batch, T time, F features, H hidden, A attention_size, L lookback, K horizons.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenor.config import ModelConfig
from tenor.heads import HEADS


class Output(NamedTuple):
    """What the network predicts at every step.

    Attributes
    ----------
    heads
        Name -> [B, T, K]; see `tenor.heads.HEADS`.
    time_weights
        [B, T, L], detached; weight of the states at t-L+1 .. t (the last is t itself), they sum to 1; None without
        attention. Before the run began there is no state: weight 0.
    feature_weights
        [B, T, F], detached; weight of each feature at t, they sum to 1; None without attention.
    """

    heads: dict[str, Tensor]
    time_weights: Tensor | None
    feature_weights: Tensor | None


class AttentionLSTM(nn.Module):
    """An LSTM with a gate of attention over its inputs and causal attention over its last states.

    Parameters
    ----------
    config
        Its shape.
    n_features, n_horizons
        Width of the input, and how many horizons are predicted.
    """

    def __init__(self, config: ModelConfig, n_features: int, n_horizons: int) -> None:
        super().__init__()
        self.config = config
        width = config.hidden
        self.lstm = nn.LSTM(
            n_features,
            width,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        if config.attention:
            self.gate = nn.Linear(n_features, n_features)
            self.query = nn.Linear(width, config.attention_size, bias=False)
            self.key = nn.Linear(width, config.attention_size, bias=False)
            nn.init.zeros_(self.gate.weight)  # all features weigh the same until the data say otherwise
            nn.init.zeros_(self.gate.bias)
        self.dense = nn.Linear(2 * width if config.attention else width, width)
        self.dropout = nn.Dropout(config.dropout)
        self.heads = nn.ModuleDict()
        for head in HEADS:
            linear = nn.Linear(width, n_horizons)
            nn.init.zeros_(linear.weight)  # training starts at the zero forecast, the one that is hard to beat
            nn.init.zeros_(linear.bias)
            self.heads[head.name] = linear

    def forward(self, x: Tensor) -> Output:
        """Predict at every step of `x` [B, T, F]; a step knows nothing of later ones."""
        time_weights = feature_weights = None
        if self.config.attention:
            gate = functional.softmax(self.gate(x), dim=-1)  # [B, T, F]
            x = x * gate * x.shape[-1]  # times F: the mean gate is 1, whatever F is
            feature_weights = gate.detach()
        states, _ = self.lstm(x)  # [B, T, H]
        if self.config.attention:
            context, weights = attend_back(self.query(states), self.key(states), states, self.config.lookback)
            states = torch.cat((context, states), dim=-1)  # [B, T, 2H]
            time_weights = weights.detach()
        dense = self.dropout(torch.tanh(self.dense(states)))  # [B, T, H]
        return Output({name: head(dense) for name, head in self.heads.items()}, time_weights, feature_weights)


def attend_back(query: Tensor, key: Tensor, value: Tensor, lookback: int) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention of every step over itself and the `lookback` - 1 steps before it.

    Time is cut into blocks of `lookback` steps: the band of a block's queries lies within its own keys and those of
    the block before, so memory is [T, 2L], not [T, T] nor L copies of the states.

    Parameters
    ----------
    query, key
        [B, T, A].
    value
        [B, T, H].

    Returns
    -------
    context : Tensor
        [B, T, H].
    weights : Tensor
        [B, T, L]; the last is the step itself, 0 where there is no such step yet.
    """
    batch, time, size = query.shape
    blocks = -(-time // lookback)  # N
    fill = blocks * lookback - time
    rows = functional.pad(query, (0, 0, 0, fill)).reshape(batch, blocks, lookback, size)  # [B, N, L, A]
    scores = rows @ _two_blocks(key, lookback, fill).transpose(-1, -2) / math.sqrt(size)  # [B, N, L, 2L]

    row = torch.arange(lookback, device=query.device)[:, None]
    column = torch.arange(2 * lookback, device=query.device)[None, :]  # column c of block n is step (n - 1) L + c
    band = (column > row) & (column <= row + lookback)  # [L, 2L]
    exists = column >= lookback  # the first block has none before it
    allowed = torch.cat((band[None] & exists, band.expand(blocks - 1, -1, -1)))  # [N, L, 2L]
    weights = functional.softmax(scores.masked_fill(~allowed, -math.inf), dim=-1)
    context = weights @ _two_blocks(value, lookback, fill)  # [B, N, L, H]

    # Row i of a block holds its band in columns i+1 .. i+L. Read with rows of 2L+1 the bands stand below each other.
    skewed = functional.pad(weights.reshape(batch, blocks, 2 * lookback * lookback), (0, lookback))
    bands = skewed.reshape(batch, blocks, lookback, 2 * lookback + 1)[..., 1 : lookback + 1]  # [B, N, L, L]
    return (
        context.reshape(batch, blocks * lookback, value.shape[-1])[:, :time],
        bands.reshape(batch, blocks * lookback, lookback)[:, :time],
    )


def _two_blocks(steps: Tensor, lookback: int, fill: int) -> Tensor:
    """`steps` [B, T, X] as [B, N, 2L, X]: each block of `lookback` steps with the block before it."""
    batch, _, width = steps.shape
    padded = functional.pad(steps, (0, 0, lookback, fill)).reshape(batch, -1, lookback, width)  # [B, N+1, L, X]
    return torch.cat((padded[:, :-1], padded[:, 1:]), dim=2)
