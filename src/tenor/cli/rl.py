"""`tenor rl`: agents that trade on the forecasts, judged against rules that need no learning."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenor.cli import console
from tenor.cli.options import DEFAULT_STORE, AsJson, ConfigFile, Overrides, Since, Store, Version, Workers
from tenor.progress import progress_bars

if TYPE_CHECKING:
    from tenor.pipeline.rl import RlEvaluation

app = typer.Typer(no_args_is_help=True, help="Trading by reinforcement learning, judged against rules without it.")


@app.command()
def train(
    store: Store = DEFAULT_STORE,
    model: Version = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Train a policy. It becomes the champion if it beats the current one. An interrupted run resumes."""
    from tenor.config import Config
    from tenor.pipeline.rl import train as train_policy

    settings = Config.read(config, set_ or ()).rl
    with progress_bars(quiet=as_json) as bars:
        result = train_policy(store, settings, version=model, workers=workers, progress=bars.arm)
    if as_json:
        console.print_json(result.to_json())
        return
    scores = ", ".join(f"{name} {1e4 * score:+.2f} bps" for name, score in result.scores.items())
    console.entry("Policy", f"{result.version}, on forecasts of model {result.policy.model}")
    console.entry("Chosen", f"{result.algorithm}, by the validation reward a session: {scores}")
    for part, (first, last) in result.split.items():
        console.entry(part.capitalize(), f"{first} … {last}")
    if result.contest is not None:
        console.entry("Contest", result.contest.why)
    in_use = "it" if result.champion == result.version else result.champion
    console.entry("In use", f"{in_use}; 'tenor rl run' trades by it on paper, 'tenor rl evaluate' judges the settings")


@app.command()
def evaluate(
    store: Store = DEFAULT_STORE,
    model: Version = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    workers: Workers = None,
    report: Annotated[
        Path | None, typer.Option(help="The HTML page to write; its figures are written as JSON beside it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Walk agents forward, and compare them with holding, volatility targets, chance and more.

    An interrupted run resumes.
    """
    from tenor.config import Config
    from tenor.pipeline.rl import evaluate as evaluate_agents

    settings = Config.read(config, set_ or ()).rl
    with progress_bars(quiet=as_json) as bars:
        result = evaluate_agents(store, settings, version=model, workers=workers, report=report, progress=bars.arm)
    if as_json:
        console.print_json(result.to_json())
    else:
        _show(result)
        if report is not None:
            console.line(f"\nreport: {report}")


@app.command()
def run(
    store: Store = DEFAULT_STORE,
    since: Since = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Trade on paper by the champion policy: `tenor paper run` with the rule ``rl``. A second run changes nothing."""
    from tenor.cli import paper

    paper.run(store=store, since=since, config=config, set_=[*(set_ or ()), 'paper.rule="rl"'], as_json=as_json)


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="A policy, or latest.")] = "latest",
    store: Store = DEFAULT_STORE,
    force: Annotated[bool, typer.Option("--force", help="Promote it without a comparison.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a policy the champion, if it beats the current one on sessions that neither has seen."""
    from tenor.pipeline.rl import promote as promote_policy

    now, contest = promote_policy(store, version, force=force)
    if as_json:
        console.print_json({"champion": now.champion, "contest": None if contest is None else contest.to_json()})
        return
    console.line(f"champion: {now.champion}")
    if contest is not None:
        console.line(contest.why)


def _show(result: RlEvaluation) -> None:
    from tenor.evaluation.significance import format_p

    study, verdict = result.study, result.study.verdict
    console.bold(verdict.sentence)
    days = len(verdict.agent.sessions) - 1
    console.line(
        f"\n{len(result.symbols)} symbols, {days} sessions {study.first:%Y-%m-%d} … {study.last:%Y-%m-%d} that neither "
        f"the forecasts of model {result.version} nor the agents have seen; net of {verdict.agent.cost:g} bps"
    )
    rows = []
    for name, account in {"agent": verdict.agent, **verdict.rivals}.items():
        against = verdict.against.get(name)
        rows.append(
            (
                name,
                f"{100 * account.annual_return:+.1f}",
                _number(account.sharpe),
                f"{100 * account.volatility:.1f}",
                f"{-100 * account.max_drawdown:.1f}",
                "–" if not account.turnover.any() else f"{100 * account.mean_turnover:.1f}",
                "–" if against is None else _interval(against.sharpe.value, against.sharpe.low, against.sharpe.high),
                "–" if against is None else format_p(against.holm),
                "–"
                if against is None
                else _interval(
                    100 * against.drawdown.value, 100 * against.drawdown.low, 100 * against.drawdown.high, 1
                ),
            )
        )
    columns = (
        "", "return, %", "Sharpe", "volatility, %", "deepest fall, %", "turnover, %", "agent's Sharpe less this", "p",
        "agent's fall less this, % points",
    )  # fmt: skip
    console.table(columns, rows)
    console.line("")
    for label, text in _entries(result):
        console.entry(label, text)


def _entries(result: RlEvaluation) -> list[tuple[str, str]]:
    study, verdict = result.study, result.study.verdict
    seeds = [seed for seed in verdict.seeds if math.isfinite(seed)]
    entries = [("Check", line) for line in verdict.checks]
    if seeds:
        spread = f"Sharpe ratio from {min(seeds):.2f} to {max(seeds):.2f} of {len(verdict.seeds)} seeds, each alone"
        entries.append(("Seeds", f"{spread}: {', '.join(_number(seed) for seed in verdict.seeds)}"))
    entries.append(("Chance", f"{verdict.random_p:.1%} of random agents with its turnover do as well or better"))
    for number, fold in enumerate(study.folds, start=1):
        scores = ", ".join(f"{name} {1e4 * score:+.2f} bps" for name, score in fold.scores.items())
        entries.append((f"Fold {number}", f"{fold.algorithm}, by the validation reward a session: {scores}"))
    ratio = verdict.sharpe
    if math.isfinite(ratio.deflated):
        tried = (
            f"{result.tried} configurations: the best of so many without skill is expected to reach a Sharpe ratio "
            f"of {ratio.hurdle:.2f}; P(the agent's is above it) {ratio.deflated:.1%}"
        )
        entries.append(("Tried", tried))
    return [*entries, *(("Note", note) for note in study.notes)]


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _interval(value: float, low: float, high: float, digits: int = 2) -> str:
    if not math.isfinite(value):
        return "–"
    bounds = f" [{low:+.{digits}f}, {high:+.{digits}f}]" if math.isfinite(low) else ""
    return f"{value:+.{digits}f}{bounds}"
