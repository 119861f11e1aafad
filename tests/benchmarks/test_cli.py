"""`tenor benchmark` refuses what it can't run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenor.cli import main


def test_a_benchmark_that_does_not_exist_or_lacks_its_dates_is_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "acl19", "--data", str(tmp_path)]) == 2
    assert "Did you mean 'acl18'" in capsys.readouterr().err
    assert main(["benchmark", "glt", "--data", str(tmp_path)]) == 2
    assert "needs --train-end and --valid-end" in capsys.readouterr().err
    assert main(["benchmark", "kdd17", "--data", str(tmp_path / "nothing")]) == 1
