from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ConfigError
from tenor.trading.rl.accounts import Terms
from tenor.trading.rl.agents import Agent, Task, cached, require_extra, train_agent, validate
from tenor.trading.rl.market import SIGNALS
from tenor.trading.rl.policy import Policy, trade
from tenor.trading.rl.sanity import noise, trending

pytest.importorskip("gymnasium")
pytest.importorskip("stable_baselines3")
pytestmark = pytest.mark.torch


def task(algorithm: str = "ppo", **given: object) -> Task:
    market = noise(0, sessions=200, symbols=2)
    plain = Task(
        market.between(0, 140), market.between(140, 200), Terms(), algorithm, "utility", 2.0, 4096, 3, 0, "made up"
    )
    return replace(plain, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_the_same_task_gives_the_same_bytes_and_another_seed_others(algorithm: str) -> None:
    small = task(algorithm, steps=4096 if algorithm == "ppo" else 10_000)
    one = train_agent(small).to_bytes()
    assert train_agent(small).to_bytes() == one
    assert train_agent(replace(small, seed=1)).to_bytes() != one


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_the_numbers_act_as_the_trained_policy_does(algorithm: str) -> None:
    from tenor.trading.rl import agents

    small = task(algorithm)
    model, squash = agents._model(small)
    model.learn(2048 if algorithm == "ppo" else 640)
    from tenor.trading.rl.networks import weights_of
    from tenor.trading.rl.policy import Network

    seen = np.random.default_rng(0).normal(size=(7, 2, len(SIGNALS) + 1)).astype("float32")
    theirs, _ = model.predict(seen.reshape(7, -1), deterministic=True)
    np.testing.assert_allclose(Network(weights_of(model.policy), squash).act(seen), theirs, atol=1e-5)


def test_what_was_trained_is_read_and_what_is_damaged_is_trained_again(tmp_path: Path) -> None:
    path = tmp_path / "agent.safetensors"
    first = cached(task(), path).to_bytes()
    written = path.stat().st_mtime_ns
    assert cached(task(), path).to_bytes() == first
    assert path.stat().st_mtime_ns == written
    path.write_bytes(first[: len(first) // 2])
    assert Agent.from_file(path) is None
    assert cached(task(), path).to_bytes() == first


def test_all_rewards_are_logged_and_the_best_look_is_kept() -> None:
    calls: list[tuple[int, int]] = []
    agent = train_agent(task(steps=12_288), lambda done, most: calls.append((done, most)))
    assert set(agent.history) == {"steps", "utility", "log", "downside", "drawdown", "own"}
    assert agent.history["own"] == agent.history["utility"]
    assert agent.score == max(agent.history["own"])
    assert calls[-1] == (12_288, 12_288)
    small = task()
    again = validate(agent.network, small.valid, small.terms, "log", 2.0)
    assert again["own"] == pytest.approx(agent.history["log"][agent.best])


def test_an_agent_without_patience_stops_at_its_first_worse_look() -> None:
    looks = len(train_agent(task(patience=1, steps=1_000_000)).history["own"])
    assert looks < 60


def test_an_agent_learns_where_there_is_something_to_learn() -> None:
    market = trending(0, sessions=900, symbols=3)
    terms = Terms(short=True)
    learner = Task(market.between(0, 600), market.between(600, 700), terms, "ppo", "utility", 2.0, 40_960, 8, 0)
    agent = train_agent(learner)
    ((account, _),) = trade(market.between(700, 900), [Policy((agent.network,), terms, "", {})], terms, ["agent"])
    assert account.sharpe > 2


def test_without_the_extra_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gymnasium" else known(name))
    with pytest.raises(ConfigError, match=r"^gymnasium is not installed: pip install 'tenor\[rl\]'\.$"):
        require_extra()
