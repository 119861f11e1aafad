"""Many networks as one: the training of one network at a time, on the cores here, and on a card where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tenor.config import FeatureConfig, FoldConfig, ModelConfig, SplitConfig, TrainConfig
from tenor.data import embedded_bars
from tenor.engines import LocalEngine
from tenor.errors import TrainingError
from tenor.features import build_panel
from tenor.model import make_network
from tenor.model.stacked import KeyedDropout, SteppedLSTM, run_stacked, stackable
from tenor.schema import Panel
from tenor.training import checkpoint, chronological, fit
from tenor.training.at_once import bytes_of_segment
from tenor.training.fit import prepare
from tenor.training.folds import walk_forward
from tenor.training.parallel import train_seeds
from tenor.training.stack import Stack, train_stacked
from tenor.training.trainer import History, Task

MODEL = ModelConfig(hidden=6, lookback=12, attention_size=4, dropout=0.0)
TRAINING = TrainConfig(
    seeds=(0, 1, 2), epochs=4, patience=2, segment=60, burn_in=12, segments_per_step=5, learning_rate=3e-3
)
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no card")),
]


@pytest.fixture(scope="module")
def panel() -> Panel:
    return build_panel(embedded_bars().select(["AAPL", "MSFT", "XOM"]), FeatureConfig(horizons=(1, 5)))


def tasks_of(panel: Panel, model: ModelConfig = MODEL, **changes: Any) -> list[Task]:
    split = chronological(panel.sessions, SplitConfig(), purge=5)
    return prepare(panel, split, model, replace(TRAINING, **changes)).tasks


def stacked(tasks: Sequence[Task], folder: Path, device: str, reports: Any = None) -> list[Any]:
    places = [folder / str(place) for place in range(len(tasks))]
    return train_stacked(tasks, places, reports or [lambda _history: None] * len(tasks), device=device)


def one_by_one(tasks: Sequence[Task], folder: Path) -> list[Any]:
    return train_seeds(
        tasks, [folder / f"alone-{place}" for place in range(len(tasks))], engine=LocalEngine(1), progress=None
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "model",
    [MODEL, replace(MODEL, layers=2), replace(MODEL, attention=False), replace(MODEL, dense=(5, 4))],
    ids=["as it is", "two layers", "without attention", "two dense layers"],
)
def test_seeds_together_are_seeds_alone_up_to_rounding(
    panel: Panel, model: ModelConfig, device: str, tmp_path: Path
) -> None:
    tasks = tasks_of(panel, model)
    for together, alone in zip(stacked(tasks, tmp_path, device), one_by_one(tasks, tmp_path), strict=True):
        np.testing.assert_allclose(together.history.train, alone.history.train, rtol=1e-4)
        np.testing.assert_allclose(together.history.valid, alone.history.valid, rtol=1e-4)
        assert together.history.best_epoch == alone.history.best_epoch
        for name, weights in alone.weights.items():
            np.testing.assert_allclose(together.best[name].numpy(), weights, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("device", DEVICES)
def test_folds_of_other_lengths_train_in_one_batch(panel: Panel, device: str, tmp_path: Path) -> None:
    splits = walk_forward(panel.sessions, FoldConfig(folds=2, valid_sessions=100, test_sessions=150), purge=5)
    tasks = [task for split in splits for task in prepare(panel, split, MODEL, replace(TRAINING, seeds=(0, 7))).tasks]
    assert len({task.train.stop for task in tasks}) == 2
    for together, alone in zip(stacked(tasks, tmp_path, device), one_by_one(tasks, tmp_path), strict=True):
        np.testing.assert_allclose(together.history.valid, alone.history.valid, rtol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_the_same_call_gives_the_same_bytes_with_dropout_too(panel: Panel, device: str, tmp_path: Path) -> None:
    tasks = tasks_of(panel, replace(MODEL, dropout=0.3, layers=2))
    first, second = (stacked(tasks, tmp_path / name, device) for name in ("first", "second"))
    for one, other in zip(first, second, strict=True):
        assert one.history == other.history
        assert all(one.best[name].numpy().tobytes() == other.best[name].numpy().tobytes() for name in one.best)
    without = stacked(tasks_of(panel, replace(MODEL, layers=2)), tmp_path / "without", device)
    assert without[0].history.train != first[0].history.train


@pytest.mark.parametrize("device", DEVICES)
def test_what_a_seed_drops_does_not_depend_on_the_others(panel: Panel, device: str, tmp_path: Path) -> None:
    tasks = tasks_of(panel, replace(MODEL, dropout=0.3))
    together, alone = stacked(tasks, tmp_path / "all", device), stacked(tasks[1:2], tmp_path / "one", device)
    np.testing.assert_allclose(together[1].history.valid, alone[0].history.valid, rtol=1e-4)


def test_a_stopped_training_goes_on_from_its_checkpoint(
    panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenor.training.stack.SAVE_SECONDS", 0.0)
    tasks = tasks_of(panel, replace(MODEL, dropout=0.2), patience=4)
    whole = stacked(tasks, tmp_path / "whole", "cpu")

    def stop(history: History) -> None:
        if len(history.train) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stacked(tasks, tmp_path / "cut", "cpu", [stop] * 3)
    assert len(checkpoint.saved_history(tmp_path / "cut" / "0").train) == 2
    for one, other in zip(stacked(tasks, tmp_path / "cut", "cpu"), whole, strict=True):
        assert one.history == other.history
        assert all(one.best[name].numpy().tobytes() == other.best[name].numpy().tobytes() for name in one.best)


def test_networks_that_stop_early_leave_the_batch(panel: Panel, tmp_path: Path) -> None:
    tasks = tasks_of(panel, seeds=(0, 1, 2, 3, 4), learning_rate=0.05, epochs=12, patience=1)
    trainers = stacked(tasks, tmp_path, "cpu")
    assert all(trainer.finished for trainer in trainers)
    lengths = [len(trainer.history.train) for trainer in trainers]
    assert len(set(lengths)) > 1
    assert [trainer.history.best_epoch for trainer in trainers] == [length - 1 for length in lengths]


def test_a_batch_as_large_as_memory_is_parted(panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = tasks_of(panel)
    sizes: list[int] = []
    plain = Stack.__init__

    def counted(self: Stack, members: Any, *args: Any, **keys: Any) -> None:
        sizes.append(len(members))
        if len(members) > 2:
            raise torch.OutOfMemoryError
        plain(self, members, *args, **keys)

    monkeypatch.setattr(Stack, "__init__", counted)
    histories = [trainer.history for trainer in stacked(tasks, tmp_path, "cpu")]
    assert sizes[:2] == [3, 1]
    assert [len(history.train) for history in histories] == [4, 4, 4]

    def never(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Stack, "__init__", never)
    with pytest.raises(TrainingError, match=r"more memory than the card has: lower training.segments_per_step, now 5"):
        stacked(tasks_of(panel, seeds=(9,)), tmp_path / "other", "cpu")


def test_a_loss_that_is_not_finite_names_its_seed(panel: Panel, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="diverged in epoch 1 of seed 0"):
        stacked(tasks_of(panel, learning_rate=1e30), tmp_path, "cpu")


def test_the_memory_of_a_step_grows_with_what_it_holds(panel: Panel) -> None:
    small, wide, far = (
        bytes_of_segment(model, TRAINING, len(panel.features) + 1, len(panel.horizons))
        for model in (MODEL, replace(MODEL, hidden=12), replace(MODEL, lookback=24))
    )
    assert small < wide
    assert small < far


@pytest.mark.parametrize("layers", [1, 3])
def test_the_stepped_lstm_has_the_states_and_gradients_of_pytorch(layers: int) -> None:
    torch.manual_seed(0)
    theirs = [torch.nn.LSTM(5, 4, layers, batch_first=True) for _ in range(2)]
    first = torch.randn(2, 3, 11, 5, requires_grad=True)
    second = first.detach().clone().requires_grad_()
    expected = torch.stack([lstm(x)[0] for lstm, x in zip(theirs, first, strict=True)])
    ours = SteppedLSTM(theirs[0])
    weights = {
        name: torch.stack([lstm.get_parameter(name).detach() for lstm in theirs]).requires_grad_()
        for name, _ in theirs[0].named_parameters()
    }
    states = torch.func.vmap(lambda own, x: torch.func.functional_call(ours, own, (x,))[0])(weights, second)
    torch.testing.assert_close(states, expected)
    slope = torch.randn_like(expected)
    expected.backward(slope)
    states.backward(slope)
    torch.testing.assert_close(second.grad, first.grad)
    for name, stack in weights.items():
        gradients = torch.stack([lstm.get_parameter(name).grad for lstm in theirs])  # type: ignore[misc]
        torch.testing.assert_close(stack.grad, gradients, msg=name)


def test_half_precision_stays_near(panel: Panel, tmp_path: Path) -> None:
    tasks = tasks_of(panel)
    places = [tmp_path / str(place) for place in range(len(tasks))]
    halves = train_stacked(tasks, places, [lambda _history: None] * len(tasks), device="cpu", half=True)
    for half, alone in zip(halves, one_by_one(tasks, tmp_path), strict=True):
        np.testing.assert_allclose(half.history.valid, alone.history.valid, rtol=5e-3)
        assert half.history.valid != alone.history.valid


def test_stacked_networks_forecast_what_each_does() -> None:
    torch.manual_seed(1)
    networks = [make_network(replace(MODEL, layers=2), 5, 2).eval() for _ in range(3)]
    for network in networks:
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    names = [name for name, _ in networks[0].named_parameters()]
    weights = {name: torch.stack([n.get_parameter(name).detach() for n in networks]) for name in names}
    x = torch.randn(3, 2, 30, 6).abs()
    heads = run_stacked(stackable(networks[0]).eval(), weights, torch.zeros(3, dtype=torch.int64), x)  # type: ignore[arg-type]
    for place, network in enumerate(networks):
        for name, values in network(x[place]).heads.items():
            torch.testing.assert_close(heads[name][place], values, atol=1e-5, rtol=1e-4)


def test_keyed_dropout_drops_its_share_and_other_places_with_another_key_or_call() -> None:
    ones = torch.ones(400, 500)
    masks = []
    for call, key in ((0, 1), (0, 2), (1, 1), (0, 2**40)):
        layer = KeyedDropout(0.3, call)
        layer.dropout_key.fill_(key)
        masks.append(layer(ones) == 0)
        assert abs(masks[-1].float().mean() - 0.3) < 0.005
        assert abs(layer(ones).mean() - 1) < 0.01
        assert torch.equal(layer(ones) == 0, masks[-1])
        # rows and columns too, so that no unit is dropped more often than others
        assert masks[-1].float().mean(0).sub(0.3).abs().max() < 0.12
    for place, one in enumerate(masks):
        for other in masks[:place]:
            assert abs((one & other).float().mean() - 0.09) < 0.005  # independent
    assert torch.equal(KeyedDropout(0.3, 0).eval()(ones), ones)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no card")
def test_a_model_trained_on_a_card_records_it_and_forecasts_on_the_cores(panel: Panel) -> None:
    split = chronological(panel.sessions, SplitConfig(), purge=5)
    features = FeatureConfig(horizons=(1, 5))
    away, here = (
        fit(panel, split, features=features, model=MODEL, training=replace(TRAINING, device=device))
        for device in ("cuda", "cpu")
    )
    assert away.training.device == "cuda"
    assert away.version != here.version
    assert {p.device.type for network in away.networks for p in network.parameters()} == {"cpu"}
    cells = np.isfinite(here.predict(panel).mean)
    ours, theirs = (each.predict(panel).risk.volatility[cells] for each in (away, here))  # type: ignore[union-attr]
    relative = np.abs(ours - theirs) / theirs
    # rounding moves what validation chooses (level, shares of the regressions) a little as well
    assert np.median(relative) < 1e-3
    assert relative.max() < 1e-2
