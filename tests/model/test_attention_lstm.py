from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tenor.config import ModelConfig, to_mapping
from tenor.config.toml import shown
from tenor.errors import ConfigError
from tenor.heads import HEADS
from tenor.model import AttentionLSTM
from tenor.model.attention_lstm import DECAY, SMALLEST, _bands, banded_products, windows

FEATURES, HORIZONS, LOOKBACK = 5, 2, 6
NAMES = ("mean", "up_logit", "log_variance")


def inputs(symbols: int, time: int, *, gaps: float = 0.2) -> torch.Tensor:
    """Features, and variances of about a percent squared; a share `gaps` of the sessions has none."""
    variance = 1e-4 * torch.exp(torch.randn(symbols, time, 1)) * (torch.rand(symbols, time, 1) >= gaps)
    return torch.cat((torch.randn(symbols, time, FEATURES), variance), -1)


def made(std: float = 0.4, **shape: object) -> AttentionLSTM:
    """A network off the zeros it starts from."""
    config = ModelConfig(**{"hidden": 8, "attention_size": 4, "lookback": LOOKBACK, "dropout": 0.1, **shape})
    net = AttentionLSTM(config, FEATURES, HORIZONS).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return net


@given(time=st.integers(1, 40), lookback=st.integers(2, 12), seed=st.integers(0, 1000))
@settings(max_examples=60)
def test_banded_products_and_windows_are_their_definitions(time: int, lookback: int, seed: int) -> None:
    torch.manual_seed(seed)
    query, key, steps = torch.randn(2, time, 3), torch.randn(2, time, 3), torch.randn(2, time)
    products, shown = banded_products(query, key, lookback), windows(steps, lookback)
    assert products.shape == shown.shape == (2, time, lookback)
    for t in range(time):
        for place in range(lookback):
            at = t - lookback + 1 + place
            expected = (query[:, t] * key[:, at]).sum(-1) if at >= 0 else torch.zeros(2)
            torch.testing.assert_close(products[:, t, place], expected)
            assert torch.equal(shown[:, t, place], steps[:, at] if at >= 0 else torch.zeros(2))


@given(blocks=st.integers(1, 4), lookback=st.integers(2, 9), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_bands_and_their_gradient_are_those_of_the_exported_graph_to_the_bit(
    blocks: int, lookback: int, seed: int
) -> None:
    torch.manual_seed(seed)
    with pytest.MonkeyPatch.context() as patch:
        rows = torch.randn(3, blocks, lookback, 2 * lookback, requires_grad=True)
        above = torch.randn(2, blocks, 1, 2 * lookback).expand(-1, -1, lookback, -1)  # as `windows` has them
        gradient = torch.randn(3, blocks * lookback, lookback)
        results = []
        for exporting in (False, True):
            patch.setattr(torch.onnx, "is_in_onnx_export", lambda exporting=exporting: exporting)
            rows.grad = None
            bands = _bands(rows)
            bands.backward(gradient)
            results.append((bands.detach(), _bands(above), rows.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.equal(ours, theirs)


def reference(net: AttentionLSTM, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Log variance [T, K] and weights [T, K, L] of one symbol [T, F + 1]: the formulas, cell by cell."""
    lookback, size = net.config.lookback, net.config.attention_size
    features, variance = x[:, :-1], x[:, -1].double().numpy()
    gated = features * torch.softmax(net.gate(features), -1) * FEATURES
    states = net.lstm(gated[None])[0][0]
    time = len(x)
    query = net.query(states).reshape(time, HORIZONS, size).double().numpy()
    key = net.key(torch.cat((states, gated), -1)).reshape(time, HORIZONS, size).double().numpy()
    correction = net.heads["log_variance"](torch.tanh(net.dense(states))).double().numpy()
    by_lag = net.by_lag.double().numpy()
    out, weights = np.zeros((time, HORIZONS)), np.zeros((time, HORIZONS, lookback))
    for t in range(time):
        for k in range(HORIZONS):
            share = {
                i: math.exp(query[t, k] @ key[i, k] / math.sqrt(size) + by_lag[k, lookback - 1 - (t - i)])
                for i in range(max(0, t - lookback + 1), t + 1)
                if variance[i] > 0
            }
            total = sum(share.values())
            pooled = sum(s / total * variance[i] for i, s in share.items()) if share else SMALLEST
            for i, s in share.items():
                weights[t, k, lookback - 1 - (t - i)] = s / total
            out[t, k] = math.log(pooled) + correction[t, k]
    return out, weights


@pytest.mark.parametrize("time", [1, 3, 6, 20])
@torch.no_grad()
def test_the_log_variance_is_that_of_the_pooled_variances_and_a_correction(time: int) -> None:
    torch.manual_seed(time)
    net, x = made(), inputs(3, time)
    x[0, 0, -1] = 1e-4  # at least one session is there in the first window of the first symbol
    found = net(x)
    assert found.time_weights is not None
    for symbol in range(3):
        expected, weights = reference(net, x[symbol])
        np.testing.assert_allclose(found.heads["log_variance"][symbol], expected, rtol=1e-4, atol=1e-4)
        there = weights.sum(-1) > 0  # a window without any session has nothing to weigh
        np.testing.assert_allclose(found.time_weights[symbol].numpy()[there], weights[there], rtol=1e-4, atol=1e-6)


def test_shapes_and_weights() -> None:
    torch.manual_seed(3)
    out = made()(inputs(3, 20, gaps=0))
    assert tuple(head.name for head in HEADS) == NAMES
    assert {name: output.shape for name, output in out.heads.items()} == dict.fromkeys(NAMES, (3, 20, HORIZONS))
    assert out.time_weights.shape == (3, 20, HORIZONS, LOOKBACK)
    assert out.feature_weights.shape == (3, 20, FEATURES)
    assert not out.time_weights.requires_grad
    assert not out.feature_weights.requires_grad
    torch.testing.assert_close(out.time_weights.sum(-1), torch.ones(3, 20, HORIZONS))
    torch.testing.assert_close(out.feature_weights.sum(-1), torch.ones(3, 20))
    assert (out.time_weights[:, 2, :, :3] == 0).all()  # nothing before the run began
    assert (out.time_weights[:, 5] > 0).all()
    assert not torch.allclose(out.time_weights[:, :, 0], out.time_weights[:, :, 1])  # each horizon weighs for itself


def test_a_session_without_a_bar_weighs_nothing_and_a_window_without_any_is_finite() -> None:
    torch.manual_seed(4)
    net, x = made(), inputs(2, 30, gaps=0)
    x[0, 10, -1] = 0
    x[1, 8:20, -1] = 0
    out = net(x)
    for place, t in enumerate(range(10 + LOOKBACK - 1, 9, -1)):
        assert (out.time_weights[0, t, :, place] == 0).all()
    assert all(output.isfinite().all() for output in out.heads.values())
    empty = out.heads["log_variance"][1, 8 + LOOKBACK - 1]
    correction = net.heads["log_variance"](torch.tanh(net.dense(net.lstm(gated(net, x))[0])))[1, 8 + LOOKBACK - 1]
    torch.testing.assert_close(empty, correction + math.log(SMALLEST))


def gated(net: AttentionLSTM, x: torch.Tensor) -> torch.Tensor:
    return x[..., :-1] * torch.softmax(net.gate(x[..., :-1]), -1) * FEATURES


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
def test_no_step_sees_a_later_one_by_one_bit(attention: bool, layers: int) -> None:
    torch.manual_seed(0)
    net, x = made(layers=layers, attention=attention), inputs(3, 40)
    changed = x.clone()
    changed[:, 17:] = inputs(3, 23) * 100
    first, second = net(x), net(changed)
    pairs = [(first.heads[name], second.heads[name]) for name in first.heads]
    for before, after in [*pairs, *zip(first[1:], second[1:], strict=True)]:
        if before is not None:
            assert torch.equal(before[:, :17], after[:, :17])
            assert not torch.equal(before[:, 17:], after[:, 17:])


def test_variances_reach_the_forecast_of_risk_alone() -> None:
    torch.manual_seed(1)
    net, x = made(), inputs(2, 15)
    changed = x.clone()
    changed[..., -1] *= 4
    first, second = net(x), net(changed)
    for name in ("mean", "up_logit"):
        assert torch.equal(first.heads[name], second.heads[name])
    shift = second.heads["log_variance"] - first.heads["log_variance"]
    there = windows(x[..., -1], LOOKBACK).sum(-1) > 0
    torch.testing.assert_close(shift[there], torch.full_like(shift[there], math.log(4)))


def test_it_starts_at_no_return_and_at_the_pooled_variance_with_every_feature_weighing_the_same() -> None:
    x = inputs(2, 9, gaps=0)
    net = AttentionLSTM(ModelConfig(hidden=8, lookback=4), FEATURES, HORIZONS)
    for parameter in (net.query.weight, net.query.bias):
        torch.nn.init.zeros_(parameter)  # what is left of attention is its fall with the lag
    out = net(x)
    assert (out.heads["mean"] == 0).all()
    assert (out.heads["up_logit"] == 0).all()
    torch.testing.assert_close(out.feature_weights, torch.full((2, 9, FEATURES), 0.2))
    by_lag = np.array([4.0, 3.0, 2.0, 1.0]) ** -DECAY
    np.testing.assert_allclose(out.time_weights[0, 8, 1].numpy(), by_lag / by_lag.sum(), rtol=1e-5)
    pooled = np.average(x[1, 5:, -1].double().numpy(), weights=by_lag)
    assert out.heads["log_variance"][1, 8, 0].item() == pytest.approx(math.log(pooled), rel=1e-5)


@pytest.mark.parametrize("dense", [(), (6, 5, 4)])
def test_every_parameter_learns(dense: tuple[int, ...]) -> None:
    torch.manual_seed(3)
    net = made(dense=dense)
    out = net(inputs(3, 20))
    sum(output.square().sum() for output in out.heads.values()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_dense_layers_are_one_as_wide_as_the_lstm_unless_they_are_named() -> None:
    def built(**shape: object) -> AttentionLSTM:
        torch.manual_seed(7)
        return AttentionLSTM(ModelConfig(hidden=8, lookback=4, **shape), FEATURES, HORIZONS)

    default, named = built(), built(dense=(8,))
    assert "dense" not in to_mapping(default.config)
    assert list(default.state_dict()) == list(named.state_dict())
    assert all(torch.equal(value, named.state_dict()[name]) for name, value in default.state_dict().items())
    deep = built(dense=[6, 3])
    assert deep.config.dense == (6, 3)
    shapes = {name: tuple(value.shape) for name, value in deep.state_dict().items()}
    assert shapes["dense.weight"] == (6, 8)
    assert shapes["deeper.0.weight"] == (3, 6)
    assert shapes["heads.log_variance.weight"] == (HORIZONS, 3)


@pytest.mark.parametrize("dense", [(3,), (6, 3), (2, 9, 4)])
@torch.no_grad()
def test_the_heads_read_the_last_of_the_dense_layers(dense: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    net = made(dense=dense)
    x = inputs(2, 9)
    states = net.lstm(x[..., :-1] * torch.softmax(net.gate(x[..., :-1]), -1) * FEATURES)[0]
    for linear in (net.dense, *net.deeper):
        states = torch.tanh(states @ linear.weight.T + linear.bias)
    torch.testing.assert_close(net(x).heads["mean"], net.heads["mean"](states))


def test_without_attention_it_is_a_plain_lstm_and_a_plain_mean_of_variances() -> None:
    net = AttentionLSTM(ModelConfig(hidden=8, lookback=4, attention=False), FEATURES, HORIZONS)
    assert {name.split(".")[0] for name, _ in net.named_parameters()} == {"lstm", "dense", "heads"}
    x = inputs(2, 9, gaps=0)
    x[0, 6, -1] = 0
    out = net(x)
    assert out.time_weights is None
    assert out.feature_weights is None
    assert {name: output.shape for name, output in out.heads.items()} == dict.fromkeys(NAMES, (2, 9, HORIZONS))
    variance = x[..., -1].double().numpy()
    for symbol, t, there in ((0, 8, [5, 7, 8]), (1, 8, [5, 6, 7, 8]), (1, 1, [0, 1])):
        expected = math.log(variance[symbol, there].mean())
        assert out.heads["log_variance"][symbol, t].tolist() == pytest.approx([expected] * HORIZONS, rel=1e-5)


@pytest.mark.parametrize(
    ("key", "value"),
    [("hidden", 0), ("hidden", 2.5), ("hidden", 5000), ("layers", 0), ("layers", 9), ("attention_size", 0),
     ("lookback", 1), ("dropout", 1.0), ("dropout", -0.1), ("dropout", math.nan),
     ("dense", 64), ("dense", [0]), ("dense", [64, 2000]), ("dense", [1.5]), ("dense", [True]), ("dense", "64")],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"'model.{key}' is {shown(value)}")):
        ModelConfig(**{key: value})
