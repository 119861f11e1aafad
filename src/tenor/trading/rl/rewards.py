"""Rewards of agents: the log return of a session, net of costs, minus a penalty for risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tenor.errors import ConfigError, RaisedError, did_you_mean, one_line
from tenor.schema import Float64
from tenor.user_code import load_object

RUIN = -1.0
"""The log return of an account in the session of its ruin."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one session for many accounts.

    Attributes
    ----------
    log_return
        [account]; log return of the equity from close to close, net of costs; `RUIN` for a ruined account.
    turnover
        [account]; sum of |weight after trading - weight before it|.
    weights
        [account, symbol]; positions after trading, as shares of the equity.
    drawdown, drawdown_before
        [account]; drawdown from the highest close, a share, after the session and before it.
    year
        Number of sessions in a year.
    """

    log_return: Float64
    turnover: Float64
    weights: Float64
    drawdown: Float64
    drawdown_before: Float64
    year: float


Reward = Callable[[Outcome, float], Float64]
"""A function of an outcome and ``rl.risk_penalty`` that returns rewards [account]."""


def log(outcome: Outcome, penalty: float) -> Float64:
    """The log return, without a penalty."""
    del penalty
    return outcome.log_return


def utility(outcome: Outcome, penalty: float) -> Float64:
    """The log return minus half of `penalty` times its square: the utility of an investor with that risk aversion."""
    reward: Float64 = outcome.log_return - penalty / 2 * outcome.log_return**2
    return reward


def downside(outcome: Outcome, penalty: float) -> Float64:
    """Like `utility`, with the penalty only for losses, and twice as large."""
    reward: Float64 = outcome.log_return - penalty * np.minimum(outcome.log_return, 0.0) ** 2
    return reward


def drawdown(outcome: Outcome, penalty: float) -> Float64:
    """The log return minus a hundredth of `penalty` times the increase of the drawdown."""
    reward: Float64 = outcome.log_return - penalty / 100 * np.maximum(outcome.drawdown - outcome.drawdown_before, 0.0)
    return reward


REWARDS: Mapping[str, Reward] = MappingProxyType(
    {"utility": utility, "log": log, "downside": downside, "drawdown": drawdown}
)
"""The built-in rewards; all of them are logged, whichever is used in training."""


def reward_named(name: str) -> Reward:
    """The reward of that name, or a user's own, ``path/to/file.py:function``, whose result is checked on every call.

    Raises
    ------
    ConfigError
        There is no such reward.
    """
    if name in REWARDS:
        return REWARDS[name]
    if ":" not in name:
        hint = did_you_mean(name, REWARDS) or f" Known: {', '.join(REWARDS)}."
        raise ConfigError(f"config key 'rl.reward' is {name!r}: no such reward.{hint} Your own: path/to/mine.py:reward")
    function = load_object(name)
    if not callable(function):
        raise ConfigError(f"config key 'rl.reward': {name} is {type(function).__name__}, not a function.")

    def own(outcome: Outcome, penalty: float) -> Float64:
        try:
            value = np.asarray(function(outcome, penalty), dtype="float64")
        except Exception as error:
            raise RaisedError(f"rl.reward {name} raised {type(error).__name__}: {one_line(error, 200)}.") from error
        if value.shape != outcome.log_return.shape or not np.isfinite(value).all():
            raise RaisedError(
                f"rl.reward {name} returned shape {value.shape} or a number that is not finite: return one finite "
                f"number an account, shape {outcome.log_return.shape}."
            )
        return value

    return own
