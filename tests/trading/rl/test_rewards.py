from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenor.errors import ConfigError, RaisedError
from tenor.trading.rl.rewards import REWARDS, Outcome, reward_named

OUTCOME = Outcome(
    log_return=np.array([0.02, -0.02]),
    turnover=np.array([1.0, 0.0]),
    weights=np.array([[1.0], [1.0]]),
    drawdown=np.array([0.0, 0.05]),
    drawdown_before=np.array([0.0, 0.03]),
    year=252.0,
)


def test_the_rewards_are_the_log_return_less_a_penalty() -> None:
    values = {name: reward(OUTCOME, 2.0) for name, reward in REWARDS.items()}
    np.testing.assert_allclose(values["log"], [0.02, -0.02])
    np.testing.assert_allclose(values["utility"], [0.02 - 0.0004, -0.02 - 0.0004])
    np.testing.assert_allclose(values["downside"], [0.02, -0.02 - 0.0008])
    np.testing.assert_allclose(values["drawdown"], [0.02, -0.02 - 0.02 * 0.02])


def own(tmp_path: Path, body: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(f"def reward(outcome, penalty):\n    return {body}\n", encoding="utf-8")
    return f"{path}:reward"


def test_a_reward_of_ones_own_is_called(tmp_path: Path) -> None:
    reward = reward_named(own(tmp_path, "outcome.log_return - penalty * outcome.turnover"))
    np.testing.assert_allclose(reward(OUTCOME, 0.01), [0.01, -0.02])


@pytest.mark.parametrize(
    ("body", "message"),
    [("1.0", "one finite number an account"), ("outcome.log_return / 0 * 0", "finite"), ("1 / 0", "raised ZeroDiv")],
)
def test_a_reward_of_ones_own_that_is_wrong_is_one_line(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(RaisedError, match=message), np.errstate(all="ignore"):
        reward_named(own(tmp_path, body))(OUTCOME, 1.0)


def test_a_name_that_is_not_known_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"rl\.reward.*'utilty'.*Did you mean 'utility'"):
        reward_named("utilty")
