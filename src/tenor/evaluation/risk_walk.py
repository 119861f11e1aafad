"""Risk forecasts of a walk-forward and of their rivals, which are fitted on the training part of each fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenor.distribution import Risk, calibrated
from tenor.engines import Workers
from tenor.evaluation.bootstrap import RESAMPLES
from tenor.evaluation.garch import GARCH, GJR
from tenor.evaluation.realised_utility import RealisedUtility, realised_utility
from tenor.evaluation.risk import Comparison, RiskEvaluation, evaluate_risk
from tenor.evaluation.statistical import SymbolProgress
from tenor.evaluation.volatility_rivals import EWMA, HAR_X_REFITTED, fit_rivals
from tenor.evaluation.volatility_targeting import (
    TargetingDifference,
    VolatilityTargeting,
    compare,
    target_volatility,
)
from tenor.evaluation.walkforward import WalkForward
from tenor.schema import Panel
from tenor.storage.files import json_values
from tenor.training import Split


@dataclass(frozen=True)
class RivalWalk:
    """The rivals' forecasts of the test parts of all folds.

    Attributes
    ----------
    forecasts
        Forecasts over the whole panel, by rival; NaN outside of the test parts.
    replaced
        Symbols, in any fold, for which the rival has the forecasts of an EWMA instead, by rival.
    """

    forecasts: dict[str, Risk]
    replaced: dict[str, tuple[str, ...]]


def walk_rivals(
    panel: Panel,
    splits: Sequence[Split],
    *,
    names: Sequence[str] | None = None,
    workers: Workers = None,
    progress: SymbolProgress | None = None,
) -> RivalWalk:
    """Fit the rivals on every fold of `splits`, calibrate each on the fold's validation part, and pool the test parts.

    Like the network, they are calibrated on validation, in level and shape (`tenor.distribution.calibrated`).

    Parameters
    ----------
    panel, splits
        As in `tenor.evaluation.walkforward.walk`.
    names
        Names of rivals in `tenor.evaluation.volatility_rivals`; all of them if None.
    workers
        Number of processes for the symbols of the GARCH models; None means one for each CPU core.
    progress
        Called for every symbol for which the GARCH models are done.

    Returns
    -------
    RivalWalk
        The pooled forecasts.
    """
    pooled: dict[str, Risk] = {}
    replaced: dict[str, set[str]] = {}
    for number, split in enumerate(splits):
        past = panel.between(0, split.test.stop)

        def report(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(splits) * total)

        fits = fit_rivals(past, split, names=names, workers=workers, progress=report)
        for name, log_variance in fits.forecasts.items():
            risk = calibrated(log_variance, past.log_variance, past.targets, split.valid, past.horizons)
            pooled.setdefault(name, Risk.blank(panel.log_variance.shape)).fill(split.test, risk)
        for name, symbols in fits.replaced.items():
            replaced.setdefault(name, set()).update(symbols)
    return RivalWalk(pooled, {name: tuple(sorted(symbols)) for name, symbols in replaced.items()})


def risk_evaluations(
    panel: Panel, walk: WalkForward, rivals: Mapping[str, Risk], *, resamples: int = RESAMPLES
) -> dict[int, RiskEvaluation]:
    """Evaluate the risk forecasts of the walk-forward against other networks and `rivals`, by horizon."""
    forecasts = {name: p.risk for name, p in walk.predictions.items() if p.risk is not None} | dict(rivals)
    adaptive = None if walk.adaptive is None else walk.adaptive.risk
    counted = walk.counted(panel)
    return {
        h: evaluate_risk(counted, walk.rows, forecasts, horizon=h, adaptive=adaptive, resamples=resamples)
        for h in panel.horizons
    }


USED = (EWMA, GARCH, GJR, HAR_X_REFITTED)
"""Rivals whose forecasts are also used for portfolios and utility."""


@dataclass(frozen=True)
class RiskUse:
    """The economic value of volatility forecasts, one session ahead or at the shortest horizon.

    Attributes
    ----------
    targeting
        Portfolios with a target volatility, by model.
    differences
        Comparison with the portfolio of the evaluated model, by other model.
    utility
        Realised utility of positions with constant risk, by horizon.
    """

    targeting: VolatilityTargeting
    differences: dict[str, TargetingDifference]
    utility: dict[int, RealisedUtility]

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values; undefined numbers are None."""
        return {
            "targeting": self.targeting.to_json(),
            "differences": json_values(self.differences),
            "utility": {str(horizon): utility.to_json() for horizon, utility in self.utility.items()},
        }


def use_risk(panel: Panel, walk: WalkForward, rivals: Mapping[str, Risk]) -> RiskUse:
    """Compute the economic value of the volatility forecasts of the walk-forward and of `USED` on the test parts."""
    ours = walk.predictions[walk.name].risk
    assert ours is not None
    forecasts = {walk.name: ours} | {name: rivals[name] for name in USED if name in rivals}
    counted = walk.counted(panel)
    targeting = target_volatility(
        counted, walk.rows, {name: risk.return_volatility[:, :, 0] for name, risk in forecasts.items()}
    )
    return RiskUse(
        targeting,
        compare(targeting, horizon=panel.horizons[0]),
        {
            horizon: realised_utility(
                counted, walk.rows, {name: risk.volatility**2 for name, risk in forecasts.items()}, horizon
            )
            for horizon in panel.horizons
        },
    )


def risk_headline(evaluations: Mapping[int, RiskEvaluation]) -> str:
    """A sentence on whether the risk forecasts beat GARCH and the strongest rival; then one on the coverage.

    The criterion is the squared error of log variance, by Diebold-Mariano after Holm at 5 %, at every horizon. The
    answer, yes or no, is about GARCH, the usual alternative; the result against the other rival follows.

    Parameters
    ----------
    evaluations
        Evaluations by horizon; not empty.

    Returns
    -------
    str
        The sentences.
    """
    first = next(iter(evaluations.values()))
    judged = [name for name in (GJR, HAR_X_REFITTED) if name in first.comparisons]
    all_of: list[Comparison] = []
    parts = []
    for rival in judged:
        by_horizon = {h: e.comparisons[rival]["log_variance_mse"] for h, e in evaluations.items()}
        all_of = all_of or list(by_horizon.values())
        for outcome, holds in _OUTCOMES.items():
            within = {h: c for h, c in by_horizon.items() if holds(c)}
            if within:
                changes = [f"{100 * abs(c.change):.1f} % at {h}" for h, c in within.items()]
                by = f" by {', '.join(changes)}" if "than" in outcome else f" at {', '.join(map(str, within))}"
                parts.append(f"{outcome} {rival}{by} session{'s' if max(within) > 1 else ''} ahead")
    better = [comparison.side == 1 for comparison in all_of]
    coverage = ", ".join(f"{100 * e.coverage:.1f} % at {h}" for h, e in evaluations.items())
    held = f"90 % intervals held {coverage} session{'s' if max(evaluations) > 1 else ''} ahead."
    if not judged:
        return f"How far: not compared with a rival. {held}"
    if all(better):
        answer = "yes"
    elif any(better):
        answer = "in part"
    else:
        answer = "too few days to decide" if all(c.undecided for c in all_of) else "no"
    return f"How far: {answer}, {'; '.join(parts)} (squared error of log variance). {held}"


_OUTCOMES: dict[str, Callable[[Comparison], bool]] = {
    "better than": lambda comparison: comparison.side == 1,
    "worse than": lambda comparison: comparison.side == -1,
    "no different at 5 % from": lambda comparison: comparison.side in (0, None) and not comparison.undecided,
    "not yet distinguishable from": lambda comparison: comparison.undecided,
}
