"""The last step alone gives what the network gives there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tenor.config import ModelConfig
from tenor.evaluation.last_step import BATCH, LastStep
from tenor.model import AttentionLSTM

FEATURES, HORIZONS = 4, 3


pytestmark = pytest.mark.usefixtures("one_thread")


def networks(layers: int, dense: tuple[int, ...]) -> list[AttentionLSTM]:
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        config = ModelConfig(hidden=5, attention_size=2, lookback=6, layers=layers, dense=dense)
        network = AttentionLSTM(config, FEATURES, HORIZONS).requires_grad_(requires_grad=False).eval()
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter))
        made.append(network)
    return made


@pytest.mark.parametrize(("layers", "steps", "dense"), [(1, 12, ()), (2, 9, ()), (1, 6, ()), (1, 9, (7, 3))])
def test_it_is_the_network_at_the_last_step(layers: int, steps: int, dense: tuple[int, ...]) -> None:
    rng = np.random.default_rng(layers)
    windows = rng.normal(size=(BATCH + 7, steps, FEATURES + 1)).astype("float32")
    windows[..., -1] = np.where(rng.random(windows.shape[:2]) < 0.3, 0, rng.exponential(1e-4, windows.shape[:2]))
    windows[0, :, -1] = 0  # no session at all
    each = networks(layers, dense)
    for place in range(HORIZONS):
        last = LastStep(each, windows, place)
        with torch.no_grad():
            expected = np.mean(
                [net(torch.from_numpy(windows)).heads["log_variance"][:, -1, place].numpy() for net in each], axis=0
            )
        np.testing.assert_allclose(last.forecast(last.inputs), expected, atol=2e-5)
        changed = last.inputs.copy()
        changed[:, 2] = 0
        windows_changed = windows.copy()
        windows_changed[:, steps - 6 + 2] = 0
        with torch.no_grad():
            expected = np.mean(
                [net(torch.from_numpy(windows_changed)).heads["log_variance"][:, -1, place].numpy() for net in each],
                axis=0,
            )
        np.testing.assert_allclose(last.forecast(changed), expected, atol=2e-5)
