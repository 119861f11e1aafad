"""Does the news help? Arms with more or less of it against the same model without, on risk, returns and direction.

Every comparison is of two arms on the same cells: the mean loss of the one over that of the other, less 1, with an
interval and a p-value from resampled days. The hypotheses are those on all cells, an arm and a moment each; their
p-values are corrected by Holm within one horizon and metric. The placebo, and parts of the cells, are not hypotheses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenor import metrics
from tenor.errors import DataError
from tenor.evaluation.bootstrap import RESAMPLES
from tenor.evaluation.news_arms import NONE, SHUFFLED, NewsWalk
from tenor.evaluation.risk_metrics import qlike
from tenor.evaluation.significance import LEVEL, Difference, drawn_days, format_p, holm, resampled
from tenor.inference.news_effect import EARNINGS, since_spikes
from tenor.schema import Bool, Float64, Panel, Predictions
from tenor.storage.files import json_values

VARIANCE, QLIKE, RETURNS, DIRECTION = "log_variance_mse", "qlike", "return_mse", "wrong_direction"
NEWS_METRICS = {
    VARIANCE: "squared error of log variance",
    QLIKE: "QLIKE",
    RETURNS: "squared error of returns",
    DIRECTION: "share of wrong directions",
}
"""Losses by which arms are compared, less is better, and what they are called."""
NEWS_TITLES = {VARIANCE: "log variance", QLIKE: "QLIKE", RETURNS: "returns", DIRECTION: "direction"}
"""The same for the head of a narrow column."""
ALL_CELLS, NEXT_TO_EARNINGS, ELSEWHERE = "all", "next to earnings", "elsewhere"
NIGHT = "night"
"""The moment of a comparison of an arm at the open with itself at the close."""
NEAR = 1
"""Sessions since a spike of news about earnings, or to and since a known date, that count as next to them."""
_FARTHEST = np.log1p(60)
"""What the features of known dates are divided by (`tenor.features.own.events`)."""


@dataclass(frozen=True)
class NewsComparison:
    """One arm against another at one horizon, by one loss, on some of the cells.

    Attributes
    ----------
    moment
        ``close`` or ``open``: up to when the news was read; ``night`` compares an arm at the open with itself at the
        close.
    arm, other
        What is compared.
    cells
        Which cells.
    horizon
        Sessions ahead.
    metric
        Of `NEWS_METRICS`.
    samples, days
        How many cells, on how many days.
    change
        Mean loss over that of the other, less 1, with its interval and p-value: below 0 the arm is better.
    holm
        The p-value after Holm's correction over arms and moments; NaN for what is no hypothesis.
    """

    moment: str
    arm: str
    other: str
    cells: str
    horizon: int
    metric: str
    samples: int
    days: int
    change: Difference
    holm: float

    @property
    def helps(self) -> bool:
        """Whether the arm is better at 5 % after Holm."""
        return self.holm < LEVEL and self.change.value < 0


@dataclass(frozen=True)
class NewsValue:
    """What the news is worth.

    Attributes
    ----------
    first, last
        First and last session (YYYY-MM-DD) that counts.
    moments
        At which forecasts were made.
    arms
        Beside the one without news.
    seeds
        Of every network.
    folds
        A table of dates.
    levels
        Horizon -> moment -> arm -> metric -> its mean loss on all cells.
    comparisons
        On all cells first.
    verdict
        One sentence on risk at the shortest horizon, one on the night where there are both moments, one on returns.
    """

    first: str
    last: str
    moments: tuple[str, ...]
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    folds: str
    levels: dict[int, dict[str, dict[str, dict[str, float]]]]
    comparisons: tuple[NewsComparison, ...]
    verdict: str

    def on(self, cells: str, *, horizon: int, metric: str) -> list[NewsComparison]:
        """The comparisons on those cells."""
        return [c for c in self.comparisons if (c.cells, c.horizon, c.metric) == (cells, horizon, metric)]

    def find(self, like: NewsComparison, *, metric: str) -> NewsComparison | None:
        """The comparison that differs from `like` in its metric alone."""
        wanted = (like.moment, like.arm, like.other, like.cells, like.horizon, metric)
        each = ((c, (c.moment, c.arm, c.other, c.cells, c.horizon, c.metric)) for c in self.comparisons)
        return next((c for c, key in each if key == wanted), None)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        values: dict[str, Any] = json_values(asdict(self))
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> NewsValue:
        """What `to_json` gave, read back.

        Raises
        ------
        KeyError
            Something is missing.
        TypeError
            Something is of another type.
        ValueError
            A number is none.
        """

        def number(value: float | None) -> float:
            return math.nan if value is None else float(value)

        comparisons = []
        for each in values["comparisons"]:
            change = Difference(**{name: number(value) for name, value in each["change"].items()})
            comparisons.append(NewsComparison(**{**each, "change": change, "holm": number(each["holm"])}))
        return cls(
            first=values["first"],
            last=values["last"],
            moments=tuple(values["moments"]),
            arms=tuple(values["arms"]),
            seeds=tuple(values["seeds"]),
            folds=values["folds"],
            levels={
                int(horizon): {
                    moment: {arm: {k: number(v) for k, v in losses.items()} for arm, losses in arms.items()}
                    for moment, arms in moments.items()
                }
                for horizon, moments in values["levels"].items()
            },
            comparisons=tuple(comparisons),
            verdict=values["verdict"],
        )


def value_news(
    walks: Mapping[str, NewsWalk], *, seeds: Sequence[int], folds: str = "", resamples: int = RESAMPLES, seed: int = 0
) -> NewsValue:
    """Compare the arms of `walks`, one a moment, with the arm without news, and with each other across moments.

    Parameters
    ----------
    walks
        ``close`` or ``open`` -> its arms, of the same bars and folds.
    seeds
        Of the networks.
    folds
        A table of dates, for the result.
    resamples, seed
        Number of resamples of the days, and their seed.

    Raises
    ------
    DataError
        The walks are of other sessions, symbols or folds.
    """
    first = next(iter(walks.values()))
    panel, rows = first.panel, first.rows
    for walked in walks.values():
        if (walked.panel.symbols, walked.rows) != (panel.symbols, rows):
            raise DataError("the two moments were walked over other symbols or folds: build both from the same bars.")
    mask = np.logical_and.reduce([walked.mask for walked in walks.values()])
    arms = tuple(dict.fromkeys(arm for walked in walks.values() for arm in walked.predictions if arm != NONE))
    comparisons: list[NewsComparison] = []
    levels: dict[int, dict[str, dict[str, dict[str, float]]]] = {}
    for k, horizon in enumerate(panel.horizons):
        losses = {
            (moment, arm): _losses(panel, predictions, k)
            for moment, walked in walks.items()
            for arm, predictions in walked.predictions.items()
        }
        counts = mask & np.isfinite(panel.targets[:, :, k]) & np.isfinite(panel.log_variance[:, :, k])
        counts &= np.arange(len(mask))[:, None] >= rows.start
        levels[horizon] = {
            moment: {
                arm: {metric: float(loss[counts].mean()) for metric, loss in losses[moment, arm].items()}
                for arm in walked.predictions
            }
            for moment, walked in walks.items()
        }
        compare = _Comparer(horizon, counts, resamples, seed)
        for moment, walked in walks.items():
            for cells, chosen in parts_of(walked.panel).items():
                for arm in walked.predictions:
                    if arm != NONE:
                        ours, other = losses[moment, arm], losses[moment, NONE]
                        comparisons += compare(moment, (arm, NONE), cells, chosen, ours, other)
        if len(walks) == 2:
            everywhere = np.ones_like(counts)
            for arm in arms:
                if arm != SHUFFLED and all((moment, arm) in losses for moment in walks):
                    ours, other = losses["open", arm], losses["close", arm]
                    comparisons += compare(NIGHT, (arm, arm), ALL_CELLS, everywhere, ours, other)
    comparisons.sort(key=lambda c: c.cells != ALL_CELLS)
    corrected = _corrected(comparisons)
    days = panel.sessions[rows][mask[rows].any(axis=1)]
    return NewsValue(
        first=f"{days[0]:%Y-%m-%d}",
        last=f"{days[-1]:%Y-%m-%d}",
        moments=tuple(walks),
        arms=arms,
        seeds=tuple(seeds),
        folds=folds,
        levels=levels,
        comparisons=corrected,
        verdict=news_verdict(corrected, horizon=panel.horizons[0]),
    )


def parts_of(panel: Panel) -> dict[str, Bool]:
    """Kinds of cells, each [session, symbol]: all, next to earnings and elsewhere, and by kind the spikes of its count.

    Next to earnings a session had a spike of news about them, or the one before; or a known date of earnings, where the
    panel has features of those, is at most `NEAR` sessions away.
    """
    parts = {ALL_CELLS: np.ones(panel.mask.shape, dtype=bool)}
    since = since_spikes(panel)
    near = since[EARNINGS] <= NEAR if EARNINGS in since else np.zeros(panel.mask.shape, dtype=bool)
    for name in (f"{EARNINGS}_next", f"{EARNINGS}_last"):
        if name in panel.features:
            near |= panel.values[:, :, panel.features.index(name)] * _FARTHEST <= np.log1p(NEAR) + 1e-4
    if near.any():
        parts |= {NEXT_TO_EARNINGS: near, ELSEWHERE: ~near}
    return parts | {f"{kind} spike": sessions == 0 for kind, sessions in since.items()}


def best_arm(comparisons: Sequence[NewsComparison], *, horizon: int) -> NewsComparison | None:
    """On all cells, by squared error of log variance, the arm and moment that lower it most; None without forecasts."""
    risk = [
        c
        for c in comparisons
        if (c.cells, c.horizon, c.metric, c.other) == (ALL_CELLS, horizon, VARIANCE, NONE)
        and c.arm != SHUFFLED
        and math.isfinite(c.change.value)
    ]
    return min(risk, key=lambda c: c.change.value, default=None)


def change_text(comparison: NewsComparison) -> str:
    """The change in per cent with its interval, for a table's cell."""
    change = comparison.change
    bounds = f" [{100 * change.low:+.1f}, {100 * change.high:+.1f}]" if math.isfinite(change.low) else ""
    return f"{100 * change.value:+.1f}{bounds}" if math.isfinite(change.value) else "–"


def shown_p(comparison: NewsComparison) -> str:
    """The p-value after Holm, or the plain one where the comparison is no hypothesis."""
    return format_p(comparison.holm if math.isfinite(comparison.holm) else comparison.change.p)


def news_verdict(comparisons: Sequence[NewsComparison], *, horizon: int) -> str:
    """In plain language: whether the news helps at `horizon` on risk, what the night is worth, whether on returns."""
    here = [c for c in comparisons if c.cells == ALL_CELLS and c.horizon == horizon]
    against = [c for c in here if c.other == NONE and c.arm != SHUFFLED]
    best = best_arm(comparisons, horizon=horizon)
    if best is None:
        return "Whether the news helps is unknown: there are no forecasts to compare."
    ahead = "the next session" if horizon == 1 else f"the next {horizon} sessions"
    paired = next((c for c in against if (c.moment, c.arm, c.metric) == (best.moment, best.arm, QLIKE)), None)
    both = f"squared error of log variance {_text(best)}" + ("" if paired is None else f", QLIKE {_text(paired)}")
    placebo = next((c for c in here if (c.moment, c.arm, c.metric) == (best.moment, SHUFFLED, VARIANCE)), None)
    when = f"{best.arm} at the {best.moment}"
    if not math.isfinite(best.holm):
        sentences = [f"There are too few days to say whether the news helps for {ahead} ({when}: {both})."]
    elif best.helps:
        tail = "" if placebo is None else f"; shuffled across days {_text(placebo)}"
        sentences = [f"The news helps to forecast how far prices move in {ahead} ({when}: {both}{tail})."]
    else:
        sentences = [
            f"The news is not shown to help to forecast how far prices move in {ahead} (best, {when}: {both})."
        ]
    night = [c for c in here if c.arm == c.other == best.arm and c.metric in (VARIANCE, QLIKE)]
    if night:
        sentences.append(
            "What the night adds between the close and the next open: "
            + ", ".join(f"{NEWS_METRICS[c.metric]} {_text(c)}" for c in night)
            + "."
        )
    others = [c for c in against if c.metric in (RETURNS, DIRECTION)]
    which = sorted({f"{NEWS_METRICS[c.metric]} ({c.arm} at the {c.moment})" for c in others if c.helps})
    if others:
        sentences.append(
            f"On which way it helps with the {', '.join(which)}." if which else "On which way it is not shown to help."
        )
    return " ".join(sentences)


def _text(comparison: NewsComparison) -> str:
    number, _, bounds = change_text(comparison).partition(" ")
    p = shown_p(comparison)
    return " ".join(filter(None, (f"{number} %", bounds))) + ("" if p == format_p(math.nan) else f", p {p}")


def _losses(panel: Panel, predictions: Predictions, k: int) -> dict[str, Float64]:
    """Metric -> [session, symbol], NaN where there is no forecast or no outcome."""
    risk = predictions.risk
    assert risk is not None
    realised = panel.log_variance[:, :, k].astype("float64")
    returns = panel.targets[:, :, k].astype("float64")
    scale = panel.volatility * math.sqrt(panel.horizons[k])
    wrong = ((predictions.p_up[:, :, k] > 0.5) != (returns > 0)).astype("float64")
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            VARIANCE: (risk.log_variance[:, :, k].astype("float64") - realised) ** 2,
            QLIKE: qlike(risk.volatility[:, :, k].astype("float64") ** 2, np.exp(realised)),
            RETURNS: np.where(scale > 0, (predictions.mean[:, :, k] - returns) / scale, np.nan) ** 2,
            DIRECTION: np.where(np.isfinite(predictions.p_up[:, :, k]), wrong, np.nan),
        }


@dataclass(frozen=True)
class _Comparer:
    """Compares losses on parts of the cells that count at one horizon."""

    horizon: int
    counts: Bool
    resamples: int
    seed: int

    def __call__(
        self,
        moment: str,
        arms: tuple[str, str],
        cells: str,
        chosen: Bool,
        ours: Mapping[str, Float64],
        other: Mapping[str, Float64],
    ) -> list[NewsComparison]:
        comparisons = []
        for metric in NEWS_METRICS:
            first, second = ours[metric], other[metric]
            here = self.counts & chosen & np.isfinite(first) & np.isfinite(second)
            days = np.flatnonzero(here.any(axis=1))
            if not len(days):
                continue
            sums = [np.where(here, loss, 0.0).sum(axis=1)[days] for loss in (first, second)]
            comparisons.append(
                NewsComparison(
                    moment,
                    *arms,
                    cells,
                    self.horizon,
                    metric,
                    int(here.sum()),
                    len(days),
                    self._change(*sums),
                    math.nan,
                )
            )
        return comparisons

    def _change(self, ours: Float64, other: Float64) -> Difference:
        value = float(metrics.ratio(ours.sum(), other.sum())) - 1
        if len(ours) < 2:
            return Difference(value, math.nan, math.nan, math.nan)
        drawn, block = drawn_days(len(ours), horizon=self.horizon, resamples=self.resamples, seed=self.seed)
        draws: NDArray[np.float64] = metrics.ratio(drawn @ ours, drawn @ other) - 1
        return resampled(value, draws, days=len(ours), block=block)


def _corrected(comparisons: Sequence[NewsComparison]) -> tuple[NewsComparison, ...]:
    """With Holm's p-values over arms and moments, within each horizon and metric."""
    families: dict[tuple[int, str], dict[str, float]] = {}
    for c in comparisons:
        if c.cells == ALL_CELLS and c.other == NONE and c.arm != SHUFFLED:
            families.setdefault((c.horizon, c.metric), {})[f"{c.moment} {c.arm}"] = c.change.p
    adjusted = {family: holm(p) for family, p in families.items()}

    def one(c: NewsComparison) -> NewsComparison:
        if c.cells != ALL_CELLS or c.other != NONE or c.arm == SHUFFLED:
            return c
        values = {**c.__dict__, "holm": adjusted[c.horizon, c.metric][f"{c.moment} {c.arm}"]}
        return NewsComparison(**values)

    return tuple(map(one, comparisons))
