"""What a user's network starts from, and the frame around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from networks import WHOLE, changed, own

from tenor.config import ModelConfig
from tenor.errors import ConfigError
from tenor.model import AttentionLSTM, FramedNetwork, Output, make_network, pooled_log_variance
from tenor.model.attention_lstm import SMALLEST


@pytest.mark.parametrize("sessions", [1, 3, 50])
def test_the_pooled_variance_is_the_mean_over_sessions_that_have_one(sessions: int) -> None:
    rng = np.random.default_rng(0)
    variance = 1e-4 * np.exp(rng.normal(size=(3, 20))) * (rng.random((3, 20)) > 0.3)
    variance[1, :5] = 0
    x = torch.from_numpy(np.concatenate((rng.normal(size=(3, 20, 4)), variance[..., None]), 2).astype(np.float32))
    pooled = pooled_log_variance(x, sessions)
    assert pooled.shape == (3, 20, 1)
    for row in range(3):
        for t in range(20):
            past = variance[row, max(0, t - sessions + 1) : t + 1]
            past = past[past > 0]
            wanted = np.log(past.mean()) if len(past) else np.log(SMALLEST)
            assert float(pooled[row, t]) == pytest.approx(wanted, abs=1e-4)


def test_the_config_says_which_network_is_made(tmp_path: Path) -> None:
    assert isinstance(make_network(ModelConfig(lookback=4), 5, 2), AttentionLSTM)
    network = make_network(own(tmp_path), 5, 2)
    assert isinstance(network, FramedNetwork)
    assert network.training
    assert network.gives == ("mean", "up_logit", "log_variance")
    assert not network.attends


def test_a_head_is_what_the_network_gives_and_its_level(tmp_path: Path) -> None:
    network = make_network(own(tmp_path), 5, 2).eval()
    x = torch.randn(3, 7, 6)
    with torch.no_grad():
        before = network(x).heads
        network.level("mean").copy_(torch.tensor([1.0, -2.0]))
        after = network(x).heads
    assert torch.equal(after["mean"], before["mean"] + torch.tensor([1.0, -2.0]))
    assert torch.equal(after["log_variance"], before["log_variance"])


def test_an_output_is_taken_as_a_dict_is(tmp_path: Path) -> None:
    text = "from tenor.model import Output\n" + changed(
        ('        return {"log_variance": risk, "mean": mean, "up_logit": up}\n',
         '        return Output({"log_variance": risk, "mean": mean, "up_logit": up}, None, None)\n')
    )  # fmt: skip
    (tmp_path / "other").mkdir()
    torch.manual_seed(0)
    one = make_network(own(tmp_path, text), 5, 2)
    torch.manual_seed(0)
    other = make_network(own(tmp_path / "other"), 5, 2)
    x = torch.randn(2, 3, 6)
    out = one.eval()(x)
    assert isinstance(out, Output)
    assert torch.equal(out.heads["mean"], other.eval()(x).heads["mean"])


def test_an_error_in_a_later_run_is_one_line_too(tmp_path: Path) -> None:
    text = changed(
        ("        h = torch.tanh", "        if x.shape[1] > 30:\n            x = x[:, :, 99]\n        h = torch.tanh")
    )
    network = make_network(own(tmp_path, text), 5, 2)
    network(torch.zeros(1, 30, 6))
    with pytest.raises(ConfigError, match=r"raised IndexError: .* \(mine.py, line \d+\) on x \[1, 31, 6\]"):
        network(torch.zeros(1, 31, 6))


def test_a_file_with_dataclasses_and_inspection_runs_from_its_text(tmp_path: Path) -> None:
    lines = (
        "\ufefffrom __future__ import annotations",
        "import dataclasses",
        "import inspect",
        WHOLE,
        "@dataclasses.dataclass",
        "class Settings:",
        "    width: int = 3",
        "assert 'width' in inspect.getsource(Settings)",
    )
    text = "\n".join(lines)
    config = own(tmp_path, text)
    (tmp_path / "mine.py").unlink()
    assert isinstance(make_network(config, 5, 2), FramedNetwork)
