"""Networks made by hand: some attend to what they use, some do not."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tenor.config import FeatureConfig, ModelConfig, SentimentConfig, TrainConfig
from tenor.errors import ConfigError, DataError, HistoryError, ModelError
from tenor.evaluation.faithfulness import LATEST, LEAST, MOST, RANDOM, Deletion, Faithfulness, faithfulness
from tenor.features import Scaler
from tenor.heads import Calibration
from tenor.inference.recipe import Recipe
from tenor.model import AttentionLSTM
from tenor.schema import Panel
from tenor.training import Forecaster
from tenor.training.trainer import History

MODEL = ModelConfig(hidden=3, attention_size=1, lookback=10)
ROWS = slice(180, 260)


def forecaster_of(panel: Panel, network: AttentionLSTM) -> Forecaster:
    horizons = len(panel.horizons)
    return Forecaster(
        networks=(network.requires_grad_(requires_grad=False).eval(),),
        recipe=Recipe(
            features=FeatureConfig(horizons=panel.horizons),
            sentiment=SentimentConfig(),
            model=MODEL,
            scaler=Scaler.fit(panel, slice(0, 120)),
            calibration=Calibration(
                {
                    "mean": {"width": (1.6,) * horizons},
                    "up_logit": {"base": (0.0,) * horizons, "slope": (1.0,) * horizons},
                }
            ),
            symbols=panel.symbols,
            split=dict.fromkeys(("train", "validation", "test"), ("2014-01-02", "2014-01-03")),
        ),
        training=TrainConfig(seeds=(0,)),
        history=(History([1.0], [1.0], 1),),
        fingerprint="",
    )


def made(
    panel: Panel, *, key_sign: float, gate: dict[str, float], uses: dict[str, float] | None = None
) -> AttentionLSTM:
    """States do not remember. Unit 0 is constant; unit 1 is tanh of the columns of `uses`, by their weights.

    Attention is sharp on large unit 1 (`key_sign` 1) or even (0), and only what it carries reaches the forecast.
    """
    net = AttentionLSTM(MODEL, len(panel.features), len(panel.horizons))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for name, bias in gate.items():
            net.gate.bias[panel.features.index(name)] = bias
        # rows of an LSTM's weights: input, forget, cell, output gates, three units each
        bias = net.lstm.bias_ih_l0
        bias[0:3], bias[3:6], bias[9:12] = 8.0, -20.0, 8.0
        bias[6] = 8.0  # unit 0: tanh(tanh(8)) = .76 at every step
        for name, weight in (uses or {"b": 3.0}).items():
            net.lstm.weight_ih_l0[7, panel.features.index(name)] = weight
        net.query.weight[0, 0] = 20.0
        net.key.weight[0, 1] = key_sign
        net.dense.weight[0, 1] = 1.0  # of the context alone: the state itself is not passed on
        net.heads["mean"].weight[:, 0] = 1.0
    return net


@pytest.fixture(scope="module")
def tested(sentiment_panel: Panel) -> Callable[..., Faithfulness]:
    def call(net: AttentionLSTM, **options: Any) -> Faithfulness:
        return faithfulness(forecaster_of(sentiment_panel, net), sentiment_panel, ROWS, **{"forecasts": 120, **options})

    return call


def test_sharp_attention_on_what_is_used_is_honest(sentiment_panel: Panel, tested: Callable[..., Faithfulness]) -> None:
    gate, uses = {"b": 1.2, "c": 0.8, "signal": 0.4}, {"b": 1.0, "c": 1.0, "signal": 1.0}
    found = tested(made(sentiment_panel, key_sign=1.0, gate=gate, uses=uses), hidden=(2, 1, 1, 4, 50))
    assert found.time.honest
    assert found.features.honest
    assert found.time.p == found.features.p == 1 / 40
    assert found.verdict.startswith("Attention over time is honest at 5 %: hiding the most-attended steps moves")
    assert (found.time.hidden, found.time.of) == ((1, 2, 4), MODEL.lookback)
    assert (found.features.hidden, found.features.of) == ((1, 2, 4), len(sentiment_panel.features))
    for deletion in (found.time, found.features):
        for i in range(3):
            most, random, least = (deletion.moved[arm][i].value for arm in (MOST, RANDOM, LEAST))
            assert most > random >= least
        assert deletion.moved_over_random.low > 0
    assert all(one.value == 0 for one in found.features.moved[LEAST])


def test_attention_on_what_is_not_used_is_called_out(
    sentiment_panel: Panel, tested: Callable[..., Faithfulness]
) -> None:
    found = tested(made(sentiment_panel, key_sign=1.0, gate={"c": 3.0, "b": -1.0, "signal": 3.0}), hidden=(1, 2))
    assert all(one.value == 0 for one in found.features.moved[MOST])  # neither c nor signal reaches the forecast
    assert not found.features.honest
    assert found.features.p == 1
    assert "attention over features is not shown to be honest at 5 %" in found.verdict


def test_uniform_attention_is_not_honest(sentiment_panel: Panel, tested: Callable[..., Faithfulness]) -> None:
    """All weigh the same: the ranking is that of the columns, one fixed choice among many, and no evidence."""
    found = tested(made(sentiment_panel, key_sign=0.0, gate={}), hidden=(1, 2))
    assert not found.time.honest
    assert not found.features.honest
    assert found.features.moved_over_random.low > 0  # b comes second by chance, and days alone would be fooled
    assert found.features.p > 0.05


def test_hidden_steps_are_those_attended(sentiment_panel: Panel, tested: Callable[..., Faithfulness]) -> None:
    """By hand: one forecast, one step hidden; the forecast is tanh of a softmax-weighted mean of states."""
    net = made(sentiment_panel, key_sign=1.0, gate={})
    found = tested(net, forecasts=1, hidden=(1,))
    forecaster = forecaster_of(sentiment_panel, net)
    rng = np.random.default_rng(0)
    day, symbol = np.nonzero(sentiment_panel.mask[ROWS] & np.isfinite(sentiment_panel.targets[ROWS, :, 0]))
    chosen = int(rng.choice(len(day), size=1, replace=False)[0])
    t, s = day[chosen] + ROWS.start, symbol[chosen]
    b = (
        forecaster.recipe.scaler.transform(sentiment_panel)
        .values[t - 9 : t + 1, s, sentiment_panel.features.index("b")]
        .astype(float)
    )

    def say(column: np.ndarray) -> float:
        up = 1 / (1 + math.exp(-8))
        state = up * np.tanh(up * np.tanh(3.0 * column))
        query = 20.0 * up * math.tanh(up * math.tanh(8.0))
        weights = np.exp(query * state)
        return math.tanh((weights * state).sum() / weights.sum())

    without = b.copy()
    without[b.argmax()] = 0.0
    assert found.time.moved[MOST][0].value == pytest.approx(abs(say(without) - say(b)), abs=1e-4)
    unit = sentiment_panel.volatility[t, s]
    actual = sentiment_panel.targets[t, s, 0] / unit
    hurt = (say(without) - actual) ** 2 - (say(b) - actual) ** 2
    assert found.time.error[MOST][0].value == pytest.approx(hurt, abs=1e-3)
    recent = b.copy()
    recent[-1] = 0.0
    assert found.time.moved[LATEST][0].value == pytest.approx(abs(say(recent) - say(b)), abs=1e-4)
    assert LATEST not in found.features.moved
    assert "can't be tested on so few days" in found.verdict
    json.dumps(found.to_json(), allow_nan=False)


def test_a_fixed_ranking_that_means_nothing_is_called_honest_rarely(sentiment_panel: Panel) -> None:
    """The gate favours columns drawn at random, the same at every forecast; many of them reach the forecast."""
    honest = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        net = made(sentiment_panel, key_sign=0.0, gate={})
        with torch.no_grad():
            count = len(sentiment_panel.features)
            net.gate.bias[:] = torch.from_numpy(1e-3 * rng.permutation(count))
            net.lstm.weight_ih_l0[7] = torch.from_numpy(rng.exponential(0.3, count))
        found = faithfulness(
            forecaster_of(sentiment_panel, net),
            sentiment_panel,
            ROWS,
            forecasts=60,
            hidden=(3,),
            resamples=200,
            seed=seed,
        )
        honest += found.features.honest
    assert honest <= 6  # at 2.5 %, more than 6 of 40 happen less than once in 10,000 times


def test_the_same_seed_gives_the_same(sentiment_panel: Panel, tested: Callable[..., Faithfulness]) -> None:
    net = made(sentiment_panel, key_sign=1.0, gate={"b": 1.0})
    options = {"forecasts": 40, "hidden": (1, 2), "horizon": 5}
    assert tested(net, **options) == tested(net, **options)
    other: Deletion = tested(net, **options, seed=1).time
    assert other.moved[RANDOM] != tested(net, **options).time.moved[RANDOM]


def test_what_can_not_be_tested_is_refused(sentiment_panel: Panel, tested: Callable[..., Faithfulness]) -> None:
    net = made(sentiment_panel, key_sign=1.0, gate={})
    forecaster = forecaster_of(sentiment_panel, net)
    plain = replace(forecaster, recipe=replace(forecaster.recipe, model=replace(MODEL, attention=False)))
    with pytest.raises(ModelError, match="trained without attention"):
        faithfulness(plain, sentiment_panel, ROWS)
    with pytest.raises(HistoryError, match="no forecast with a known return"):
        faithfulness(forecaster, sentiment_panel, slice(259, 260))
    with pytest.raises(DataError, match="horizon 7 is not in this panel"):
        tested(net, horizon=7)
    with pytest.raises(ConfigError, match="forecasts is 0"):
        tested(net, forecasts=0)
    with pytest.raises(ConfigError, match=r"hidden \[\]"):
        tested(net, hidden=())
    with pytest.raises(ConfigError, match="there are 10 steps: hide fewer than all"):
        tested(net, hidden=(10, 11))
