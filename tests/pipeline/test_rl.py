"""Agents on a store: the walk, a policy in its registry, the gate, and the policy as a rule of paper trading."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from serving import run_refresh

from tenor.calendars import exchange
from tenor.cli import main
from tenor.errors import ConfigError, ModelError
from tenor.pipeline.policies import PolicyRule, load_policy
from tenor.pipeline.rl import compare
from tenor.registry import policies_of
from tenor.schema import Bars
from tenor.store import Lake
from tenor.store.paper import PaperJournal
from tenor.trading.rules import Forecast
from tenor.workspace import Workspace

pytest.importorskip("gymnasium")
pytest.importorskip("stable_baselines3")
pytestmark = pytest.mark.torch

RL = (
    "rl.steps=4096", "rl.seeds=[0,1]", "rl.algorithms=['ppo']", "rl.folds=1", "rl.valid_sessions=40", "rl.most=2",
)  # fmt: skip
TRAIN = ("training.seeds=[0]", "training.epochs=1", "model.hidden=4", "model.lookback=5", "features.horizons=[1]")


def with_set(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def rl(verb: str, store: Path, *settings: str) -> list[str]:
    return ["rl", verb, "--store", str(store), "--workers", "1", "--json", *with_set(*RL, *settings)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, bars_of: Callable[..., Bars]) -> Path:
    """A lake with a model, whose forecasts are published."""
    store = tmp_path_factory.mktemp("lake")
    Lake(store).append_bars(bars_of(symbols=4, sessions=420, seed=5), source="made")
    assert main(["train", "--store", str(store), "--workers", "1", "--json", *with_set(*TRAIN)]) == 0
    run_refresh(store)
    return store


@pytest.fixture(scope="module")
def trained(store: Path) -> str:
    assert main(rl("train", store)) == 0
    return policies_of(str(store)).champion()


def answer(capsys: pytest.CaptureFixture[str], argv: list[str], code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(argv) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_an_evaluation_says_what_the_agent_learned_and_counts_its_tries(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = answer(capsys, rl("evaluate", store))
    assert first["sentence"].startswith("The agent learned to ")
    assert first["tried"] == 1
    assert len(first["symbols"]) == 2
    assert set(first["against"]) == {
        "holding", "equal weight", "volatility target", "volatility target, EWMA", "long/flat by P(up)",
        "minimum variance", "agent, shuffled forecasts", "random agents",
    }  # fmt: skip
    assert "agent that sees the future" in first["accounts"]
    assert answer(capsys, rl("evaluate", store)) == first
    other = answer(capsys, rl("evaluate", store, "rl.cost=0"))
    assert other["tried"] == 2
    assert any("rl.cost is 0" in note for note in other["notes"])
    plain = [word for word in rl("evaluate", store) if word != "--json"]
    page = tmp_path / "agents.html"
    assert main([*plain, "--report", str(page)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("The agent learned to ")
    assert "random agents" in shown
    assert json.loads(page.with_suffix(".json").read_text())["against"] == first["against"]
    assert "What it held" in page.read_text()


def test_a_policy_is_a_version_whose_champion_stays_until_it_is_beaten(
    store: Path, trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    again = answer(capsys, rl("train", store))
    assert again["version"] == trained  # the same settings give the same bytes
    other = answer(capsys, rl("train", store, "rl.risk_penalty=9"))
    assert other["version"] != trained
    assert other["champion"] == trained
    assert other["contest"]["better"] is False
    assert f"champion {trained}" in other["contest"]["why"]
    assert other["contest"]["first"] >= other["split"]["test"][0]
    policies = policies_of(str(store))
    assert load_policy(policies, other["version"]).version == other["version"]
    same = compare(Workspace(str(store)), policies, trained, trained)
    assert not same.better
    assert "too few or too equal to tell" in same.why
    assert main(["rl", "promote", other["version"], "--store", str(store)]) == 1
    assert "is not promoted: utility" in " ".join(capsys.readouterr().err.split())
    forced = answer(capsys, ["rl", "promote", other["version"], "--store", str(store), "--force", "--json"])
    assert forced["champion"] == other["version"]
    assert main(["rl", "promote", trained, "--store", str(store), "--force"]) == 0


def test_the_champion_decides_on_paper_and_a_second_run_changes_nothing(
    store: Path, trained: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    last = Workspace(str(store)).lake.bars(None, calendar="XNYS").frame["session"].max()
    after = exchange("XNYS").close(last) + pd.Timedelta(hours=1)
    monkeypatch.setattr(pd.Timestamp, "now", classmethod(lambda cls, tz=None: after))
    argv = ["rl", "run", "--store", str(store), "--json"]
    result = answer(capsys, argv)
    assert result["decided"] == [f"{last:%Y-%m-%d}"]
    assert f"decided by policy {trained}" in result["account"]["notes"]
    rows = PaperJournal(store).rows()
    targets = rows[rows["symbol"] != ""].set_index("symbol")["target"]
    assert set(targets.index) == set(load_policy(policies_of(str(store))).settings["symbols"])
    assert 0 < targets.sum() <= 1 + 1e-9
    assert answer(capsys, argv)["decided"] == []
    pd.testing.assert_frame_equal(PaperJournal(store).rows(), rows)
    assert main(["rl", "run", "--store", str(store), "--set", "paper.cap=0.5"]) == 2
    assert "was begun with paper.cap" in " ".join(capsys.readouterr().err.split())


def test_the_rule_sees_what_is_held_and_keeps_the_accounts_cap(store: Path, trained: str) -> None:
    rule = PolicyRule.of(str(store))
    last = Workspace(str(store)).lake.bars(None, calendar="XNYS").frame["session"].max()
    symbols = rule.policy.settings["symbols"]
    forecasts = {name: Forecast(name, rule.policy.model, 0.01, 0.5) for name in symbols}
    free, full = (rule.decide(last, forecasts, dict.fromkeys(symbols, share), 1.0) for share in (0.0, 0.5))
    assert free.targets != full.targets
    assert sum(rule.decide(last, forecasts, {}, 0.1).targets.values()) == pytest.approx(0.1)
    assert rule.decide(last, {}, {}, 1.0).targets == {}


def test_forecasts_of_another_model_are_refused(store: Path, trained: str) -> None:
    rule = PolicyRule.of(str(store))
    with pytest.raises(ConfigError, match=rf"policy {trained} learned from forecasts of model .* of model 0{'1' * 11}"):
        rule.decide(pd.Timestamp("2020-01-02"), {"S00": Forecast("S00", "0" + "1" * 11, 0.01, 0.5)}, {}, 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("rl.symbols=['NOPE']",), "'NOPE', which the model was not trained on"),
        (("rl.folds=9",), "too few for rl.folds = 9"),
        (("rl.valid_sessions=400",), "sessions"),
        (("rl.reward='riches'",), "no such reward"),
        (("rl.algorithms=['dqn']",), "it takes 'ppo', 'sac' or both"),
        (("rl.seeds=[]",), "whole numbers"),
        (("rl.cost=-1",), "rl.cost"),
    ],
)
def test_bad_input_is_one_line(
    store: Path, settings: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(rl("evaluate", store, *settings)) in (1, 2)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_without_a_policy_or_a_model_the_next_step_is_named(tmp_path: Path) -> None:
    Lake(tmp_path).append_bars(_bars(), source="made")
    with pytest.raises(ModelError, match="run 'tenor rl train' first"):
        PolicyRule.of(str(tmp_path))


def _bars() -> Bars:
    days = exchange("XNYS").sessions(pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-10"))
    frame = pd.DataFrame({"symbol": "A", "session": days, "volume": 1.0})
    return Bars(frame.assign(**dict.fromkeys(("open", "high", "low", "close", "adj_close"), 5.0)))


def test_one_symbol_is_traded_and_named(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = answer(capsys, rl("evaluate", store, "rl.symbols=['S01']"))
    assert any("S01 alone is traded" in note for note in result["notes"])


@pytest.mark.processes
def test_a_killed_run_goes_on_and_ends_the_same(store: Path, tmp_path: Path) -> None:
    import shutil

    copies = [tmp_path / name for name in ("killed", "whole")]
    for copy in copies:
        shutil.copytree(store, copy)
        shutil.rmtree(copy / "models" / "rl", ignore_errors=True)
    argv = [sys.executable, "-m", "tenor", *rl("evaluate", copies[0], "rl.steps=8192")]
    running = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    agents = copies[0] / "models" / "rl"
    deadline = time.monotonic() + 200
    while len(list(agents.glob("*.safetensors"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    before = {path.name: path.read_bytes() for path in agents.glob("*.safetensors")}
    assert 2 <= len(before) < 6
    for copy in copies:
        assert main(rl("evaluate", copy, "rl.steps=8192")) == 0
    killed, whole = ({p.name: p.read_bytes() for p in (c / "models" / "rl").iterdir()} for c in copies)
    assert killed == whole
    assert before.items() <= killed.items()
    assert np.isfinite(len(whole))
