"""One contract, kept by a folder and by a real S3 server; and what each says when it can't."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from racing import count_up, race

from tenor.errors import ConfigError, Conflict, MissingObject, StoreError, UsageError
from tenor.storage.object_store import ObjectStore, open_store

PLACES = pytest.mark.parametrize("location", ["folder", pytest.param("bucket", marks=pytest.mark.slow)], indirect=True)
"""For what takes many processes: a server beside them is for the long run of the tests."""


@pytest.fixture(params=["folder", "bucket"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "not" / "there" / "yet")
    request.getfixturevalue("s3_environment")
    open_store("s3://objects").put("made", b"")  # and so the bucket
    return f"s3://objects/{tmp_path.name.replace('[', '-').replace(']', '')}"


@pytest.fixture
def objects(location: str) -> ObjectStore:
    return open_store(location)


class TestContract:
    def test_there_and_back(self, objects: ObjectStore) -> None:
        with pytest.raises(MissingObject, match="no object 'a/b'"):
            objects.get("a/b")
        assert objects.keys() == objects.keys("a/") == []
        etag = objects.put("a/b", b"one")
        assert (objects.get("a/b").data, objects.get("a/b").etag) == (b"one", etag)
        assert objects.put("a/b", b"two") != etag
        assert objects.put("a/b", b"one") == etag
        objects.put("empty", b"")
        assert objects.get("empty").data == b""
        big = os.urandom(6_000_000)
        objects.put("big", big)
        assert objects.get("big").data == big
        assert objects.digest("big") == hashlib.sha256(big).hexdigest()
        assert objects.digest("empty") == hashlib.sha256().hexdigest()
        with pytest.raises(MissingObject, match="no object 'a/c'"):
            objects.digest("a/c")

    def test_what_did_not_change_is_not_read_again(self, objects: ObjectStore) -> None:
        etag = objects.put("a", b"one")
        assert objects.changed("a", etag) is None
        assert objects.changed("a", etag) is None
        assert objects.changed("a", '"another"') is not None
        after = objects.put("a", b"two")  # of the same size
        changed = objects.changed("a", etag)
        assert changed is not None
        assert (changed.data, changed.etag) == (b"two", after)
        assert objects.changed("a", after) is None
        objects.put("a", b"one")
        assert objects.changed("a", etag) is None  # the same bytes again
        objects.delete("a")
        with pytest.raises(MissingObject, match="no object 'a'"):
            objects.changed("a", etag)

    def test_keys_are_sorted_and_cut_by_prefix_not_by_folder(self, objects: ObjectStore) -> None:
        for key in ("v/b/2", "v/a/1", "v/ab=1/3.json", "w", "v_x-y/1"):
            objects.put(key, key.encode())
        assert objects.keys() == ["v/a/1", "v/ab=1/3.json", "v/b/2", "v_x-y/1", "w"]
        assert objects.keys("v/a") == ["v/a/1", "v/ab=1/3.json"]
        assert objects.keys("v/a/") == ["v/a/1"]
        assert objects.keys("nothing/") == []

    def test_put_if_absent_and_if_match(self, objects: ObjectStore) -> None:
        first = objects.put("k", b"1", if_absent=True)
        with pytest.raises(Conflict, match=r"'k' in .* was written by somebody else"):
            objects.put("k", b"2", if_absent=True)
        second = objects.put("k", b"2", if_match=first)
        with pytest.raises(Conflict):
            objects.put("k", b"3", if_match=first)
        assert objects.get("k").etag == second
        objects.delete("k")
        with pytest.raises(Conflict):  # what was to be replaced is gone
            objects.put("k", b"3", if_match=second)
        assert objects.keys() == []

    def test_deleting_what_is_not_there_is_done_already(self, objects: ObjectStore) -> None:
        objects.delete("k")
        objects.put("k", b"1")
        objects.delete("k")
        objects.delete("k")
        with pytest.raises(MissingObject):
            objects.get("k")

    @pytest.mark.parametrize(
        "key",
        ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".lock", "a/.b", "a b", "a\\b", "ä", "a\0", "x" * 600],
    )
    def test_keys_that_can_not_be(self, objects: ObjectStore, key: str) -> None:
        for call in (objects.get, objects.delete, lambda key: objects.put(key, b"")):
            with pytest.raises(UsageError, match="object key"):
                call(key)
        assert objects.keys() == []

    @PLACES
    def test_processes_that_race_never_lose_a_count(self, objects: ObjectStore, location: str) -> None:
        objects.put("count", b"0")
        race(count_up, *[(location, 15)] * 3)
        assert objects.get("count").data == b"45"

    def test_of_several_who_create_one_wins(self, objects: ObjectStore, location: str) -> None:
        from concurrent.futures import ThreadPoolExecutor

        def create(i: int) -> bool:
            try:
                open_store(location).put("one", str(i).encode(), if_absent=True)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(create, range(8)))
        assert sum(won) == 1
        assert objects.get("one").data == str(won.index(True)).encode()


class TestFolder:
    def test_an_unchanged_file_is_not_opened(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        objects = open_store(tmp_path)
        etag = objects.put("a", b"one")
        assert objects.changed("a", etag) is None
        monkeypatch.setattr(type(objects), "get", lambda *_: pytest.fail("it was read again"))
        assert objects.changed("a", etag) is None

    def test_a_writer_killed_midway_leaves_the_old_object_and_no_lock(self, tmp_path: Path) -> None:
        objects = open_store(tmp_path)
        objects.put("k", b"old" * 1000)
        code = (
            "import os, signal; from tenor.storage import object_store as o; "
            "o.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL); "
            f"o.open_store({str(tmp_path)!r}).put('k', b'new' * 1000)"
        )
        done = subprocess.run([sys.executable, "-c", code], check=False)
        assert done.returncode == -signal.SIGKILL
        assert objects.get("k").data == b"old" * 1000
        assert objects.keys() == ["k"]
        objects.put("k", b"newer")
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "k"]

    def test_what_is_in_the_way_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreError, match=r"'k' in .*file can't be written: .*; check the folder"):
            open_store(tmp_path / "file").put("k", b"")
        objects = open_store(tmp_path / "o")
        objects.put("a/b", b"")
        with pytest.raises(StoreError, match="'a' in"):
            objects.put("a", b"")
        with pytest.raises(MissingObject):
            objects.get("a")

    def test_a_full_disk_is_told_and_the_old_object_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        objects = open_store(tmp_path)
        objects.put("k", b"old")

        def full(handle: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tenor.storage.object_store.os.fsync", full)
        with pytest.raises(StoreError, match="No space left on device"):
            objects.put("k", b"new")
        assert objects.get("k").data == b"old"


class TestBucket:
    def test_a_wrong_secret_is_refused_and_not_told(self, s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
        open_store("s3://objects/denied").put("k", b"1")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-one")
        objects = open_store("s3://objects/denied")
        calls: list[Callable[[], object]] = [lambda: objects.get("k"), lambda: objects.put("k", b""), objects.keys]
        for call in calls:
            with pytest.raises(StoreError, match="access denied") as told:
                call()
            assert "not-the-one" not in str(told.value)
            assert "s3://objects/denied" in str(told.value)

    def test_nobody_listening_is_told_soon(self, s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{probe.getsockname()[1]}")
        with pytest.raises(StoreError, match=r"can't be reached.*check the endpoint"):
            open_store("s3://objects").get("k")

    @pytest.mark.parametrize("endpoint", ["http://s3.example.com", "http://8.8.8.8:8333"])
    def test_plain_http_is_for_local_servers(self, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(ConfigError, match="use https"):
            open_store("s3://objects")

    @pytest.mark.parametrize("location", ["s3://", "s3:///x", "gs://bucket", "s3://bucket/../x"])
    def test_places_that_can_not_be(self, location: str) -> None:
        with pytest.raises(UsageError):
            open_store(location)
