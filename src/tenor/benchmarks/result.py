"""What a benchmark found: our row, the baselines' on the same samples, and the published ones."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

from tenor.benchmarks.judging import Judged
from tenor.benchmarks.published import Published
from tenor.evaluation.bootstrap import ConfidenceInterval

ENSEMBLE = "tenor, ensemble"


@dataclass(frozen=True)
class Row:
    """A row of the table, as texts. `interval` is the 95 % one of the accuracy."""

    model: str
    accuracy: str
    mcc: str
    interval: str
    remark: str


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult:
    """How our model did on a benchmark.

    Attributes
    ----------
    benchmark
        Its name.
    counts
        Samples of train, valid, test.
    published_counts
        What the papers give, or None.
    days
        Test days.
    seeds
        By seed ``seed, accuracy, mcc, valid_mcc, epoch``.
    judged
        The ensemble of the seeds and the baselines, on the test samples.
    published
        Rows of others.
    notes
        What a reader of the table has to know.
    config
        All settings of our model.
    """

    benchmark: str
    counts: dict[str, int]
    published_counts: dict[str, str] | None
    days: int
    seeds: tuple[dict[str, float], ...]
    judged: Judged
    published: tuple[Published, ...]
    notes: tuple[str, ...]
    config: dict[str, Any]

    def seed_mean(self, what: str) -> tuple[float, float]:
        """Mean and standard deviation (ddof 1) over the seeds of ``accuracy`` or ``mcc``; sd NaN with one seed."""
        values = [seed[what] for seed in self.seeds]
        mean = math.fsum(values) / len(values)
        if len(values) < 2:
            return mean, math.nan
        return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))

    def rows(self) -> list[Row]:
        """The table: ours, baselines, published."""
        (accuracy, accuracy_sd), (mcc, mcc_sd) = self.seed_mean("accuracy"), self.seed_mean("mcc")
        table = [
            Row(
                f"tenor, mean of {len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}",
                f"{100 * accuracy:.2f}" + (f" ± {100 * accuracy_sd:.2f}" if math.isfinite(accuracy_sd) else ""),
                f"{mcc:.3f}" + (f" ± {mcc_sd:.3f}" if math.isfinite(mcc_sd) else ""),
                "",
                "± is the standard deviation over seeds" if len(self.seeds) > 1 else "",
            )
        ]
        for name, score in self.judged.scores.items():
            remark = f"of the same {len(self.seeds)} seeds" if name == ENSEMBLE else self._difference(name)
            table.append(
                Row(name, f"{100 * score.accuracy.value:.2f}", f"{score.mcc.value:.3f}", _span(score.accuracy), remark)
            )
        table += [
            Row(
                other.model,
                "" if other.accuracy is None else f"{other.accuracy:.2f}",
                "" if other.mcc is None else f"{other.mcc:.3f}",
                "",
                f"published; {other.remark}" if other.remark else "published",
            )
            for other in self.published
        ]
        return table

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values; what is undefined is None."""
        plain: dict[str, Any] = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "judged"
        }
        plain["published"] = [dataclasses.asdict(other) for other in self.published]
        plain["judged"] = dataclasses.asdict(self.judged)
        means = {what: self.seed_mean(what) for what in ("accuracy", "mcc")}
        plain["seed_mean"] = {what: {"mean": mean, "sd": sd} for what, (mean, sd) in means.items()}
        cleaned: dict[str, Any] = json.loads(json.dumps(plain), parse_constant=lambda _: None)
        return cleaned

    def _difference(self, name: str) -> str:
        less = self.judged.against[name].accuracy
        return f"the ensemble is {100 * less.value:+.2f} points better {_span(less, signed=True)}, paired by day"


def _span(of: ConfidenceInterval, *, signed: bool = False) -> str:
    if not (math.isfinite(of.low) and math.isfinite(of.high)):
        return ""
    sign = "+" if signed else ""
    return f"[{100 * of.low:{sign}.1f}, {100 * of.high:{sign}.1f}]"
