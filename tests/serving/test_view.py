"""What is served while the place of the forecasts fails: the last good state, marked as stale."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from published_documents import document, head

from tenor.errors import StoreError, UnknownSymbolError
from tenor.lateness import GRACE
from tenor.serving.published import INDEX, Index, PublishedForecasts, SymbolEntry
from tenor.serving.staleness import due, staleness
from tenor.serving.view import SnapshotCache, View, snapshot_cache
from tenor.storage.object_store import open_store

HOUR = 3600.0


@pytest.fixture
def place(tmp_path: Path) -> Path:
    PublishedForecasts(open_store(tmp_path / "b")).publish([document("A"), document("B")], head())
    return tmp_path / "b"


def test_reading_takes_the_standard_library_alone() -> None:
    probe = (
        "import sys, tenor.serving.view, tenor.serving.published, tenor.serving.keys\n"
        "print(*sorted({'pandas','numpy','torch','pyarrow','duckdb','fastapi','onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_service_itself_needs_no_pandas() -> None:
    probe = (
        "import sys, tenor.serving.app, tenor.sentiment.scorer\n"
        "print(*sorted({'pandas','torch','pyarrow','duckdb','matplotlib','scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_nothing_published_is_not_ready(tmp_path: Path) -> None:
    view = View(PublishedForecasts(open_store(tmp_path)))
    assert view.poll() == ()
    assert not view.ready
    with pytest.raises(StoreError, match="tenor refresh"):
        _ = view.snapshot


def test_a_lost_store_leaves_the_last_good_state(place: Path) -> None:
    view = View(PublishedForecasts(open_store(place)))
    assert view.poll() == ("A", "B")
    shutil.rmtree(place)
    assert view.poll() == ()
    assert view.document("A") == document("A")
    assert view.staleness().stale
    assert "the published forecasts are gone" in " ".join(view.staleness().reasons)


def test_a_damaged_index_leaves_the_last_good_state_until_it_is_repaired(place: Path) -> None:
    published = PublishedForecasts(open_store(place))
    view = View(published, clock=lambda: 1.0)
    view.poll()
    good = published.objects.get(INDEX).data
    published.objects.put(INDEX, good[:-5])
    view.poll()
    assert "is damaged" in " ".join(view.staleness().reasons)
    assert view.document("B") == document("B")
    published.objects.put(INDEX, good)
    view.poll()
    assert view.problems == ()


def test_a_damaged_document_leaves_that_symbols_last_good_one(place: Path) -> None:
    published = PublishedForecasts(open_store(place))
    view = View(published)
    view.poll()
    index = published.publish([document("A", day=2), document("B", day=2)], head(2.0))
    (place / index.entries["A"].key).write_bytes(b"{}")
    assert view.poll() == ("B",)
    assert view.document("A")["session"] == "2020-01-01"
    assert view.snapshot.entry("A").session == "2020-01-01"
    assert view.document("B")["session"] == "2020-01-02"
    assert "1 documents can't be read (A)" in " ".join(view.problems)


def test_a_copy_of_a_bucket_is_served_while_the_bucket_is_away(place: Path, tmp_path: Path) -> None:
    bucket, copy = PublishedForecasts(open_store(place)), PublishedForecasts(open_store(tmp_path / "copy"))
    View(bucket, cache=SnapshotCache(copy), clock=lambda: 1.0).poll()
    bucket.publish([document("B", day=2)], head(2.0))
    View(bucket, cache=SnapshotCache(copy), clock=lambda: 1.0).poll()
    assert len(copy.objects.keys("symbols/")) == 2
    away = PublishedForecasts(open_store(tmp_path / "file" / "away"))
    (tmp_path / "file").write_bytes(b"no folder")
    later = View(away, cache=SnapshotCache(copy), clock=lambda: 1.0)
    assert later.staleness().reasons == ("the published forecasts have not been read yet",)
    later.poll()
    assert later.document("B") == document("B", day=2)
    assert later.staleness().stale
    damaged = tmp_path / "copy" / later.snapshot.index.entries["A"].key
    damaged.write_bytes(b"{}")
    last = SnapshotCache(copy).load()
    assert last is not None
    assert list(last.index.entries) == ["B"]
    again = View(bucket, cache=SnapshotCache(copy), clock=lambda: 2.0)
    assert list(again.snapshot.index.entries) == ["B"]
    assert again.poll() == ("A",)
    assert again.problems == ()


def test_no_copy_is_no_harm(place: Path, tmp_path: Path) -> None:
    assert snapshot_cache("a/folder") is None
    nowhere = SnapshotCache(PublishedForecasts(open_store(tmp_path / "nowhere")))
    assert nowhere.load() is None
    (tmp_path / "full").write_bytes(b"")
    full = SnapshotCache(PublishedForecasts(open_store(tmp_path / "full")))
    view = View(PublishedForecasts(open_store(place)), cache=full)
    assert view.poll() == ("A", "B")
    assert view.problems == ()


def test_only_what_changed_is_read_again(place: Path) -> None:
    published = PublishedForecasts(open_store(place))
    view = View(published)
    view.poll()
    published.publish([document("B", day=2)], head(2.0))
    assert view.poll() == ("B",)
    assert view.poll() == ()


def test_without_preloading_a_document_is_read_when_requested(place: Path) -> None:
    view = View(PublishedForecasts(open_store(place)), preload=False)
    view.poll()
    assert view.snapshot.documents == {}
    assert view.document("A") == document("A")
    assert list(view.snapshot.documents) == ["A"]
    assert view.document("a") == document("A")
    with pytest.raises(UnknownSymbolError, match="Did you mean"):
        view.document("AB")


def index_of(published: float, closes: list[float], *, behind: int = 0, version: str = "m") -> Index:
    entry = SymbolEntry("k", "d", "2020-01-01T21:00:00+00:00", "2020-01-01", behind, published, version, {})
    return Index({"closes": closes, "published_at": published, "model_version": "m"}, {"A": entry}, {})


@pytest.mark.parametrize(
    ("index", "now", "behind", "why"),
    [
        (index_of(0.0, [10 * HOUR]), 9 * HOUR, 0, ""),
        (index_of(0.0, [10 * HOUR]), 10 * HOUR + GRACE - 1, 1, ""),
        (index_of(0.0, [10 * HOUR, 99 * HOUR]), 10 * HOUR + GRACE, 1, "1 session has closed"),
        (index_of(0.0, [10 * HOUR, 34 * HOUR, 99 * HOUR]), 50 * HOUR, 2, "2 sessions have closed"),
        (index_of(0.0, [10 * HOUR], behind=2317), 1.0, 2317, "2,317 sessions have closed"),
        (index_of(HOUR, [10 * HOUR]), 0.0, 0, "published in the future"),
        (index_of(0.0, [HOUR]), 99 * HOUR, 1, "closes published with it have all passed"),
        (index_of(0.0, [10 * HOUR], version="old"), 1.0, 0, "no longer the one in use"),
    ],
)
def test_staleness_by_the_clock_alone(index: Index, now: float, behind: int, why: str) -> None:
    result = staleness(index, index.entries["A"], now)
    assert result.sessions_behind == behind
    assert result.stale == bool(why)
    assert why in " ".join(result.reasons)


@pytest.mark.parametrize(
    ("now", "expected"), [(9 * HOUR, False), (10 * HOUR + 1799, False), (10 * HOUR + 1801, True), (999 * HOUR, True)]
)
def test_a_refresh_is_due_half_an_hour_after_a_close(now: float, expected: bool) -> None:
    assert due(index_of(0.0, [10 * HOUR, 34 * HOUR]), now, delay=1800.0) is expected


@pytest.mark.parametrize(("behind", "expected"), [(0, False), (1, True), (2317, False)])
def test_a_refresh_is_repeated_while_bars_are_late(behind: int, expected: bool) -> None:
    published_early = index_of(10 * HOUR + 60, [10 * HOUR, 34 * HOUR], behind=behind)
    assert due(published_early, 10 * HOUR + 1870, delay=1800.0)
    late = index_of(11 * HOUR, [10 * HOUR, 34 * HOUR], behind=behind)
    assert due(late, 12 * HOUR, delay=1800.0) is expected
    assert due(None, 0.0, delay=0.0)
