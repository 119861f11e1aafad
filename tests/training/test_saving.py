from __future__ import annotations

import json
from pathlib import Path

import pytest

from tenor.errors import ModelError
from tenor.schema import Panel
from tenor.training import Forecaster

FILES = ("forecaster.json", "weights.safetensors")


@pytest.fixture
def folder(forecaster: Forecaster, tmp_path: Path) -> Path:
    forecaster.save(tmp_path / "model")
    return tmp_path / "model"


def test_there_and_back_to_the_bit(forecaster: Forecaster, folder: Path, panel: Panel) -> None:
    loaded = Forecaster.load(folder)
    said, again = forecaster.predict(panel), loaded.predict(panel)
    for name in ("mean", "p_up", "lower", "upper"):
        assert getattr(said, name).tobytes() == getattr(again, name).tobytes()
    for name in ("recipe", "training", "history", "fingerprint", "version"):
        assert getattr(loaded, name) == getattr(forecaster, name)
    assert loaded.curves()[1] == {"seed": 7, **vars(forecaster.history[1])}
    loaded.save(folder.parent / "copy")
    for name in FILES:
        assert (folder.parent / "copy" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.2, 0.5, 0.9, 0.9999])
def test_one_changed_byte_is_noticed_and_the_file_named(folder: Path, name: str, place: float) -> None:
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content))] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name} is truncated or was changed"):
        Forecaster.load(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_truncated_file_is_noticed_and_named(folder: Path, name: str, keep: int) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:keep])
    with pytest.raises(ModelError, match=f"{name} is truncated or was changed"):
        Forecaster.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        Forecaster.load(folder)


def test_no_folder_or_no_model_in_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"forecaster.json is missing: name the folder of a saved model"):
        Forecaster.load(tmp_path / "nowhere")
    (tmp_path / "forecaster.json").write_text("[1, 2]")
    with pytest.raises(ModelError, match=r"forecaster.json is truncated or was changed"):
        Forecaster.load(tmp_path)


def test_whitespace_counts_too(folder: Path) -> None:
    path = folder / "forecaster.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    with pytest.raises(ModelError, match="was changed"):
        Forecaster.load(folder)


def test_saving_again_replaces_the_model_and_leaves_nothing_beside_it(
    forecaster: Forecaster, folder: Path, fit_it, panel: Panel
) -> None:
    (folder / "weights.safetensors").write_bytes(b"broken")
    forecaster.save(folder)
    assert Forecaster.load(folder).version == forecaster.version
    assert [p.name for p in folder.parent.iterdir()] == ["model"]
    assert sorted(p.name for p in folder.iterdir()) == sorted(FILES)


def test_a_folder_that_holds_something_else_is_left_alone(forecaster: Forecaster, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all my work")
    with pytest.raises(ModelError, match="is not a saved model: choose another folder"):
        forecaster.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "all my work"
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="is not a saved model"):
        forecaster.save(tmp_path / "file")
    with pytest.raises(ModelError, match="can't be saved"):
        forecaster.save(tmp_path / "file" / "model")
    (tmp_path / "empty").mkdir()
    forecaster.save(tmp_path / "empty")
    assert Forecaster.load(tmp_path / "empty").version == forecaster.version
