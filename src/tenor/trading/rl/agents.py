"""Agents of PPO and SAC (stable-baselines3): trained on one part of a market, with early stopping on the next part."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as pack

from tenor.errors import ConfigError
from tenor.schema import Float64
from tenor.storage.files import write_whole
from tenor.trading.rl.accounts import Accounts, Terms
from tenor.trading.rl.market import Market
from tenor.trading.rl.policy import LAYERS, Network
from tenor.trading.rl.rewards import REWARDS, reward_named

ACCOUNTS = 64
"""Number of accounts that learn in parallel."""
ROLLOUT = 32
"""Number of sessions of each account between two updates of PPO."""
LOOK = 2
"""Number of rollouts between two validations."""
DISCOUNT = 0.9
"""Discount factor per session: a purchase costs now, and earns in later sessions."""
RATE = 1e-3
SAC_SHARE = 10
"""SAC gets ``rl.steps`` divided by this, because it learns more from each step."""
SAC_UPDATES = 16
"""Number of updates of SAC per step of all accounts."""


def require_extra() -> None:
    """Raise ConfigError, with a message of one line, if the extra is not installed."""
    for module in ("gymnasium", "stable_baselines3", "torch", "onnx"):
        with contextlib.suppress(ModuleNotFoundError):
            if importlib.util.find_spec(module) is not None:
                continue
        raise ConfigError(f"{module} is not installed: pip install 'tenor[rl]'.")


@dataclass(frozen=True, eq=False)
class Task:
    """One agent to train.

    Attributes
    ----------
    train, valid
        The market to learn from, and the market for early stopping.
    terms
        Costs and limits.
    algorithm
        ``ppo`` or ``sac``.
    reward, penalty
        The settings ``rl.reward`` and ``rl.risk_penalty``.
    steps, patience
        The settings ``rl.steps`` and ``rl.patience``.
    seed
        Seed of all random numbers.
    name
        Name shown by progress.
    """

    train: Market
    valid: Market
    terms: Terms
    algorithm: str
    reward: str
    penalty: float
    steps: int
    patience: int
    seed: int
    name: str = ""


@dataclass(frozen=True, eq=False)
class Agent:
    """The result of a training.

    Attributes
    ----------
    network
        The network with the best reward on the validation part.
    history
        For each validation: ``steps`` of the environment, and the mean over the sessions of the validation part of each
        of `REWARDS` and of ``own``, the reward used in training.
    best
        Index of the validation that `network` is from.
    """

    network: Network
    history: dict[str, list[float]] = field(repr=False)
    best: int

    @property
    def score(self) -> float:
        """The mean reward per session on the validation part."""
        return self.history["own"][self.best]

    def to_bytes(self) -> bytes:
        """The agent as the bytes of one file; `from_file` reads it."""
        header = {"history": self.history, "best": self.best, "squash": self.network.squash}
        return pack(dict(self.network.weights), {"agent": json.dumps(header)})

    @classmethod
    def from_file(cls, path: Path) -> Agent | None:
        """Read a file of `to_bytes`; None if there is no file, or it can't be read."""
        try:
            with safe_open(str(path), framework="numpy") as file:
                header = json.loads((file.metadata() or {})["agent"])
                names = [f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")]
                weights = {name: file.get_tensor(name) for name in names}
            return cls(Network(weights, bool(header["squash"])), header["history"], int(header["best"]))
        except (OSError, SafetensorError, KeyError, ValueError):
            return None


def validate(network: Network, market: Market, terms: Terms, own: str, penalty: float) -> dict[str, float]:
    """The mean over the sessions of `market`, traded from the first one on, of each of `REWARDS` and of ``own``."""
    accounts, rewards = Accounts(market, terms, 1), {**REWARDS, "own": reward_named(own)}
    totals = dict.fromkeys(rewards, 0.0)
    for _ in range(len(market.sessions) - 1):
        outcome = accounts.step(terms.weights_of(network.act(accounts.observe())))
        for name, reward in rewards.items():
            totals[name] += float(reward(outcome, penalty)[0])
    return {name: total / (len(market.sessions) - 1) for name, total in totals.items()}


def train_agent(task: Task, report: Callable[[int, int], None] | None = None) -> Agent:
    """Train one agent; the same task gives the same bytes.

    Parameters
    ----------
    task
        The agent to train.
    report
        Called with the number of finished steps and the largest possible number.

    Returns
    -------
    Agent
        The trained agent.
    """
    require_extra()
    from tenor.model.reproducible import reproducible
    from tenor.trading.rl.networks import weights_of

    with reproducible():
        model, squash = _model(task)
        most = task.steps if task.algorithm == "ppo" else max(task.steps // SAC_SHARE, ACCOUNTS)
        history: dict[str, list[float]] = {"steps": [], **{name: [] for name in (*REWARDS, "own")}}
        best: tuple[int, Network | None] = (0, None)

        def look(done: int) -> bool:
            nonlocal best
            network = Network(weights_of(model.policy), squash)
            values = validate(network, task.valid, task.terms, task.reward, task.penalty)
            history["steps"].append(float(done))
            for name, value in values.items():
                history[name].append(value)
            now = len(history["own"]) - 1
            if best[1] is None or values["own"] > history["own"][best[0]]:
                best = (now, network)
            return now - best[0] < task.patience

        chunk = ACCOUNTS * ROLLOUT * LOOK if task.algorithm == "ppo" else max(most // 25, ACCOUNTS)
        goes_on, done = look(0), 0
        while goes_on and done < most:
            model.learn(chunk, reset_num_timesteps=done == 0)
            done = int(model.num_timesteps)
            goes_on = look(done)
            if report is not None:
                report(min(done, most) if goes_on else most, most)
    assert best[1] is not None
    return Agent(best[1], history, best[0])


def _model(task: Task) -> tuple[Any, bool]:
    from stable_baselines3 import PPO, SAC

    from tenor.trading.rl.environment import TradingVecEnv
    from tenor.trading.rl.networks import PpoPolicy, SacPolicy

    env = TradingVecEnv(task.train, task.terms, reward_named(task.reward), task.penalty, count=ACCOUNTS, seed=task.seed)
    common = {"learning_rate": RATE, "gamma": DISCOUNT, "seed": task.seed, "device": "cpu"}
    if task.algorithm == "ppo":
        kwargs = {"log_std_init": -1.0}
        return (
            PPO(
                PpoPolicy, env, n_steps=ROLLOUT, batch_size=512, n_epochs=4, gae_lambda=0.9, policy_kwargs=kwargs,
                **common,
            ),
            False,
        )  # fmt: skip
    return (
        SAC(
            SacPolicy,
            env,
            buffer_size=200_000,
            learning_starts=ACCOUNTS * 8,
            batch_size=256,
            gradient_steps=SAC_UPDATES,
            policy_kwargs={"net_arch": {"pi": [16], "qf": [64, 64]}},
            **common,
        ),
        True,
    )


def cached(task: Task, path: Path, report: Callable[[int, int], None] | None = None) -> Agent:
    """Read the agent from `path`, or train and save it; a killed training restarts and gives the same result."""
    agent = Agent.from_file(path)
    if agent is None:
        agent = train_agent(task, report)
        write_whole(path, agent.to_bytes())
    return agent


def mean_score(agents: list[Agent]) -> float:
    """The mean validation reward of several seeds."""
    scores: Float64 = np.array([agent.score for agent in agents])
    return float(scores.mean())
