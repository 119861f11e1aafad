"""What an agent is rewarded for: the log return of a session, net of costs, less a penalty for risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from tenor.errors import ConfigError, RaisedError, did_you_mean, one_line
from tenor.schema import Float64
from tenor.user_code import load_object

RUIN = -1.0
"""The log return that a ruined account is charged with, once."""


@dataclass(frozen=True)
class Outcome:
    """What one session did to many accounts.

    Attributes
    ----------
    log_return
        [account]; of the equity from close to close, net of costs; `RUIN` for a ruined one.
    turnover
        [account]; sum of |weight after trading - weight before it|.
    weights
        [account, symbol]; positions after trading, as shares of the equity.
    drawdown, drawdown_before
        [account]; how far the equity lies below its highest close, a share, after the session and before it.
    year
        Sessions in a year.
    """

    log_return: Float64
    turnover: Float64
    weights: Float64
    drawdown: Float64
    drawdown_before: Float64
    year: float


Reward = Callable[[Outcome, float], Float64]
"""From an outcome and ``rl.risk_penalty`` to [account]."""


def log(outcome: Outcome, penalty: float) -> Float64:
    """The log return, without a penalty."""
    del penalty
    return outcome.log_return


def utility(outcome: Outcome, penalty: float) -> Float64:
    """The log return less half of `penalty` times its square: what an investor with that aversion to risk maximises."""
    reward: Float64 = outcome.log_return - penalty / 2 * outcome.log_return**2
    return reward


def downside(outcome: Outcome, penalty: float) -> Float64:
    """As `utility`, with a penalty for losses alone, twice as large."""
    reward: Float64 = outcome.log_return - penalty * np.minimum(outcome.log_return, 0.0) ** 2
    return reward


def drawdown(outcome: Outcome, penalty: float) -> Float64:
    """The log return less a hundredth of `penalty` times what was added to the drawdown."""
    reward: Float64 = outcome.log_return - penalty / 100 * np.maximum(outcome.drawdown - outcome.drawdown_before, 0.0)
    return reward


REWARDS: Mapping[str, Reward] = MappingProxyType(
    {"utility": utility, "log": log, "downside": downside, "drawdown": drawdown}
)
"""Those that need no code; all of them are logged, whichever is learned from."""


def reward_named(name: str) -> Reward:
    """The reward of that name, or the user's own, ``path/to/file.py:function``, checked on every call.

    Raises
    ------
    ConfigError
        There is none.
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
