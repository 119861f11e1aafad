"""A store in another place: whole, once, and pointers last."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tenor.errors import ConfigError, StoreError
from tenor.pipeline.upload import upload
from tenor.schema import Bars
from tenor.storage.object_store import FolderStore, open_store
from tenor.store import Lake


@pytest.fixture
def store(tmp_path: Path, bars_of: Callable[..., Bars]) -> Path:
    """Bars, a version of three files, a board of one symbol, and what must stay at home."""
    place = tmp_path / "lake"
    Lake(place).append_bars(bars_of(symbols=2, sessions=20), source="test")
    objects = FolderStore(place)
    for key in ("models/versions/aaaaaaaaaaaa/card.json", "models/versions/aaaaaaaaaaaa/manifest.json",
                "models/versions/aaaaaaaaaaaa/model.onnx", "models/pointers.json", "serving/symbols/a.json",
                "models/contests.json", "policies/versions/bbbbbbbbbbbb/manifest.json", "policies/pointers.json",
                "serving/index.json", "serving/keys.json", "models/checkpoints/x.json"):  # fmt: skip
        objects.put(key, key.encode())
    return place


def test_everything_that_counts_goes_and_keys_stay(store: Path, tmp_path: Path) -> None:
    target = tmp_path / "there"
    done = upload(str(store), str(target))
    assert (done.sent, done.present) == (10, 0)
    assert Lake(target).bars().frame.equals(Lake(store).bars().frame)
    arrived = set(FolderStore(target).keys())
    assert "serving/keys.json" not in arrived
    assert "models/checkpoints/x.json" not in arrived
    assert "models/pointers.json" in arrived
    again = upload(str(store), str(target))
    assert (again.sent, again.present) == (4, 6)  # the pointers are written anew


def test_to_a_bucket_and_back(store: Path, tmp_path: Path, s3_environment: str) -> None:
    open_store("s3://upload-check/a").put("first", b"")  # a bucket is there before anything goes into it
    upload(str(store), "s3://upload-check/a")
    upload("s3://upload-check/a", str(tmp_path / "back"))
    assert Lake(tmp_path / "back").bars().frame.equals(Lake(store).bars().frame)


@pytest.mark.parametrize("allowed", range(10))
def test_cut_off_anywhere_the_target_has_no_pointer_to_what_is_missing(
    store: Path, tmp_path: Path, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, count = FolderStore.put, [0]

    def dies(self: FolderStore, key: str, *args: object, **options: object) -> str:
        count[0] += 1
        if count[0] > allowed:
            raise StoreError("cut off")
        return put(self, key, *args, **options)  # type: ignore[arg-type]

    target = tmp_path / "there"
    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "put", dies)
        with pytest.raises(StoreError, match="cut off"):
            upload(str(store), str(target))
    arrived = set(FolderStore(target).keys()) if target.exists() else set()
    if "models/pointers.json" in arrived:
        assert "models/versions/aaaaaaaaaaaa/manifest.json" in arrived
    if "models/versions/aaaaaaaaaaaa/manifest.json" in arrived:
        assert "models/versions/aaaaaaaaaaaa/model.onnx" in arrived
    upload(str(store), str(target))
    assert FolderStore(target).get("serving/index.json").data == b"serving/index.json"


def test_nonsense_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the store itself"):
        upload(str(store), f"{store}/")
    shutil.rmtree(store / "bars")
    shutil.rmtree(store / "models" / "versions")
    shutil.rmtree(store / "policies")
    shutil.rmtree(store / "serving" / "symbols")
    with pytest.raises(ConfigError, match="import and train first"):
        upload(str(store), str(tmp_path / "there"))
