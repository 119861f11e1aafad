"""Locks between processes, by flock and by what Windows has instead; and a system that has neither."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tenor.errors import StoreError
from tenor.storage import locks
from tenor.storage.files import write_whole
from tenor.storage.locks import lock
from tenor.storage.object_store import FolderStore

HOLD = """
import sys
from tenor.storage.locks import lock
file = open(sys.argv[1], "r+b")
lock(file)
print("held", flush=True)
sys.stdin.read()
"""


def _locking(handle: int, mode: int, count: int) -> None:
    """What msvcrt.locking does: a lock on `count` bytes from the position on, or PermissionError."""
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, count, os.lseek(handle, 0, os.SEEK_CUR))
    except BlockingIOError:
        raise PermissionError(13, "Permission denied") from None


@pytest.fixture(params=["flock", "msvcrt"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "msvcrt":
        monkeypatch.setattr(locks, "_fcntl", None)
        monkeypatch.setattr(locks, "_msvcrt", SimpleNamespace(locking=_locking, LK_NBLCK=2))
    return str(request.param)


def holder(path: Path, way: str) -> subprocess.Popen[str]:
    """A process that holds the lock on `path` until its input ends."""
    code = HOLD
    if way == "msvcrt":
        code = "import fcntl\nfcntl.flock = lambda file, how: fcntl.lockf(file, how, 1, 0x7FFFFFF0)\n" + HOLD
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("killed", [False, True])
def test_one_process_holds_it_and_its_end_gives_it_back(tmp_path: Path, way: str, killed: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    process = holder(path, way)
    with path.open("r+b") as file:
        file.seek(1)
        with pytest.raises(BlockingIOError):
            lock(file, wait=False)
        if killed:
            process.kill()
        process.communicate()
        lock(file)
        assert file.read() == b"bc"  # the position is what it was


def test_the_lock_is_waited_for(tmp_path: Path, way: str) -> None:
    path = tmp_path / "x"
    path.touch()
    process = holder(path, way)
    assert process.stdin is not None
    with path.open("r+b") as file:
        import threading

        taken = threading.Event()
        thread = threading.Thread(target=lambda: (lock(file), taken.set()))
        thread.start()
        assert not taken.wait(0.3)
        process.communicate()
        thread.join(60)
        assert taken.is_set()


def test_without_any_lock_a_write_stays_whole_and_a_condition_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_fcntl", None)
    monkeypatch.setattr(locks, "_msvcrt", None)
    write_whole(tmp_path / "x", b"abc")
    assert (tmp_path / "x").read_bytes() == b"abc"
    with pytest.raises(StoreError, match="this system has no locks on files; check the folder") as caught:
        FolderStore(tmp_path).put("y", b"1", if_absent=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "y").exists()


WITHOUT = """
import os, sys
for name in ("fcntl", "resource"):
    sys.modules[name] = None
for name in ("getuid", "O_NOFOLLOW", "O_CLOEXEC", "set_blocking"):
    delattr(os, name)
from tenor.cli import main
store = sys.argv[1]
code = main(["data", "import", "bars.csv", "--store", store]) or main(["data", "check", "--store", store])
code = code or main(["data", "verify", "--store", store])
from tenor.ingest.services.feed_parser import FeedParser
assert FeedParser().parse(b"<rss version='2.0'><channel><title>x</title></channel></rss>").is_feed
from tenor.cli.unforeseen import _folders
assert len(list(_folders())) == 2
sys.exit(code)
"""


def test_bars_and_feeds_are_read_where_there_is_no_unix(tmp_path: Path) -> None:
    rows = ["symbol,date,open,high,low,close,volume"]
    rows += [f"AAPL,2024-01-{day:02d},10,11,9,10,100" for day in (2, 3, 4, 5, 8)]
    (tmp_path / "bars.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    command = [sys.executable, "-c", WITHOUT, str(tmp_path / "lake")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


NO_LOCKS = """
import sys
sys.modules["fcntl"] = None  # and a Unix has no msvcrt
from tenor.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_where_there_are_no_locks_what_needs_one_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NO_LOCKS, "keys", "make", "laptop", "--store", str(tmp_path / "lake")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "this system has no locks on files; check the folder" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not [path for path in (tmp_path / "lake").rglob("*") if path.is_file() and path.name != ".lock"]


TRAINED = """
import os, sys
import asyncio, getpass, multiprocessing, subprocess, tempfile  # these choose by what is there
import torch, joblib
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in ("getuid", "O_NOFOLLOW", "O_CLOEXEC", "set_blocking", "sched_getaffinity"):
    delattr(os, name)
from types import SimpleNamespace
sys.modules["msvcrt"] = SimpleNamespace(locking=lambda handle, mode, count: None, LK_NBLCK=2)  # nobody else is there
from tenor.cli import main
store = ["--store", "lake"]
code = main(["data", "import", "embedded", *store])
code = code or main(["train", "--config", "tenor.toml", "--workers", "1", *store])
code = code or main(["predict", "AAPL", *store])
code = code or main(["refresh", "--config", "tenor.toml", *store])
from tenor.serving.limits import Limits
from tenor.serving.server import _possible
assert _possible(Limits()) == Limits()
sys.exit(code)
"""
SMALL = """
symbols = ["AAPL", "XOM"]
[model]
hidden = 4
lookback = 10
[training]
seeds = [0]
epochs = 1
"""


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_trains_forecasts_and_publishes_where_there_is_no_unix(tmp_path: Path) -> None:
    (tmp_path / "tenor.toml").write_text(SMALL, encoding="utf-8")
    command = [sys.executable, "-c", TRAINED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "lake" / "serving" / "index.json").is_file()
