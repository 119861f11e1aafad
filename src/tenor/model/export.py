"""Export of an ensemble of networks as one ONNX graph that gives their mean, so that serving needs no torch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tenor.errors import ConfigError, one_line
from tenor.heads import HEADS
from tenor.model import FramedNetwork, Network
from tenor.model.own_network import WEIGHTS, label

INPUT = "x"
OUTPUTS = tuple(head.name for head in HEADS)
"""The outputs of every model; a model with attention has `WEIGHTS` as well."""
OPSET = 17
RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""Largest differences between the graph of a user's network and torch; both add thousands of terms in other orders."""


def to_onnx(networks: Sequence[Network]) -> bytes:
    """The ONNX graph from `INPUT` [B, T, F + 1] float32 to the mean of the networks' `Output`; B and T are at least 1.

    ONNX Runtime gives the same outputs as torch, up to rounding (below 1e-5 of their standard deviation).

    Parameters
    ----------
    networks
        The networks, in evaluation mode and all of the same size.

    Raises
    ------
    ConfigError
        The user's network can't be exported, or its graph gives other outputs than torch.
    """
    first = networks[0]
    if not isinstance(first, FramedNetwork):
        return _exported(networks)
    try:
        with _silent_exporter():
            graph = _exported(networks)
    except Exception as error:  # what the exporter, and torch under it, raise has no common base
        # if the network itself raised, the error of its tracing
        cause = error.__cause__ if isinstance(error, ConfigError) and error.__cause__ else error
        raise ConfigError(
            f"{label(first.config)} can't be exported to ONNX, which serving runs: {type(cause).__name__}: "
            f"{one_line(cause, 200).rstrip('.')}. Write that step with other operations of torch."
        ) from error
    _compare(graph, networks)
    return graph


def _exported(networks: Sequence[Network]) -> bytes:
    config = networks[0].config
    names = [*OUTPUTS, *(WEIGHTS if networks[0].attends else ())]
    file: Any = io.BytesIO()  # torch accepts a buffer, but its type hints do not say so
    # sizes that are neither 1 nor multiples of each other, so that the tracer takes no axis for a constant
    x = torch.zeros(SAMPLE_SYMBOLS, config.lookback + 2, networks[0].n_features + 1)
    with warnings.catch_warnings(), torch.no_grad():
        # the tracer warns of checks inside torch that it can't record; tests compare the graph with torch on runs that
        # are shorter and longer than the sample
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Ensemble(networks),
            (x,),
            file,
            dynamo=False,  # the newer exporter needs one more package, and fixes the LSTM's length
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=names,
            dynamic_axes={name: {0: "symbol", 1: "time"} for name in (INPUT, *names)},
        )
    graph: bytes = file.getvalue()
    return graph


@contextmanager
def _silent_exporter() -> Iterator[None]:
    """Torch prints the whole graph of an export that fails, hundreds of lines; the error says what people need."""
    log = torch._C._jit_onnx_log
    torch._C._jit_onnx_log = lambda *_: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = log


def _compare(graph: bytes, networks: Sequence[Network]) -> None:
    """Run `graph` beside `networks` on runs of several lengths; raises ConfigError where they differ."""
    import onnxruntime  # here: the exporter alone does not need it

    who = label(networks[0].config)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    ensemble = _Ensemble(networks)
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own exceptions have no common base
        raise ConfigError(f"{who}: ONNX Runtime can't load its graph: {one_line(error, 200).rstrip('.')}.") from error
    names = [each.name for each in session.get_outputs()]
    for symbols, time in LENGTHS:
        x = sample(symbols, time, networks[0].n_features)
        with torch.no_grad():
            wanted = [tensor.numpy() for tensor in ensemble(x)]
        try:
            given = session.run(None, {INPUT: x.numpy()})
        except Exception as error:
            raise ConfigError(
                f"{who}: its ONNX graph fails on {symbols} symbols and {time} sessions, and was made with "
                f"{networks[0].config.lookback + 2}: {one_line(error, 200).rstrip('.')}. {FIXED}"
            ) from error
        for name, one, other in zip(names, given, wanted, strict=True):
            if one.shape != other.shape:
                raise ConfigError(
                    f"{who}: its ONNX graph gives {name} of shape {list(one.shape)} for x {list(x.shape)}, torch "
                    f"{list(other.shape)}. {FIXED}"
                )
            if not np.allclose(one, other, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True):
                raise ConfigError(
                    f"{who}: its ONNX graph differs from torch by {np.nanmax(np.abs(one - other)):.2g} in {name} on "
                    f"{symbols} symbols and {time} sessions. {FIXED}"
                )


FIXED = (
    "A Python loop over sessions, a branch on values and a size that is a Python number are fixed in the graph: "
    "compute with tensors and x.shape (nn.TransformerEncoder and nn.MultiheadAttention fix the length; "
    "functional.scaled_dot_product_attention does not)."
)
LENGTHS = ((3, 70), (1, 1), (2, 7), (5, 301))
"""Numbers of symbols and sessions on which a graph is compared: fewer and more than in the run that it is made from."""
SAMPLE_SYMBOLS = 3
"""Number of symbols of the run that a graph is made from."""


def sample(symbols: int, time: int, n_features: int, seed: int = 0) -> Tensor:
    """[symbols, time, n_features + 1]; random input like that of a network: features, variances, missing sessions.

    It is drawn from a generator of its own. The first symbol starts late, as real symbols do.
    """
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(symbols, time, n_features + 1, generator=draw)
    x[..., -1] = 2e-4 * torch.exp(x[..., -1])
    x[torch.rand(symbols, time, generator=draw) < 0.05] = 0.0  # a session without a bar has no features
    x[0, : time // 5] = 0.0
    return x


class _Ensemble(nn.Module):
    """The mean over networks as a module that can be traced."""

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.config = networks[0].config
        self.attends = networks[0].attends
        self.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        time = x.shape[1]
        lookback = self.config.lookback
        # whole blocks: a traced division rounds towards zero, and what is added comes later and changes nothing
        if not self.config.network:
            x = functional.pad(x, (0, 0, 0, (lookback - time % lookback) % lookback))
        outs = [network(x) for network in self.networks]
        each = [[out.heads[name] for out in outs] for name in OUTPUTS]
        if self.attends:
            each += [[getattr(out, name) for out in outs] for name in WEIGHTS]
        return tuple(torch.stack(tensors).mean(0)[:, :time] for tensors in each)
