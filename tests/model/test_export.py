"""The exported graph against torch, for runs shorter and longer than the one that it was traced with."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from tenor.config import ModelConfig
from tenor.model import AttentionLSTM
from tenor.model.export import OUTPUTS, WEIGHTS, to_onnx

FEATURES, HORIZONS = 7, 2


def made(config: ModelConfig, count: int) -> list[AttentionLSTM]:
    torch.manual_seed(0)
    networks = [AttentionLSTM(config, FEATURES, HORIZONS).eval() for _ in range(count)]
    for network in networks:
        for parameter in network.parameters():
            nn.init.normal_(parameter, 0, 0.4)
    return networks


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (ModelConfig(hidden=6, lookback=8), 3),
        (ModelConfig(hidden=5, lookback=2, layers=2), 1),
        (ModelConfig(hidden=5, lookback=3, dense=(7, 3)), 2),
        (ModelConfig(hidden=4, lookback=8, attention=False), 2),
    ],
)
def test_the_graph_is_the_mean_over_the_networks(config: ModelConfig, count: int) -> None:
    networks = made(config, count)
    session = onnxruntime.InferenceSession(to_onnx(networks), providers=["CPUExecutionProvider"])
    names = [*OUTPUTS, *(WEIGHTS if config.attention else ())]
    assert [out.name for out in session.get_outputs()] == names
    for symbols, time in ((3, 10), (1, 1), (2, 7), (5, 8), (4, 9), (1, 16), (33, 101)):
        x = torch.randn(symbols, time, FEATURES + 1)
        x[..., -1] = 1e-4 * torch.exp(x[..., -1]) * (torch.rand(symbols, time) > 0.2)  # some sessions have no bar
        x[..., 0, -1] = 1e-4
        with torch.no_grad():
            outs = [network(x) for network in networks]
        for name, found in zip(names, session.run(None, {"x": x.numpy()}), strict=True):
            assert found.shape[:2] == (symbols, time)
            wanted = (
                torch.stack([out.heads[name] if name in out.heads else getattr(out, name) for out in outs])
                .mean(0)
                .numpy()
            )
            assert found.shape == wanted.shape
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=2e-6)


def test_the_same_networks_give_the_same_bytes_and_no_torch_setting_changes() -> None:
    networks = made(ModelConfig(hidden=4, lookback=4), 2)
    before = torch.get_rng_state()
    first = to_onnx(networks)
    assert first == to_onnx(networks)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.is_grad_enabled()
