"""Trading by reinforcement learning on a store: walk agents forward, train a policy, promote it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tenor.calendars import interval_of
from tenor.config import FoldConfig, RlConfig, to_mapping
from tenor.errors import ConfigError, HistoryError, ModelError, TenorError
from tenor.evaluation.significance import LEVEL, mean_test
from tenor.inference.predictor import Predictor
from tenor.pipeline.policies import load_policy, market_for, resolve
from tenor.pipeline.promote import Contest, gate
from tenor.registry import Pointers, Registry, policies_of
from tenor.schema import Float64
from tenor.storage.files import json_values, read_json, write_json
from tenor.symbols import known_as
from tenor.trading.rl.agents import Agent, mean_score, require_extra
from tenor.trading.rl.market import Market
from tenor.trading.rl.policy import Policy, trade
from tenor.trading.rl.study import (
    FORECASTS,
    Parts,
    Progress,
    Study,
    job_of,
    terms_of,
    train_all,
    walk_agents,
)
from tenor.training.folds import walk_forward
from tenor.workspace import Workspace

WORK = "rl"
"""The folder of trained agents, within the folder for work that belongs to no version."""
PURGE = 1
"""Sessions left out between the parts, because a decision is filled in the session after it."""


@dataclass(frozen=True, repr=False)
class RlEvaluation:
    """Agents walked forward on the forecasts of a version.

    Attributes
    ----------
    version
        Version of the model.
    symbols
        The symbols that were traded.
    study
        The agents and the verdict.
    tried
        How many configurations were tried on this store, including this one.
    """

    version: str
    symbols: tuple[str, ...]
    study: Study
    tried: int

    def __repr__(self) -> str:
        return f"RlEvaluation(model {self.version})\n{self.study.verdict.sentence}"

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "model": self.version, "symbols": list(self.symbols), "tried": self.tried, **self.study.to_json()
        }  # fmt: skip


@dataclass(frozen=True, repr=False)
class RlTrainResult:
    """A new policy.

    Attributes
    ----------
    policy
        The trained policy.
    version
        Version of the policy.
    folder
        The folder of its files.
    algorithm
        The algorithm that validation chose.
    scores
        For each algorithm, the mean reward of a session on the validation part.
    split
        First and last day of each part.
    champion
        The policy in use now.
    contest
        The comparison with the champion before, if there was another.
    """

    policy: Policy
    version: str
    folder: str
    algorithm: str
    scores: dict[str, float]
    split: dict[str, tuple[str, str]]
    champion: str
    contest: Contest | None

    def __repr__(self) -> str:
        return f"RlTrainResult(policy {self.version}, {self.algorithm}, champion {self.champion})"

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        plain: dict[str, Any] = json_values(
            {
                "version": self.version,
                "folder": self.folder,
                "model": self.policy.model,
                "algorithm": self.algorithm,
                "validation": self.scores,
                "split": {name: list(days) for name, days in self.split.items()},
                "champion": self.champion,
                "contest": None if self.contest is None else self.contest.to_json(),
            }
        )
        return plain


@dataclass(frozen=True, eq=False)
class Traded:
    """A store's market, and its folds.

    Attributes
    ----------
    market
        Market of the symbols traded.
    folds
        The folds. Their test parts lie in the test part of the model, on which it was not trained.
    """

    market: Market
    folds: tuple[Parts, ...]


def evaluate(
    store: str,
    config: RlConfig,
    *,
    version: str | None = None,
    workers: int | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
) -> RlEvaluation:
    """Walk agents forward on a model's forecasts, beside their rivals.

    A run that was killed continues with the agents that it had trained.

    Parameters
    ----------
    store
        The lake, with a trained model.
    config
        The settings.
    version
        Version of the model; the champion by default.
    workers
        Processes that train agents; one for each core by default.
    report
        The HTML page to write; its figures are written as JSON beside it.
    progress
        Called after every training.

    Raises
    ------
    ConfigError
        The extra is not installed, or a setting can't be used.
    HistoryError
        There are too few sessions for the folds.
    ModelError
        There is no such model.
    """
    require_extra()
    workspace = Workspace(store)
    traded = traded_market(workspace, config, version)
    tried = _tried(workspace.work / WORK, config, traded.market)
    study = walk_agents(
        traded.market,
        traded.folds,
        config,
        workspace.work / WORK,
        tried=tried,
        workers=workers,
        progress=progress,
    )
    result = RlEvaluation(traded.market.version, traded.market.symbols, study, tried)
    if report is not None:
        _write_page(report, result, config)
    return result


def _write_page(path: Path, result: RlEvaluation, config: RlConfig) -> None:
    from tenor.report.agents import write_agents

    study = result.study
    curves = [
        {name: [agent.history for agent in agents] for name, agents in fold.agents.items()} for fold in study.folds
    ]
    about = {
        "Model version": result.version,
        "Symbols": ", ".join(result.symbols),
        "Chosen in each fold": ", ".join(fold.algorithm for fold in study.folds),
        "Configurations tried": str(result.tried),
        "Settings": ", ".join(f"{key} {value}" for key, value in to_mapping(config).items() if key != "symbols"),
    }
    write_agents(
        path,
        study.verdict,
        weights=study.weights,
        symbols=result.symbols,
        curves=curves,
        notes=study.notes,
        about=about,
    )
    write_json(path.with_suffix(".json"), result.to_json())


def train(
    store: str,
    config: RlConfig,
    *,
    version: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> RlTrainResult:
    """Train a policy and save it. It becomes the champion if there is none, or if it beats the present one.

    It learns from the sessions before the last fold's test part, which is left for the comparison. Parameters and
    errors are those of `evaluate`.
    """
    require_extra()
    workspace, policies = Workspace(store), policies_of(store)
    traded = traded_market(workspace, config, version)
    market, parts = traded.market, traded.folds[-1]
    jobs = [
        job_of(market, parts, config, algorithm, seed, FORECASTS, workspace.work / WORK)
        for algorithm in config.algorithms
        for seed in config.seeds
    ]
    trained = train_all(jobs, workers, progress)
    count = len(config.seeds)
    agents: dict[str, list[Agent]] = {
        algorithm: trained[i * count : (i + 1) * count] for i, algorithm in enumerate(config.algorithms)
    }
    scores = {algorithm: mean_score(each) for algorithm, each in agents.items()}
    chosen = max(scores, key=scores.__getitem__)
    days = {
        name: tuple(f"{market.sessions[place]:%Y-%m-%d}" for place in (part.start, part.stop - 1))
        for name, part in (("train", parts.train), ("validation", parts.valid), ("test", parts.test))
    }
    settings = {"rl": to_mapping(config), "algorithm": chosen, "symbols": list(market.symbols), "split": days}
    policy = Policy(
        tuple(agent.network for agent in agents[chosen]),
        terms_of(config),
        market.version,
        json.loads(json.dumps(settings)),
    )
    card = {
        "name": f"policy of {chosen}",
        "model": market.version,
        "fingerprint": hashlib.sha256(market.signals.tobytes()).hexdigest(),
        "validation": json_values(scores),
        "curves": json_values([agent.history for agent in agents[chosen]]),
        **settings,
    }
    added = policies.add(policy, card)
    now, contest = challenge(workspace, policies, added)
    split = {name: (str(first), str(last)) for name, (first, last) in days.items()}
    return RlTrainResult(policy, added, policies.where(added), chosen, scores, split, now.champion or added, contest)


def promote(store: str, version: str, *, force: bool = False) -> tuple[Pointers, Contest | None]:
    """Make the policy `version` the champion if it beats the present one, or in any case with `force`.

    Raises
    ------
    ModelError
        There is no such policy, or it does not beat the champion; the message has the numbers.
    """
    workspace, policies = Workspace(store), policies_of(store)
    version = resolve(policies, version)
    if force:
        return policies.promote(version), None
    now, contest = challenge(workspace, policies, version)
    if contest is not None and not contest.better:
        raise ModelError(f"{version} is not promoted: {contest.why} To promote it anyway, use --force.")
    return now, contest


def challenge(workspace: Workspace, policies: Registry, version: str) -> tuple[Pointers, Contest | None]:
    """Promote a policy by the same rule as models (`tenor.pipeline.promote.gate`)."""
    return gate(policies, version, lambda champion: compare(workspace, policies, version, champion))


def compare(workspace: Workspace, policies: Registry, challenger: str, champion: str) -> Contest:
    """Compare two policies on the sessions after the validation parts of both; ``why`` has the reason if impossible.

    The loss of a session is minus its utility: the log return after costs minus half the risk penalty times its square.
    """
    try:
        return _compare(workspace, policies, challenger, champion)
    except TenorError as error:
        return Contest(
            challenger, champion, False, 0, None, None, None, None, None, f"can't be compared: {error}"
        )  # fmt: skip


def _compare(workspace: Workspace, policies: Registry, challenger: str, champion: str) -> Contest:
    loaded = [load_policy(policies, name) for name in (challenger, champion)]
    start = max(pd.Timestamp(policy.settings["split"]["test"][0]) for policy in loaded)
    ours, theirs = (_utility(workspace, policy, start) for policy in loaded)
    days = ours.index.intersection(theirs.index)
    if len(days) < 2:
        raise HistoryError("there are no sessions after both validation parts: wait for some, or use --force.")
    a, b = (each.loc[days].to_numpy("float64") for each in (ours, theirs))
    test = mean_test(a - b, horizon=1, one_sided=True)
    defined = bool(np.isfinite(test.p))
    better = defined and test.p < LEVEL
    first, last = (f"{day:%Y-%m-%d}" for day in days[[0, -1]])
    numbers = (
        f"utility {1e4 * a.mean():.2f} bps a session against {1e4 * b.mean():.2f} of champion {champion} over "
        f"{len(days)} sessions that neither has seen, {first} … {last}"
    )
    if better:
        why = f"{numbers}: better, p = {test.p:.3f}."
    elif defined:
        why = f"{numbers}: not shown to be better, p = {test.p:.2f}."
    else:
        why = f"{numbers}: too few or too equal to tell."
    losses = float(-a.mean()), float(-b.mean())
    return Contest(challenger, champion, better, len(days), first, last, *losses, test.p if defined else None, why)


def _utility(workspace: Workspace, policy: Policy, start: pd.Timestamp) -> pd.Series[float]:
    market = market_for(workspace, policy.model, tuple(policy.settings["symbols"]))
    row = int(market.sessions.searchsorted(start))
    tested = market.between(row, len(market.sessions))
    ((account, _),) = trade(tested, [policy], policy.terms, ["policy"])
    moved: Float64 = np.log1p(account.returns)
    penalty = float(policy.settings["rl"]["risk_penalty"])
    return pd.Series(moved - penalty / 2 * moved**2, index=tested.sessions[1:])


def traded_market(workspace: Workspace, config: RlConfig, version: str | None) -> Traded:
    """The market on which agents of `config` trade, and the folds; errors are those of `evaluate`."""
    predictor = Predictor.load(workspace.registry, version)
    recipe = predictor.recipe
    calendar = recipe.features.calendar
    if interval_of(calendar) != "1d":
        raise ConfigError(f"model {recipe.version} forecasts bars of {calendar}: agents trade on those of daily bars.")
    if min(recipe.horizons) != 1:
        raise ConfigError(
            f"model {recipe.version} forecasts {list(recipe.horizons)} sessions ahead: agents decide every session; "
            "train one with features.horizons that begin with 1."
        )
    symbols = _symbols(workspace, config, recipe.symbols, calendar, pd.Timestamp(recipe.split["train"][1]))
    market = market_for(workspace, recipe.version, symbols)
    first, last = (int(market.sessions.searchsorted(pd.Timestamp(day))) for day in recipe.split["test"])
    last = min(last, len(market.sessions) - 1)
    room = last + 1 - first
    length = room // config.folds
    if length < 20:
        raise HistoryError(
            f"the test part of model {recipe.version} has {max(room, 0)} sessions, too few for rl.folds = "
            f"{config.folds}: train the model with an earlier split.valid_end, or lower rl.folds."
        )
    folds = FoldConfig(
        folds=config.folds,
        valid_sessions=config.valid_sessions,
        test_sessions=length,
        test_end=f"{market.sessions[last]:%Y-%m-%d}",
    )
    splits = walk_forward(market.sessions, folds, purge=PURGE)
    return Traded(market, tuple(Parts(split.train, split.valid, split.test) for split in splits))


def _symbols(
    workspace: Workspace, config: RlConfig, trained: Sequence[str], calendar: str, until: pd.Timestamp
) -> tuple[str, ...]:
    """Those of ``rl.symbols``, or the ones with the most money traded up to the end of the model's training."""
    if config.symbols:
        named = [known_as(name, set(trained)) for name in config.symbols]
        for name in named:
            if name not in trained:
                raise ConfigError(
                    f"config key 'rl.symbols' has {name!r}, which the model was not trained on: train one with it."
                )
        return tuple(dict.fromkeys(named))
    known = [symbol for symbol in trained if symbol in set(workspace.lake.symbols(calendar))]
    frame = workspace.bars(known, calendar=calendar).frame
    early = frame[frame["session"] <= until]
    money = (early["close"] * early["volume"]).groupby(early["symbol"]).median()
    chosen = money.sort_values(ascending=False, kind="stable").index[: config.most]
    return tuple(sorted(map(str, chosen)))


def _tried(folder: Path, config: RlConfig, market: Market) -> int:
    """How many configurations were tried on the test sessions of this store, this one counted in and noted."""
    path = folder / "tried.json"
    try:
        known = [str(key) for key in read_json(path.read_bytes())["tried"]]
    except (OSError, ValueError, KeyError, TypeError):
        known = []
    plain = {key: value for key, value in to_mapping(config).items() if key != "algorithms"}
    for algorithm in config.algorithms:
        text = json.dumps([algorithm, plain, market.version, list(market.symbols)], sort_keys=True, default=list)
        key = hashlib.sha256(text.encode()).hexdigest()[:24]
        if key not in known:
            known.append(key)
    write_json(path, {"tried": known})
    return len(known)
