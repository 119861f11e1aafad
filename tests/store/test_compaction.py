"""Merging parts: no read of any moment changes, whoever else reads, appends, compacts or is killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tenor.cli import app
from tenor.errors import StoreError
from tenor.schema import SENTIMENT_COLUMNS, Bars, DailySentiment, News, news_id
from tenor.store import Compacted, Lake, compaction
from tenor.store import parts as parts_of
from tenor.store.tables import BARS, TABLES
from tenor.store.versions import Versions

pytestmark = pytest.mark.processes

AT_ONCE = timedelta(0)
SYMBOLS = ("AAA", "BBB", "CCC")
DAYS = pd.date_range("2024-01-01", periods=12, freq="D", unit="us")
Frames = dict[str, pd.DataFrame]


def some_bars(chance: np.random.Generator) -> Bars:
    cells = [(s, d) for s in SYMBOLS for d in DAYS if chance.random() < 0.3] or [("AAA", DAYS[0])]
    frame = pd.DataFrame(cells, columns=["symbol", "session"])
    price = chance.integers(1, 4, len(frame)).astype("float64")  # few values: rows are often the same again
    columns = dict.fromkeys(("open", "high", "low", "close", "adj_close"), price)
    return Bars(frame.assign(**columns, volume=1.0))


def append_something(lake: Lake, chance: np.random.Generator) -> None:
    """One append, or two, to a table picked at random."""
    symbol = str(chance.choice(SYMBOLS))
    number = float(chance.integers(1, 4))
    day = pd.Timestamp(chance.choice(DAYS))
    moment = day.tz_localize("UTC") + pd.Timedelta(hours=15)
    text = f"{symbol} rises {number:.0f} %\x00 — 上涨"
    row = {"symbol": symbol, "source": "x"}
    kind = int(chance.integers(0, 9))
    if kind <= 2:
        lake.append_bars(some_bars(chance), source=str(chance.choice(["x", "y"])), claim=bool(chance.integers(0, 2)))
    elif kind == 3:
        item = {"id": news_id("wire", text), "published_at": moment, "text": text, "url": "" if number > 2 else "u"}
        lake.append_news(News(pd.DataFrame([row | item])))
    elif kind == 4:
        frame = pd.DataFrame({"symbol": symbol, "session": DAYS[:3]})
        sentiment = DailySentiment(frame.assign(**dict.fromkeys(SENTIMENT_COLUMNS[2:], 1.0)).assign(mean=number / 4))
        lake.append_sentiment(sentiment, source=str(chance.choice(["m1", "m2"])))
    elif kind == 5:
        lake.put_scores({news_id("wire", text): (0.1, 0.2, number)}, "m1")
    elif kind == 6:
        texts = dict.fromkeys(("column", "value", "kind", "why", "remedy"), "x")
        refused = pd.DataFrame({"file": "a.csv", "row": range(int(number)), "symbol": symbol, "session": day, **texts})
        lake.append_refusals(refused.astype({"session": "datetime64[us]"}), files=["a.csv", "b.csv"])
    elif kind == 7:
        numbers = dict.fromkeys(("open", "high", "low", "close", "volume"), number)
        lake.append_rows("intraday", pd.DataFrame([row | numbers | {"interval": "1h", "opened_at": moment}]))
        lake.append_rows("names", pd.DataFrame([row | {"name": f"Example {number}"}]))
    else:
        lake.append_rows("actions", pd.DataFrame([row | {"session": day, "kind": "split", "value": number}]))


def all_versions(lake: Lake, table: str = "bars") -> pd.DataFrame:
    """Every version of every row, with source and moment, in an order of its own."""
    return lake.query(f"SELECT * FROM {table}_parts ORDER BY ALL")


def seen(lake: Lake, moments: list[pd.Timestamp]) -> Frames:
    """All that can be read of a lake, now and as of `moments`."""
    with Versions(parts_of.open_parts(lake.location)).connect(*TABLES) as connection:  # one for all
        names = [name for table in TABLES for name in (table.name, table.parts)]
        frames = {n: connection.sql(f"SELECT * FROM {n} ORDER BY ALL").to_arrow_table().to_pandas() for n in names}
    frames |= {f"{name} rows": lake.rows(name) for name in ("bars", "actions")} | {"spans": lake.spans("bars")}
    frames["refusals"] = lake.refusals().sort_values(["file", "row"], ignore_index=True)
    sentiment = lake.sentiment()
    frames["sentiment of the last"] = pd.DataFrame() if sentiment is None else sentiment.frame
    for moment in (None, *moments):
        try:
            frames[f"bars at {moment}"] = lake.bars(as_of=moment).frame
        except StoreError as error:
            frames[f"bars at {moment}"] = pd.DataFrame([str(error)])
        frames[f"news at {moment}"] = lake.news(["AAA", "CCC"], as_of=moment).frame
    return frames


def assert_same(got: Frames, expected: Frames) -> None:
    assert got.keys() == expected.keys()
    for what, frame in expected.items():
        pd.testing.assert_frame_equal(got[what], frame, obj=what, check_exact=True)


def part_names(lake: Lake, table: str = "bars") -> list[str]:
    return list(parts_of.part_files(parts_of.open_parts(lake.location), table))


def a_lake(location: Path, appends: int = 12, seed: int = 0) -> Lake:
    """A lake of many small parts of bars, with revisions."""
    lake, chance = Lake(location), np.random.default_rng(seed)
    for _ in range(appends):
        lake.append_bars(some_bars(chance), source="x")
    return lake


@pytest.mark.parametrize(
    ("place", "seed"),
    [("folder", 0), ("bucket", 1), *(pytest.param("folder", seed, marks=pytest.mark.slow) for seed in range(2, 8))],
)
def test_no_read_of_any_moment_changes(
    place: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "bucket":
        request.getfixturevalue("s3_environment")
    lake = Lake(tmp_path / "lake" if place == "folder" else f"s3://lake/{tmp_path.name}")
    chance = np.random.default_rng(seed)
    moments = [pd.Timestamp.now("UTC")]
    # small bounds: some parts are full, and several merged ones stand side by side
    monkeypatch.setattr(compaction, "FULL", 9_000)
    monkeypatch.setattr(compaction, "LARGEST", 18_000)
    done = Compacted()
    for _ in range(2 if place == "folder" else 1):
        for _ in range(13):
            append_something(lake, chance)
            moments.append(pd.Timestamp.now("UTC"))
        before = seen(lake, moments[::6])
        done += lake.compact(least=int(chance.integers(2, 5)), keep=AT_ONCE if chance.random() < 0.5 else timedelta(1))
        assert_same(seen(lake, moments[::6]), before)
    done += lake.compact(keep=AT_ONCE)
    assert_same(seen(lake, moments[::6]), before)
    assert done.old > done.new > 0


def test_few_parts_of_a_bounded_size_come_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = a_lake(tmp_path, 25)
    size = sum(file.size for file in parts_of.part_files(parts_of.open_parts(lake.location), "bars").values())
    monkeypatch.setattr(compaction, "FULL", size // 8)
    monkeypatch.setattr(compaction, "LARGEST", size // 4)
    before = all_versions(lake)
    done = lake.compact(keep=AT_ONCE)
    files = parts_of.part_files(parts_of.open_parts(lake.location), "bars")
    assert done.old == done.deleted >= 24  # one may be left that no other fits beside
    assert len(files) == done.new + 25 - done.old <= 6
    assert all(part.size <= size // 4 for part in files.values())
    full = [name for name, part in files.items() if part.size >= size // 8]
    lake.compact(keep=AT_ONCE)
    assert set(full) <= set(part_names(lake))  # what is full is not written again
    pd.testing.assert_frame_equal(all_versions(lake), before)


def test_a_merged_part_is_sorted_and_says_what_it_replaces(tmp_path: Path) -> None:
    lake = a_lake(tmp_path)
    old = part_names(lake)
    assert lake.compact() == Compacted(12, 1, 0)
    (name,) = set(part_names(lake)) - set(old)
    table = pq.read_table(tmp_path / "bars" / name)
    assert table.schema.equals(BARS.schema)
    assert table.sort_by([("symbol", "ascending"), ("session", "ascending"), ("ingested_at", "ascending")]).equals(
        table
    )
    replaced = pq.read_metadata(tmp_path / "bars" / name).metadata[b"tenor.replaces"].decode()
    assert replaced.split() == old
    assert (parts_of.first_of(name), parts_of.moment_of(name)) == tuple(
        parts_of.moment_of(n) for n in (old[0], old[-1])
    )
    assert lake.compact() == Compacted(0, 0, 0)


def test_an_empty_lake_is_not_touched(tmp_path: Path) -> None:
    assert Lake(tmp_path / "none").compact() == Compacted(0, 0, 0)
    assert not (tmp_path / "none").exists()


def test_a_part_that_came_late_counts(tmp_path: Path) -> None:
    lake = a_lake(tmp_path)
    low, high = part_names(lake)[:2]
    rows = pq.read_table(tmp_path / "bars" / low)
    moment = (parts_of.moment_of(low) + parts_of.moment_of(high)) // 2_000 * 1_000
    lake.compact()
    before = len(all_versions(lake))
    # a writer that took its moment before the others wrote, and was slow
    parts_of.write(parts_of.open_parts(lake.location), "bars", rows, moment)
    assert len(all_versions(lake)) == before + len(rows)
    lake.compact(keep=AT_ONCE)
    assert len(all_versions(lake)) == before + len(rows)


def test_a_revision_after_a_compaction_counts_though_the_clock_was_set_back(
    tmp_path: Path, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    for volume in (1.0, 2.0):
        lake.append_bars(Bars(bars.frame.assign(volume=volume)), source="x")
    lake.compact(keep=AT_ONCE)
    before = time.time_ns() - 3_600_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: before)
    lake.append_bars(bars, source="x")
    assert lake.bars().fingerprint() == bars.fingerprint()


def test_a_damaged_part_is_named_and_nothing_is_merged(tmp_path: Path) -> None:
    lake = a_lake(tmp_path)
    names = part_names(lake)
    file = tmp_path / "bars" / names[3]
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    with pytest.raises(StoreError, match=f"the part .*{names[3]} is damaged"):
        lake.compact()
    assert part_names(lake) == names


def test_a_damaged_merged_part_gives_way_to_what_it_replaced(tmp_path: Path) -> None:
    lake = a_lake(tmp_path)
    before = all_versions(lake)
    old = part_names(lake)
    lake.compact()
    (name,) = set(part_names(lake)) - set(old)
    file = tmp_path / "bars" / name
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(StoreError, match=f"the part .*{name} is damaged .*: delete it"):
        lake.bars()
    file.unlink()
    pd.testing.assert_frame_equal(all_versions(lake), before)


def test_who_listed_the_parts_before_can_read_on(tmp_path: Path) -> None:
    lake = a_lake(tmp_path)
    expected = all_versions(lake)
    count = "SELECT count(*) FROM bars_parts"
    with Versions(parts_of.open_parts(lake.location)).connect(BARS) as connection:
        lake.compact()
        assert connection.sql(count).fetchall() == [(len(expected),)]

    def read_for_hours() -> None:
        with Versions(parts_of.open_parts(lake.location)).connect(BARS) as connection:
            lake.append_bars(Bars(lake.bars().frame.assign(volume=9.0)), source="x")
            lake.compact(keep=AT_ONCE)
            connection.sql(count).fetchall()

    with pytest.raises(StoreError, match="went while it was read, merged into another: read again"):
        read_for_hours()


def test_what_killed_writers_left_is_cleared_away(tmp_path: Path) -> None:
    lake = a_lake(tmp_path)
    halves = [tmp_path / "bars" / f".{name}.0a1b2c3d.tmp" for name in part_names(lake)[:2]]
    mine = tmp_path / "bars" / ".mine.tmp"
    for file in (*halves, mine):
        file.write_bytes(b"PAR1")
    long_ago = time.time() - 2 * compaction.KEEP.total_seconds()
    for file in (halves[0], mine):
        os.utime(file, (long_ago, long_ago))
    lake.compact()
    assert [file.exists() for file in (*halves, mine)] == [False, True, True]


# a compaction that dies at a point of its way: at the n-th call of a function
DYING = textwrap.dedent(
    """
    import os, signal, sys
    from datetime import timedelta
    from pathlib import Path
    from tenor.storage import files
    from tenor.store import Lake, parts as parts_of

    location, point, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
    places = {
        "merging": (parts_of, "merged"), "writing": (parts_of.FolderParts, "write"), "naming": (Path, "replace"),
        "named": (files, "sync_names"), "deleting": (parts_of, "delete"),
    }
    owner, name = places[point]
    real = getattr(owner, name)

    def dying(*args):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)

    setattr(owner, name, dying)
    Lake(location).compact(keep=timedelta(0))
    """
)


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with parts, a merged part, the parts that it replaced, and parts that came since."""
    folder = tmp_path_factory.mktemp("layered")
    a_lake(folder, 8, seed=0).compact()
    a_lake(folder, 8, seed=1)
    return folder


@pytest.mark.parametrize(
    ("point", "after"),
    [("merging", 0), ("writing", 0), ("naming", 0), ("named", 0), ("deleting", 0), ("deleting", 16)],
)
def test_killed_at_a_point_of_its_way(point: str, after: int, layered: Path, tmp_path: Path) -> None:
    lake = Lake(shutil.copytree(layered, tmp_path / "lake"))
    before, parts_before = seen(lake, []), part_names(lake)
    command = [sys.executable, "-c", DYING, lake.location, point, str(after)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -9
    assert_same(seen(lake, []), before)
    assert (part_names(lake) == parts_before) == (point in ("merging", "writing", "naming"))
    lake.compact(keep=AT_ONCE)
    assert_same(seen(lake, []), before)
    assert len(part_names(lake)) == 1


COMPACTING = textwrap.dedent(
    """
    import sys, time
    from datetime import timedelta
    from tenor.store import Lake

    location, rounds, kept = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(rounds):
        Lake(location).compact(keep=timedelta(seconds=kept))
    """
)


def start(lake: Lake, rounds: int, kept: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMPACTING, lake.location, str(rounds), str(kept)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_three_processes_compact_at_once(layered: Path, tmp_path: Path) -> None:
    lake = Lake(shutil.copytree(layered, tmp_path / "lake"))
    before = seen(lake, [])
    others = [start(lake, 3, 0) for _ in range(3)]
    for other in others:
        go(other)
    assert [other.communicate(timeout=60) and other.returncode for other in others] == [0, 0, 0]
    assert_same(seen(lake, []), before)
    assert len(part_names(lake)) == 1


def test_two_compact_a_bucket_at_once(s3_environment: str, tmp_path: Path) -> None:
    lake = Lake(f"s3://lake/{tmp_path.name}")
    chance = np.random.default_rng(5)
    for _ in range(10):
        append_something(lake, chance)
        lake.append_bars(some_bars(chance), source="x")
    before = {what: frame for what, frame in seen(lake, []).items() if "_parts" not in what}
    with ThreadPoolExecutor(2) as pool:
        assert sum(done.new for done in pool.map(lambda _: Lake(lake.location).compact(), range(2))) >= 1
    assert_same({what: frame for what, frame in seen(lake, []).items() if "_parts" not in what}, before)


def read_and_append_meanwhile(lake: Lake, rounds: int, going: Callable[[], bool]) -> int:
    """Revise all rows of one symbol again and again, while a thread reads: a part that is lost or doubled shows."""
    days = pd.date_range("2014-01-01", periods=500, freq="D", unit="us")
    frame = pd.DataFrame({"symbol": "ZZZ", "session": days})
    columns = ("open", "high", "low", "close", "adj_close", "volume")
    stop = threading.Event()

    def read() -> int:
        reads = 0
        while not stop.is_set():
            found = all_versions(lake)
            versions = found[found["symbol"] == "ZZZ"].groupby("volume")
            assert (versions.size() == 500).all()
            assert set(versions.groups) == set(np.arange(1.0, len(versions) + 1))
            reads += 1
        return reads

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            done = 0
            while done < rounds or going():
                done += 1
                lake.append_bars(Bars(frame.assign(**dict.fromkeys(columns, float(done)))), source="x")
        finally:
            stop.set()
        assert reading.result() > 2
    assert len(all_versions(lake).query("symbol == 'ZZZ'")) == done * 500
    return done


def test_appends_and_reads_while_a_process_compacts(tmp_path: Path) -> None:
    lake = a_lake(tmp_path)
    other = start(lake, 25, 1.0)
    go(other)
    assert read_and_append_meanwhile(lake, 10, lambda: other.poll() is None) >= 10
    other.communicate()
    assert other.returncode == 0


@pytest.mark.slow
def test_killed_at_random_while_others_append_and_read(tmp_path: Path) -> None:
    lake = a_lake(tmp_path)
    chance = random.Random(2)
    stop = time.monotonic() + 30
    state = {"process": start(lake, 10_000, 2.0), "kills": 0, "until": 0.0}
    go(state["process"])

    def going() -> bool:
        process = state["process"]
        if time.monotonic() > state["until"]:
            process.kill()
            process.communicate()
            state["kills"] += 1
            state["process"] = start(lake, 10_000, 2.0)
            go(state["process"])
            state["until"] = time.monotonic() + chance.uniform(0.02, 0.6)
        return time.monotonic() < stop

    try:
        read_and_append_meanwhile(lake, 10, going)
    finally:
        state["process"].kill()
        state["process"].communicate()
    assert state["kills"] > 1


PEAK = textwrap.dedent(
    """
    import resource, sys
    from tenor.store import Lake

    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = Lake(sys.argv[1]).compact()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) // 1024, done.old, done.new)
    """
)


@pytest.mark.slow
def test_memory_is_bounded_however_much_is_merged(tmp_path: Path) -> None:
    lake, chance = Lake(tmp_path), np.random.default_rng(0)
    days = pd.date_range("2000-01-01", periods=5_000, freq="D", unit="us")
    for i in range(30):
        price = chance.uniform(1, 2, 200_000)
        frame = pd.DataFrame({"symbol": np.repeat([f"S{i:02d}{j:02d}" for j in range(40)], 5_000)})
        columns = dict.fromkeys(("open", "high", "low", "close", "adj_close", "volume"), price)
        lake.append_bars(Bars(frame.assign(session=np.tile(days, 40), **columns)), source="x")
    found = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path)], capture_output=True, text=True, check=True)
    peak, old, new = map(int, found.stdout.split())
    assert old == 30
    assert new >= 3
    assert peak < 1200  # MiB


def test_the_verb_says_what_it_did(tmp_path: Path) -> None:
    lake = a_lake(tmp_path / "lake")
    run = CliRunner().invoke
    found = run(app, ["data", "compact", "--store", lake.location])
    assert found.exit_code == 0
    assert "12 parts merged into 1; 0 of earlier runs deleted" in found.stdout
    assert "the old parts are no longer read" in found.stdout
    found = run(app, ["data", "compact", "--store", lake.location, "--json"])
    assert json.loads(found.stdout) == {"old": 0, "new": 0, "deleted": 0}
