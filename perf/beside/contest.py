"""A contest: the same job by several contenders, one round after another in turn, in one run."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from environments import python_of

CONTENDERS = Path(__file__).parent / "contenders"
Round = Mapping[str, Any]


@dataclass(frozen=True)
class Contender:
    """Who runs the job.

    Attributes
    ----------
    name
        For the table, as `darts BlockRNN 0.48.1`.
    environment
        `tenor` or a name of `environments.PINNED`.
    script
        A file in `contenders/`.
    arguments
        Plain values, handed to the script's `prepare` beside the contest's.
    """

    name: str
    environment: str
    script: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """What is compared, and what we want of it.

    Attributes
    ----------
    beside
        The rival's name; empty for the best of all rivals.
    of
        Whose standing it is; empty for the first contender's.
    ratio
        At least this many times better (`best` "least": rival / tenor, else tenor / rival).
    measure
        What is compared: `cpu` or `wall` seconds per unit of `work`, or another number of a round (`p50`, say).
    best
        Whether little or much of it is good.
    """

    ratio: float
    beside: str = ""
    of: str = ""
    measure: str = "cpu"
    best: Literal["least", "most"] = "least"


@dataclass(frozen=True)
class Contest:
    """One line of the table of performance.

    Attributes
    ----------
    name, title
        Short name for `--only`; what the table says.
    contenders
        The first is tenor.
    goals
        What is compared.
    arguments
        Handed to all contenders: where the data lie, sizes.
    unit
        Of `work`: `prediction`, `text`.
    rounds
        Of each contender, in turn.
    threads
        That numerical libraries may use in each process.
    warm_up
        Whether each contender first has a round that is not counted.
    """

    name: str
    title: str
    contenders: Sequence[Contender]
    goals: Sequence[Goal]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    unit: str = "run"
    rounds: int = 5
    threads: int = 1
    warm_up: bool = True


class Running:
    """The process of a contender, prepared and waiting for the word."""

    def __init__(self, contender: Contender, contest: Contest) -> None:
        given = dict(contest.arguments) | dict(contender.arguments)
        threads = {
            name: str(contest.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        }
        path = os.pathsep.join([str(CONTENDERS.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        self.contender = contender
        # answers have a pipe of their own: libraries print when they please, some as they are imported
        reading, writing = os.pipe()
        script = [str(CONTENDERS / contender.script), json.dumps(given), str(writing)]
        try:
            self.process = subprocess.Popen(
                [str(python_of(contender.environment)), *script],
                stdin=subprocess.PIPE, stdout=sys.stderr.fileno(), text=True, pass_fds=(writing,),
                env=os.environ | threads | {"PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"},
            )  # fmt: skip
        finally:
            os.close(writing)
        self._answers = os.fdopen(reading)
        self._answer()

    def round(self) -> Round:
        """Run the job once."""
        assert self.process.stdin is not None
        self.process.stdin.write("round\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Round:
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"{self.contender.name} ended with status {self.process.wait()}; its errors stand above")
        return json.loads(line)  # type: ignore[no-any-return]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._answers.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run_rounds(contest: Contest) -> dict[str, list[Round]]:
    """All counted rounds of all contenders, in turn."""
    with ExitStack() as stack:
        running = [stack.enter_context(Running(contender, contest)) for contender in contest.contenders]
        if contest.warm_up:
            for one in running:
                one.round()
        rounds: dict[str, list[Round]] = {one.contender.name: [] for one in running}
        for _ in range(contest.rounds):
            for one in running:
                rounds[one.contender.name].append(one.round())
    return rounds


def value(one: Round, measure: str) -> float:
    """A round's number; seconds are per unit of work. Infinite where the round says null: it was never reached."""
    number = math.inf if one[measure] is None else float(one[measure])
    return number / float(one.get("work", 1.0)) if measure in ("cpu", "wall") else number


def median(rounds: Sequence[Round], measure: str) -> float:
    """The median of a contender's rounds."""
    return statistics.median(value(one, measure) for one in rounds)


@dataclass(frozen=True)
class Standing:
    """What came of a goal: the rival, the median of the rounds' ratios, the least and the largest."""

    goal: Goal
    rival: str
    ratio: float
    low: float
    high: float

    @property
    def met(self) -> bool:
        """Whether the median reaches the goal."""
        return self.ratio >= self.goal.ratio


def _ratio(theirs: float, ours: float, sign: int) -> float:
    """How many times better ours is; 0 where we never reached what is measured."""
    return 0.0 if math.isinf(ours) else (theirs / ours) ** sign


def judge(contest: Contest, rounds: Mapping[str, Sequence[Round]]) -> list[Standing]:
    """Compare tenor with the rivals, round by round, since the two of a round ran next to each other."""
    standings = []
    for goal in contest.goals:
        own = goal.of or contest.contenders[0].name
        sign = 1 if goal.best == "least" else -1
        rivals = [goal.beside] if goal.beside else [name for name in rounds if name != own]
        rival = min(rivals, key=lambda name: sign * median(rounds[name], goal.measure))
        ratios = [
            _ratio(value(theirs, goal.measure), value(ours, goal.measure), sign)
            for ours, theirs in zip(rounds[own], rounds[rival], strict=True)
        ]
        standings.append(Standing(goal, rival, statistics.median(ratios), min(ratios), max(ratios)))
    return standings
