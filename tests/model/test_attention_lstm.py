from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.config import ModelConfig
from tenor.errors import ConfigError
from tenor.model import AttentionLSTM
from tenor.model.attention_lstm import attend_back


def reference(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lookback: int) -> tuple[list, list]:
    """The definition, one step after another."""
    contexts, weights = [], []
    for t in range(query.shape[1]):
        first = max(0, t - lookback + 1)
        scores = (key[:, first : t + 1] @ query[:, t, :, None])[..., 0] / math.sqrt(query.shape[2])
        weight = torch.softmax(scores, dim=1)
        contexts.append((weight[..., None] * value[:, first : t + 1]).sum(1))
        weights.append(torch.nn.functional.pad(weight, (lookback - weight.shape[1], 0)))
    return contexts, weights


@given(time=st.integers(1, 40), lookback=st.integers(2, 12), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_banded_attention_is_its_definition(time: int, lookback: int, seed: int) -> None:
    torch.manual_seed(seed)
    query, key, value = torch.randn(2, time, 3), torch.randn(2, time, 3), torch.randn(2, time, 5)
    context, weights = attend_back(query, key, value, lookback)
    contexts, expected = reference(query, key, value, lookback)
    torch.testing.assert_close(context, torch.stack(contexts, 1))
    torch.testing.assert_close(weights, torch.stack(expected, 1))


@pytest.fixture
def net() -> AttentionLSTM:
    torch.manual_seed(3)
    net = AttentionLSTM(ModelConfig(hidden=8, attention_size=4, lookback=6), n_features=5, n_horizons=2).eval()
    for parameter in net.parameters():  # off the zeros it starts from
        torch.nn.init.normal_(parameter, std=0.4)
    return net


def test_shapes_and_weights(net: AttentionLSTM) -> None:
    out = net(torch.randn(3, 20, 5))
    assert {name: output.shape for name, output in out.heads.items()} == {"mean": (3, 20, 2), "up_logit": (3, 20, 2)}
    assert out.time_weights.shape == (3, 20, 6)
    assert out.feature_weights.shape == (3, 20, 5)
    torch.testing.assert_close(out.time_weights.sum(-1), torch.ones(3, 20))
    torch.testing.assert_close(out.feature_weights.sum(-1), torch.ones(3, 20))
    assert (out.time_weights[:, 2, :3] == 0).all()  # nothing before the run began
    assert (out.time_weights[:, 5] > 0).all()


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
def test_no_step_sees_a_later_one_by_one_bit(attention: bool, layers: int) -> None:
    torch.manual_seed(0)
    config = ModelConfig(hidden=8, attention_size=4, lookback=6, layers=layers, attention=attention)
    net = AttentionLSTM(config, 5, 2).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    x = torch.randn(3, 40, 5)
    changed = x.clone()
    changed[:, 17:] = torch.randn(3, 23, 5) * 100
    first, second = net(x), net(changed)
    pairs = [(first.heads[name], second.heads[name]) for name in first.heads]
    for before, after in [*pairs, *zip(first[1:], second[1:], strict=True)]:
        if before is not None:
            assert torch.equal(before[:, :17], after[:, :17])
            if before.shape[-1] != 6:
                assert not torch.equal(before[:, 17:], after[:, 17:])


def test_it_starts_at_the_zero_forecast_with_every_feature_weighing_the_same() -> None:
    out = AttentionLSTM(ModelConfig(hidden=8), 5, 2)(torch.randn(2, 9, 5))
    assert all((output == 0).all() for output in out.heads.values())
    torch.testing.assert_close(out.feature_weights, torch.full((2, 9, 5), 0.2))


def test_every_parameter_learns(net: AttentionLSTM) -> None:
    out = net(torch.randn(3, 20, 5))
    sum(output.square().sum() for output in out.heads.values()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_without_attention_it_is_a_plain_lstm() -> None:
    net = AttentionLSTM(ModelConfig(hidden=8, attention=False), 5, 2)
    assert {name.split(".")[0] for name, _ in net.named_parameters()} == {"lstm", "dense", "heads"}
    out = net(torch.randn(2, 9, 5))
    assert out.time_weights is None
    assert out.feature_weights is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("hidden", 0), ("hidden", 2.5), ("hidden", 5000), ("layers", 0), ("layers", 9), ("attention_size", 0),
     ("lookback", 1), ("dropout", 1.0), ("dropout", -0.1), ("dropout", math.nan)],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_name(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"'model.{key}' is {value}"):
        ModelConfig(**{key: value})
