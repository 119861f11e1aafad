"""The forecast of risk of a window's last session alone, for tests that repeat it a hundred thousand times.

The network forecasts at every step, and its attention at every step is most of what that costs. A deletion test needs
the last step only, and changes nothing before the lookback: the LSTM's state before it is computed once for all tests,
and one query is compared with the keys. The numbers are those of the network (a test holds them to it), in about a
thirtieth of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tenor.model.attention_lstm import SMALLEST, AttentionLSTM
from tenor.model.reproducible import one_thread
from tenor.schema import Float32, Float64

BATCH = 200
"""Windows that run through a network at once: more of them leave the processor's cache and are slower."""

State = tuple[Tensor, Tensor]


class LastStep:
    """The forecast log variance of the last session of some windows, the mean over networks with attention.

    Parameters
    ----------
    networks
        All of one shape.
    windows
        [window, time, feature + 1]; inputs as `tenor.inference.cells.network_input` makes them, at least a lookback
        long. What lies before the lookback warms up the LSTM.
    place
        Which horizon, as a place on the last axis of the forecasts.
    """

    def __init__(self, networks: Sequence[AttentionLSTM], windows: Float32, place: int) -> None:
        self._networks = networks
        self._place = place
        lookback = networks[0].config.lookback
        self.inputs: Float32 = np.ascontiguousarray(windows[:, -lookback:])
        before = torch.from_numpy(np.ascontiguousarray(windows[:, :-lookback]))
        with torch.no_grad():
            self._states = [_state_after(network, before) for network in networks]

    def forecast(self, inputs: Float32) -> Float64:
        """[window]; the forecast if the last steps were `inputs` [window, lookback, feature + 1]."""
        total = np.zeros(len(inputs))
        with one_thread():
            self._add(total, inputs)
        return total / len(self._networks)

    def _add(self, total: Float64, inputs: Float32) -> None:
        for network, (hidden, cell) in zip(self._networks, self._states, strict=True):
            for start in range(0, len(inputs), BATCH):
                part = slice(start, start + BATCH)
                state = (hidden[:, part].contiguous(), cell[:, part].contiguous())
                with torch.no_grad():
                    total[part] += _last(network, torch.from_numpy(inputs[part]), state, self._place).numpy()


def _gated(network: AttentionLSTM, features: Tensor) -> Tensor:
    return features * functional.softmax(network.gate(features), dim=-1) * features.shape[-1]


def _state_after(network: AttentionLSTM, before: Tensor) -> State:
    """The LSTM's state after the steps `before` [B, T, F + 1]; zero where there is no step."""
    shape = (network.config.layers, len(before), network.config.hidden)
    if not before.shape[1]:
        return torch.zeros(shape), torch.zeros(shape)
    _, state = network.lstm(_gated(network, before[..., : network.n_features]))
    return tuple(state)


def _last(network: AttentionLSTM, x: Tensor, state: State, place: int) -> Tensor:
    """[B]; what `AttentionLSTM.forward` gives as log variance at the last step of `x` [B, L, F + 1]."""
    size, width = network.config.attention_size, network.config.hidden
    variance = x[..., network.n_features]  # [B, L]
    gated = _gated(network, x[..., : network.n_features])
    states, _ = network.lstm(gated, state)  # [B, L, H]
    last = states[:, -1]
    of_horizon = slice(place * size, (place + 1) * size)
    query = network.query(last)[:, of_horizon]  # [B, A]
    # query · (key weights · input) = (query · key weights) · input: one product a step, not A
    wanted_keys = query @ network.key.weight[of_horizon]  # [B, H + F]
    scores = (states @ wanted_keys[:, :width, None] + gated @ wanted_keys[:, width:, None])[..., 0]
    scores = scores / math.sqrt(size) + network.by_lag[place]
    weights = functional.softmax(scores.masked_fill(variance <= 0, -1e9), dim=-1)
    pooled = (weights * variance).sum(-1)
    correction: Tensor = network.heads["log_variance"](network.dense_of(last))[:, place]
    return correction + torch.log(pooled.clamp(min=SMALLEST))
