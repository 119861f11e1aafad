"""Networks made by hand: the forecasts of some depend on what they attend to, those of others do not."""

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
from tenor.distribution import Shape
from tenor.errors import ConfigError, DataError, HistoryError, ModelError
from tenor.evaluation import faithfulness as faithfulness_module
from tenor.evaluation.faithfulness import (
    LATEST,
    LEAST,
    MOST,
    RANDOM,
    RECENT,
    Deletion,
    Faithfulness,
    attention_entropy,
    faithfulness,
)
from tenor.features import Scaler
from tenor.heads import Calibration
from tenor.inference.recipe import Recipe
from tenor.model import AttentionLSTM
from tenor.schema import Panel
from tenor.training import Forecaster, PanelAttention
from tenor.training.trainer import History

MODEL = ModelConfig(hidden=3, attention_size=1, lookback=12)
ROWS = slice(180, 260)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what does not depend on how small a p-value can be."""
    monkeypatch.setattr(faithfulness_module, "DRAWS", 39)


def forecaster_of(panel: Panel, network: AttentionLSTM) -> Forecaster:
    horizons = len(panel.horizons)
    normal = Shape.fit(*[np.empty(0)] * 3, 1).to_mapping()
    return Forecaster(
        networks=(network.requires_grad_(requires_grad=False).eval(),),
        recipe=Recipe(
            features=FeatureConfig(horizons=panel.horizons),
            sentiment=SentimentConfig(),
            model=MODEL,
            scaler=Scaler.fit(panel, slice(0, 120)),
            calibration=Calibration(
                {
                    "mean": {},
                    "up_logit": {"base": (0.0,) * horizons, "slope": (1.0,) * horizons},
                    "log_variance": {name: (value,) * horizons for name, value in {"share": 1.0, **normal}.items()},
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
    panel: Panel,
    *,
    sharp: float = 0.0,
    recency: float = 0.0,
    gate: dict[str, float] | None = None,
    uses: dict[str, float] | None = None,
    correction: float = 0.0,
) -> AttentionLSTM:
    """States do not remember. Unit 0 is constant; unit 1 is tanh of the columns of `uses`, by their weights.

    Attention is on the sessions with a large unit 1, as far as it is `sharp`, and falls with the lag by `recency`. The
    forecast is the log of the pooled variance, plus `correction` times tanh of the last step's unit 1.
    """
    net = AttentionLSTM(MODEL, len(panel.features), len(panel.horizons))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for name, bias in (gate or {}).items():
            net.gate.bias[panel.features.index(name)] = bias
        # rows of an LSTM's weights: input, forget, cell, output gates, three units each
        bias = net.lstm.bias_ih_l0
        bias[0:3], bias[3:6], bias[9:12] = 8.0, -20.0, 8.0
        bias[6] = 8.0  # unit 0: tanh(tanh(8)) = 0.76 at every step
        for name, weight in (uses or {"b": 3.0}).items():
            net.lstm.weight_ih_l0[7, panel.features.index(name)] = weight
        net.query.weight[:, 0] = sharp
        net.key.weight[:, 1] = 1.0
        net.by_lag[:] = -recency * torch.arange(MODEL.lookback - 1, -1, -1)
        net.dense.weight[0, 1] = 1.0
        net.heads["log_variance"].weight[:, 0] = correction
    return net


def world_of(panel: Panel, net: AttentionLSTM, noise: float = 0.3) -> Panel:
    """`panel` whose variances are what `net` forecasts, and noise: hiding what its forecast depends on hurts."""
    risk = forecaster_of(panel, net).predict(panel).risk
    assert risk is not None
    drawn = np.random.default_rng(0).normal(0, noise, panel.log_variance.shape)
    realised = np.where(np.isfinite(panel.log_variance), risk.log_variance + drawn, np.nan)
    return replace(panel, log_variance=realised.astype(np.float32))


def examined(panel: Panel, net: AttentionLSTM, **options: Any) -> Faithfulness:
    options = {"forecasts": 120, "hidden": (1, 2), "resamples": 400, **options}
    return faithfulness(forecaster_of(panel, net), world_of(panel, net), ROWS, **options)


def test_attention_that_carries_the_forecast_passes(sentiment_panel: Panel) -> None:
    gate, uses = {"b": 1.2, "c": 0.8, "signal": 0.4}, {"b": 1.0, "c": 1.0, "signal": 1.0}
    net = made(sentiment_panel, sharp=10.0, gate=gate, uses=uses, correction=2.0)
    result = examined(sentiment_panel, net, hidden=(2, 1, 1, 4, 50))
    assert result.older is not None
    for deletion in (result.time, result.older, result.features):
        assert (deletion.honest, deletion.hurts) == (True, True)
        assert (deletion.p_moved, deletion.p_error < 0.05) == (1 / 200, True)
        assert deletion.hidden == (1, 2, 4)
        for i in range(3):
            most, random, least = (deletion.moved[arm][i].value for arm in (MOST, RANDOM, LEAST))
            assert most > random > least
            assert deletion.error[MOST][i].value > deletion.error[RANDOM][i].value
        assert deletion.moved_over_random.low > 0
        assert deletion.error_over_random.low > 0
    assert (result.time.of, result.older.of) == (MODEL.lookback, MODEL.lookback - RECENT)
    assert result.features.of == len(sentiment_panel.features)
    assert result.older.moved_over_latest is not None
    assert result.older.moved_over_latest.low > 0  # it attends to more than the latest of the older sessions
    assert (result.features.moved_over_latest, result.features.error_over_latest) == (None, None)
    assert result.verdict.startswith(
        "Attention over time shows what the forecast of risk depends on, at 5 %: hiding the most-attended steps changes"
    )
    assert "than hiding random older steps (difference +" in result.verdict


@pytest.mark.usefixtures("fewer_draws")
def test_the_same_attention_shuffled_fails(sentiment_panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The forecasts are those of the network above; what is reported as its attention is not its attention."""
    gate, uses = {"b": 1.2, "c": 0.8, "signal": 0.4}, {"b": 1.0, "c": 1.0, "signal": 1.0}
    net = made(sentiment_panel, sharp=10.0, gate=gate, uses=uses, correction=2.0)
    actual = Forecaster.attention

    def shuffled(forecaster: Forecaster, panel: Panel, rows: slice | None = None) -> PanelAttention:
        attention, rng = actual(forecaster, panel, rows), np.random.default_rng(4)
        other = rng.permutation(attention.feature.shape[-1])
        return PanelAttention(rng.permuted(attention.time, axis=-1), attention.feature[..., other])

    monkeypatch.setattr(Forecaster, "attention", shuffled)
    result = examined(sentiment_panel, net)
    assert result.older is not None
    for deletion in (result.time, result.older, result.features):
        assert (deletion.honest, deletion.hurts) == (False, False)
        assert deletion.p_moved > 0.05
        assert deletion.p_error > 0.05
    assert "Attention over time is not shown to reveal what the forecast of risk depends on" in result.verdict
    assert "is not shown to increase its squared error more than hiding random steps" in result.verdict


@pytest.mark.usefixtures("fewer_draws")
def test_mere_recency_passes_among_all_steps_but_is_no_better_than_the_latest(sentiment_panel: Panel) -> None:
    result = examined(sentiment_panel, made(sentiment_panel, recency=0.4))
    assert result.older is not None
    assert result.time.honest
    assert result.time.hurts
    for deletion in (result.time, result.older):
        # the most attended steps are the latest ones
        assert deletion.moved[MOST] == deletion.moved[LATEST]
        over = deletion.moved_over_latest
        assert over is not None
        assert (over.value, over.low, over.high) == (0, 0, 0)


@pytest.mark.usefixtures("fewer_draws")
def test_attention_to_recent_steps_alone_fails_among_the_older_ones(
    sentiment_panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights say the truth about the last `RECENT` sessions, and nothing about those before them."""
    net = made(sentiment_panel, sharp=10.0)
    actual = Forecaster.attention

    def recent_alone(forecaster: Forecaster, panel: Panel, rows: slice | None = None) -> PanelAttention:
        attention = actual(forecaster, panel, rows)
        time = attention.time.copy()
        time[..., :-RECENT] = np.random.default_rng(2).permuted(time[..., :-RECENT], axis=-1)
        return PanelAttention(time, attention.feature)

    monkeypatch.setattr(Forecaster, "attention", recent_alone)
    result = examined(sentiment_panel, net)
    assert result.older is not None
    assert (result.time.honest, result.older.honest, result.older.hurts) == (True, False, False)


@pytest.mark.usefixtures("fewer_draws")
def test_attention_on_features_that_are_not_used_is_called_out(sentiment_panel: Panel) -> None:
    gate = {"c": 3.0, "b": -1.0, "signal": 3.0}
    result = examined(sentiment_panel, made(sentiment_panel, gate=gate, correction=2.0))
    assert all(one.value == 0 for one in result.features.moved[MOST])  # neither c nor signal reaches the forecast
    assert (result.features.honest, result.features.p_moved) == (False, 1)
    assert "Attention over features is not shown to reveal" in result.verdict


@pytest.mark.usefixtures("fewer_draws")
def test_uniform_attention_fails(sentiment_panel: Panel) -> None:
    """All weigh the same: the ranking is that of the columns, one fixed choice among many, and no evidence."""
    result = examined(sentiment_panel, made(sentiment_panel, correction=2.0))
    assert result.entropy == pytest.approx({1: 1.0, 5: 1.0}, abs=1e-6)
    assert not result.time.hurts
    assert not result.features.honest
    assert result.features.moved_over_random.low > 0  # b comes second by chance, and days alone would be fooled
    assert result.features.p_moved > 0.05


@pytest.mark.usefixtures("fewer_draws")
@pytest.mark.parametrize("horizon", [1, 5])
def test_a_hidden_step_leaves_the_pool(sentiment_panel: Panel, horizon: int) -> None:
    """By hand: one forecast, one step hidden; the forecast is the log of a softmax-weighted mean of variances."""
    net = made(sentiment_panel, sharp=4.0)
    place = sentiment_panel.horizons.index(horizon)
    with torch.no_grad():
        net.query.weight[1 - place] = 0.0  # the other horizon attends evenly: the test must be of its own one
    forecaster = forecaster_of(sentiment_panel, net)
    result = faithfulness(forecaster, sentiment_panel, ROWS, horizon=horizon, forecasts=1, hidden=(1,))
    rng = np.random.default_rng(0)
    day, symbol = np.nonzero(sentiment_panel.mask[ROWS] & np.isfinite(sentiment_panel.log_variance[ROWS, :, place]))
    chosen = int(rng.choice(len(day), size=1, replace=False)[0])
    t, s = day[chosen] + ROWS.start, symbol[chosen]
    window = slice(t - MODEL.lookback + 1, t + 1)
    scaled = forecaster.recipe.scaler.transform(sentiment_panel).values
    b = scaled[window, s, sentiment_panel.features.index("b")].astype(float)
    variance = sentiment_panel.variance[window, s]
    up = 1 / (1 + math.exp(-8))
    state = up * np.tanh(up * np.tanh(3.0 * b))
    query = 4.0 * up * math.tanh(up * math.tanh(8.0))
    weights = np.exp(query * state)

    def forecast(hidden: int | None) -> float:
        left = np.arange(MODEL.lookback) != (-1 if hidden is None else hidden)
        return math.log((weights * variance)[left].sum() / weights[left].sum())

    actual = float(sentiment_panel.log_variance[t, s, place])
    arms = {MOST: int(weights.argmax()), LEAST: int(weights.argmin()), LATEST: MODEL.lookback - 1}
    for arm, hidden in arms.items():
        assert result.time.moved[arm][0].value == pytest.approx(abs(forecast(hidden) - forecast(None)), abs=1e-4)
        hurt = (forecast(hidden) - actual) ** 2 - (forecast(None) - actual) ** 2
        assert result.time.error[arm][0].value == pytest.approx(hurt, abs=1e-3)
    assert result.older is not None
    older = int(weights[:-RECENT].argmax())
    assert result.older.moved[MOST][0].value == pytest.approx(abs(forecast(older) - forecast(None)), abs=1e-4)
    assert LATEST not in result.features.moved
    assert "Attention over time cannot be tested on so few days." in result.verdict
    plain = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert plain["uniform_entropy"] == 1.0
    assert plain["entropy"][str(horizon)] < 0.99 < plain["entropy"][str(6 - horizon)]


@pytest.mark.usefixtures("fewer_draws")
def test_a_fixed_ranking_that_means_nothing_passes_rarely(sentiment_panel: Panel) -> None:
    """The gate favours columns drawn at random, the same at every forecast; many of them reach the forecast."""
    honest = hurts = 0
    for seed in range(16):
        rng = np.random.default_rng(seed)
        net = made(sentiment_panel, correction=2.0)
        with torch.no_grad():
            count = len(sentiment_panel.features)
            net.gate.bias[:] = torch.from_numpy(1e-3 * rng.permutation(count))
            net.lstm.weight_ih_l0[7] = torch.from_numpy(rng.exponential(0.3, count))
        result = examined(sentiment_panel, net, forecasts=40, hidden=(3,), resamples=200, seed=seed)
        honest += result.features.honest
        hurts += result.features.hurts
    assert max(honest, hurts) <= 4  # at 2.5 %, more than 4 of 16 happen less than once in 10,000 times


@pytest.mark.usefixtures("fewer_draws")
def test_the_same_seed_gives_the_same(sentiment_panel: Panel) -> None:
    net = made(sentiment_panel, sharp=10.0, gate={"b": 1.0})
    options: dict[str, Any] = {"forecasts": 40, "horizon": 5}
    first = examined(sentiment_panel, net, **options)
    assert repr(examined(sentiment_panel, net, **options)) == repr(first)  # NaN is not equal to itself
    other: Deletion = examined(sentiment_panel, net, **options, seed=1).time
    assert other.moved[RANDOM] != first.time.moved[RANDOM]


@pytest.mark.usefixtures("fewer_draws")
def test_a_short_lookback_has_no_older_steps(sentiment_panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faithfulness_module, "RECENT", MODEL.lookback - 1)
    assert examined(sentiment_panel, made(sentiment_panel, sharp=10.0), forecasts=20).older is None


def test_what_can_not_be_tested_is_refused(sentiment_panel: Panel) -> None:
    net = made(sentiment_panel, sharp=10.0)
    forecaster = forecaster_of(sentiment_panel, net)
    plain = replace(forecaster, recipe=replace(forecaster.recipe, model=replace(MODEL, attention=False)))
    refused: list[tuple[type[Exception], str, Callable[[], object]]] = [
        (ModelError, "trained without attention", lambda: faithfulness(plain, sentiment_panel, ROWS)),
        (HistoryError, "no forecast with a known variance", lambda: faithfulness(forecaster, sentiment_panel, LAST)),
        (DataError, "horizon 7 is not in this panel", lambda: examined(sentiment_panel, net, horizon=7)),
        (ConfigError, "forecasts is 0", lambda: examined(sentiment_panel, net, forecasts=0)),
        (ConfigError, r"hidden \[\]", lambda: examined(sentiment_panel, net, hidden=())),
        (ConfigError, "are 12 steps: hide fewer than all", lambda: examined(sentiment_panel, net, hidden=(12, 13))),
    ]
    for error, message, call in refused:
        with pytest.raises(error, match=message):
            call()


LAST = slice(259, 260)


def test_entropy_is_one_for_uniform_weights_and_zero_for_a_single_one() -> None:
    uniform, single = np.full(8, 1 / 8), np.eye(8)[2]
    half = np.where(np.arange(8) < 4, 1 / 4, 0)  # log 4 / log 8
    weights = np.stack([[uniform, single, half], [uniform, uniform, np.full(8, np.nan)]])  # [cell, horizon, lag]
    np.testing.assert_allclose(attention_entropy(weights.astype(np.float32)), [1.0, 0.5, 2 / 3], atol=1e-6)
    assert np.isnan(attention_entropy(np.full((2, 1, 8), np.nan, np.float32))).all()
