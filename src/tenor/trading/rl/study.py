"""Walk-forward of agents: in each fold trained, with early stopping, on earlier sessions, and traded on later ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tenor.config import RlConfig
from tenor.engines import LocalEngine
from tenor.errors import HistoryError
from tenor.schema import Float64
from tenor.storage.files import json_values
from tenor.trading.rl.accounts import Terms, follow
from tenor.trading.rl.agents import Agent, Task, cached, mean_score
from tenor.trading.rl.market import Market
from tenor.trading.rl.policy import Policy, trade
from tenor.trading.rl.rewards import reward_named
from tenor.trading.rl.rivals import FUTURE, OURS, SHUFFLED, random_accounts, rival_accounts, rival_weights
from tenor.trading.rl.verdict import Verdict, judge
from tenor.user_code import source_of

AGENT = "agent"
FORECASTS, SHUFFLES, LEAK = "forecasts", "shuffled forecasts", "the future"
Progress = Callable[[str, int, int], None]
"""Called with a title, the finished amount and the total."""


@dataclass(frozen=True, eq=False)
class Job:
    """One agent to train, and the file to save it in."""

    task: Task
    path: Path


@dataclass(frozen=True)
class Parts:
    """A fold, as indices on the market's session axis."""

    train: slice
    valid: slice
    test: slice


@dataclass(frozen=True, eq=False)
class FoldOutcome:
    """The result of one fold.

    Attributes
    ----------
    algorithm
        The algorithm chosen by validation.
    scores
        By algorithm, the mean validation reward of its seeds, in hundredths of a percent a session.
    agents
        By algorithm, the agents that got the forecasts, one per seed.
    """

    algorithm: str
    scores: Mapping[str, float]
    agents: Mapping[str, tuple[Agent, ...]]


@dataclass(frozen=True, eq=False)
class Study:
    """The walk-forward of agents, and the verdict.

    Attributes
    ----------
    verdict
        The verdict on all test parts together.
    folds
        The results of the folds, in order.
    weights
        [session, symbol]; target weights of the agent.
    first, last
        The first and the last test session.
    notes
        Caveats that the reader should know.
    """

    verdict: Verdict
    folds: tuple[FoldOutcome, ...]
    weights: Float64
    first: pd.Timestamp
    last: pd.Timestamp
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        plain: dict[str, Any] = json_values(
            {
                "first": f"{self.first:%Y-%m-%d}",
                "last": f"{self.last:%Y-%m-%d}",
                "notes": self.notes,
                "folds": [
                    {
                        "algorithm": fold.algorithm,
                        "validation": dict(fold.scores),
                        "history": {name: [a.history for a in agents] for name, agents in fold.agents.items()},
                    }
                    for fold in self.folds
                ],
                **self.verdict.to_json(),
            }
        )
        return plain


def terms_of(config: RlConfig) -> Terms:
    """The costs and limits of a config."""
    return Terms(config.cost, config.borrow, config.cap, config.limit, config.short)


def job_of(market: Market, parts: Parts, config: RlConfig, algorithm: str, seed: int, sees: str, folder: Path) -> Job:
    """The job of one agent; the name of its file is a hash of everything that it depends on."""
    train = market.between(parts.train.start, parts.train.stop)
    valid = market.between(parts.valid.start, parts.valid.stop)
    if sees == SHUFFLES:
        train, valid = train.shuffled(seed), valid.shuffled(seed)
    elif sees == LEAK:
        train, valid = train.leaked(), valid.leaked()
    task = Task(
        train,
        valid,
        terms_of(config),
        algorithm,
        config.reward,
        config.risk_penalty,
        config.steps,
        config.patience,
        seed,
        f"{algorithm}, {sees}",
    )
    return Job(task, folder / f"{key_of(task)}.safetensors")


def key_of(task: Task) -> str:
    """A hash, 24 hex digits, of everything that a training depends on: data, settings, code of an own reward."""
    digest = hashlib.sha256()
    for market in (task.train, task.valid):
        for values in (market.open, market.close, market.signals):
            digest.update(np.ascontiguousarray(values).tobytes())
        digest.update(f"{market.symbols} {market.sessions[0]} {market.calendar}".encode())
    own = source_of(task.reward).text if ":" in task.reward else ""
    plain = [
        dict(task.terms.__dict__),
        task.algorithm,
        task.reward,
        own,
        task.penalty,
        task.steps,
        task.patience,
        task.seed,
    ]
    digest.update(json.dumps(plain, sort_keys=True).encode())
    return digest.hexdigest()[:24]


def train_job(_: None, job: Job) -> Agent:
    """Train one agent, or read it if it is trained already; a task for an engine."""
    return cached(job.task, job.path)


def train_all(jobs: Sequence[Job], workers: int | None, progress: Progress | None) -> list[Agent]:
    """Train all agents of `jobs`, and return them in order; progress is called after each.

    This does not use a cluster, because an agent in training saves its state in a folder of this machine.
    """
    agents = []
    for done, agent in enumerate(LocalEngine(workers).map(train_job, jobs), start=1):
        agents.append(agent)
        if progress is not None:
            progress(f"agents, {jobs[done - 1].task.name}", done, len(jobs))
    return agents


def walk_agents(
    market: Market,
    folds: Sequence[Parts],
    config: RlConfig,
    folder: Path,
    *,
    tried: int = 1,
    checks: bool = True,
    workers: int | None = 1,
    progress: Progress | None = None,
) -> Study:
    """Train agents in each of `folds`, let validation choose the algorithm, and judge them on the test parts.

    Parameters
    ----------
    market
        The market with all sessions.
    folds
        The folds; test parts follow each other without a gap.
    config
        The settings.
    folder
        Folder for trained agents, from which a killed run resumes.
    tried
        Number of configurations tried on these sessions, including this one.
    checks
        Whether to train also agents with shuffled forecasts, and agents that see the future.
    workers
        Number of processes that train agents; None means one for each CPU core.
    progress
        Called after every training.

    Returns
    -------
    Study
        The results of the folds, and the verdict.

    Raises
    ------
    HistoryError
        There is no fold, or its parts are too short.
    """
    if not folds:
        raise HistoryError("there is no fold to test agents in: lower rl.folds or rl.valid_sessions.")
    reward_named(config.reward)  # before any training, so that a wrong name fails at once

    def jobs_of(kinds: Sequence[tuple[Parts, str, str]]) -> list[Job]:
        return [
            job_of(market, parts, config, algorithm, seed, sees, folder)
            for parts, algorithm, sees in kinds
            for seed in config.seeds
        ]

    def trained(kinds: Sequence[tuple[Parts, str, str]]) -> list[tuple[Agent, ...]]:
        agents = train_all(jobs_of(kinds), workers, progress)
        step = len(config.seeds)
        return [tuple(agents[i : i + step]) for i in range(0, len(agents), step)]

    kinds = [(parts, algorithm, FORECASTS) for parts in folds for algorithm in config.algorithms]
    groups = iter(trained(kinds))
    outcomes = []
    for _ in folds:
        agents = {algorithm: next(groups) for algorithm in config.algorithms}
        scores = {name: mean_score(list(each)) for name, each in agents.items()}
        outcomes.append(FoldOutcome(max(scores, key=scores.__getitem__), scores, agents))
    others = trained(
        [
            (parts, outcome.algorithm, sees)
            for sees in ((SHUFFLES, LEAK) if checks else ())
            for parts, outcome in zip(folds, outcomes, strict=True)
        ]
    )
    return _judged(market, folds, config, outcomes, others[: len(folds)], others[len(folds) :], tried)


def _judged(
    market: Market,
    folds: Sequence[Parts],
    config: RlConfig,
    outcomes: Sequence[FoldOutcome],
    shuffled: Sequence[tuple[Agent, ...]],
    future: Sequence[tuple[Agent, ...]],
    tried: int,
) -> Study:
    terms = terms_of(config)
    start, stop = folds[0].test.start, folds[-1].test.stop
    tested = market.between(start, stop)

    def weights(policies: Sequence[Policy], on: Market) -> Float64:
        # one account: positions are carried over from one fold to the next
        rows = np.concatenate([np.full(f.test.stop - f.test.start, i) for i, f in enumerate(folds)])
        held: Float64 = _Changing(policies, rows).trade(on, terms)
        return held

    def policies_of(groups: Sequence[Sequence[Agent]]) -> list[Policy]:
        return [Policy(tuple(agent.network for agent in group), terms, market.version, {}) for group in groups]

    chosen = [outcome.agents[outcome.algorithm] for outcome in outcomes]
    ours = weights(policies_of(chosen), tested)
    account = follow(tested, ours, terms, AGENT)
    seer = follow(tested, weights(policies_of(future), tested.leaked()), terms, FUTURE) if future else None
    seeds = tuple(
        follow(tested, weights(policies_of([[group[i]] for group in chosen]), tested), terms, AGENT).sharpe
        for i in range(len(config.seeds))
    )
    upto = market.between(0, stop)
    rivals = rival_accounts(upto, start, terms)
    if shuffled:
        rivals[SHUFFLED] = follow(tested, weights(policies_of(shuffled), tested.shuffled(0)), terms, SHUFFLED)
    invested = float(np.abs(ours[:-1]).sum(axis=1).mean())
    random, _ = random_accounts(tested, account.mean_turnover, invested, terms)
    exposure = np.abs(terms.limited(rival_weights(upto, start, terms)[OURS])).sum(axis=1)
    verdict = judge(account, ours, rivals, random=random, future=seer, seeds=seeds, tried=tried, exposure=exposure)
    notes = list(tested.notes())
    if config.cost == 0:
        notes.append("rl.cost is 0: nobody trades for nothing, so that every figure here is a bound from above.")
    if len(config.seeds) < 5:
        few = "1 seed says" if len(config.seeds) == 1 else f"{len(config.seeds)} seeds say"
        notes.append(f"{few} little of how much chance there is: five or more do.")
    return Study(verdict, tuple(outcomes), ours, tested.sessions[0], tested.sessions[-1], tuple(notes))


class _Changing:
    """Policies of successive folds on one account."""

    def __init__(self, policies: Sequence[Policy], rows: Any) -> None:
        self._policies, self._rows, self._at = policies, rows, -1

    def weights(self, seen: Any) -> Float64:
        self._at += 1
        held: Float64 = self._policies[self._rows[self._at]].weights(seen)
        return held

    def trade(self, market: Market, terms: Terms) -> Float64:
        ((_, held),) = trade(market, [self], terms, [AGENT])
        return held
