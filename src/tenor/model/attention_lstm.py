"""The attention LSTM. It reads a run of sessions once and predicts at every one of them.

It has a gate over the features, an LSTM, dense layers, and one head for each target, with an output for every horizon.
Attention makes the forecast of risk: for each horizon, at every step, it chooses weights for the last `lookback`
sessions. The forecast log variance is the log of the weighted mean of these sessions' variances, plus a correction from
the dense layers. This is an ARCH(∞) model whose weights the network chooses from its input.
Nothing at step t looks past step t.

Letters in shape comments: B batch, T time, F features, H hidden, D the last dense layer's width, A attention_size, L
lookback, K horizons, N blocks.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenor.config import ModelConfig
from tenor.heads import HEADS

DECAY = 0.7
"""Before training, attention falls with this power of the lag, roughly as the weights of a HAR regression do."""
SMALLEST = 1e-9
"""The pooled variance of a window without any session; it is below the smallest variance of a session."""


State = tuple[Tensor, Tensor]
"""The state of an LSTM: hidden and cell state, each [layers, B, H]."""


class Output(NamedTuple):
    """What the network predicts at every step.

    Attributes
    ----------
    heads
        From each head's name (`tenor.heads.HEADS`) to its output [B, T, K].
    time_weights
        [B, T, K, L], without gradient; weights of the sessions t-L+1 .. t (the last is t itself) in the forecast of
        each horizon. They sum to 1, and a session without a bar has weight 0. None without attention.
    feature_weights
        [B, T, F], without gradient; weight of each feature at t; they sum to 1. None without attention.
    """

    heads: dict[str, Tensor]
    time_weights: Tensor | None
    feature_weights: Tensor | None


class AttentionLSTM(nn.Module):
    """An LSTM with a gate of attention over its inputs, and causal attention over the variances of past sessions.

    Parameters
    ----------
    config
        Its size. Without attention there is no gate, and all variances of the lookback have the same weight.
    n_features, n_horizons
        Number of features (the input has the variance as well), and number of horizons that are forecast.
    """

    def __init__(self, config: ModelConfig, n_features: int, n_horizons: int) -> None:
        super().__init__()
        self.config = config
        self.n_features = n_features
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
            self.query = nn.Linear(width, n_horizons * config.attention_size)
            self.key = nn.Linear(width + n_features, n_horizons * config.attention_size, bias=False)
            nn.init.zeros_(self.gate.weight)  # at the start all features have the same weight
            nn.init.zeros_(self.gate.bias)
            lag = torch.arange(config.lookback - 1, -1, -1, dtype=torch.float32)  # the last step is lag 0
            self.by_lag = nn.Parameter(-DECAY * torch.log1p(lag).repeat(n_horizons, 1))  # [K, L]
        widths = config.dense or (width,)
        self.dense = nn.Linear(width, widths[0])
        self.deeper = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))
        self.dropout = nn.Dropout(config.dropout)
        self.heads = nn.ModuleDict()
        for head in HEADS:
            linear = nn.Linear(widths[-1], n_horizons)
            # training starts at a forecast that is hard to beat: a return of 0, and the pooled variance unchanged
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
            self.heads[head.name] = linear

    @property
    def attends(self) -> bool:
        """Whether its outputs include weights of attention."""
        return self.config.attention

    def level(self, head: str) -> Tensor:
        """[K]; the bias of `head`, which is added to its output."""
        bias: Tensor = self.heads[head].bias  # type: ignore[assignment]
        return bias

    def forward(self, x: Tensor) -> Output:
        """Predict at every step of `x` [B, T, F + 1]: the features, then the variance of the session (0 if none).

        The output at a step does not depend on later steps.
        """
        x, variance = x[..., : self.n_features], x[..., self.n_features]  # [B, T, F], [B, T]
        time_weights = feature_weights = None
        if self.config.attention:
            gate = functional.softmax(self.gate(x), dim=-1)  # [B, T, F]
            x = x * gate * x.shape[-1]  # times F, so that the mean of the gate is 1
            feature_weights = gate.detach()
        states, _ = self.lstm(x)  # [B, T, H]
        past = windows(variance, self.config.lookback)  # [B, T, L]
        if self.config.attention:
            scores = self._scores(states, x)
            weights = functional.softmax(scores.masked_fill(past[:, :, None] <= 0, -1e9), dim=-1)  # [B, T, K, L]
            pooled = (weights * past[:, :, None]).sum(-1)  # [B, T, K]
            time_weights = weights.detach()
        else:
            there = (past > 0).to(past.dtype)
            pooled = (past.sum(-1) / there.sum(-1).clamp(min=1))[..., None]  # [B, T, 1]
        dense = self.dense_of(states)  # [B, T, D]
        outputs = {name: linear(dense) for name, linear in self.heads.items()}
        for head in HEADS:
            if head.pools_variance:
                outputs[head.name] = outputs[head.name] + torch.log(pooled.clamp(min=SMALLEST))
        return Output(outputs, time_weights, feature_weights)

    def state_after(self, x: Tensor) -> State:
        """The LSTM's state after the steps `x` [B, T, F + 1]; zero if T is 0."""
        if not x.shape[1]:
            nothing = torch.zeros(self.config.layers, len(x), self.config.hidden)
            return nothing, nothing
        _, state = self.lstm(self._gated(x[..., : self.n_features]))
        return tuple(state)

    def last(self, x: Tensor, state: State, place: int) -> Tensor:
        """[B]; the log variance of `forward` at the last step, for the horizon at `place`; needs attention.

        Attention at one step takes about a thirtieth of the time of attention at all steps.

        Parameters
        ----------
        x
            [B, L, F + 1]; the last L steps.
        state
            `state_after` of the steps before them.
        place
            Place of the horizon.
        """
        size, width = self.config.attention_size, self.config.hidden
        variance = x[..., self.n_features]  # [B, L]
        gated = self._gated(x[..., : self.n_features])
        states, _ = self.lstm(gated, state)  # [B, L, H]
        last = states[:, -1]
        of_horizon = slice(place * size, (place + 1) * size)
        query = self.query(last)[:, of_horizon]  # [B, A]
        # query · (key weights · input) = (query · key weights) · input: one product for each step in place of A
        wanted_keys = query @ self.key.weight[of_horizon]  # [B, H + F]
        scores = (states @ wanted_keys[:, :width, None] + gated @ wanted_keys[:, width:, None])[..., 0]
        scores = scores / math.sqrt(size) + self.by_lag[place]
        weights = functional.softmax(scores.masked_fill(variance <= 0, -1e9), dim=-1)
        pooled = (weights * variance).sum(-1)
        correction: Tensor = self.heads["log_variance"](self.dense_of(last))[:, place]
        return correction + torch.log(pooled.clamp(min=SMALLEST))

    def _gated(self, x: Tensor) -> Tensor:
        return x * functional.softmax(self.gate(x), dim=-1) * x.shape[-1]

    def dense_of(self, states: Tensor) -> Tensor:
        """The input of the heads, [..., D], from states of the LSTM [..., H]."""
        dense: Tensor = self.dropout(torch.tanh(self.dense(states)))
        for layer in self.deeper:
            dense = self.dropout(torch.tanh(layer(dense)))
        return dense

    def _scores(self, states: Tensor, x: Tensor) -> Tensor:
        """[B, T, K, L]; how much each step t asks for the sessions t-L+1 .. t, before they are normed."""
        batch, time, _ = states.shape
        size, lookback = self.config.attention_size, self.config.lookback

        def by_horizon(values: Tensor) -> Tensor:
            """`values` [B, T, K * A] as [B * K, T, A]."""
            return values.reshape(batch, time, -1, size).transpose(1, 2).reshape(-1, time, size)

        scores = banded_products(
            by_horizon(self.query(states)), by_horizon(self.key(torch.cat((states, x), -1))), lookback
        )
        scores = scores.reshape(batch, -1, time, lookback).transpose(1, 2) / math.sqrt(size)
        return scores + self.by_lag


def banded_products(query: Tensor, key: Tensor, lookback: int) -> Tensor:
    """The dot product of every step's query with its own key and those of the `lookback` - 1 steps before it.

    Time is cut into blocks of `lookback` steps. The keys that a block's queries need lie in the block itself and the
    one before. So memory grows as T x 2L, not as T x T, and keys are not copied L times.

    Parameters
    ----------
    query, key
        [B, T, A].

    Returns
    -------
    Tensor
        [B, T, L]; the last entry belongs to the step itself; entries before the first step are 0.
    """
    batch, time, size = query.shape
    blocks = -(-time // lookback)  # N
    fill = blocks * lookback - time
    rows = functional.pad(query, (0, 0, 0, fill)).reshape(batch, blocks, lookback, size)  # [B, N, L, A]
    products = rows @ _two_blocks(key, lookback, fill).transpose(-1, -2)  # [B, N, L, 2L]
    return _bands(products)[:, :time]


def windows(steps: Tensor, lookback: int) -> Tensor:
    """`steps` [B, T] as [B, T, L]: each step with the `lookback` - 1 before it; entries before the first step are 0."""
    time = steps.shape[1]
    blocks = -(-time // lookback)
    fill = blocks * lookback - time
    both = _two_blocks(steps[..., None], lookback, fill)[..., 0]  # [B, N, 2L]
    return _bands(both[:, :, None].expand(-1, -1, lookback, -1))[:, :time]


def _two_blocks(steps: Tensor, lookback: int, fill: int) -> Tensor:
    """`steps` [B, T, X] as [B, N, 2L, X]: each block of `lookback` steps with the block before it."""
    batch, _, width = steps.shape
    padded = functional.pad(steps, (0, 0, lookback, fill)).reshape(batch, -1, lookback, width)  # [B, N+1, L, X]
    return torch.cat((padded[:, :-1], padded[:, 1:]), dim=2)


def _bands(blocks: Tensor) -> Tensor:
    """[B, N, L, 2L] to [B, N L, L]: of row i of each block the columns i+1 .. i+L, which are its own last L steps."""
    # the ONNX exporter and `torch.func` can't use a custom autograd function
    if not (torch.onnx.is_in_onnx_export() or torch._C._functorch.is_functorch_wrapped_tensor(blocks)):
        return _Bands.apply(blocks)  # type: ignore[no-any-return,no-untyped-call]
    # for the graph: laid out in one row and read again with rows of 2L+1, the bands are below each other
    batch, count, lookback, _ = blocks.shape
    skewed = functional.pad(blocks.reshape(batch, count, 2 * lookback * lookback), (0, lookback))
    bands = skewed.reshape(batch, count, lookback, 2 * lookback + 1)[..., 1 : lookback + 1]
    return bands.reshape(batch, count * lookback, lookback)


class _Bands(torch.autograd.Function):
    """The bands as a view with another stride, copied once; padding and its gradient would copy everything twice."""

    @staticmethod
    def forward(ctx: Any, blocks: Tensor) -> Tensor:
        batch, count, lookback, _ = ctx.shape = blocks.shape
        return _band(blocks).contiguous().view(batch, count * lookback, lookback)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].new_zeros(ctx.shape)
        band = _band(whole)
        band.copy_(gradients[0].reshape(band.shape))
        return whole


def _band(blocks: Tensor) -> Tensor:
    """[B, N, L, L], a view of [B, N, L, 2L]: a row further down starts a column further right."""
    batch, count, lookback, _ = blocks.shape
    by_batch, by_block, by_row, by_column = blocks.stride()
    return blocks.as_strided(
        (batch, count, lookback, lookback),
        (by_batch, by_block, by_row + by_column, by_column),
        blocks.storage_offset() + by_column,
    )
