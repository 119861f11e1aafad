"""A walk-forward with forecasts of both kinds, for tests of the whole report, and a strict reader of its page."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import numpy as np
from risks import normal_risk, simulated_risk, walked

from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.cost_sweep import sweep_costs
from tenor.evaluation.evaluate import evaluate
from tenor.evaluation.faithfulness import FEATURES, LATEST, LEAST, MOST, RANDOM, STEPS, Deletion
from tenor.evaluation.garch import GARCH
from tenor.evaluation.risk import RiskEvaluation
from tenor.evaluation.risk_walk import RiskUse, risk_evaluations, use_risk
from tenor.evaluation.uncertainty import ADAPTIVE, FIXED, uncertainty
from tenor.evaluation.volatility_rivals import EWMA, HAR_X_REFITTED
from tenor.evaluation.walkforward_summary import FoldRow, WalkForwardSummary
from tenor.report.page import Fold
from tenor.schema import Panel, Predictions

OURS = "attention LSTM"
VOID = {"meta", "link", "br", "img", "hr", "input"}


@dataclass(frozen=True)
class Walk:
    """What `write_report` reports."""

    walked: WalkForwardSummary
    risk: dict[int, RiskEvaluation]
    use: RiskUse
    replaced: dict[str, tuple[str, ...]]
    panel: Panel
    rows: slice
    forecasts: Predictions

    def trading(self) -> Any:
        return sweep_costs(self.panel, self.rows, self.forecasts, horizon=self.panel.horizons[0])


def make_walk(
    *,
    symbols: int = 6,
    sessions: int = 260,
    tested: int = 155,
    horizons: tuple[int, ...] = (1, 5),
    rivals: Sequence[str] = (EWMA, GARCH, HAR_X_REFITTED),
    baselines: Sequence[str] = ("persistence", "always-up"),
) -> Walk:
    panel, truth = simulated_risk(sessions, symbols, horizons=horizons)
    last = max(horizons)
    rows = slice(sessions - last - tested, sessions - last)
    rng = np.random.default_rng(3)
    ours = normal_risk(truth + 0.3 * rng.normal(size=truth.shape), horizons)
    away = {EWMA: -0.2, GARCH: -math.log(4)}  # any other rival knows the truth
    others = {name: normal_risk(truth + away.get(name, 0.0), horizons) for name in rivals}
    walk = walked(panel, {OURS: ours}, rows, adaptive=ours)
    shape = panel.targets.shape
    mean = (rng.normal(0.0003, 0.001, shape) + 0.01 * np.nan_to_num(panel.targets)).astype("float32")
    lower, upper = (np.stack([ours.quantile(level, k) for k in range(shape[2])], axis=2) for level in (0.05, 0.95))
    forecasts = Predictions(OURS, mean, np.clip(0.5 + mean * 20, 0.3, 0.7), lower, upper, ours)
    zeros = np.zeros(shape, "float32")
    predictions = {
        OURS: forecasts,
        **{name: Predictions(name, zeros, zeros + (0.5 if name == "persistence" else 0.52)) for name in baselines},
    }
    counted = walk.counted(panel)
    evaluations = {h: evaluate(counted, rows, predictions, horizon=h, resamples=60) for h in panel.horizons}
    dates = {"train": ("2015-06-01", "2015-08-01"), "validation": ("2015-08-03", "2015-09-01"), "test": ("a", "b")}
    middle = (rows.start + rows.stop) // 2
    parts = (slice(rows.start, middle), slice(middle, rows.stop))
    shown = ("skill", "direction", "mcc", "rank_ic")
    summary = WalkForwardSummary(
        verdict="No edge over persistence at 5 % (made up).",
        table="fold  train",
        scheme="expanding",
        purge=5,
        seeds=2,
        evaluations=evaluations,
        folds={
            h: tuple(FoldRow(n, dates, 45, 200, {m: e.table[OURS][m] for m in shown}, 0.2) for n in (1, 2))
            for h, e in evaluations.items()
        },
        uncertainty={
            h: uncertainty(
                counted, rows, forecasts, {FIXED: forecasts, ADAPTIVE: forecasts}, horizon=h, folds=parts, resamples=40
            )
            for h in evaluations
        },
    )
    return Walk(
        summary,
        risk_evaluations(panel, walk, others, resamples=60),
        use_risk(panel, walk, others),
        {},
        counted,
        rows,
        forecasts,
    )


def deletion(what: str = STEPS, *, over: float, error: float, latest: float = 0.2) -> Deletion:
    """A test of attention whose arms differ by `over` and `error`."""

    def curve(level: float) -> tuple[ConfidenceInterval, ...]:
        return tuple(ConfidenceInterval(level * k, level * k - 0.01, level * k + 0.01) for k in (1, 2))

    def about(value: float) -> ConfidenceInterval:
        return ConfidenceInterval(value, value - 0.02, value + 0.02)

    arms = {MOST: curve(0.1 + over), RANDOM: curve(0.1), LEAST: curve(0.05)}
    if what != FEATURES:
        arms[LATEST] = curve(latest)
    return Deletion(
        what=what,
        of=10,
        hidden=(1, 2),
        moved=arms,
        error=arms,
        moved_over_random=about(over),
        error_over_random=about(error),
        moved_over_latest=None if what == FEATURES else about(0.1 + over - latest),
        error_over_latest=None if what == FEATURES else about(0.0),
        p_moved=0.025 if over > 0.02 else 0.6,
        p_error=0.005 if error > 0.02 else 0.7,
        honest=over > 0.02,
        hurts=error > 0.02,
    )


def flat(blocks: Any) -> list[Any]:
    """The blocks, those inside of folds as well, in their order."""
    return [inner for block in blocks for inner in (block.blocks if isinstance(block, Fold) else (block,))]


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order; keeps ids, references, headings and the text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.prose = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"an attribute twice in <{tag}>"
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.references += [
            attributes[k] for k in ("src", "href", "xlink:href", "srcset", "action", "data") if k in attributes
        ]
        self.references += re.findall(r"url\(([^)]*)\)", " ".join(v or "" for v in attributes.values()))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            self.references += re.findall(r"url\(([^)]*)\)|@import", data)
            return
        self.text += data
        if "svg" not in self.open:
            self.prose += f"{data} "

    @property
    def words(self) -> int:
        """Words outside of figures: what has a letter, in folds and tables as well."""
        return sum(any(letter.isalpha() for letter in word) for word in self.prose.split())

    def headings(self) -> list[str]:
        return [a["aria-labelledby"].removesuffix("-title") for tag, a in self.tags if tag == "section"]
