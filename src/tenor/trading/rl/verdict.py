"""The verdict on an agent: comparison with each rival by resampled days, deflated for the number of trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenor.errors import DataError
from tenor.evaluation.backtest import Backtest
from tenor.evaluation.bootstrap import FEWEST_BLOCKS, RESAMPLES, block_length
from tenor.evaluation.cost_sweep import Sharpe, sharpe
from tenor.evaluation.holding import against_holding, sharpe_interval
from tenor.evaluation.significance import LEVEL, Difference, format_p, holm, resampled
from tenor.schema import Float64
from tenor.storage.files import json_values
from tenor.trading.rl.rivals import FUTURE, HOLDING, RANDOM, SHUFFLED

DEFLATED = 0.95
"""A deflated Sharpe ratio above this is more than the best of so many trials reaches by luck."""


@dataclass(frozen=True)
class Against:
    """The agent compared with one rival; differences are the agent's value minus the rival's.

    Attributes
    ----------
    sharpe
        Difference of the annualised net Sharpe ratios, from resampled days.
    drawdown
        Difference of the maximum drawdowns, a share, from resampled blocks of days; below 0, the agent's is smaller.
    annual_return
        Difference of the mean net annual returns, a share.
    holm
        The p-value of `sharpe`, corrected for the number of rivals.
    """

    sharpe: Difference
    drawdown: Difference
    annual_return: Difference
    holm: float


@dataclass(frozen=True, eq=False)
class Verdict:
    """The evaluation of an agent.

    Attributes
    ----------
    agent
        Its backtest; positions are the mean over the seeds.
    sharpe
        Its Sharpe ratio, deflated for the number of configurations.
    interval
        The same ratio with its 95 % interval from resampled days.
    rivals
        The backtests of the rivals, by name; of the random agents, the median one.
    against
        Comparison with each rival, by name.
    random_p
        One-sided p-value: the share of the random agents, counting the agent as one, that did as well or better.
    seeds
        The Sharpe ratio of each seed by itself.
    behaviour
        What it learned to do, in words.
    checks
        Sentences on whether it can learn at all, and whether it uses the forecasts.
    claims
        Whether it is shown to be better than all rivals and than luck.
    sentence
        The verdict in one sentence.
    """

    agent: Backtest
    sharpe: Sharpe
    interval: Difference
    rivals: Mapping[str, Backtest]
    against: Mapping[str, Against]
    random_p: float
    seeds: tuple[float, ...]
    behaviour: str
    checks: tuple[str, ...]
    claims: bool
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        plain: dict[str, Any] = json_values(
            {
                "sentence": self.sentence,
                "claims": self.claims,
                "behaviour": self.behaviour,
                "checks": self.checks,
                "sharpe": self.sharpe,
                "interval": self.interval,
                "random_p": self.random_p,
                "seeds": self.seeds,
                "against": dict(self.against),
                "accounts": {"agent": self.agent, **self.rivals},
            }
        )
        return plain


def judge(
    agent: Backtest,
    weights: Float64,
    rivals: Mapping[str, Backtest],
    *,
    random: Float64,
    future: Backtest | None,
    seeds: tuple[float, ...],
    tried: int,
    exposure: Float64,
) -> Verdict:
    """Compare `agent` with all `rivals`, which traded on the same sessions at the same costs.

    Parameters
    ----------
    agent, weights
        The agent's backtest, and its target weights [session, symbol].
    rivals
        Backtests by name; `HOLDING` is among them.
    random
        Equity [account, session] of random agents with the agent's turnover.
    future
        The agent that saw the future; None if there is none.
    seeds
        The Sharpe ratio of each seed by itself.
    tried
        Number of configurations tried on these sessions.
    exposure
        [session]; exposure of the volatility target, a share of the equity.

    Returns
    -------
    Verdict
        The verdict.

    Raises
    ------
    DataError
        A backtest has other sessions.
    """
    middle = _median(agent, random)
    rivals = {**rivals, RANDOM: middle}
    parts = {name: against_holding(agent, other) for name, other in rivals.items()}
    sharpes = {name: _less(agent, rivals[name], part.sharpe) for name, part in parts.items()}
    corrected = holm({name: difference.p for name, difference in sharpes.items()})
    against = {
        name: Against(sharpes[name], drawdown_difference(agent, rivals[name]), part.annual_return, corrected[name])
        for name, part in parts.items()
    }
    ratio = sharpe(agent.returns, per_year=agent.year, trials=max(1, tried))
    does = behaviour(agent, weights, rivals[HOLDING], exposure)
    better = {name for name, one in against.items() if one.holm < LEVEL and one.sharpe.value > 0}
    rules = set(against) - {SHUFFLED}
    claims = rules <= better and ratio.deflated > DEFLATED
    random_p = (1 + int((_sharpes(random, agent) >= _finite(agent.sharpe)).sum())) / (1 + len(random))
    return Verdict(
        agent,
        ratio,
        sharpe_interval(agent),
        rivals if future is None else {**rivals, FUTURE: future},
        against,
        random_p,
        seeds,
        does,
        _checks(against, rivals, future),
        claims,
        _sentence(does, against, ratio, claims, better, rules),
    )


def drawdown_difference(agent: Backtest, other: Backtest, *, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
    """The maximum drawdown of `agent` minus that of `other`, with an interval from resampled blocks of days.

    A drawdown depends on the order of days: it is kept within blocks, and the blocks are joined in the order drawn, the
    same for both.
    """
    if not agent.sessions.equals(other.sessions):
        raise DataError(f"{agent.name} and {other.name} are not of the same sessions: book both on the same ones.")
    days = len(agent.returns)
    block = max(block_length(1), min(math.ceil(math.sqrt(days)), days // FEWEST_BLOCKS))
    value = agent.max_drawdown - other.max_drawdown
    if days < FEWEST_BLOCKS * block:
        return Difference(value, math.nan, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, days, size=(resamples, -(-days // block), 1))
    drawn = ((starts + np.arange(block)) % days).reshape(resamples, -1)[:, :days]
    falls = [_falls(each.returns[drawn]) for each in (agent, other)]
    return resampled(value, falls[0] - falls[1], days=days, block=block)


def _less(agent: Backtest, other: Backtest, difference: Difference) -> Difference:
    """`difference` of the Sharpe ratios; the ratio of cash, which is undefined, counts as 0."""
    if math.isfinite(difference.value):
        return difference
    if math.isfinite(agent.sharpe):
        return sharpe_interval(agent)
    theirs = sharpe_interval(other)
    return Difference(-theirs.value, -theirs.high, -theirs.low, theirs.p)


def _falls(returns: Float64) -> Float64:
    value = np.concatenate([np.ones((len(returns), 1)), np.cumprod(1 + returns, axis=1)], axis=1)
    deepest: Float64 = 1 - (value / np.maximum.accumulate(value, axis=1)).min(axis=1)
    return deepest


def behaviour(agent: Backtest, weights: Float64, holding: Backtest, exposure: Float64) -> str:
    """The behaviour of the agent, to complete "the agent learned to"; derived from positions, not from returns."""
    invested = np.abs(weights[:-1]).sum(axis=1)
    mean = float(invested.mean())
    traded = agent.mean_turnover
    if mean < 0.05:
        return "stay in cash"
    together = _correlation(agent.returns, holding.returns)
    if traded < 0.02 and together > 0.95 and invested.std() < 0.10:
        return "hold" if mean > 0.95 else f"hold {mean:.0%} of its capital in stocks and the rest in cash"
    if together > 0.8 and _correlation(invested, exposure[:-1]) > 0.7:
        return f"hold less when more volatility is forecast (turnover {traded:.1%} a session)"
    side = ", long and short" if (weights < -0.01).any() else ""
    if together > 0.95 and traded < 0.20 and invested.std() < 0.10:
        return f"hold, and to trade around it (turnover {traded:.1%} a session)"
    words = "trade often" if traded > 0.20 else "trade" if traded > 0.02 else "trade now and then"
    figures = f"turnover {traded:.1%} a session, {mean:.0%} invested, return correlated {together:.2f} with holding"
    return f"{words}{side} ({figures})"


def _checks(against: Mapping[str, Against], rivals: Mapping[str, Backtest], future: Backtest | None) -> tuple[str, ...]:
    lines = []
    if future is not None:
        gain = against_holding(future, rivals[HOLDING])
        rich = gain.sharpe.p < LEVEL and gain.sharpe.value > 0 and future.equity[-1] > rivals[HOLDING].equity[-1]
        grown = f"its money grew to {future.equity[-1]:,.2f} times, holding to {rivals[HOLDING].equity[-1]:,.2f}"
        lines.append(
            f"An agent that saw the future got rich: {grown}. So it can learn."
            if rich
            else f"An agent that saw the future did not get rich: {grown}. The learning is broken, or too short: raise "
            "rl.steps; until then nothing else here means anything."
        )
    if SHUFFLED in against:
        one = against[SHUFFLED]
        used = one.holm < LEVEL
        figures = f"Sharpe ratio {_signed(one.sharpe.value)}, p {format_p(one.holm)}"
        side = "better" if one.sharpe.value > 0 else "worse"
        lines.append(
            f"With the forecasts it does {side} than with shuffled ones: {figures}."
            if used
            else f"It is not distinguishable from an agent with shuffled forecasts ({figures}): no evidence that it "
            "gains anything from them."
        )
    return tuple(lines)


def _sentence(
    does: str, against: Mapping[str, Against], ratio: Sharpe, claims: bool, better: set[str], rules: set[str]
) -> str:
    hold = against[HOLDING].sharpe
    against_hold = (
        "against holding it can't be tested"
        if math.isnan(hold.p)
        else f"its Sharpe ratio is {_signed(hold.value)} to holding's, 95 % interval {_signed(hold.low)} to "
        f"{_signed(hold.high)}"
    )
    start = f"The agent learned to {does}; {against_hold}."
    tries = f"{ratio.trials} configuration{'s' if ratio.trials > 1 else ''} tried"
    deflated = f"deflated {ratio.deflated:.1%} for {tries}" if math.isfinite(ratio.deflated) else tries
    if claims:
        return f"{start} It is better than every rival, and than luck: {deflated}."
    if not better & rules:
        worse = sorted(name for name in rules if against[name].holm < LEVEL and against[name].sharpe.value < 0)
        tail = f" Worse than {', '.join(worse)}." if worse else ""
        return f"{start} It is not shown to be better than any rival ({deflated}).{tail}"
    left = sorted(rules - better)
    if not left:
        return f"{start} It is better than every rival, but that may be the best of several tries ({deflated})."
    beaten = ", ".join(sorted(better & rules))
    return f"{start} It is better than {beaten}, but not shown to be better than {', '.join(left)} ({deflated})."


def _median(agent: Backtest, random: Float64) -> Backtest:
    """The random agent with the median Sharpe ratio."""
    ratios = _sharpes(random, agent)
    place = int(np.argsort(ratios, kind="stable")[len(ratios) // 2])
    equity = random[place]
    return Backtest(RANDOM, agent.cost, agent.sessions, equity, equity, np.zeros(len(equity)), agent.calendar)


def _sharpes(equity: Float64, like: Backtest) -> Float64:
    """Annualised Sharpe ratio of each account [account, session]; 0 if its equity is constant."""
    returns = np.diff(equity, axis=1) / np.where(equity[:, :-1] > 0, equity[:, :-1], 1.0)
    spread = returns.std(axis=1, ddof=1) if returns.shape[1] > 1 else np.zeros(len(returns))
    return np.where(spread > 0, returns.mean(axis=1) / np.where(spread > 0, spread, 1.0), 0.0) * math.sqrt(like.year)


def _correlation(a: Float64, b: Float64) -> float:
    if a.std() < 1e-12 or b.std() < 1e-12:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
