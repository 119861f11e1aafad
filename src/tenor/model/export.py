"""The networks of an ensemble as one ONNX graph that gives their mean, so that serving needs no torch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenor.heads import HEADS
from tenor.model.attention_lstm import AttentionLSTM

INPUT = "x"
OUTPUTS = tuple(head.name for head in HEADS)
WEIGHTS = ("time_weights", "feature_weights")
"""Outputs of a model with attention, beside `OUTPUTS`."""
OPSET = 17


def to_onnx(networks: Sequence[AttentionLSTM]) -> bytes:
    """The graph: `INPUT` [B, T, F + 1] float32 to the means over `networks` of what `Output` holds; B, T >= 1.

    It runs on ONNX Runtime as torch runs it, up to rounding (< 1e-5 of the outputs' spread).

    Parameters
    ----------
    networks
        In evaluation mode, all of one shape.
    """
    config = networks[0].config
    names = [*OUTPUTS, *(WEIGHTS if config.attention else ())]
    file: Any = io.BytesIO()  # torch takes one, its types do not say so
    # sizes that are not one and not a multiple of anything, so that no axis is taken for a constant
    sample = torch.zeros(3, config.lookback + 2, networks[0].n_features + 1)
    with warnings.catch_warnings(), torch.no_grad():
        # the tracer warns of checks inside torch that it can't record; the exported graph is compared with torch by
        # the tests for runs shorter and longer than the sample
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Ensemble(networks),
            (sample,),
            file,
            dynamo=False,  # the newer exporter needs one package more, and fixes the LSTM's length
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=names,
            dynamic_axes={name: {0: "symbol", 1: "time"} for name in (INPUT, *names)},
        )
    graph: bytes = file.getvalue()
    return graph


class _Ensemble(nn.Module):
    """The mean over networks, as a module that can be traced."""

    def __init__(self, networks: Sequence[AttentionLSTM]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.config = networks[0].config
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        time = x.shape[1]
        lookback = self.config.lookback
        # whole blocks: a traced division rounds towards zero, and what is added comes later and changes nothing
        x = functional.pad(x, (0, 0, 0, (lookback - time % lookback) % lookback))
        outs = [network(x) for network in self.networks]
        each = [[out.heads[name] for out in outs] for name in OUTPUTS]
        if self.config.attention:
            each += [[getattr(out, name) for out in outs] for name in WEIGHTS]
        return tuple(torch.stack(tensors).mean(0)[:, :time] for tensors in each)
