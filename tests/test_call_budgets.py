"""How often the expensive things are done: a refresh and a prediction build, run and adapt once; a model loads once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenor.config import Config
from tenor.inference.predictor import Predictor
from tenor.lake_forecasts import LakeForecasts
from tenor.pipeline.predict import predict
from tenor.pipeline.refresh import refresh
from tenor.pipeline.train import train
from tenor.registry import Registry
from tenor.schema import Bars
from tenor.storage.object_store import ObjectStore, StoredObject
from tenor.store import Lake
from tenor.workspace import Workspace

pytestmark = pytest.mark.torch

QUICK = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=10")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, bars_of: Callable[..., Bars]) -> str:
    folder = tmp_path_factory.mktemp("store")
    Lake(folder).append_bars(bars_of(symbols=4, sessions=320), source="test")
    train(str(folder), Config.read(None, QUICK), workers=1)
    return str(folder)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts calls of what a refresh spends its time on."""
    count: Counter[str] = Counter()

    def watch(path: str, name: str) -> None:
        module, _, attribute = path.rpartition(".")
        target = __import__(module, fromlist=["x"])
        if not hasattr(target, attribute):  # a method
            module, _, owner = module.rpartition(".")
            target = getattr(__import__(module, fromlist=["x"]), owner)
        real = getattr(target, attribute)

        def counted(*args: Any, **kwargs: Any) -> Any:
            count[name] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(target, attribute, counted)

    watch("tenor.inference.recipe.build_panel", "panels")
    watch("tenor.inference.recipe.adapt", "adaptations")
    monkeypatch.setattr(Predictor, "_runs", _counted(Predictor._runs, count))
    return count


def _counted(real: Callable[..., Any], count: Counter[str]) -> Callable[..., Any]:
    def runs(self: Predictor, scaled: Any) -> Any:
        count["runs of the networks"] += 1
        return real(self, scaled)

    return runs


ONCE = {"panels": 1, "adaptations": 1, "runs of the networks": 1}


def test_a_refresh_builds_runs_and_adapts_once(store: str, calls: Counter[str]) -> None:
    for file in (Path(store) / "models" / "forecasts").glob("*.json"):
        file.unlink()
    workspace = Workspace(store)
    result = refresh(workspace, workspace.predictor)
    assert len(result.symbols) == 4
    assert dict(calls) == ONCE


def test_a_prediction_computes_once_and_nothing_where_it_was_saved(store: str, calls: Counter[str]) -> None:
    LakeForecasts(Workspace(store), Workspace(store).predictor()).save()
    calls.clear()
    predict(store, ["S00", "S03"])
    assert not calls
    for file in (Path(store) / "models" / "forecasts").glob("*.json"):
        file.unlink()
    predict(store, ["S00", "S03"])
    assert dict(calls) == ONCE


class Counting:
    """Objects that count what is read."""

    def __init__(self, behind: ObjectStore) -> None:
        self.behind = behind
        self.location = behind.location
        self.reads: Counter[str] = Counter()

    def get(self, key: str) -> StoredObject:
        self.reads[key.rpartition("/")[2]] += 1
        return self.behind.get(key)

    def put(self, *args: Any, **kwargs: Any) -> str:
        return self.behind.put(*args, **kwargs)

    def keys(self, prefix: str = "") -> list[str]:
        return self.behind.keys(prefix)

    def delete(self, key: str) -> None:
        self.behind.delete(key)


def test_a_model_is_loaded_by_one_read_of_each_object(store: str) -> None:
    objects = Counting(Workspace(store).registry.objects)
    Predictor.load(Registry(objects, Path("work")))
    assert objects.reads == Counter(
        {"pointers.json": 1, "manifest.json": 1, "model.onnx": 1, "forecaster.json": 1, "card.json": 1}
    )
