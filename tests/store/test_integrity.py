"""Bit rot in the lake: every flipped bit and every truncation is reported by whatever reads the part."""

from __future__ import annotations

import fcntl
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tenor.cli import main
from tenor.errors import StoreError
from tenor.schema import SENTIMENT_COLUMNS, Bars, DailySentiment, News, news_id
from tenor.store import Lake
from tenor.store import parts as parts_of


@pytest.fixture(autouse=True)
def nothing_verified_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test as in a process of its own."""
    monkeypatch.setattr(parts_of, "_sound", set())


@pytest.fixture
def full(tmp_path: Path, bars: Bars) -> Path:
    """A lake with a part in several tables."""
    lake = Lake(tmp_path / "lake")
    lake.append_bars(bars, source="made")
    day = pd.Timestamp("2014-02-03", tz="UTC")
    item = {"id": news_id("wire", "a"), "published_at": day, "symbol": "S00", "text": "a", "source": "wire", "url": ""}
    lake.append_news(News(pd.DataFrame([item])))
    rows = pd.DataFrame({"symbol": ["S00"], "session": [pd.Timestamp("2014-02-03")]})
    lake.append_sentiment(DailySentiment(rows.assign(**dict.fromkeys(SENTIMENT_COLUMNS[2:], 1.0))), source="set")
    lake.put_scores({"0f": (0.2, 0.3, 0.5)}, "model")
    opened = pd.Timestamp("2014-02-03 14:30", tz="UTC")
    numbers = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    lake.append_rows(
        "intraday", pd.DataFrame([{"symbol": "S00", "interval": "1h", "opened_at": opened, **numbers, "source": "x"}])
    )
    return tmp_path / "lake"


READS: dict[str, Callable[[Lake], object]] = {
    "bars": lambda lake: lake.bars(["S01"]),
    "news": lambda lake: lake.news(),
    "sentiment": lambda lake: lake.sentiment("set"),
    "scores": lambda lake: lake.get_scores(["0f"], "model"),
    "intraday": lambda lake: lake.bar_spans("1h"),
}


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("table", READS)
def test_every_flipped_bit_and_every_cut_is_reported(table: str, full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (part,) = (full / table).glob("*.parquet")
    data = part.read_bytes()
    chance = random.Random(table)
    damaged = [flipped(data, chance.randrange(8 * len(data))) for _ in range(40)]
    damaged += [data[: chance.randrange(len(data))] for _ in range(5)] + [b"", data + b"\x00"]
    for content in damaged:
        part.write_bytes(content)
        monkeypatch.setattr(parts_of, "_sound", set())
        with pytest.raises(StoreError, match=rf"{part.name} is damaged .*delete it and import or fetch"):
            READS[table](Lake(full))
    part.write_bytes(data)
    READS[table](Lake(full))


def test_spans_queries_and_appends_read_no_damaged_part_either(full: Path, bars: Bars) -> None:
    (part,) = (full / "bars").glob("*.parquet")
    part.write_bytes(flipped(part.read_bytes(), 4_000))
    lake = Lake(full)
    for read in (
        lambda: lake.spans("bars"),
        lambda: lake.query("SELECT 1 FROM news"),
        lambda: lake.append_bars(bars, source="x"),
        lambda: lake.symbols(),
    ):
        with pytest.raises(StoreError, match="is damaged"):
            read()


def test_each_part_is_verified_once_a_process(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    real = parts_of.damage
    monkeypatch.setattr(parts_of, "damage", lambda p, table, name, **k: read.append(name) or real(p, table, name, **k))
    for _ in range(3):
        Lake(full).bars()
    assert len(read) == 1


def test_a_flipped_bit_in_a_bucket_is_reported(s3_environment: str, tmp_path: Path, bars: Bars) -> None:
    location = f"s3://lake/{tmp_path.name}"
    lake = Lake(location)
    lake.append_bars(bars, source="made")
    parts = parts_of.open_parts(location)
    (name,) = parts_of.names(parts, "bars")
    with parts.filesystem.open_input_stream(f"{parts.root}/bars/{name}") as stream:
        data = stream.read()
    parts.write("bars", name, flipped(data, 8 * len(data) // 2))
    with pytest.raises(StoreError, match=f"s3://.*{name} is damaged"):
        lake.bars()
    assert main(["data", "verify", "--store", location]) == 1


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    code = main([str(a) for a in argv])
    out, err = capsys.readouterr()
    return code, out, err


def test_verify_has_one_line_a_fault(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "data", "verify", "--store", full)
    assert (code, err) == (0, "")
    assert out == "5 parts, 0 models and 0 published documents read\n"
    bars, news = (next((full / table).glob("*.parquet")) for table in ("bars", "news"))
    bars.write_bytes(flipped(bars.read_bytes(), 77))
    news.write_bytes(b"PAR1")
    version = full / "models" / "versions" / "0123456789ab"
    version.mkdir(parents=True)
    (version / "manifest.json").write_text("[" * 100_000)
    (full / "models" / "pointers.json").write_text('{"champion": "ba9876543210"}')
    (full / "serving").mkdir()
    (full / "serving" / "index.json").write_text('{"format": 2, "entries": 7}')
    code, out, err = run(capsys, "data", "verify", "--store", full)
    lines = out.splitlines()
    assert (code, len(lines)) == (1, 6)
    for line, named in zip(lines, (bars.name, news.name, "manifest.json", "ba9876543210", "index.json"), strict=False):
        assert named in line
    assert err.count("\n") == 1
    assert "5 files" in err
    code, out, _ = run(capsys, "data", "verify", "--store", full, "--json")
    assert code == 1
    assert len(json.loads(out)["damaged"]) == 5


def test_a_part_of_another_table_is_a_fault(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (part,) = (full / "scores").glob("*.parquet")
    (full / "names").mkdir()
    part.rename(full / "names" / part.name)
    code, out, _ = run(capsys, "data", "verify", "--store", full)
    assert code == 1
    assert "has other columns than the table names" in out


def test_nothing_to_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "data", "verify", "--store", tmp_path / "none")
    assert code == 1
    assert "nothing in" in err
    assert not (tmp_path / "none").exists()


def test_the_next_writer_deletes_what_killed_writers_left(tmp_path: Path, bars: Bars) -> None:
    lake = Lake(tmp_path)
    lake.append_bars(bars.select(["S00"]), source="x")
    (part,) = (tmp_path / "bars").glob("*.parquet")
    left, held, fresh = (part.with_name(f".{part.name}.0000000{i}.tmp") for i in range(3))
    for path in (left, held, fresh):
        path.write_bytes(b"half")
    for path in (left, held):
        os.utime(path, (1, 1))
    with held.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # its writer lives, however slow it is
        lake.append_bars(bars.select(["S01"]), source="x")
    assert not left.exists()
    assert held.exists()
    assert fresh.exists()
