"""`tenor predict --session`: the forecast after an earlier session is the one of that time, to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tenor.cli import main
from tenor.lake_forecasts import LakeForecasts
from tenor.store import Lake
from tenor.workspace import Workspace


@pytest.fixture(scope="module")
def earlier(trained: Path) -> str:
    sessions = sorted(Lake(trained).bars().frame["session"].unique())
    return str(pd.Timestamp(sessions[-8]).date())


def test_it_is_the_forecast_of_that_time(trained: Path, earlier: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "S01", "--store", str(trained), "--session", earlier, "--json"]) == 0
    now = json.loads(capsys.readouterr().out)
    workspace = Workspace(str(trained))
    then = next(
        f
        for f in LakeForecasts(workspace, workspace.predictor()).history(["S01"], 20)
        if str(f.session.date()) == earlier and f.horizon == 1
    )
    assert now["session"] == earlier
    for name in ("lower", "upper", "volatility", "price", "p_up"):
        assert now[name] == getattr(then, name), name
    assert now["attention_time"]
    assert now["stale"] is None


def test_a_session_of_the_training_is_told(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sessions = sorted(Lake(trained).bars().frame["session"].unique())
    first = str(pd.Timestamp(sessions[-200]).date())
    assert main(["predict", "S01", "--store", str(trained), "--session", first]) == 0
    shown = capsys.readouterr()
    assert "is no test of it" in shown.err
    assert f"after {first}" in shown.out


@pytest.mark.parametrize("session", ["yesterday", "2017-13-01", "20170901T10", "2017-09-01T10:00"])
def test_what_is_no_session_is_refused(trained: Path, session: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "S01", "--store", str(trained), "--session", session]) == 2
    assert "--session" in capsys.readouterr().err


def test_before_the_history_there_is_one_clear_line(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "S01", "--store", str(trained), "--session", "1990-01-02"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
