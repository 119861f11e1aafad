"""The accounts as environments: one for gymnasium, many at once for stable-baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from tenor.errors import HistoryError
from tenor.schema import Float32, Float64
from tenor.trading.rl.accounts import Accounts, Terms
from tenor.trading.rl.market import SIGNALS, Market
from tenor.trading.rl.rewards import Reward, utility

LARGEST = 10.0
"""Observations are clipped to this absolute value."""
SCALE = 100.0
"""Rewards are scaled to hundredths: networks learn badly from very small numbers."""


def _spaces(market: Market) -> tuple[spaces.Box, spaces.Box]:
    n = len(market.symbols)
    return (
        spaces.Box(-LARGEST, LARGEST, shape=(n * (len(SIGNALS) + 1),), dtype=np.float32),
        spaces.Box(-1.0, 1.0, shape=(n,), dtype=np.float32),
    )


class TradingEnv(gymnasium.Env):
    """A gymnasium environment: one account on `market`, from the first session to the last.

    For each symbol, an observation has the `SIGNALS` and the position in units of 1/n. An action is one number within
    -1..1 per symbol (`Terms.weights_of`). It is filled at the next open.

    Parameters
    ----------
    market, terms
        The market, and costs and limits.
    reward
        Function of an outcome and `penalty`; the environment returns its value in hundredths.
    penalty
        The weight of the risk.

    Raises
    ------
    HistoryError
        There are fewer than two sessions.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - gymnasium's own name

    def __init__(
        self, market: Market, terms: Terms | None = None, reward: Reward = utility, penalty: float = 2.0
    ) -> None:
        if len(market.sessions) < 2:
            raise HistoryError(f"{len(market.sessions)} sessions are too few to trade on: 2 are the fewest.")
        self.observation_space, self.action_space = _spaces(market)
        self._terms, self._reward, self._penalty = terms or Terms(), reward, penalty
        self._market = market
        self._accounts = Accounts(market, self._terms, 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, dict[str, Any]]:
        """Begin at the first session, all in cash."""
        super().reset(seed=seed, options=options)
        self._accounts = Accounts(self._market, self._terms, 1)
        return self._accounts.observe().reshape(-1), {}

    def step(self, action: Float32) -> tuple[Float32, float, bool, bool, dict[str, Any]]:
        """Trade one session; the episode terminates at ruin, and is truncated at the last session."""
        weights = self._terms.weights_of(np.clip(np.asarray(action, dtype="float64"), -1, 1)[None])
        outcome = self._accounts.step(weights)
        reward = float(self._reward(outcome, self._penalty)[0]) * SCALE
        worth = float(self._accounts.worth[0])
        over = bool(self._accounts.rows[0] >= len(self._market.sessions) - 1)
        info = {"equity": worth, "turnover": float(outcome.turnover[0])}
        return self._accounts.observe().reshape(-1), reward, worth <= 0, over and worth > 0, info


class TradingVecEnv(VecEnv):
    """Many accounts on `market`, in one array; each starts at a random session and restarts after `length` sessions.

    Parameters
    ----------
    market, terms, reward, penalty
        As in `TradingEnv`.
    count
        Number of accounts.
    length
        Number of sessions until an account is truncated and restarts.
    seed
        Seed of the random first sessions.
    """

    def __init__(
        self,
        market: Market,
        terms: Terms,
        reward: Reward,
        penalty: float,
        *,
        count: int = 64,
        length: int = 60,
        seed: int = 0,
    ) -> None:
        if len(market.sessions) < 3:
            raise HistoryError(f"{len(market.sessions)} sessions are too few to learn from: import more history.")
        super().__init__(count, *_spaces(market))
        self._accounts = Accounts(market, terms, count)
        self._terms, self._reward, self._penalty = terms, reward, penalty
        self._length = min(length, len(market.sessions) - 1)
        self._last = len(market.sessions) - 1
        self._rng = np.random.default_rng(seed)
        self._age = np.zeros(count, dtype=np.intp)
        self._actions: Float64 = np.zeros((count, len(market.symbols)))
        self._nothing: list[dict[str, Any]] = [{} for _ in range(count)]

    def _begin(self, chosen: Any) -> None:
        # a different age for each, so that not all of them end at the same time
        self._accounts.open_at(chosen, self._rng.integers(0, self._last - self._length + 1, len(chosen)))
        self._age[chosen] = 0

    def reset(self) -> Float32:
        """Restart all accounts."""
        self._begin(np.arange(self.num_envs))
        self._age[:] = self._rng.integers(0, self._length, self.num_envs)
        # accounts with a higher age have fewer sessions left; none runs out of data
        return self._accounts.observe().reshape(self.num_envs, -1)

    def step_async(self, actions: Float32) -> None:
        """Take the actions [account, symbol] of the next session."""
        self._actions = np.clip(np.asarray(actions, dtype="float64"), -1, 1)

    def step_wait(self) -> Any:
        """Trade one session of every account; finished ones restart."""
        outcome = self._accounts.step(self._terms.weights_of(self._actions))
        rewards = (self._reward(outcome, self._penalty) * SCALE).astype(np.float32)
        self._age += 1
        ruined = self._accounts.worth <= 0
        cut = (self._age >= self._length) & ~ruined
        done = ruined | cut
        infos = self._nothing
        if done.any():
            seen = self._accounts.observe().reshape(self.num_envs, -1)
            infos = [{} for _ in range(self.num_envs)]
            for i in np.flatnonzero(done):
                infos[i] = {"terminal_observation": seen[i].copy(), "TimeLimit.truncated": bool(cut[i])}
            self._begin(np.flatnonzero(done))
        return self._accounts.observe().reshape(self.num_envs, -1), rewards, done, infos

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute, which is the same for all accounts."""
        return [getattr(self, attr_name, None) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Accounts have no attributes of their own."""
        raise NotImplementedError(f"{attr_name}: accounts share one array.")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Accounts have no methods of their own."""
        raise NotImplementedError(f"{method_name}: accounts share one array.")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """False for all accounts."""
        del wrapper_class
        return [False for _ in self._get_indices(indices)]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Set the seed of the first sessions, from the next reset on."""
        self._rng = np.random.default_rng(seed)
        return [seed] * self.num_envs
