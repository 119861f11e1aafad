import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tenor.errors import ModelError
from tenor.features import FeatureConfig, build_panel
from tenor.model import ModelConfig
from tenor.registry import Registry
from tenor.schema import Bars
from tenor.sentiment.mood import MoodConfig
from tenor.training import Forecaster, SplitConfig, TrainConfig, chronological, fit


@pytest.fixture(scope="module")
def forecasters(bars_of: Callable[..., Bars]) -> list[Forecaster]:
    features, model = FeatureConfig(horizons=(1,)), ModelConfig(hidden=4, lookback=5)
    panel = build_panel(bars_of(symbols=2, sessions=260), features)
    split = chronological(panel.sessions, SplitConfig(), purge=1)
    return [
        fit(panel, split, features=features, model=model, training=TrainConfig(seeds=(s,), epochs=1), workers=1)
        for s in (0, 1)
    ]


def test_the_last_added_is_the_champion_and_every_version_can_be_loaded(
    tmp_path: Path, forecasters: list[Forecaster]
) -> None:
    registry = Registry(tmp_path / "models")
    folders = [registry.add(forecaster, MoodConfig()) for forecaster in forecasters]
    assert registry.versions() == tuple(forecaster.version for forecaster in forecasters)
    assert registry.champion() == forecasters[1].version
    assert registry.load().version == forecasters[1].version
    assert registry.load(forecasters[0].version).version == forecasters[0].version
    registry.promote(forecasters[0].version)
    assert registry.champion() == forecasters[0].version
    stamps = [(folder / "weights.safetensors").stat().st_mtime_ns for folder in folders]
    registry.add(forecasters[0], MoodConfig(window=7))  # the same again: nothing is rewritten
    assert [(folder / "weights.safetensors").stat().st_mtime_ns for folder in folders] == stamps


def test_missing_and_damaged_models_are_told_apart(tmp_path: Path, forecasters: list[Forecaster]) -> None:
    registry = Registry(tmp_path)
    with pytest.raises(ModelError, match=r"no trained model under .*run 'tenor train' first"):
        registry.load()
    with pytest.raises(ModelError, match=r"no model version 'abc'.*Known: none"):
        registry.load("abc")
    folder = registry.add(forecasters[0], MoodConfig(window=7))
    near = forecasters[0].version[:-1] + "x"
    with pytest.raises(ModelError, match=rf"Did you mean '{forecasters[0].version}'"):
        registry.load(near)
    assert registry.mood(forecasters[0].version) == MoodConfig(window=7)
    (folder / "mood.json").write_text('{"windoww": 3}')
    with pytest.raises(ModelError, match=r"mood\.json.*Did you mean 'window'"):
        registry.mood(forecasters[0].version)
    weights = folder / "weights.safetensors"
    body = bytearray(weights.read_bytes())
    body[-1] ^= 1
    weights.write_bytes(body)
    with pytest.raises(ModelError, match=r"weights\.safetensors"):
        registry.load()
    (tmp_path / "champion.json").write_text(json.dumps({"verzion": 3}))
    with pytest.raises(ModelError, match=r"champion\.json.*damaged"):
        registry.champion()
