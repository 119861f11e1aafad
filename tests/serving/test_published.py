"""What publishing promises: whole or not at all, nobody's forecasts lost, no name that leads elsewhere."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from published_documents import document, head

from tenor.errors import Conflict, StoreError
from tenor.serving import published as module
from tenor.serving.published import INDEX, PublishedForecasts
from tenor.serving.staleness import staleness
from tenor.storage.object_store import ObjectStore, open_store


@pytest.fixture
def empty(tmp_path: Path) -> PublishedForecasts:
    return PublishedForecasts(open_store(tmp_path))


def test_what_is_published_is_read_back(empty: PublishedForecasts) -> None:
    assert empty.index() is None
    empty.publish([document("B"), document("A")], head())
    index = empty.index()
    assert index is not None
    assert list(index.entries) == ["A", "B"]
    assert json.loads(empty.read(index.entries["A"])) == document("A")
    assert index.entries["A"].brief["1"]["volatility"] == 0.02


ODD = ["../../etc/passwd", "BRK.B", "^GSPC", ".hidden", "a/b", "~x", "ÄÖ", "A" * 400, "a=b%2f"]
HALF = ["", "{", "[]", '{"format":2}', '{"format":2,"head":{},"entries":{"A":{}},"retired":{}}']


@pytest.mark.parametrize("symbol", ODD)
def test_any_symbol_stays_inside_its_folder(empty: PublishedForecasts, tmp_path: Path, symbol: str) -> None:
    empty.publish([document(symbol)], head())
    index = empty.index()
    assert index is not None
    assert json.loads(empty.read(index.entries[symbol]))["symbol"] == symbol
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".lock")]
    assert sorted(path.parent.name for path in files) == sorted([tmp_path.name, "symbols"])


def test_an_older_forecast_never_takes_a_newer_ones_place(empty: PublishedForecasts) -> None:
    empty.publish([document("A", day=9)], head(1.0))
    index = empty.publish([document("A", day=8)], head(2.0))
    assert index.entries["A"].session == "2020-01-09"
    assert len(index.retired) == 1


def test_an_entry_from_the_future_is_replaced(empty: PublishedForecasts) -> None:
    now = time.time()
    empty.publish([document("A")], head(now + 86_400))
    index = empty.publish([document("A", model_version="right")], head(now))
    assert index.entries["A"].model_version == "right"
    assert index.head["published_at"] == now


def test_forecasts_that_another_refresh_published_meanwhile_are_built_on(empty: PublishedForecasts) -> None:
    begun = empty.publish([document("A"), document("B")], head(1.0))
    empty.publish([document("A", day=2)], head(2.0))
    seen = []

    def again(symbol: str, standing: Mapping[str, Any]) -> Mapping[str, Any]:
        seen.append((symbol, standing["session"]))
        return document(symbol, day=3, kept=standing["session"])

    late = [document("A", day=3), document("B", day=3)]
    index = empty.publish(late, head(3.0), again=again, built_on=begun.entries)
    assert seen == [("A", "2020-01-02")]
    assert json.loads(empty.read(index.entries["A"]))["kept"] == "2020-01-02"
    assert "kept" not in json.loads(empty.read(index.entries["B"]))


def test_a_note_stays_until_the_next_refresh(empty: PublishedForecasts) -> None:
    empty.add_note("nobody reads this")
    assert empty.index() is None
    empty.publish([document("A")], head(1.0))
    for _ in range(2):
        empty.add_note("the disk is full")
    index = empty.index()
    assert index is not None
    assert index.head["notes"] == ["the disk is full"]
    assert "the disk is full" in staleness(index, None, 1.0).reasons
    assert "notes" not in empty.publish([document("A")], head(2.0)).head


def test_many_at_once_lose_nothing(empty: PublishedForecasts) -> None:
    def one(i: int) -> None:
        PublishedForecasts(empty.objects).publish([document(f"S{i}"), document("SHARED", day=1 + i)], head(float(i)))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index = empty.index()
    assert index is not None
    assert set(index.entries) == {f"S{i}" for i in range(12)} | {"SHARED"}
    assert index.entries["SHARED"].session == "2020-01-12"
    assert index.head["published_at"] == 11.0
    for entry in index.entries.values():
        empty.read(entry)


class Dying:
    """Objects that break off at the n-th write."""

    def __init__(self, inner: ObjectStore, at: int) -> None:
        self._inner, self._left, self.location = inner, at, inner.location
        self.get, self.keys, self.delete = inner.get, inner.keys, inner.delete

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
        self._left -= 1
        if self._left < 0:
            raise OSError(28, "No space left on device")
        return self._inner.put(key, data, if_match=if_match, if_absent=if_absent)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_error_at_any_write_leaves_the_old_forecasts(empty: PublishedForecasts, at: int) -> None:
    empty.publish([document("A"), document("B")], head())
    before = empty.index()
    with pytest.raises(OSError, match="No space"):
        PublishedForecasts(Dying(empty.objects, at)).publish([document("A", day=2), document("B", day=2)], head(2.0))
    after = empty.index()
    assert after == before
    assert after is not None
    assert json.loads(empty.read(after.entries["B"])) == document("B")


def test_a_changed_byte_is_refused_by_name(empty: PublishedForecasts, tmp_path: Path) -> None:
    index = empty.publish([document("A")], head())
    path = tmp_path / index.entries["A"].key
    path.write_bytes(path.read_bytes().replace(b"0.01", b"0.02"))
    with pytest.raises(StoreError, match=r"symbols/A-.* was changed"):
        empty.read(index.entries["A"])


@pytest.mark.parametrize("text", HALF)
def test_a_damaged_index_is_reported_and_the_next_refresh_repairs_it(empty: PublishedForecasts, text: str) -> None:
    empty.objects.put(INDEX, text.encode())
    with pytest.raises(StoreError, match=r"index.json is damaged"):
        empty.index()
    empty.publish([document("A")], head())
    index = empty.index()
    assert index is not None
    assert list(index.entries) == ["A"]


@pytest.mark.parametrize("other", [1, 4])
def test_another_format_is_refused_in_one_line_and_the_next_refresh_replaces_it(
    empty: PublishedForecasts, other: int
) -> None:
    empty.objects.put(INDEX, b'{"format":%d,"head":{},"entries":{},"retired":{}}' % other)
    with pytest.raises(
        StoreError, match=f"has format {other}, this tenor reads 2 and 3: run 'tenor refresh'"
    ) as raised:
        empty.index()
    assert "\n" not in str(raised.value)
    empty.publish([document("A")], head())
    index = empty.index()
    assert index is not None
    assert list(index.entries) == ["A"]


def test_replaced_objects_are_deleted_after_a_while(empty: PublishedForecasts, monkeypatch: pytest.MonkeyPatch) -> None:
    first = empty.publish([document("A")], head(1.0)).entries["A"].key
    killed = empty.objects.put("symbols/A-left-by-one-that-was-killed.json", b"{}")
    empty.publish([document("A", day=2)], head(2.0))
    assert killed
    assert len(empty.objects.keys("symbols/")) == 3
    begun = time.time()
    monkeypatch.setattr(module.time, "time", lambda: begun + module.RETENTION + 1)
    empty.publish([document("A", day=3)], head(3.0))
    assert first not in empty.objects.keys("symbols/")
    assert len(empty.objects.keys("symbols/")) == 2


def test_a_change_that_comes_to_nothing_deletes_nothing(
    empty: PublishedForecasts, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.publish([document("A")], head(1.0))
    empty.publish([document("A", day=2)], head(2.0))
    before = empty.objects.keys("symbols/")

    class Overtaken(Dying):
        """Another process removes the index between the read and the write."""

        def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
            self.delete(INDEX)
            raise Conflict("changed")

    begun = time.time()
    monkeypatch.setattr(module.time, "time", lambda: begun + module.RETENTION + 1)
    PublishedForecasts(Overtaken(empty.objects, 99)).add_note("the disk is full")
    assert empty.objects.keys("symbols/") == before


def test_publishing_gives_up_on_an_index_that_keeps_changing(
    empty: PublishedForecasts, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Restless(Dying):
        def put(self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False) -> str:
            if key == INDEX:
                raise Conflict("changed")
            return super().put(key, data)

    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    with pytest.raises(StoreError, match="changed by others 60 times"):
        PublishedForecasts(Restless(empty.objects, 99)).publish([document("A")], head())


def test_a_large_index_is_stored_compressed_and_read_alike(
    empty: PublishedForecasts, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = empty.publish([document("A")], head())
    plain = empty.objects.get(INDEX).data
    assert plain.startswith(b"{")
    monkeypatch.setattr(module, "LARGE", 100)
    empty.publish([document("A")], head())
    data = empty.objects.get(INDEX).data
    assert len(data) < len(plain)
    read = empty.index()
    assert read is not None
    assert read.head == small.head
    assert read.entries["A"].brief == small.entries["A"].brief
    for damaged in (data[:-9], data[:20] + b"x" + data[21:], b"\x1f\x8b"):
        empty.objects.put(INDEX, damaged)
        with pytest.raises(StoreError, match=r"index.json is damaged"):
            empty.index()


@pytest.mark.slow
def test_the_same_in_a_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server, "AWS_ACCESS_KEY_ID": "lake", "AWS_SECRET_ACCESS_KEY": "lake-secret",
        "AWS_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    place = PublishedForecasts(open_store("s3://published/one/serving"))
    test_many_at_once_lose_nothing(place)
    index = place.index()
    assert index is not None
    assert json.loads(place.read(index.entries["S3"]))["symbol"] == "S3"
