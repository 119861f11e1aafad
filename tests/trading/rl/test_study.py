from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenor.config import RlConfig
from tenor.errors import ConfigError, HistoryError
from tenor.trading.rl.rivals import FUTURE, HOLDING, SHUFFLED
from tenor.trading.rl.sanity import noise, trending
from tenor.trading.rl.study import Parts, job_of, key_of, walk_agents

pytest.importorskip("gymnasium")
pytest.importorskip("stable_baselines3")
pytestmark = pytest.mark.torch

FOLDS = [Parts(slice(0, 140), slice(140, 190), slice(190, 260)), Parts(slice(0, 210), slice(210, 260), slice(260, 330))]
SMALL = RlConfig(algorithms=("ppo", "sac"), seeds=(0, 1), steps=4096)


def test_a_study_has_all_rivals_and_a_second_one_reads_its_agents(tmp_path: Path) -> None:
    market = noise(0, sessions=330, symbols=3)
    done: list[tuple[str, int, int]] = []
    study = walk_agents(market, FOLDS, SMALL, tmp_path, progress=lambda *each: done.append(each))
    verdict = study.verdict
    assert {HOLDING, SHUFFLED, FUTURE} <= set(verdict.rivals)
    assert FUTURE not in verdict.against
    assert [fold.algorithm in ("ppo", "sac") for fold in study.folds] == [True, True]
    assert all(set(fold.scores) == {"ppo", "sac"} for fold in study.folds)
    assert len(verdict.agent.sessions) == 140
    assert study.weights.shape == (140, 3)
    assert len(verdict.seeds) == 2
    assert any("2 seeds say little" in note for note in study.notes)
    assert done[7] == ("agents, sac, forecasts", 8, 8)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = walk_agents(market, FOLDS, SMALL, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
    np.testing.assert_array_equal(again.weights, study.weights)
    assert again.to_json() == study.to_json()


def test_no_agent_sees_its_test_part(tmp_path: Path) -> None:
    one, other = noise(0, sessions=330, symbols=3), noise(0, sessions=330, symbols=3)
    other.signals[260:] = 1.0
    other.close[260:] *= 2
    jobs = [job_of(market, FOLDS[1], SMALL, "ppo", 0, "forecasts", tmp_path) for market in (one, other)]
    assert jobs[0].path == jobs[1].path


def test_every_setting_and_all_data_change_the_key(tmp_path: Path) -> None:
    market = noise(0, sessions=330, symbols=3)
    changed = [
        RlConfig(reward="log"), RlConfig(risk_penalty=3.0), RlConfig(cost=5.0), RlConfig(borrow=0.0), RlConfig(cap=0.5),
        RlConfig(limit=0.5), RlConfig(short=True), RlConfig(steps=7), RlConfig(patience=7), RlConfig(),
    ]  # fmt: skip
    keys = [key_of(job_of(market, FOLDS[0], config, "ppo", 0, "forecasts", tmp_path).task) for config in changed]
    for algorithm, seed, sees in (("sac", 0, "forecasts"), ("ppo", 1, "forecasts"), ("ppo", 0, "the future")):
        keys.append(key_of(job_of(market, FOLDS[0], RlConfig(), algorithm, seed, sees, tmp_path).task))
    keys.append(key_of(job_of(noise(1, sessions=330), FOLDS[0], RlConfig(), "ppo", 0, "forecasts", tmp_path).task))
    assert len(set(keys)) == len(keys)


def test_the_code_of_ones_own_reward_is_part_of_the_key(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    keys = []
    for body in ("outcome.log_return", "outcome.log_return * 2"):
        mine.write_text(f"def reward(outcome, penalty):\n    return {body}\n", encoding="utf-8")
        config = RlConfig(reward=f"{mine}:reward")
        keys.append(key_of(job_of(noise(0, sessions=330), FOLDS[0], config, "ppo", 0, "forecasts", tmp_path).task))
    assert keys[0] != keys[1]


def test_a_study_without_folds_or_with_a_wrong_reward_trains_nothing(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"lower rl\.folds"):
        walk_agents(noise(0, sessions=330), [], SMALL, tmp_path)
    with pytest.raises(ConfigError, match="no such reward"):
        walk_agents(noise(0, sessions=330), FOLDS, RlConfig(reward="riches"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_costs_of_zero_are_named(tmp_path: Path) -> None:
    market = trending(0, sessions=330, symbols=2)
    study = walk_agents(
        market, FOLDS[:1], RlConfig(algorithms=("ppo",), seeds=(0,), steps=1, cost=0), tmp_path, checks=False
    )
    assert any("rl.cost is 0" in note for note in study.notes)
