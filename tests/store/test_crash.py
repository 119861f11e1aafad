"""Real processes: writers that are killed, and writers that write at once. The lake reads whole at every moment."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pandas as pd
import pytest

from tenor.schema import Bars
from tenor.store import Lake

pytestmark = pytest.mark.processes

# each round revises every row of one symbol, so that a torn write would show as a mixture
WRITER = textwrap.dedent(
    """
    import sys
    import numpy as np
    import pandas as pd
    from tenor.schema import Bars
    from tenor.store import Lake

    location, symbol, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    days = pd.date_range("2014-01-01", periods=10_000, freq="D", unit="us")
    noise = np.random.default_rng(0).uniform(1, 2, len(days))
    print("ready", flush=True)
    for i in range(rounds):
        price = noise + i
        columns = dict.fromkeys(("open", "high", "low", "close", "adj_close"), price)
        Lake(location).append_bars(
            Bars(pd.DataFrame({"symbol": symbol, "session": days, **columns, "volume": float(i)})), source="writer"
        )
    """
)


def start(location: Path, symbol: str, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(location), symbol, str(rounds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def assert_whole(lake: Lake, symbols: tuple[str, ...]) -> None:
    assert lake.symbols() == symbols
    frame = lake.bars().frame
    for symbol, rows in frame.groupby("symbol"):
        assert len(rows) == 10_000, symbol
        assert rows["volume"].nunique() == 1, symbol


def test_killed_at_any_moment_the_lake_reads_whole(tmp_path: Path, bars: Bars) -> None:
    lake = Lake(tmp_path)
    chance = random.Random(1)
    for _ in range(4):
        writer = start(tmp_path, "AAA", 1000)
        time.sleep(chance.uniform(0.1, 0.8))
        writer.kill()
        writer.communicate()
        if lake.symbols():
            assert_whole(lake, ("AAA",))
    lake.append_bars(bars, source="x")
    lake.append_bars(bars, source="x")
    assert lake.bars(bars.symbols).fingerprint() == bars.fingerprint()


def test_two_writers_and_a_reader_at_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    writers = [start(tmp_path, symbol, 4) for symbol in ("AAA", "AAA")]
    reads = 0
    while any(writer.poll() is None for writer in writers):
        for rows in (rows for _, rows in lake.query("SELECT symbol, volume FROM bars").groupby("symbol")):
            assert len(rows) == 10_000
        reads += 1
    assert [writer.communicate() and writer.returncode for writer in writers] == [0, 0]
    assert reads > 0
    assert_whole(lake, ("AAA",))
    # both writers of AAA ended on the same values, whoever was last
    assert set(lake.bars().frame["volume"]) == {3.0}


def test_a_write_that_dies_before_the_rename_leaves_the_lake_as_it_was(
    tmp_path: Path, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    first = bars.select(["S00"])
    lake.append_bars(first, source="x")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            lake.append_bars(bars, source="x")
    assert lake.bars().fingerprint() == first.fingerprint()
    assert len(list((tmp_path / "bars").iterdir())) == 1
    appended = lake.append_bars(bars, source="x")
    assert (appended.new, appended.unchanged) == (len(bars.frame) - len(first.frame), len(first.frame))
    assert lake.bars(until=pd.Timestamp("2030-01-01")).fingerprint() == bars.fingerprint()
