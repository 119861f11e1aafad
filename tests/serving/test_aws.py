"""What Lambda's handlers do that needs no emulator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from package import FUNCTIONS

import tenor
from tenor import aws
from tenor.calendars import exchange
from tenor.errors import MissingObject
from tenor.registry import registry_of
from tenor.schema import Bars
from tenor.serving.published import published_forecasts
from tenor.storage.object_store import FolderStore, StoredObject
from tenor.store import Lake


@pytest.mark.parametrize(
    ("function", "code"),
    [
        ("api", "import tenor.aws, tenor.sentiment.explain; tenor.sentiment.Scorer.load().score(['Sales rose.'])"),
        ("refresh", "import tenor.aws, tenor.ingest.fetch, tenor.pipeline.refresh, tenor.store"),
        ("refresh", "import sys, tenor.cli; sys.exit(tenor.cli.main(['refresh', '--help']))"),
    ],
)
def test_a_function_imports_nothing_that_is_not_packed(function: str, code: str) -> None:
    left_out = FUNCTIONS[function].left_out
    assert left_out < {path.name for path in Path(tenor.__file__).parent.iterdir()}
    block = f"import sys; sys.modules.update({{'tenor.' + name: None for name in {sorted(left_out)}}})\n"
    subprocess.run([sys.executable, "-c", block + code], check=True, stdout=subprocess.DEVNULL)


class Counted(FolderStore):
    """Counts what is read."""

    reads = 0

    def get(self, key: str) -> StoredObject:
        self.reads += 1
        return super().get(key)


def test_files_of_a_version_are_read_once_and_pointers_each_time(tmp_path: Path) -> None:
    far = Counted(tmp_path / "far")
    far.put("versions/a/model.onnx", b"weights")
    far.put("pointers.json", b"1")
    near = aws.CachedStore(far, FolderStore(tmp_path / "near"))
    assert [near.get("versions/a/model.onnx").data for _ in range(3)] == [b"weights"] * 3
    assert far.reads == 1
    far.put("pointers.json", b"2")
    assert near.get("pointers.json").data == b"2"
    with pytest.raises(MissingObject):
        near.get("versions/b/model.onnx")


@pytest.mark.parametrize(("when", "refused", "reported"), [("refuse", 1, 1), ("say", 0, 1), ("ignore", 0, 0)])
def test_a_refresh_judges_stale_bars_as_its_sources_say(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, refused: int, reported: int
) -> None:
    lake = Lake(store)
    last = lake.bars(["S00"]).frame.tail(1)
    after = exchange("XNYS").following(last["session"].iloc[0])
    lake.append_bars(Bars(last.assign(session=after)), source="yahoo")  # long ago
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("TENOR_SYMBOLS", raising=False)
    monkeypatch.setenv("TENOR_STORE", str(store))
    monkeypatch.setenv("TENOR_SOURCES", json.dumps({"when_stale": when}))
    result = aws.refresh({}, None)
    assert result["symbols"] == 6 - refused
    assert list(result["skipped"]) == ["S00"][:refused]
    assert list(result["stale"]) == ["S00"][:reported]
    assert all("from yahoo" in line for line in result["stale"].values())


def test_a_refresh_that_no_source_answers_is_published_with_that_note(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {"prices": ["yahoo"], "news": [], "urls": ["yahoo=http://127.0.0.1:9"], "when_stale": "ignore"}
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TENOR_STORE", str(store))
    monkeypatch.setenv("TENOR_SYMBOLS", "S00,S01")
    monkeypatch.setenv("TENOR_SOURCES", json.dumps(away | {"http": {"attempts": 1, "connect_seconds": 0.5}}))
    assert aws.refresh({}, None)["symbols"] == 2
    index = published_forecasts(str(store)).index()
    assert index is not None
    (note,) = index.head["notes"]
    assert note == "new bars and news could not be fetched: no source answered: see 'tenor data doctor'"


def test_a_damaged_cache_is_deleted(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    registry = registry_of(str(store))
    version = aws._predictor(registry, "champion").recipe.version
    [copy] = (tmp_path / "tmp").rglob("model.onnx")
    copy.write_bytes(copy.read_bytes()[:-1] + b"?")
    assert aws._predictor(registry, version).recipe.version == version
    assert not list((tmp_path / "tmp").rglob("model.onnx"))
