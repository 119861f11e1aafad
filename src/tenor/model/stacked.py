"""Many networks of the same size as one, so that a graphics card trains all seeds and folds in one batch.

`torch.func.vmap` runs `AttentionLSTM` with the weights of all networks side by side. PyTorch can't do this for two of
its parts. One is the LSTM; its recurrence is written here with one product of stacked matrices for each step. The other
is dropout, which draws from a random generator; here it is a function of a key and a place, so that what a network
drops does not depend on the other networks in the batch.

Letters in shape comments: S networks, B batch, T time, F features, H hidden.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from tenor.model.attention_lstm import AttentionLSTM

KEY = "dropout_key"
"""The buffer of a `KeyedDropout` that holds its key."""
_WORD = 0xFFFFFFFF


class Recurrence(torch.autograd.Function):
    """The states of an LSTM from its gates before the recurrence; under `vmap`, with gradients for all networks."""

    @staticmethod
    def forward(gates: Tensor, weight: Tensor) -> Tensor:
        """The states [T, B, H] of one network from gates [T, B, 4 H] and weight [4 H, H]; without gradients."""
        return _StackedRecurrence.apply(gates[:, None], weight[None])[:, 0]  # type: ignore[no-any-return,no-untyped-call]

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Save nothing; `_StackedRecurrence` computes the gradients."""

    @staticmethod
    def vmap(_info: Any, in_dims: tuple[int | None, ...], gates: Tensor, weight: Tensor) -> tuple[Tensor, int]:
        """The states of all networks together."""
        assert in_dims[0] is not None
        assert in_dims[1] is not None
        stacked = gates.movedim(in_dims[0], 1), weight.movedim(in_dims[1], 0)
        return _StackedRecurrence.apply(*stacked), 1  # type: ignore[no-untyped-call]


class _StackedRecurrence(torch.autograd.Function):
    """gates [T, S, B, 4 H] in the order g, i, f, o and weight [S, 4 H, H] to states [T, S, B, H]."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor) -> Tensor:
        time, width = len(gates), weight.shape[-1]
        acts = gates.clone(memory_format=torch.contiguous_format)
        states = acts.new_empty(*acts.shape[:3], width)
        curved = torch.empty_like(states)
        cells = torch.empty_like(states, dtype=torch.float32)  # a sum over all steps: never in half precision
        by_state = weight.to(acts.dtype).transpose(1, 2).contiguous()  # [S, H, 4 H]
        for t in range(time):
            now = acts[t]
            if t:
                now.baddbmm_(states[t - 1], by_state)
            new, gate_in, forget, out = (now[..., k * width : (k + 1) * width] for k in range(4))
            new.tanh_()
            now[..., width:].sigmoid_()
            if t:
                torch.mul(forget, cells[t - 1], out=cells[t])
                cells[t].addcmul_(gate_in, new)
            else:
                torch.mul(gate_in, new, out=cells[t])
            torch.tanh(cells[t], out=curved[t])
            torch.mul(out, curved[t], out=states[t])
        ctx.save_for_backward(weight, acts, states, cells, curved)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        weight, acts, states, cells, curved = ctx.saved_tensors
        time, width, whole = len(acts), weight.shape[-1], weight.dtype
        weight = weight.to(acts.dtype)
        new, gate_in, forget, out = (acts[..., k * width : (k + 1) * width] for k in range(4))
        before = torch.cat((torch.zeros_like(cells[:1]), cells[:-1]))
        # computed at once for all steps: the factors from the gradient of cell or state to that of each gate
        slopes = torch.cat(
            (
                gate_in * (1 - new * new),
                new * gate_in * (1 - gate_in),
                (before * forget * (1 - forget)).to(acts.dtype),
                curved * out * (1 - out),
            ),
            dim=-1,
        )
        through = out * (1 - curved * curved)
        of_states = gradients[0].clone(memory_format=torch.contiguous_format)
        of_gates = torch.empty_like(acts)
        of_cell = torch.zeros_like(cells[0])
        for t in range(time - 1, -1, -1):
            if t < time - 1:
                of_states[t].baddbmm_(of_gates[t + 1], weight)
                of_cell.mul_(forget[t + 1])
            of_cell.addcmul_(of_states[t], through[t])
            shape = (*of_cell.shape[:2], 3, width)
            by_cell = of_gates[t][..., : 3 * width].view(shape)
            torch.mul(slopes[t][..., : 3 * width].view(shape), of_cell[:, :, None], out=by_cell)
            torch.mul(slopes[t][..., 3 * width :], of_states[t], out=of_gates[t][..., 3 * width :])
        past = torch.cat((torch.zeros_like(states[:1]), states[:-1]))
        # over all steps and rows at once: [S, 4 H, T B] x [S, T B, H]
        of_weight = of_gates.permute(1, 3, 0, 2).flatten(2) @ past.permute(1, 0, 2, 3).flatten(1, 2)
        return of_gates, of_weight.to(whole)


class SteppedLSTM(nn.Module):
    """An `nn.LSTM` with the same parameters, computed step by step, which `vmap` can stack.

    Parameters
    ----------
    lstm
        The LSTM to copy; batch first, one direction.
    """

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.layers, self.hidden = lstm.num_layers, lstm.hidden_size
        for name, parameter in lstm.named_parameters():
            self.register_parameter(name, nn.Parameter(parameter.detach().clone()))
        self.between = nn.ModuleList(KeyedDropout(lstm.dropout, 1 + layer) for layer in range(self.layers - 1))

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """The states [B, T, H] for `x` [B, T, F], and None for the last state, which training does not need."""
        x = x.transpose(0, 1)  # [T, B, F]
        for layer in range(self.layers):
            of_input, of_state, bias, more = (
                self._by_gate(getattr(self, f"{name}_l{layer}"))
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            if layer:
                x = self.between[layer - 1](x)
            x = Recurrence.apply(nn.functional.linear(x, of_input, bias + more), of_state)  # type: ignore[no-untyped-call]
        return x.transpose(0, 1), None

    @staticmethod
    def _by_gate(parameter: Tensor) -> Tensor:
        """`parameter` with its gates in the order of the recurrence: that of PyTorch is i, f, g, o."""
        gate_in, forget, new, out = parameter.chunk(4)
        return torch.cat((new, gate_in, forget, out))


class KeyedDropout(nn.Module):
    """Dropout whose mask is a function of the buffer `KEY` and of the place in the tensor.

    Parameters
    ----------
    share
        Share of the values that are dropped.
    call
        Number of this dropout layer in the network; each layer has its own masks.
    """

    def __init__(self, share: float, call: int) -> None:
        super().__init__()
        self.share, self.call = share, call
        self.register_buffer(KEY, torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """In training, `x` with some values set to 0 and the others scaled up; otherwise `x` itself."""
        if not (self.training and self.share):
            return x
        places = torch.arange(x.numel(), device=x.device).reshape(x.shape)
        key = _mixed(getattr(self, KEY) * 64 + self.call)
        bits = _mixed((places * (key | 1) + _mixed(key + 1)) & _WORD)
        return x * (bits >= int(self.share * 2**32)).to(x.dtype) / (1 - self.share)


def _mixed(word: Tensor) -> Tensor:
    """The low 32 bits of int64 `word`, mixed so that each depends on all (the finaliser of MurmurHash3)."""
    word = word & _WORD
    word = ((word ^ (word >> 16)) * 0x85EBCA6B) & _WORD
    word = ((word ^ (word >> 13)) * 0xC2B2AE35) & _WORD
    return word ^ (word >> 16)


def stackable(network: AttentionLSTM) -> AttentionLSTM:
    """A copy of `network` that `vmap` can run, with the same names of parameters."""
    same = copy.deepcopy(network)
    same.lstm = SteppedLSTM(network.lstm)  # type: ignore[assignment]
    same.dropout = KeyedDropout(network.config.dropout, 0)  # type: ignore[assignment]
    return same


def run_stacked(
    template: AttentionLSTM, weights: Mapping[str, Tensor], keys: Tensor, x: Tensor, *, half: bool = False
) -> dict[str, Tensor]:
    """The outputs of all networks, from each head's name to [S, B, T, K].

    Parameters
    ----------
    template
        A network from `stackable`.
    weights
        From each parameter's name to [S, …], its values in all networks.
    keys
        [S]; the key of each network's dropout.
    x
        [S, B, T, F + 1]; the input of each network.
    half
        Whether products are computed in bfloat16. The LSTM's cells, softmax and logarithms stay in float32.
    """
    buffers = [name for name, _ in template.named_buffers() if name.rpartition(".")[2] == KEY]

    def one(parameters: dict[str, Tensor], key: Tensor, inputs: Tensor) -> dict[str, Tensor]:
        heads: dict[str, Tensor] = functional_call(
            template, {**parameters, **dict.fromkeys(buffers, key)}, (inputs,)
        ).heads
        return heads

    # casts are not cached, because a recorded CUDA graph would read those of its recording
    with torch.autocast(x.device.type, torch.bfloat16, enabled=half, cache_enabled=False):
        outputs: dict[str, Tensor] = vmap(one)(dict(weights), keys, x)
    return outputs
