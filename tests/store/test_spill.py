"""DuckDB's folders for what does not fit in memory, and those of processes that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tenor.store import spill
from tenor.store.versions import database

HOLDS = """
import sys
from tenor.store.spill import spill_folder
folder = spill_folder()
folder.mkdir()
(folder / "duckdb_temp_storage").write_text("x")
print(folder.parent, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of this process and those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(spill, "_own", {})
    return tmp_path


@contextmanager
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a folder, until it is killed or its input ends."""
    command = [sys.executable, "-c", HOLDS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(60)


def test_a_killed_process_s_folder_goes_at_the_next_start_and_a_living_one_s_stays(place: Path) -> None:
    with holder() as (killed, abandoned), holder() as (_, used):
        kill(killed)
        assert (abandoned / "0" / "duckdb_temp_storage").exists()
        own = spill.spill_folder().parent
        assert not abandoned.exists()
        assert (used / "0" / "duckdb_temp_storage").exists()
        assert own.exists()
        names = {path.name for path in place.iterdir()}
        assert names == {used.name, f"{used.name}.lock", own.name, f"{own.name}.lock"}


def test_a_process_that_ends_takes_its_folder_with_it(place: Path) -> None:
    with holder() as (process, folder):
        assert folder.parent == place
        process.communicate(timeout=60)
        assert list(place.iterdir()) == []


def test_processes_that_start_at_once_delete_no_living_one_s_folder(place: Path) -> None:
    for _ in range(3):
        with holder() as (process, _):
            kill(process)
    one, two, three = holder(), holder(), holder()
    with one as (_, first), two as (_, second), three as (_, third):
        living = {
            path for folder in (first, second, third) for path in (folder, folder.with_name(folder.name + ".lock"))
        }
        assert set(place.iterdir()) == living
        spill.delete_abandoned(place)
        assert set(place.iterdir()) == living


def test_a_forked_process_makes_its_own(place: Path) -> None:
    own = spill.spill_folder().parent
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, str(spill.spill_folder().parent).encode())
        os._exit(0)
    os.wait()
    forked = Path(os.read(read, 4096).decode())
    assert forked != own
    spill.delete_abandoned(place)
    assert not forked.exists()
    assert own.exists()
    os.close(read)
    os.close(write)


def test_links_are_not_followed(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "kept").write_text("x")
    (elsewhere / "lock").write_text("")
    (place / "tenor-duckdb-1-aa").symlink_to(elsewhere)
    (place / "tenor-duckdb-1-aa.lock").write_text("")
    (place / "tenor-duckdb-2-bb.lock").symlink_to(elsewhere / "lock")
    spill.delete_abandoned(place)
    assert (elsewhere / "kept").exists()
    assert (elsewhere / "lock").exists()


def test_a_folder_that_can_not_be_written_ends_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "nothing"))
    with database() as connection:
        assert connection.sql("SELECT 1").fetchall() == [(1,)]


def test_what_does_not_fit_in_memory_lies_there_and_goes(place: Path) -> None:
    with database(memory_limit="60MB", threads="1") as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS a, hash(range)::VARCHAR AS b FROM range(3000000)")
        sizes = [path.stat().st_size for path in place.rglob("*") if path.is_file()]
    assert sum(sizes) > 1 << 20
    (folder,) = (path for path in place.iterdir() if path.is_dir())
    assert list(folder.iterdir()) == []


def test_no_bar_is_printed_where_python_has_no_file() -> None:
    """DuckDB takes ``python -c`` and notebooks for a person at a prompt, whom it shows a bar on the standard output."""
    code = (
        "from tenor.store.versions import database\n"
        "with database() as connection:\n"
        "    print(connection.sql(\"SELECT current_setting('enable_progress_bar')\").fetchall())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[(False,)]"
