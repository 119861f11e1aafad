"""One contract for a registry in a folder and in a bucket; races of real processes; kills between any two writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from racing import Made, add, promote, race, registry_at, train

from tenor.config import FeatureConfig, ModelConfig, SplitConfig, TrainConfig
from tenor.errors import Conflict, ModelError
from tenor.features import build_panel
from tenor.inference.predictor import read_recipe
from tenor.pipeline.train import load
from tenor.registry import POINTERS, Pointers, Registry, registry_of
from tenor.registry.manifest import MANIFEST
from tenor.schema import Bars
from tenor.storage.object_store import ObjectStore, StoredObject, open_store
from tenor.training import Forecaster, chronological, fit

PLACES = pytest.mark.parametrize("location", ["folder", pytest.param("bucket", marks=pytest.mark.slow)], indirect=True)
"""For what takes many processes: a server beside them is for the long run of the tests."""


@pytest.fixture(params=["folder", "bucket"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "models")
    request.getfixturevalue("s3_environment")
    open_store("s3://registry").put("made", b"")
    return f"s3://registry/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]}"


@pytest.fixture
def registry(location: str) -> Registry:
    return registry_at(location)


A, B, C = (Made(name) for name in "abc")


class TestContract:
    def test_the_first_is_the_champion_later_ones_are_the_latest(self, registry: Registry) -> None:
        assert registry.pointers() == Pointers()
        assert add(registry, A) == A.version
        assert registry.pointers() == Pointers(champion=A.version, latest=A.version)
        add(registry, B)
        assert registry.pointers() == Pointers(champion=A.version, latest=B.version)
        assert registry.versions() == (A.version, B.version)
        assert registry.promote(B.version) == Pointers(B.version, A.version, B.version)
        assert registry.promote(B.version) == Pointers(B.version, A.version, B.version)  # again changes nothing
        assert registry.rollback() == Pointers(A.version, B.version, B.version)
        for name, version in (("champion", A), ("previous", B), ("latest", B), (None, A), (B.version, B)):
            assert registry.resolve(name) == version.version
        told = registry.all()[1].to_json()
        assert told["names"] == ["previous", "latest"]
        assert told["fingerprint"] == "b"
        assert set(told["files"]) == {
            "forecaster.json",
            "weights.safetensors",
            "model.onnx",
            "card.json",
        }

    def test_adding_again_rewrites_nothing_and_makes_it_the_latest(self, registry: Registry) -> None:
        for model in (A, B):
            add(registry, model)
        before = {key: registry.objects.get(key).etag for key in registry.objects.keys("versions/")}
        assert registry.add(A, {"fingerprint": "another"}) == A.version
        assert {key: registry.objects.get(key).etag for key in registry.objects.keys("versions/")} == before
        assert registry.pointers() == Pointers(champion=A.version, latest=A.version)

    def test_the_card_tells_when_and_by_what_it_was_made(self, registry: Registry) -> None:
        add(registry, A)
        card = registry.open(A.version).card()
        assert card["loss"] == 1.5
        assert card["version"] == A.version
        assert card["created_at"][:2] == "20"

    def test_what_is_not_there_is_told(self, registry: Registry) -> None:
        with pytest.raises(ModelError, match=r"no trained model under .*run 'tenor train' first"):
            registry.champion()
        with pytest.raises(ModelError, match=r"no previous champion"):
            registry.rollback()
        with pytest.raises(ModelError, match=r"no model version 'abc'.*Known: none"):
            registry.open("abc").read("card.json")
        add(registry, A)
        near = A.version[:-1] + "x"
        for bad in (near, "../../etc", "x" * 9000):
            with pytest.raises(ModelError, match="no model version"):
                registry.promote(bad)
        with pytest.raises(ModelError, match=f"Did you mean '{A.version}'"):
            registry.resolve(near)

    def test_one_changed_byte_is_refused_and_the_file_named(self, registry: Registry) -> None:
        add(registry, A)
        for key in registry.objects.keys("versions/"):
            good = registry.objects.get(key).data
            for place in (0, len(good) // 2, len(good) - 1):
                registry.objects.put(key, good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
                with pytest.raises(ModelError, match=rf"{key} is truncated or was changed"):
                    registry.open(A.version).read(key.rpartition("/")[2])
            registry.objects.put(key, good[:-1])
            with pytest.raises(ModelError, match=rf"{key} is truncated or was changed"):
                registry.open(A.version).read(key.rpartition("/")[2])
            registry.objects.put(key, good)
        registry.objects.delete(f"versions/{A.version}/model.onnx")
        with pytest.raises(ModelError, match=r"model\.onnx is missing"):
            registry.open(A.version).read("model.onnx")

    @pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"champion": 3}', b'{"king": null}', b'{"latest": "../x"}'])
    def test_damaged_pointers_are_told(self, registry: Registry, damage: bytes) -> None:
        add(registry, A)
        registry.objects.put(POINTERS, damage)
        with pytest.raises(ModelError, match=r"pointers\.json is damaged: remove it"):
            registry.champion()
        registry.objects.delete(POINTERS)
        registry.promote(A.version)
        assert registry.champion() == A.version

    def test_a_promotion_rests_on_the_champion_that_was_beaten(self, registry: Registry) -> None:
        for model in (A, B, C):
            add(registry, model)
        registry.promote(B.version)
        with pytest.raises(Conflict, match=f"the champion is {B.version} by now, not {A.version}"):
            registry.promote(C.version, instead_of=A.version)
        assert registry.promote(C.version, instead_of=B.version).champion == C.version

    def test_a_kill_between_any_two_writes_leaves_a_registry_that_works(self, registry: Registry) -> None:
        add(registry, A)
        for allowed in range(20):
            model = Made(f"killed after {allowed}")
            dying = Registry(Dying(registry.objects, allowed), Path("work"))
            try:
                add(dying, model)
                dying.promote(model.version)
            except Killed:
                now = registry.pointers()
                assert now.champion in registry.versions()
                assert now.latest in registry.versions()
                for version in registry.versions():
                    registry.open(version).read(*registry.open(version).files)
                add(registry, model)  # the same training again
                registry.promote(model.version)
            else:
                break
            assert registry.champion() == registry.pointers().latest == model.version
            registry.open(model.version).read(*registry.open(model.version).files)
        # a run that nothing kills needs that many writes, so that each of them was the last one once
        unbroken = Dying(registry.objects, 100)
        add(Registry(unbroken, Path("work")), Made("not killed"))
        Registry(unbroken, Path("work")).promote(Made("not killed").version)
        assert allowed == 100 - unbroken.left > len(A.files())

    @PLACES
    def test_trainers_who_race_lose_no_version_and_mix_none(self, registry: Registry, location: str) -> None:
        # two of the three train the very same models
        race(train, *((location, who) for who in ("x", "x", "y")))
        models = {Made(f"{who}{i}").version: Made(f"{who}{i}") for who in "xy" for i in range(4)}
        assert set(registry.versions()) == set(models)
        for version, model in models.items():
            assert registry.open(version).read("weights.safetensors", "model.onnx") == {
                "weights.safetensors": model.files()["weights.safetensors"],
                "model.onnx": model.to_onnx(),
            }
            assert registry.open(version).card()["fingerprint"] == model.name
        now = registry.pointers()
        assert {now.champion, now.previous, now.latest} <= set(models)
        assert now.champion != now.previous

    @PLACES
    def test_of_those_who_beat_the_same_champion_one_takes_its_place(self, registry: Registry, location: str) -> None:
        models = [Made(str(i)) for i in range(9)]  # the first is the champion
        for model in models:
            add(registry, model)
        # each puts its own, one after another, in the place of the champion that it sees
        raced = race(promote, *((location, [m.version for m in models[1 + i :: 2]]) for i in range(2)))
        moves = [move for one in raced for move in one]
        path = dict(moves)
        assert len(moves) == 8
        assert len(path) == len(moves) == len(set(path.values()))  # no champion was replaced by two
        at = models[0].version
        for _ in moves:
            previous, at = at, path[at]
        assert (registry.pointers().previous, registry.champion()) == (previous, at)


class Killed(BaseException):
    """The process ends here."""


class Dying:
    """Objects of a process that is killed right before its write number `allowed` + 1."""

    def __init__(self, objects: ObjectStore, allowed: int) -> None:
        self.objects, self.left, self.location = objects, allowed, objects.location

    def get(self, key: str) -> StoredObject:
        return self.objects.get(key)

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
        if not self.left:
            raise Killed
        self.left -= 1
        return self.objects.put(key, data, if_match=if_match, if_absent=if_absent)

    def keys(self, prefix: str = "") -> list[str]:
        return self.objects.keys(prefix)

    def delete(self, key: str) -> None:
        self.objects.delete(key)


@pytest.fixture(scope="module")
def forecasters(bars_of: Callable[..., Bars]) -> list[Forecaster]:
    features, model = FeatureConfig(horizons=(1,)), ModelConfig(hidden=4, lookback=5)
    panel = build_panel(bars_of(symbols=2, sessions=260), features)
    split = chronological(panel.sessions, SplitConfig(), purge=1)
    return [
        fit(panel, split, features=features, model=model, training=TrainConfig(seeds=(s,), epochs=1), workers=1)
        for s in (0, 1)
    ]


def test_real_models_there_and_back(registry: Registry, forecasters: list[Forecaster]) -> None:
    for forecaster in forecasters:
        registry.add(forecaster, {"fingerprint": forecaster.fingerprint})
        assert load(registry, "latest").files() == forecaster.files()
        assert read_recipe(registry.open(forecaster.version)) == forecaster.recipe
    assert load(registry).version == forecasters[0].version
    key = f"versions/{forecasters[0].version}/{MANIFEST}"
    told = json.loads(registry.objects.get(key).data)
    assert told["files"]["model.onnx"] == hashlib.sha256(forecasters[0].to_onnx()).hexdigest()


def test_a_stores_models_lie_beside_its_tables(tmp_path: Path, s3_environment: str) -> None:
    assert registry_of(str(tmp_path)).location == str(tmp_path / "models")
    assert registry_of("s3://lake/prefix/").location == "s3://lake/prefix/models"
    assert registry_of("s3://lake/prefix").folder == Path("models")
