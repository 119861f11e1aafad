from __future__ import annotations

import numpy as np
import pytest
from rl_markets import walking

from tenor.errors import HistoryError
from tenor.trading.rl.accounts import Terms, follow
from tenor.trading.rl.rewards import log, utility

gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("stable_baselines3")


def test_the_environment_passes_both_checkers() -> None:
    from gymnasium.utils.env_checker import check_env as gymnasium_check
    from stable_baselines3.common.env_checker import check_env as stable_baselines_check

    from tenor.trading.rl.environment import TradingEnv

    for short in (False, True):
        env = TradingEnv(walking(), Terms(short=short))
        gymnasium_check(env, skip_render_check=True)
        stable_baselines_check(env)


def test_an_episode_earns_what_the_accounts_say_and_is_cut_off_at_the_end() -> None:
    from tenor.trading.rl.environment import SCALE, TradingEnv

    market, terms = walking(), Terms()
    env = TradingEnv(market, terms, log)
    env.reset(seed=0)
    total, steps, truncated = 0.0, 0, False
    while not truncated:
        _, reward, terminated, truncated, info = env.step(np.zeros(3, "float32"))
        assert not terminated
        total, steps = total + reward / SCALE, steps + 1
    account = follow(market, np.full(market.close.shape, 1 / 3), terms, "a")
    assert steps == len(market.sessions) - 1
    assert total == pytest.approx(np.log(account.equity[-1]))
    assert info["equity"] == pytest.approx(account.equity[-1])


def test_many_environments_step_as_one_does_and_begin_anew() -> None:
    from tenor.trading.rl.environment import TradingVecEnv

    market = walking(sessions=200)
    env = TradingVecEnv(market, Terms(), utility, 2.0, count=8, length=20, seed=1)
    first = env.reset()
    assert first.shape == (8, env.observation_space.shape[0])
    done_at = np.zeros(8)
    for _ in range(60):
        seen, rewards, done, infos = env.step(np.zeros((8, 3), "float32"))
        done_at += done
        assert np.isfinite(seen).all()
        assert rewards.dtype == np.float32
        for i in np.flatnonzero(done):
            assert infos[i]["TimeLimit.truncated"]
            assert infos[i]["terminal_observation"].shape == seen[i].shape
            assert not seen[i].reshape(3, -1)[:, -1].any()  # all in cash again
    assert set(done_at) == {3.0}  # sixty sessions of twenty each, whatever the first one's age


def test_the_same_seed_begins_at_the_same_sessions() -> None:
    from tenor.trading.rl.environment import TradingVecEnv

    starts = [TradingVecEnv(walking(), Terms(), utility, 2.0, count=4, seed=seed).reset() for seed in (1, 1, 2)]
    np.testing.assert_array_equal(starts[0], starts[1])
    assert not np.array_equal(starts[0], starts[2])


def test_too_few_sessions_are_one_line() -> None:
    from tenor.trading.rl.environment import TradingEnv, TradingVecEnv

    with pytest.raises(HistoryError, match="1 sessions are too few"):
        TradingEnv(walking().between(0, 1))
    with pytest.raises(HistoryError, match="2 sessions are too few to learn from"):
        TradingVecEnv(walking().between(0, 2), Terms(), utility, 2.0)
