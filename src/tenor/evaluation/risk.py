"""Evaluates forecasts of volatility and of the distribution of returns: one model against its rivals, tested by day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tenor import metrics
from tenor.distribution import CONFIDENCES, LEVELS, Risk
from tenor.errors import DataError, HistoryError
from tenor.evaluation.bootstrap import RESAMPLES, ConfidenceInterval
from tenor.evaluation.risk_backtests import (
    acerbi_szekely,
    christoffersen,
    dynamic_quantile,
    kupiec,
    violation_rate_test,
    violations_of,
)
from tenor.evaluation.risk_metrics import crps, diebold_mariano_of, interval_cells, model_confidence_set, pinball, qlike
from tenor.evaluation.risk_metrics import squared_log_error as squared_error
from tenor.evaluation.significance import HypothesisTest, holm, mean_by_day
from tenor.schema import Float64, Panel
from tenor.storage.files import json_values

LOSSES = ("log_variance_mse", "qlike", "crps")
"""The losses by which models are compared; lower is better."""
INTERVALS = {50: (0.25, 0.75), 80: (0.1, 0.9), 90: (0.05, 0.95), 98: (0.01, 0.99)}
"""Levels of the bounds of an interval, by its nominal coverage in per cent."""
VOLATILE_SHARE = 0.1
"""Share of volatile days: those with the highest mean volatility, as known when the forecast was made."""
ADAPTED = "with adaptive intervals"
"""Suffix of the model's name for its adaptive intervals, which react to the coverage of earlier ones."""
BAND = 0.95
"""Probability that the coverage of a symbol lies in its binomial band if intervals are calibrated."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of the evaluated model with another one, by one loss.

    Attributes
    ----------
    change
        Mean loss divided by that of the other model, minus 1: below 0, the evaluated model is better.
    statistic, p
        Statistic and p-value of the Diebold-Mariano test on days (`significance.mean_test`).
    holm
        The p-value after Holm's correction for the number of models compared by this loss.
    """

    change: float
    statistic: float
    p: float
    holm: float

    @property
    def side(self) -> int | None:
        """1 if the evaluated model is better at 5 % after Holm, -1 if worse, 0 if neither, None if nothing is tested.

        The side is that of the test, in which all days have the same weight; in `change`, all cells have the same
        weight.
        """
        if not math.isfinite(self.holm):
            return None
        return 0 if self.holm >= 0.05 else -int(np.sign(self.statistic))

    @property
    def undecided(self) -> bool:
        """Whether there are too few days to test; equal losses are "no different" for any number of days."""
        return self.side is None and self.change != 0


@dataclass(frozen=True)
class TailTests:
    """Backtests of value at risk and expected shortfall of one model at one confidence.

    Attributes
    ----------
    violations
        Share of returns below the value at risk, with its interval from resampled days.
    p
        P-value of the test by day that this share is right.
    rejected
        Test (``kupiec``, ``christoffersen``, ``dynamic_quantile``) -> share of symbols that it rejects at 5 %, each
        symbol by itself; only for one session ahead, where returns do not overlap.
    shortfall, shortfall_p
        Z2 of Acerbi & Szekely (2014), which is 0 if the expected shortfall is right, and its p-value by day.
    """

    violations: ConfidenceInterval
    p: float
    rejected: dict[str, float]
    shortfall: float
    shortfall_p: float


@dataclass(frozen=True)
class RiskEvaluation:
    """Evaluation of one model's risk forecasts, and of others, at one horizon; intervals are 95 %, from resampled days.

    Attributes
    ----------
    horizon
        Sessions ahead.
    first, last
        Sessions of the first and last forecast that counts.
    days, samples
        Numbers of sessions and cells that count, the same for all models.
    table
        Model -> measure -> mean over days, and interval: `LOSSES`; ``coverage_50`` to ``coverage_98`` and ``width_50``
        to ``width_98``; ``coverage_90_volatile`` on the most volatile tenth of days. The evaluated model comes first.
    comparisons
        Other model -> loss -> test.
    confidence_set
        Loss -> model -> p-value in the model confidence set (Hansen, Lunde & Nason 2011); those below 0.10 are not
        among the best.
    tails
        Model -> confidence (``0.95``) -> backtests.
    by_symbol
        Symbol -> ``samples, log_variance_mse, coverage_90, in_band`` (1 or 0) of the evaluated model.
    verdict
        One sentence.
    """

    horizon: int
    first: pd.Timestamp
    last: pd.Timestamp
    days: int
    samples: int
    table: dict[str, dict[str, ConfidenceInterval]]
    comparisons: dict[str, dict[str, Comparison]]
    confidence_set: dict[str, dict[str, float]]
    tails: dict[str, dict[str, TailTests]]
    by_symbol: dict[str, dict[str, float]]
    verdict: str

    @property
    def name(self) -> str:
        """The name of the evaluated model."""
        return next(iter(self.table))

    @property
    def coverage(self) -> float:
        """Coverage of the evaluated model's 90 % intervals, the adaptive ones if there are any."""
        name = f"{self.name} {ADAPTED}"
        return self.table[name if name in self.table else self.name]["coverage_90"].value

    @property
    def in_band(self) -> float:
        """Share of symbols whose coverage lies within its binomial band."""
        return float(np.mean([row["in_band"] for row in self.by_symbol.values()]))

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values: dates as YYYY-MM-DD, undefined numbers as None."""
        values: dict[str, Any] = json_values(asdict(self))
        return values | {"first": f"{self.first:%Y-%m-%d}", "last": f"{self.last:%Y-%m-%d}", "in_band": self.in_band}


def evaluate_risk(
    panel: Panel,
    rows: slice,
    forecasts: Mapping[str, Risk],
    *,
    horizon: int,
    adaptive: Risk | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> RiskEvaluation:
    """Evaluate the first of `forecasts` and compare it with the others on `rows`.

    A cell counts if the panel's mask is True, its return and variance are known, and every model has a forecast.

    Parameters
    ----------
    panel
        The panel that was forecast.
    rows
        The sessions of the test, as a slice of the panel's session axis.
    forecasts
        Forecasts over the whole panel, by model.
    horizon
        Sessions ahead.
    adaptive
        Forecasts of the evaluated model with adaptive intervals, as they are served: they get a row of their own in the
        table, from which the coverage is taken. They are not compared with the others, which have no such intervals.
    resamples, seed
        Number of resamples of the days, and their seed.

    Returns
    -------
    RiskEvaluation
        The evaluation at `horizon`.

    Raises
    ------
    DataError
        There are no forecasts, or their shape is not that of the panel.
    HistoryError
        No cell counts.
    """
    if not forecasts:
        raise DataError("nothing to evaluate: give the risk forecasts of at least one model.")
    k = panel.horizon_index(horizon)
    ours = next(iter(forecasts))
    row = f"{ours} {ADAPTED}"
    for name, risk in {**forecasts, **({} if adaptive is None else {row: adaptive})}.items():
        if risk.log_variance.shape != panel.log_variance.shape:
            raise DataError(
                f"risk forecasts of {name} have shape {risk.log_variance.shape}, the panel's targets "
                f"{panel.log_variance.shape}: forecast this panel."
            )
    part = panel.between(*rows.indices(len(panel.sessions))[:2])
    cut = {name: risk.on(rows) for name, risk in forecasts.items()}
    counts = part.mask & np.isfinite(part.log_variance[:, :, k]) & np.isfinite(part.targets[:, :, k])
    for risk in cut.values():
        counts &= np.isfinite(risk.volatility[:, :, k])
    days = np.flatnonzero(counts.any(axis=1))
    if not len(days):
        raise HistoryError(
            "no forecast of volatility can be judged: in the test part no cell has a known return and forecasts of all "
            f"{len(forecasts)} models. Import more history or move the split dates."
        )
    realised = _Realised(
        np.where(counts, part.targets[:, :, k], np.nan).astype("float64")[days],
        np.where(counts, part.log_variance[:, :, k], np.nan).astype("float64")[days],
        _volatile(part.volatility, counts)[days],
    )
    measured = {name: _measures(risk, realised, k, days) for name, risk in cut.items()}
    comparisons_of = dict(measured)
    if adaptive is not None:
        served = adaptive.on(rows)
        cut = {ours: cut[ours], row: served} | cut
        measured = {ours: measured[ours], row: _measures(served, realised, k, days)} | measured
    table = {
        name: {measure: mean_by_day(cells, horizon) for measure, cells in of_model.items()}
        for name, of_model in measured.items()
    }
    comparisons = _compare(comparisons_of, table, ours, horizon)
    final = ours if adaptive is None else row
    sessions = part.sessions[days]
    return RiskEvaluation(
        horizon=horizon,
        first=sessions[0],
        last=sessions[-1],
        days=len(days),
        samples=int(counts.sum()),
        table=table,
        comparisons=comparisons,
        confidence_set={
            loss: model_confidence_set(
                {name: np.nanmean(of_model[loss], axis=1) for name, of_model in comparisons_of.items()},
                horizon=horizon,
                resamples=resamples,
                seed=seed,
            )
            for loss in LOSSES
        }
        if len(forecasts) > 1
        else {},
        tails={name: _tails(risk, realised, k, days, horizon) for name, risk in cut.items()},
        by_symbol=_by_symbol(panel.symbols, measured[final], horizon),
        verdict=risk_verdict(ours, table[final]["coverage_90"].value, comparisons, horizon),
    )


@dataclass(frozen=True)
class _Realised:
    """Returns and log variances [day, symbol], NaN if a cell does not count, and which days are volatile."""

    returns: Float64
    log_variance: Float64
    volatile: np.ndarray[Any, np.dtype[np.bool_]]


def _volatile(volatility: np.ndarray[Any, Any], counts: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """[session]; whether it is among the `VOLATILE_SHARE` with the highest mean volatility, as known at the time."""
    known = np.where(counts, volatility, 0.0).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    return np.asarray(known >= np.quantile(known[counts.any(axis=1)], 1 - VOLATILE_SHARE))


def _measures(risk: Risk, realised: _Realised, k: int, days: np.ndarray[Any, Any]) -> dict[str, Float64]:
    """By measure, its value in every cell, [day, symbol]."""
    returns = realised.returns
    quantiles = np.stack([risk.quantile(level, k)[days] for level in LEVELS]).astype("float64")
    variance = risk.volatility[days, :, k].astype("float64") ** 2
    cells = {
        "log_variance_mse": squared_error(risk.log_variance[days, :, k].astype("float64"), realised.log_variance),
        "qlike": qlike(variance, np.exp(realised.log_variance)),
        "crps": crps(quantiles, LEVELS, returns),
    }
    for percent, (low, high) in INTERVALS.items():
        lower, upper = quantiles[LEVELS.index(low)], quantiles[LEVELS.index(high)]
        inside, width = interval_cells(lower, upper, returns)
        cells[f"coverage_{percent}"], cells[f"width_{percent}"] = inside, width
    cells["coverage_90_volatile"] = np.where(realised.volatile[:, None], cells["coverage_90"], np.nan)
    for level in (0.01, 0.05):
        cells[f"pinball_{level:g}"] = pinball(quantiles[LEVELS.index(level)], level, returns)
    return cells


def _compare(
    measured: Mapping[str, Mapping[str, Float64]],
    table: Mapping[str, Mapping[str, ConfidenceInterval]],
    ours: str,
    horizon: int,
) -> dict[str, dict[str, Comparison]]:
    tests: dict[tuple[str, str], HypothesisTest] = {}
    for other, of_model in measured.items():
        if other != ours:
            for loss in LOSSES:
                tests[other, loss] = diebold_mariano_of(measured[ours][loss], of_model[loss], horizon=horizon)
    # the tests by one loss are one family for Holm: each loss answers a separate question
    adjusted = {
        (other, loss): p
        for loss in LOSSES
        for other, p in holm({other: test.p for (other, of), test in tests.items() if of == loss}).items()
    }
    comparisons: dict[str, dict[str, Comparison]] = {}
    for (other, loss), test in tests.items():
        change = float(metrics.ratio(table[ours][loss].value, table[other][loss].value)) - 1
        comparisons.setdefault(other, {})[loss] = Comparison(change, test.statistic, test.p, adjusted[other, loss])
    return comparisons


def _tails(risk: Risk, realised: _Realised, k: int, days: np.ndarray[Any, Any], horizon: int) -> dict[str, TailTests]:
    tails = {}
    for confidence in CONFIDENCES:
        level = round(1 - confidence, 4)
        at_risk = risk.value_at_risk(confidence, k)[days].astype("float64")
        beyond = risk.expected_shortfall(confidence, k)[days].astype("float64")
        violations = violations_of(realised.returns, at_risk)
        z2 = acerbi_szekely(realised.returns, at_risk, beyond, level, horizon=horizon)
        tails[f"{confidence:g}"] = TailTests(
            violations=mean_by_day(violations, horizon),
            p=violation_rate_test(violations, level, horizon).p,
            rejected=_rejected(violations, at_risk, level) if horizon == 1 else {},
            shortfall=z2.value,
            shortfall_p=z2.p,
        )
    return tails


def _rejected(violations: Float64, at_risk: Float64, level: float) -> dict[str, float]:
    """By test, the share of symbols that it rejects at 5 %, of those that it can be applied to."""
    p: dict[str, list[float]] = {"kupiec": [], "christoffersen": [], "dynamic_quantile": []}
    for i in range(violations.shape[1]):
        series = violations[:, i]  # with gaps, so that days on both sides of a gap are not taken as neighbours
        p["kupiec"].append(kupiec(series, level).p)
        p["christoffersen"].append(christoffersen(series, level).conditional_coverage.p)
        p["dynamic_quantile"].append(dynamic_quantile(series, at_risk[:, i], level).p)
    shares = {}
    for test, values in p.items():
        defined = np.array([value for value in values if math.isfinite(value)])
        shares[test] = float((defined < 0.05).mean()) if len(defined) else math.nan
    return shares


def _by_symbol(symbols: tuple[str, ...], measured: Mapping[str, Float64], horizon: int) -> dict[str, dict[str, float]]:
    by_symbol = {}
    for i, symbol in enumerate(symbols):
        inside = measured["coverage_90"][:, i]
        inside = inside[np.isfinite(inside)]
        if not len(inside):
            continue
        # returns over h sessions overlap: only every h-th one counts as independent
        separate = max(1, len(inside) // horizon)
        low, high = stats.binom.interval(BAND, separate, 0.9)
        share = float(inside.mean())
        by_symbol[symbol] = {
            "samples": float(len(inside)),
            "log_variance_mse": float(np.nanmean(measured["log_variance_mse"][:, i])),
            "coverage_90": share,
            "in_band": float(low <= share * separate <= high),
        }
    return by_symbol


def risk_verdict(ours: str, coverage: float, comparisons: Mapping[str, Mapping[str, Comparison]], horizon: int) -> str:
    """One sentence: against which rivals the squared error of log variance is lower, by how much, and the coverage.

    Parameters
    ----------
    ours
        The name of the evaluated model.
    coverage
        Coverage of its 90 % intervals, a share.
    comparisons
        The comparisons, by other model and loss.
    horizon
        Sessions ahead.

    Returns
    -------
    str
        The sentence.
    """
    outcomes: dict[str, list[str]] = {}
    for other, of_loss in comparisons.items():
        comparison = of_loss["log_variance_mse"]
        outcomes.setdefault(_outcome(comparison), []).append(f"{other} ({100 * comparison.change:+.1f} %)")
    parts = [f"{words} {', '.join(outcomes[words])}" for words in _OUTCOMES if words in outcomes]
    ahead = f"{horizon} session{'' if horizon == 1 else 's'} ahead"
    if not parts:
        return f"{ahead}, the 90 % intervals of {ours} held {100 * coverage:.1f} % of returns."
    return (
        f"{ahead}, the squared error of log variance of {ours} is {'; '.join(parts)}; "
        f"its 90 % intervals held {100 * coverage:.1f} % of returns."
    )


_OUTCOMES = _LOWER, _NO_DIFFERENT, _HIGHER, _UNDECIDED = (
    "lower than that of",
    "no different at 5 % from that of",
    "higher than that of",
    "tested on too few days against that of",
)


def _outcome(comparison: Comparison) -> str:
    if comparison.undecided:
        return _UNDECIDED
    return {1: _LOWER, -1: _HIGHER}.get(comparison.side or 0, _NO_DIFFERENT)
