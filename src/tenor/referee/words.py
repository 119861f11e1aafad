"""The referee's verdicts in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenor.evaluation.significance import format_p

if TYPE_CHECKING:
    from tenor.referee.result import ModelResult, Outcome, Pairwise

KIND_WORDS = {
    "returns": "returns",
    "direction": "the direction",
    "volatility": "volatility",
    "distribution": "the distribution of returns",
}
MEASURE_WORDS = {
    "squared_error": "squared error of returns",
    "brier": "Brier score",
    "log_variance_mse": "squared error of log variance",
    "qlike": "QLIKE",
    "crps": "CRPS",
}
REFERENCE_WORDS = {"always-up": "always saying the usual share of rises", "persistence": "'the price stays'"}
ANSWERS: dict[int | None, str] = {1: "better", 0: "no better", -1: "worse", None: "too few days"}
"""The `side` of an outcome in words."""
SHORT_WORDS = {"always-up": "usual share of rises", "HAR-X per stock, refitted": "HAR-X, refitted"}


def ahead(horizon: int) -> str:
    """``1 session ahead``, ``5 sessions ahead``."""
    return f"{horizon} session{'' if horizon == 1 else 's'} ahead"


def outcome_sentence(outcome: Outcome) -> str:
    """One sentence on one kind at one horizon: better or worse than which baseline, by how much, on how many days."""
    reference = REFERENCE_WORDS.get(outcome.reference, outcome.reference)
    measure = MEASURE_WORDS[outcome.measure]
    tested = f", p {format_p(outcome.p)} after Holm" if math.isfinite(outcome.p) else ""
    shown = f"{measure} {_percent(outcome.change)}{tested}"
    size = f"{_count(outcome.samples, 'forecast')} on {_count(outcome.days, 'day')}"
    if outcome.side is None:
        answer = f"too few days to test against {reference} ({measure} {_percent(outcome.change)}, {size})"
    else:
        word = {1: "better than", 0: "no better than", -1: "worse than"}[outcome.side]
        answer = f"{word} {reference} ({shown}; {size})"
    extra = ""
    others = [other for other in outcome.lost_to if other != outcome.reference]
    if others:
        extra = f"; worse than {', '.join(others)}"
    elif outcome.side != 1 and outcome.beaten:
        extra = f"; better than {', '.join(outcome.beaten)}"
    return f"{KIND_WORDS[outcome.kind]} {ahead(outcome.horizon)}: {answer}{extra}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _percent(change: float) -> str:
    text = f"{100 * change:+.1f} %"
    return "the same" if change == 0 else text.replace("-", "−")


def model_verdict(result: ModelResult) -> str:
    """The verdict of one model: whether it is worth something, where, and what to doubt; then each kind and horizon."""
    return " ".join([f"{opening(result)}.", *(f"{o.sentence[:1].upper()}{o.sentence[1:]}." for o in result.outcomes)])


def opening(result: ModelResult) -> str:
    """The model's name, and whether and where it is worth something, as one sentence without the full stop."""
    return f"{result.name}: {answer(result)}"


def answer(result: ModelResult) -> str:
    """Whether and where one model is worth something, as one sentence without the full stop."""
    outcomes = result.outcomes
    if not outcomes:
        return "nothing of it can be judged"
    if result.marked:
        return f"no evidence, {result.marked}"
    if result.better:
        return f"worth something for {_listed(result.better)}"
    if all(outcome.side is None for outcome in outcomes):
        return "not decided, too few days to test"
    alone = [outcome for outcome in outcomes if outcome.side == 1]
    by_itself = ""
    if alone:
        by_itself = (
            f"; {KIND_WORDS[alone[0].kind]} {ahead(alone[0].horizon)} is better by itself, and not after the "
            f"correction for {len(outcomes)} verdicts"
        )
    than = "worse than" if all(outcome.side == -1 for outcome in outcomes) else "no better than"
    return f"not shown to be worth anything, {than} {_baselines(outcomes)}{by_itself}"


def leading(result: ModelResult) -> list[Outcome]:
    """The verdicts for the headline: those that are better than the baseline, else the first of each kind."""
    if result.better:
        return result.better
    firsts: dict[str, Outcome] = {}
    for outcome in result.outcomes:
        firsts.setdefault(outcome.kind, outcome)
    return list(firsts.values())


def _listed(outcomes: list[Outcome]) -> str:
    by_kind: dict[str, list[int]] = {}
    for outcome in outcomes:
        by_kind.setdefault(outcome.kind, []).append(outcome.horizon)
    parts = []
    for kind, horizons in by_kind.items():
        reference = next(o.reference for o in outcomes if o.kind == kind)
        count = ", ".join(map(str, horizons))
        many = "" if horizons == [1] else "s"
        parts.append(
            f"{KIND_WORDS[kind]} {count} session{many} ahead (better than {REFERENCE_WORDS.get(reference, reference)})"
        )
    return " and ".join(parts)


def _baselines(outcomes: list[Outcome]) -> str:
    return " or ".join(dict.fromkeys(REFERENCE_WORDS.get(o.reference, o.reference) for o in outcomes))


def pairwise_sentence(pair: Pairwise) -> str:
    """Which of several models may be the best, and which pairs differ."""
    best = pair.best
    where = f"{MEASURE_WORDS[pair.measure]} {ahead(pair.horizon)}"
    if not best:
        return f"{where}: {pair.days} days are too few to compare them."
    listed = ", ".join(best)
    return (
        f"{where}: the 90 % model confidence set is {listed} ({pair.samples:,} common forecasts on {pair.days:,} days)."
    )
