"""What nothing foresaw: one line on the terminal, and of a fault of tenor's own a report that holds no secret."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from tenor.cli import main, unforeseen

SECRET = "hook-5eec2e7-value"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TENOR_WEBHOOK", f"https://hooks.example/{SECRET}")
    monkeypatch.setenv("TIINGO_API_KEY", SECRET)
    return tmp_path / "cache" / "tenor" / "reports"


def failing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(store: str) -> None:
        local_variable = f"held {SECRET}"
        assert local_variable
        raise error

    monkeypatch.setattr("tenor.pipeline.verify.verify", verify)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (pa.ArrowInvalid("Could not\nread"), "pyarrow can't read or write what it was given (Could not read)"),
        (pa.ArrowNotImplementedError("no map"), "pyarrow can't read"),
        (duckdb.IOException("no space"), "duckdb can't read"),
        (RecursionError("maximum depth"), "nested too deeply"),
        (MemoryError(), "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "No space left on device: a/b: free some space"),
    ],
)
def test_what_is_no_fault_of_ours_is_one_line_without_a_report(
    error: Exception, line: str, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(error, monkeypatch)
    assert main(["data", "verify", "--store", "x"]) == 1
    err = capsys.readouterr().err
    assert line in err
    assert err.count("\n") == 1
    assert not cache.exists()


def test_a_fault_of_ours_is_one_line_and_a_report_for_its_owner_alone(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(KeyError(f"https://user:{SECRET}@host/path/{SECRET}?token=abcdefg {SECRET}"), monkeypatch)
    assert main(["data", "verify", "--store", "private-place", "--json"]) == 1
    out, err = capsys.readouterr()
    (report,) = cache.iterdir()
    assert out == ""
    assert err.count("\n") == 1
    assert str(report) in err
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    text = report.read_text()
    assert "tenor data verify --store … --json" in text
    assert "Traceback" in text
    assert "verify" in text
    for hidden in (SECRET, "abcdefg", "private-place"):
        assert hidden not in text
        assert hidden not in err
    for secret in (f"https://hooks.example/{SECRET}", f"postgres://u:{SECRET}@h/x"):
        assert SECRET not in unforeseen.hidden(f"a {secret} b")


def test_few_reports_are_kept_and_a_place_that_can_not_be_written_is_no_second_fault(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unforeseen, "KEPT", 3)
    failing(ZeroDivisionError("x"), monkeypatch)
    for _ in range(5):
        main(["data", "verify", "--store", "x"])
    assert len(list(cache.iterdir())) == 3
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(unforeseen, "_folders", lambda: iter([tmp_path / "file" / "reports"]))
    capsys.readouterr()
    assert main(["data", "verify", "--store", "x"]) == 1
    err = capsys.readouterr().err
    assert "could not be saved" in err
    assert err.count("\n") == 1


def test_an_argument_that_is_no_text_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "import", "\udcff\udcfe.csv", "--store", str(tmp_path / "lake")]) == 1
    err = capsys.readouterr().err
    assert "no such file" in err
    assert err.count("\n") == 1
