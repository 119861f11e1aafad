from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from carrying_engine import CarryingEngine

from tenor.config import Config, FeatureConfig, FoldConfig, ModelConfig, SplitConfig, TrainConfig, to_mapping
from tenor.engines import LocalEngine
from tenor.errors import ConfigError
from tenor.evaluation.walkforward import fold_key, walk
from tenor.features import build_panel
from tenor.schema import Bars
from tenor.training import chronological, fit
from tenor.training.device import WORTH_STEPS, settled
from tenor.training.folds import walk_forward
from tenor.training.grid import read_grid
from tenor.training.search import grid_search

FEATURES = FeatureConfig(horizons=(1,))
MODEL = ModelConfig(hidden=3, attention_size=2, lookback=5)
TRAINING = TrainConfig(seeds=(0, 1), epochs=2, segment=24, burn_in=4)
no_card = pytest.mark.skipif(torch.cuda.is_available(), reason="PyTorch sees a card")


@pytest.fixture(scope="module")
def bars(bars_of: Callable[..., Bars]) -> Bars:
    return bars_of(symbols=3, sessions=300)


def test_a_device_is_one_of_three() -> None:
    for device in ("cpu", "auto", "cuda"):
        assert Config.read(overrides=[f"training.device={device}"]).training.device == device
    with pytest.raises(ConfigError, match=r"'training.device' is 'gpu'.*'cpu', 'auto', 'cuda'"):
        Config.read(overrides=["training.device=gpu"])
    with pytest.raises(ConfigError, match=r"'training.device' is 'gpu'; it takes 'auto', 'cpu' or 'cuda'"):
        TrainConfig(device="gpu")  # type: ignore[arg-type]


def test_a_training_on_the_cores_has_the_keys_it_had_before_there_was_a_device() -> None:
    assert "device" not in to_mapping(TrainConfig())
    assert "precision" not in to_mapping(TrainConfig())
    assert to_mapping(TrainConfig(device="cuda"))["device"] == "cuda"
    assert to_mapping(TrainConfig(precision="bfloat16"))["precision"] == "bfloat16"
    with pytest.raises(ConfigError, match=r"'training.precision' is 'half'; it takes 'float32' or 'bfloat16'"):
        TrainConfig(precision="half")  # type: ignore[arg-type]


def test_a_fold_trained_on_a_card_is_another_fold(bars: Bars) -> None:
    panel = build_panel(bars, FEATURES)
    split = chronological(panel.sessions, SplitConfig(), purge=1)
    keys = {fold_key(panel, split, FEATURES, MODEL, replace(TRAINING, device=device)) for device in ("cpu", "cuda")}
    assert len(keys) == 2


@no_card
@pytest.mark.parametrize("much", [1, WORTH_STEPS])
def test_auto_without_a_card_is_settled_as_cpu(much: int) -> None:
    for precision in ("float32", "bfloat16"):
        asked = replace(TRAINING, device="auto", precision=precision)  # type: ignore[arg-type]
        assert settled(asked, MODEL, LocalEngine(1), cells=much, networks=2) == TRAINING


def test_nodes_of_a_cluster_train_on_their_cores() -> None:
    for device in ("cpu", "auto"):
        there = settled(replace(TRAINING, device=device), MODEL, CarryingEngine(), cells=WORTH_STEPS, networks=2)  # type: ignore[arg-type]
        assert there.device == "cpu"
    with pytest.raises(ConfigError, match=r"'training.device' is 'cuda', and the tasks run on a cluster.*--engine"):
        settled(replace(TRAINING, device="cuda"), MODEL, CarryingEngine(), cells=1, networks=1)


@no_card
def test_auto_gives_the_bytes_of_cpu_where_there_is_no_card(bars: Bars, tmp_path: Path) -> None:
    panel = build_panel(bars, FEATURES)
    split = chronological(panel.sessions, SplitConfig(), purge=1)
    models = [
        fit(panel, split, features=FEATURES, model=MODEL, training=replace(TRAINING, device=device), workers=1)
        for device in ("cpu", "auto")
    ]
    assert models[0].files() == models[1].files()
    assert models[0].version == models[1].version
    splits = walk_forward(panel.sessions, FoldConfig(folds=2, valid_sessions=40, test_sessions=40), purge=1)
    walks = [
        walk(
            panel,
            splits,
            features=FEATURES,
            model=MODEL,
            training=replace(TRAINING, device=device),
            baselines=(),
            cache=tmp_path / "folds",
            workers=1,
        )
        for device in ("cpu", "auto")
    ]
    assert [fold.forecaster.version for fold in walks[0].folds] == [fold.forecaster.version for fold in walks[1].folds]
    assert len(list((tmp_path / "folds" / "folds").iterdir())) == 2  # the second walk found those of the first


@no_card
def test_cuda_without_a_card_is_refused_before_anything_is_trained(bars: Bars, tmp_path: Path) -> None:
    panel = build_panel(bars, FEATURES)
    split = chronological(panel.sessions, SplitConfig(), purge=1)
    training = replace(TRAINING, device="cuda")
    with pytest.raises(ConfigError, match=r"'training.device' is 'cuda', and PyTorch"):
        fit(panel, split, features=FEATURES, model=MODEL, training=training, checkpoints=tmp_path / "checkpoints")
    with pytest.raises(ConfigError, match=r"'training.device' is 'cuda', and PyTorch"):
        grid_search(
            bars,
            read_grid(words=["hidden=3,5"]),
            cache=tmp_path / "search",
            features=FEATURES,
            model=MODEL,
            training=training,
            split=SplitConfig(),
            folds=FoldConfig(folds=2, valid_sessions=40, test_sessions=40),
        )
    assert not list(tmp_path.iterdir())
