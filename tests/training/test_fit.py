from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
import torch

from tenor.config import FeatureConfig, ModelConfig, SplitConfig, TrainConfig
from tenor.errors import ConfigError, HistoryError, TenorError, TrainingError
from tenor.heads import HEADS
from tenor.schema import Panel
from tenor.training import Forecaster, Split, chronological


def weights(forecaster: Forecaster) -> list[bytes]:
    return [v.numpy().tobytes() for network in forecaster.networks for v in network.state_dict().values()]


def test_it_learns_what_there_is_to_learn(forecaster: Forecaster, panel: Panel, split: Split) -> None:
    said = forecaster.predict(panel).mean[split.test, :, 0]
    real = panel.targets[split.test, :, 0]
    known = np.isfinite(said) & np.isfinite(real)
    assert np.corrcoef(said[known], real[known])[0, 1] > 0.25
    for history in forecaster.history:
        assert len(history.train) == len(history.valid) == 4
        assert history.valid[history.best_epoch - 1] == min(history.valid)
        assert history.train[-1] < history.train[0]


def test_the_same_seed_gives_the_same_weights_to_the_bit_and_another_seed_others(fit_it, forecaster) -> None:
    torch.manual_seed(123)  # the caller's generator and threads have no say, and are left alone
    before = torch.get_rng_state(), torch.get_num_threads()
    again = fit_it()
    assert weights(again) == weights(forecaster)
    assert again.recipe.calibration == forecaster.recipe.calibration
    assert again.version == forecaster.version
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    half = len(weights(again)) // 2
    assert weights(again)[:half] != weights(again)[half:]


def test_side_by_side_is_the_same_to_the_bit_and_tells_every_epoch(fit_it, forecaster) -> None:
    told = []
    together = fit_it(workers=2, progress=lambda *epoch: told.append(epoch))
    assert weights(together) == weights(forecaster)
    for seed, history in zip((0, 7), together.history, strict=True):
        mine = [epoch for epoch in told if epoch[0] == seed]
        assert [e[1] for e in mine] == [1, 2, 3, 4]
        assert [e[3] for e in mine] == history.train
        assert [e[4] for e in mine] == history.valid


def test_rows_after_validation_take_no_part(fit_it, forecaster, panel: Panel, split: Split) -> None:
    changed = dataclasses.replace(
        panel,
        **{
            name: getattr(panel, name).copy()
            for name in ("values", "targets", "volatility", "close", "variance", "log_variance")
        },
    )
    rows = slice(split.valid.stop, None)
    changed.values[rows] = 1e6
    changed.targets[rows] = 1.0
    changed.volatility[rows] = 1e-9
    changed.variance[rows] = 7.0
    changed.log_variance[rows] = -3.0
    other = fit_it(panel=changed)
    assert weights(other) == weights(forecaster)
    assert other.recipe.calibration == forecaster.recipe.calibration
    assert other.recipe.scaler == forecaster.recipe.scaler


def test_patience_stops_and_the_best_weights_are_kept(fit_it) -> None:
    told = []
    training = TrainConfig(seeds=(1,), epochs=30, patience=2, segment=24, burn_in=8, learning_rate=3e-2)
    stopped = fit_it(training=training, progress=lambda *epoch: told.append(epoch))
    (history,) = stopped.history
    assert len(history.train) == history.best_epoch + 2 < 30
    assert told[-1][1] == told[-1][2] == len(history.train)  # the last word says that it is the last
    assert told[-2][2] == 30
    shorter = fit_it(training=dataclasses.replace(training, epochs=history.best_epoch))
    assert weights(shorter) == weights(stopped)


def test_without_attention_and_with_two_layers(fit_it, panel: Panel) -> None:
    model = ModelConfig(hidden=5, layers=2, lookback=8, attention=False)
    plain = fit_it(model=model, training=TrainConfig(seeds=(0,), epochs=1, segment=24))
    assert plain.name == "LSTM"
    assert np.isfinite(plain.predict(panel).mean[20]).any()


def test_direction_can_be_left_out(fit_it) -> None:
    with_it = TrainConfig(seeds=(0,), epochs=1, segment=24, direction_weight=0.5)
    plain = fit_it(training=dataclasses.replace(with_it, direction_weight=0.0))
    assert plain.history[0].valid[0] < fit_it(training=with_it).history[0].valid[0]


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"model": ModelConfig(lookback=150)}, HistoryError,
         r"too little history: the train part 2014-01-02 … 2014-07-\d\d .*lookback 150.*move split.train_end"),
        ({"features": FeatureConfig(horizons=(1,))}, ConfigError,
         r"features.horizons is \[1\] and the panel has \[1, 5\]"),
        ({"split": Split(slice(0, 140), slice(143, 180), slice(185, 240), 3)}, ConfigError,
         "drops 3 sessions between its parts and the longest horizon is 5"),
        ({"split": Split(slice(0, 140), slice(145, 180), slice(185, 999), 5)}, ConfigError, "ends at session 999"),
        ({"training": TrainConfig(seeds=(0,), epochs=2, learning_rate=1e30)}, TrainingError,
         r"diverged in epoch \d of seed 0 .*lower training.learning_rate, now 1e\+30"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(fit_it, changed: dict, error: type[TenorError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        fit_it(**changed)
    assert "\n" not in str(caught.value)


def test_the_forecast_variances_are_right_on_average_over_validation(
    forecaster: Forecaster, panel: Panel, split: Split
) -> None:
    risk = forecaster.predict(panel).risk
    assert risk is not None
    for k in (0, 1):
        forecast = 2 * np.log(risk.volatility[split.valid, :, k].astype("float64"))
        realised = panel.log_variance[split.valid, :, k].astype("float64")
        known = np.isfinite(forecast) & np.isfinite(realised)
        assert known.sum() > 50
        assert np.exp(realised - forecast)[known].mean() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("weight", ["return_weight", "direction_weight", "risk_weight"])
def test_a_head_whose_loss_weighs_nothing_learns_nothing(fit_it, weight: str) -> None:
    training = TrainConfig(
        seeds=(0,), epochs=1, segment=24, burn_in=8, learning_rate=1e-2, weight_decay=0.0,
        **{"return_weight": 1.0, "direction_weight": 1.0, "risk_weight": 1.0, weight: 0.0},
    )  # fmt: skip
    (network,) = fit_it(training=training).networks
    name = next(head.name for head in HEADS if head.weight == weight)
    for head in HEADS:
        moved = bool((network.heads[head.name].weight != 0).any())
        assert moved == (head.name != name), head.name


def test_an_error_in_a_process_is_the_same_error_here(fit_it) -> None:
    with pytest.raises(TrainingError, match="diverged in epoch"):
        fit_it(training=TrainConfig(seeds=(0, 1), epochs=2, learning_rate=1e30), workers=2)


def test_a_validation_part_without_data_is_named(fit_it, panel_of) -> None:
    panel = panel_of()
    panel.mask[100:200] = False
    panel.values[~panel.mask] = 0
    split = chronological(panel.sessions, SplitConfig(), purge=5)
    with pytest.raises(HistoryError, match=re.compile("the validation part .*split.valid_end")):
        fit_it(panel=panel, split=split)


def test_one_symbol_is_enough(fit_it, panel_of) -> None:
    one = panel_of(symbols=1, sessions=200)
    split = chronological(one.sessions, SplitConfig(), purge=5)
    said = fit_it(panel=one, split=split, training=TrainConfig(seeds=(0,), epochs=1)).predict(one)
    assert np.isfinite(said.mean[7:]).all()
    assert np.isnan(said.mean[:7]).all()


@pytest.mark.parametrize(
    ("key", "value"),
    [("seeds", ()), ("seeds", (1, 1)), ("seeds", (-1,)), ("epochs", 0), ("patience", 0), ("learning_rate", 0.0),
     ("learning_rate", float("nan")), ("weight_decay", -1.0), ("clip_norm", 0.0), ("segment", 0), ("burn_in", -1),
     ("segments_per_step", 0), ("segments_per_step", 1.5), ("direction_weight", -0.1), ("return_weight", -0.1),
     ("risk_weight", float("nan")), ("target_clip", 0.0)],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"'training.{key}'"):
        TrainConfig(**{key: value})


def test_the_split_dates_go_with_the_model(forecaster: Forecaster, panel: Panel, split: Split) -> None:
    assert forecaster.split == split.dates(panel.sessions)
    assert pd.Timestamp(forecaster.split["validation"][1]) < pd.Timestamp(forecaster.split["test"][0])
