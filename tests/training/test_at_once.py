"""What runs through the network together bounds memory, and changes no result but for last digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tenor.config import ModelConfig, TrainConfig
from tenor.inference import at_once as without_gradients
from tenor.inference.at_once import CHUNK, symbols_at_once
from tenor.schema import Panel
from tenor.training import Split, at_once
from tenor.training.at_once import bytes_of_segment, segments_at_once
from tenor.training.fit import prepare
from tenor.training.forecaster import outputs
from tenor.training.trainer import Task, Trainer

MODEL = ModelConfig(hidden=6, attention_size=4, lookback=8, dropout=0.0)
TRAINING = TrainConfig(seeds=(0,), segment=24, burn_in=8, segments_per_step=100)


@pytest.fixture
def task(panel: Panel, split: Split) -> Task:
    return prepare(panel, split, MODEL, TRAINING).tasks[0]


@pytest.mark.parametrize("parts", [20, 100])
def test_a_step_in_parts_has_the_gradient_of_the_whole(task: Task, monkeypatch, parts: int) -> None:
    whole = Trainer(task)
    loss = whole._train()
    assert segments_at_once(MODEL, TRAINING, *task.shape) == 100
    monkeypatch.setattr(at_once, "OF_STEP", 100 * bytes_of_segment(MODEL, TRAINING, *task.shape) // parts)
    assert segments_at_once(MODEL, TRAINING, *task.shape) == 100 // parts
    some = Trainer(task)
    assert some._train() == pytest.approx(loss, rel=1e-6)
    for ours, theirs in zip(some.net.parameters(), whole.net.parameters(), strict=True):
        assert ours.grad is not None
        np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)


def test_the_segments_of_a_users_network_stay_together(monkeypatch) -> None:
    monkeypatch.setattr(at_once, "OF_STEP", 1)
    assert segments_at_once(MODEL, TRAINING, 6, 2) == 1
    of_a_user = replace(MODEL, network="mine.py:Net@0123456789ab")
    assert segments_at_once(of_a_user, TRAINING, 6, 2) == 100


def test_a_step_of_the_default_settings_is_whole() -> None:
    """Their results would change with the masks of dropout."""
    assert segments_at_once(ModelConfig(), TrainConfig(), 90, 2) == TrainConfig().segments_per_step


def test_the_parts_of_a_step_have_one_size() -> None:
    model, training = ModelConfig(lookback=240), TrainConfig(burn_in=240)
    size = segments_at_once(model, training, 60, 1)
    assert size * bytes_of_segment(model, training, 60, 1) <= at_once.OF_STEP
    assert -(-training.segments_per_step // size) == 3


def test_validation_and_forecasts_of_some_symbols_at_a_time(task: Task, panel: Panel, monkeypatch) -> None:
    trainer = Trainer(task)
    trainer._train()
    assert symbols_at_once(MODEL, *task.shape, 100) == CHUNK
    loss, whole = trainer._validate(), outputs(trainer.net, panel)
    monkeypatch.setattr(without_gradients, "OF_SYMBOLS", 1)
    assert symbols_at_once(MODEL, *task.shape, 100) == 1
    assert trainer._validate() == pytest.approx(loss, rel=1e-6)
    for name, output in outputs(trainer.net, panel).items():
        np.testing.assert_allclose(output, whole[name], rtol=1e-5, atol=1e-6)
