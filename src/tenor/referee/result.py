"""The results of the referee: a model's losses beside those of baselines, its verdicts, and what is suspicious."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import pandas as pd

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.cost_sweep import CostSweep
from tenor.evaluation.evaluate import Evaluation
from tenor.evaluation.risk import Comparison
from tenor.evaluation.significance import LEVEL, holm
from tenor.metrics import Bin
from tenor.referee.placing import Unjudged
from tenor.storage.files import json_values

Kind = Literal["returns", "direction", "volatility", "distribution"]
KINDS: tuple[Kind, ...] = ("volatility", "distribution", "returns", "direction")
"""The kinds of forecasts that can be judged, in the order of the report.

They are forecasts of volatility, of quantiles, of the price or return, and of the probability of a rise.
"""

LATE = "late"
TRAINING = "training"
HINDSIGHT = "hindsight"
LEAK = "leak"
UNITS = "units"
DATES = "dates"


@dataclass(frozen=True)
class Finding:
    """Something that a reader of the verdict has to know.

    Attributes
    ----------
    kind
        `LATE`, `TRAINING`, `HINDSIGHT`, `LEAK`, `UNITS` or `DATES`.
    text
        The finding in words, with counts, rows and what to do.
    count
        How many forecasts it concerns.
    excluded
        Whether these do not count for the verdict.
    """

    kind: str
    text: str
    count: int
    excluded: bool


@dataclass(frozen=True)
class LossTable:
    """One loss of a model and of the baselines, on the same cells.

    Attributes
    ----------
    measure
        ``squared_error`` (of returns), ``brier``, ``log_variance_mse``, ``qlike`` or ``crps``.
    days, samples
        Numbers of sessions and cells that were used.
    values
        From each model to its mean loss over cells, with a 95 % interval from resampled days; the judged model first.
    comparisons
        From each other model to the change of the loss and the Diebold-Mariano test by day, after Holm's correction.
    confidence_set
        From each model to its p-value in the model confidence set; models with 0.10 and above may be the best.
    by_symbol
        From each symbol to 1 - loss / loss of `reference`; above 0 is better.
    sessions, excess
        The days, and for each day the mean loss minus that of `reference`.
    reference
        The baseline that decides.
    levels
        Levels of the quantiles that are scored; empty for other losses.
    """

    measure: str
    days: int
    samples: int
    values: dict[str, ConfidenceInterval]
    comparisons: dict[str, Comparison]
    confidence_set: dict[str, float]
    by_symbol: dict[str, float]
    sessions: pd.DatetimeIndex
    excess: tuple[float, ...]
    reference: str
    levels: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        plain: dict[str, Any] = json_values(
            {key: value for key, value in self.__dict__.items() if key not in ("sessions", "comparisons", "values")}
        )
        return plain | {
            "values": json_values({name: asdict(value) for name, value in self.values.items()}),
            "comparisons": json_values({name: asdict(value) for name, value in self.comparisons.items()}),
            "sessions": [f"{session:%Y-%m-%d}" for session in self.sessions],
        }


@dataclass(frozen=True)
class Outcome:
    """The verdict on one kind of forecast at one horizon.

    Attributes
    ----------
    kind
        The kind of forecast.
    horizon
        Sessions ahead.
    measure
        The loss that decides.
    reference
        The baseline that decides: persistence for returns, the share of rises for directions, the refitted HAR-X for
        volatility and for distributions.
    side
        1 if better than the reference at 5 % after Holm's correction, -1 if worse, 0 if no difference is shown, None if
        there are too few days for a test.
    change
        The loss divided by that of the reference, minus 1.
    p
        P-value after Holm's correction over the baselines.
    raw_p
        P-value without correction.
    overall_p
        `raw_p` after Holm's correction over all verdicts of the model; it decides the headline.
    beaten, lost_to
        Baselines that are worse, or better, than the model at 5 % after Holm's correction.
    days, samples
        Numbers of sessions and cells that were used.
    sentence
        The verdict in words.
    """

    kind: Kind
    horizon: int
    measure: str
    reference: str
    side: int | None
    change: float
    p: float
    raw_p: float
    overall_p: float
    beaten: tuple[str, ...]
    lost_to: tuple[str, ...]
    days: int
    samples: int
    sentence: str


@dataclass(frozen=True)
class HorizonResult:
    """One model at one horizon.

    Attributes
    ----------
    horizon
        Sessions ahead.
    losses
        From each measure to the losses of the model and the baselines.
    outcomes
        From each kind of forecast to its verdict.
    evaluation
        Evaluation of returns and directions, with the tables of tenor's own; None if neither is forecast.
    coverage
        From the nominal per cent of each interval whose bounds the file has to the share of returns inside.
    below
        From the level of each quantile to the share of returns below it; they are equal if calibrated.
    probabilities
        Groups of cells by P(up); empty if the file has none.
    level
        Mean of realised / forecast variance; above 1, the forecast volatility is too low; NaN without volatility.
    """

    horizon: int
    losses: dict[str, LossTable]
    outcomes: dict[Kind, Outcome]
    evaluation: Evaluation | None = None
    coverage: dict[str, ConfidenceInterval] = field(default_factory=dict)
    below: dict[str, ConfidenceInterval] = field(default_factory=dict)
    probabilities: tuple[Bin, ...] = ()
    level: float = float("nan")

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "horizon": self.horizon,
            "outcomes": {kind: json_values(asdict(outcome)) for kind, outcome in self.outcomes.items()},
            "losses": {measure: table.to_json() for measure, table in self.losses.items()},
            "evaluation": None if self.evaluation is None else self.evaluation.to_json(),
            "coverage": json_values({key: asdict(value) for key, value in self.coverage.items()}),
            "below": json_values({key: asdict(value) for key, value in self.below.items()}),
            "probabilities": json_values([asdict(each) for each in self.probabilities]),
            "realised_over_forecast_variance": json_values(self.level),
        }


@dataclass(frozen=True)
class ModelResult:
    """The result of one model.

    Attributes
    ----------
    name
        Name of the model.
    rows
        Number of forecasts in the file.
    judged
        How many could be judged.
    counted
        How many of these count for the verdict.
    unjudged
        The others, by reason.
    findings
        What a reader has to know.
    horizons
        From each horizon to its result.
    trading
        Portfolios by the forecasts of the shortest horizon; None if the file has neither returns nor directions.
    marked
        Why the verdict is not evidence; empty if it is.
    """

    name: str
    rows: int
    judged: int
    counted: int
    unjudged: tuple[Unjudged, ...]
    findings: tuple[Finding, ...]
    horizons: dict[int, HorizonResult]
    trading: CostSweep | None = None
    marked: str = ""
    notes: tuple[str, ...] = ()

    @property
    def outcomes(self) -> list[Outcome]:
        """All verdicts, by kind and horizon."""
        return [result.outcomes[kind] for kind in KINDS for result in self.horizons.values() if kind in result.outcomes]

    @property
    def better(self) -> list[Outcome]:
        """The verdicts that are better than the baseline that decides, after all corrections."""
        return [outcome for outcome in self.outcomes if outcome.side == 1 and outcome.overall_p < LEVEL]

    @property
    def worth(self) -> bool:
        """Whether any kind of forecast is better than the baseline that decides, without reasons for doubt."""
        return not self.marked and bool(self.better)

    @property
    def verdict(self) -> str:
        """The verdict in words: worth something or not, and against which baseline."""
        from tenor.referee.words import model_verdict

        return model_verdict(self)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "worth_something": self.worth,
            "marked": self.marked,
            "rows": self.rows,
            "judged": self.judged,
            "counted": self.counted,
            "unjudged": [asdict(each) for each in self.unjudged],
            "findings": [asdict(each) for each in self.findings],
            "notes": list(self.notes),
            "horizons": [result.to_json() for result in self.horizons.values()],
            "trading": None if self.trading is None else self.trading.to_json(),
        }

    def corrected(self) -> ModelResult:
        """The same result with the p-values of the verdicts corrected for their number."""
        of = {(o.kind, o.horizon): o.raw_p for o in self.outcomes}
        overall = holm({f"{kind} {horizon}": p for (kind, horizon), p in of.items()})
        horizons = {
            horizon: replace(
                result,
                outcomes={
                    kind: replace(outcome, overall_p=overall[f"{kind} {horizon}"])
                    for kind, outcome in result.outcomes.items()
                },
            )
            for horizon, result in self.horizons.items()
        }
        return replace(self, horizons=horizons)


@dataclass(frozen=True)
class Pairwise:
    """Several models compared with each other by one loss at one horizon, on the cells that all of them forecast.

    Attributes
    ----------
    measure, horizon, days, samples
        As in `LossTable`.
    values
        From each model to its mean loss.
    tests
        From each pair of models to the Diebold-Mariano test by day, after Holm's correction over all pairs.
    confidence_set
        From each model, and the baseline that decides, to its p-value in the model confidence set.
    reference
        The baseline that decides.
    """

    measure: str
    horizon: int
    days: int
    samples: int
    values: dict[str, ConfidenceInterval]
    tests: dict[tuple[str, str], Comparison]
    confidence_set: dict[str, float]
    reference: str

    @property
    def best(self) -> tuple[str, ...]:
        """The models in the 90 % model confidence set."""
        return tuple(name for name, p in self.confidence_set.items() if p >= 0.1)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {
            "measure": self.measure,
            "horizon": self.horizon,
            "days": self.days,
            "samples": self.samples,
            "reference": self.reference,
            "values": json_values({name: asdict(value) for name, value in self.values.items()}),
            "tests": [
                {"model": model, "other": other, **json_values(asdict(test))}
                for (model, other), test in self.tests.items()
            ],
            "confidence_set": json_values(self.confidence_set),
        }
