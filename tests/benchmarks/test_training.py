from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tenor.benchmarks.protocol import PartDates, Samples, label_samples
from tenor.benchmarks.result import ENSEMBLE
from tenor.benchmarks.running import run_panel, with_market_means
from tenor.benchmarks.training import (
    BenchmarkSettings,
    SeedLogits,
    centred,
    choose_epoch,
    labelled_only,
    train_benchmark,
)
from tenor.config import FeatureConfig, ModelConfig, TrainConfig
from tenor.errors import ConfigError
from tenor.features import build_panel
from tenor.schema import Bars, Panel

FEATURES = FeatureConfig(groups=("returns", "context"), sentiment=False, horizons=(1,))
SETTINGS = BenchmarkSettings(
    features=FEATURES,
    model=ModelConfig(hidden=4, attention_size=4, lookback=5),
    training=TrainConfig(epochs=3, segment=40, burn_in=5, segments_per_step=4),
)


@pytest.fixture(scope="module")
def case(bars_of: Callable[..., Bars]) -> tuple[Panel, Samples]:
    bars = bars_of(symbols=5, sessions=260)
    panel = build_panel(bars, FEATURES)
    days = [f"{panel.sessions[i]:%Y-%m-%d}" for i in (60, 159, 160, 209, 210, 259)]
    dates = PartDates(train=(days[0], days[1]), valid=(days[2], days[3]), test=(days[4], days[5]))
    return panel, label_samples(bars, panel.sessions, panel.symbols, dates)


def test_no_test_label_takes_part(case: tuple[Panel, Samples]) -> None:
    panel, samples = case
    label, targets = samples.label.copy(), panel.targets.copy()
    label[samples.test] = 1 - label[samples.test]
    targets[samples.test] = np.nan
    plain = train_benchmark(panel, samples, SETTINGS, seeds=(0, 1), workers=1)
    other = train_benchmark(
        replace(panel, targets=targets), replace(samples, label=label), SETTINGS, seeds=(0, 1), workers=1
    )
    for one, two in zip(plain, other, strict=True):
        assert (one.epoch, one.curve) == (two.epoch, two.curve)
        np.testing.assert_array_equal(one.p_up, two.p_up)


def test_the_validation_labels_do_take_part(case: tuple[Panel, Samples]) -> None:
    panel, samples = case
    label = samples.label.copy()
    label[samples.valid] = 1 - label[samples.valid]
    (plain,) = train_benchmark(panel, samples, SETTINGS, seeds=(0,), workers=1)
    (other,) = train_benchmark(panel, replace(samples, label=label), SETTINGS, seeds=(0,), workers=1)
    np.testing.assert_allclose(other.curve, -np.array(plain.curve), atol=1e-12)


@pytest.mark.slow
def test_workers_change_nothing(case: tuple[Panel, Samples]) -> None:
    panel, samples = case
    finished: list[int] = []
    alone = train_benchmark(panel, samples, SETTINGS, seeds=(0, 1), workers=1)
    beside = train_benchmark(
        panel, samples, SETTINGS, seeds=(0, 1), workers=2, progress=lambda seed, *_: finished.append(seed)
    )
    assert finished == [0, 1]
    for one, two in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(one.p_up, two.p_up)


def test_all_seeds_stand_at_the_epoch_that_is_best_in_the_mean() -> None:
    logit = np.arange(6, dtype="float32").reshape(3, 2, 1)
    trained = [SeedLogits(0, logit, (0.3, 0.0, 0.1)), SeedLogits(1, -logit, (0.0, 0.2, 0.3))]
    chosen = choose_epoch(trained)
    assert [one.epoch for one in chosen] == [3, 3]
    np.testing.assert_allclose(chosen[0].p_up[:, 0], 1 / (1 + np.exp([-4.0, -5.0])), rtol=1e-6)


def test_only_labelled_cells_carry_a_loss(case: tuple[Panel, Samples]) -> None:
    panel, samples = case
    known = np.isfinite(labelled_only(panel, samples).targets[:, :, 0])
    assert (known[samples.train] == np.isfinite(samples.label[samples.train])).all()
    assert not known[: samples.train.start].any()
    assert not known[samples.test].any()


def test_a_part_without_history(case: tuple[Panel, Samples]) -> None:
    panel, samples = case
    with pytest.raises(ConfigError, match="no training sample has the history"):
        train_benchmark(
            panel, samples, replace(SETTINGS, model=replace(SETTINGS.model, lookback=200)), seeds=(0,), workers=1
        )


def test_market_means(case: tuple[Panel, Samples]) -> None:
    panel, _ = case
    mask = panel.mask.copy()
    mask[100, 2] = False
    panel = replace(panel, mask=mask, values=np.where(mask[:, :, None], panel.values, 0.0).astype("float32"))
    wide = with_market_means(panel)
    i = wide.features.index("market_mean_overnight")
    overnight = panel.values[100, :, panel.features.index("overnight")]
    np.testing.assert_allclose(wide.values[100, [0, 1, 3, 4], i], overnight[[0, 1, 3, 4]].mean(), rtol=1e-6)
    assert wide.values[100, 2, i] == 0
    assert not any(name.startswith("market_mean_market") for name in wide.features)


def test_run_scores_all_models_on_the_same_samples(case: tuple[Panel, Samples]) -> None:
    panel, samples = case
    result = run_panel("made", panel, samples, SETTINGS, counts=samples.counts(), seeds=(0, 1), workers=1)
    assert list(result.models.scores) == [ENSEMBLE, "always up", "logistic regression", "gradient boosting"]
    up = float(np.nanmean(samples.label[samples.test]))
    assert result.models.scores["always up"].accuracy.value == pytest.approx(up)
    assert result.models.scores["always up"].mcc.value == 0
    assert result.days == 50
    assert len(result.seeds) == 2
    assert result.config["training"]["seeds"] == [0, 1]


def test_centred_looks_back_alone() -> None:
    logit = np.random.default_rng(0).normal(size=(30, 3)).astype("float32")
    logit[:2] = np.nan
    logit[10, 1] = np.nan
    full = centred(logit, 4)
    np.testing.assert_array_equal(centred(logit[:20], 4), full[:20])
    level = np.nanmedian(logit[7:11], axis=1).mean()
    np.testing.assert_allclose(full[10], logit[10] - level, rtol=1e-5)
    np.testing.assert_allclose(full[2], logit[2] - np.median(logit[2]), rtol=1e-5)
