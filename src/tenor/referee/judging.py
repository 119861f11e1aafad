"""One model's forecasts beside the baselines, by horizon and kind: losses, calibration, trading, verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from tenor.distribution import LEVELS, Risk
from tenor.errors import HistoryError
from tenor.evaluation.baselines import ALWAYS_UP, PERSISTENCE
from tenor.evaluation.bootstrap import ConfidenceInterval
from tenor.evaluation.cost_sweep import CostSweep, sweep_costs
from tenor.evaluation.evaluate import evaluate
from tenor.evaluation.risk_metrics import interval_cells, qlike, squared_log_error
from tenor.evaluation.significance import mean_by_day
from tenor.evaluation.volatility_rivals import HAR_X_REFITTED
from tenor.referee.baselines import Baselines
from tenor.referee.losses import LEAST_DAYS, loss_table, mean_pinball
from tenor.referee.placing import Places
from tenor.referee.result import HorizonResult, Kind, LossTable, Outcome
from tenor.referee.units import Given
from tenor.referee.words import outcome_sentence
from tenor.schema import Bool, Float32, Float64, Panel, Predictions

INTERVALS = {50: (0.25, 0.75), 80: (0.1, 0.9), 90: (0.05, 0.95), 98: (0.01, 0.99)}
"""From the per cent of returns that an interval should contain to the levels of its bounds."""
DECIDES: dict[Kind, tuple[str, str]] = {
    "returns": ("squared_error", PERSISTENCE),
    "direction": ("brier", ALWAYS_UP),
    "volatility": ("log_variance_mse", HAR_X_REFITTED),
    "distribution": ("crps", HAR_X_REFITTED),
}
"""From each kind of forecast to the loss that decides, and the baseline whose loss has to be beaten."""
REFERENCES = dict(DECIDES.values()) | {"qlike": HAR_X_REFITTED}
"""From each measure to the baseline that has to be beaten."""
Losses = dict[str, dict[str, Float64]]
"""From each measure and model to its losses [session, symbol]."""


@dataclass(frozen=True)
class Cells:
    """A model's forecasts on a panel: [session, symbol, horizon] of log returns and variances, NaN where none is.

    Attributes
    ----------
    mean, p_up, volatility, variance, log_variance
        As in `tenor.referee.units.Given`; the variances are computed from the volatility if the file has none.
    quantiles
        From each level to the quantiles of the log return.
    own_probability
        Whether the file has P(up); otherwise it follows from the sign of the return.
    """

    mean: Float32
    p_up: Float32
    volatility: Float32
    variance: Float32
    log_variance: Float32
    quantiles: dict[float, Float32]
    own_probability: bool

    @property
    def kinds(self) -> set[Kind]:
        """The kinds of forecasts."""
        present: dict[Kind, bool] = {
            "returns": bool(np.isfinite(self.mean).any()),
            "direction": self.own_probability and bool(np.isfinite(self.p_up).any()),
            "volatility": bool((np.isfinite(self.variance) | np.isfinite(self.log_variance)).any()),
            "distribution": any(np.isfinite(each).any() for each in self.quantiles.values()),
        }
        return {kind for kind, there in present.items() if there}

    def only(self, rows: Bool) -> Cells:
        """The same, NaN where `rows` [session, symbol, horizon] is False."""

        def cut(values: Float32) -> Float32:
            return np.where(rows, values, np.float32(np.nan))

        return Cells(
            cut(self.mean),
            cut(self.p_up),
            cut(self.volatility),
            cut(self.variance),
            cut(self.log_variance),
            {level: cut(values) for level, values in self.quantiles.items()},
            self.own_probability,
        )


def cells_of(given: Given, places: Places, panel: Panel, baselines: Baselines) -> Cells:
    """Put a model's forecasts on `panel`."""
    mean, p_up = places.grid(given.mean, panel), places.grid(given.p_up, panel)
    volatility = places.grid(given.volatility, panel)
    variance, log_variance = places.grid(given.variance, panel), places.grid(given.log_variance, panel)
    if baselines.risks:
        # the file's own variance is preferred; a missing quantity is computed from the others
        of_volatility = baselines.variance_of(volatility)
        variance = np.where(np.isfinite(variance), variance, of_volatility)
        log_variance = np.where(np.isfinite(log_variance), log_variance, np.log(variance) - baselines.level)
        variance = np.where(np.isfinite(variance), variance, np.exp(log_variance + baselines.level))
    quantiles = {level: places.grid(given.quantiles[:, j], panel) for j, level in enumerate(given.levels)}
    return Cells(mean, p_up, volatility, variance, log_variance, quantiles, bool(np.isfinite(given.p_up).any()))


def losses_at(panel: Panel, cells: Cells, name: str, baselines: Baselines, horizon: int) -> Losses:
    """The losses of a model and of the baselines at one horizon, for the measures of what the model forecasts."""
    k = panel.horizon_index(horizon)
    realised = np.where(panel.mask, panel.targets[:, :, k], np.nan).astype("float64")
    log_variance = np.where(np.isfinite(realised), panel.log_variance[:, :, k], np.nan).astype("float64")
    rose = np.where(np.isfinite(realised), realised > 0, np.nan)
    levels = scored_levels(cells, k)

    def squared(mean: Float32) -> Float64:
        return np.asarray((mean[:, :, k].astype("float64") - realised) ** 2)

    def brier(p_up: Float32) -> Float64:
        return np.asarray((p_up[:, :, k].astype("float64") - rose) ** 2)

    def of_log(forecast: Float32) -> Float64:
        return squared_log_error(forecast[:, :, k].astype("float64"), log_variance)

    def of_variance(forecast: Float64) -> Float64:
        return qlike(forecast, np.exp(log_variance))

    def of_quantiles(risk: Risk) -> Float64:
        return mean_pinball({level: quantile_of(risk, level, k) for level in levels}, realised)

    own: dict[str, Float64] = {"squared_error": squared(cells.mean)}
    if cells.own_probability:
        own["brier"] = brier(cells.p_up)
    own["log_variance_mse"] = of_log(cells.log_variance)
    own["qlike"] = of_variance(cells.variance[:, :, k].astype("float64"))
    if levels:
        own["crps"] = mean_pinball(
            {level: cells.quantiles[level][:, :, k].astype("float64") for level in levels}, realised
        )
    losses: Losses = {measure: {name: loss} for measure, loss in own.items() if np.isfinite(loss).any()}
    for rival, forecast in baselines.predictions.items():
        for measure, loss in (("squared_error", squared(forecast.mean)), ("brier", brier(forecast.p_up))):
            if measure in losses:
                losses[measure][rival] = loss
    for rival, risk in baselines.risks.items():
        if "log_variance_mse" in losses:
            losses["log_variance_mse"][rival] = of_log(risk.log_variance)
        if "qlike" in losses:
            losses["qlike"][rival] = of_variance(risk.volatility[:, :, k].astype("float64") ** 2)
        if "crps" in losses:
            losses["crps"][rival] = of_quantiles(risk)
    return losses


def scored_levels(cells: Cells, k: int) -> tuple[float, ...]:
    """The levels over which the distribution is scored: 0.05 to 0.95 if the file has them, else all that it has.

    Levels beyond 0.05 and 0.95 have little weight and are in few files, so they are used only for coverage.
    """
    there = [level for level, values in cells.quantiles.items() if np.isfinite(values[:, :, k]).any()]
    inner = [level for level in there if 0.05 - 1e-9 <= level <= 0.95 + 1e-9]
    every = [level for level in inner if abs(level / 0.05 - round(level / 0.05)) < 1e-6]
    return tuple(every if len(every) == 19 else inner or there)


def quantile_of(risk: Risk, level: float, k: int) -> Float64:
    """[session, symbol]; a baseline's quantile of the return at any level, interpolated linearly between its levels."""
    above = int(np.searchsorted(LEVELS, level - 1e-9))
    above = min(max(above, 0), len(LEVELS) - 1)
    if abs(LEVELS[above] - level) < 1e-9 or above == 0:
        return risk.quantile(LEVELS[above], k).astype("float64")
    low, high = LEVELS[above - 1], LEVELS[above]
    share = min(max((level - low) / (high - low), 0.0), 1.0)
    return np.asarray((1 - share) * risk.quantile(low, k) + share * risk.quantile(high, k), dtype="float64")


def judge_horizon(
    panel: Panel, rows: slice, cells: Cells, name: str, baselines: Baselines, horizon: int
) -> HorizonResult | None:
    """The result of one model at one horizon; None if nothing can be judged.

    Parameters
    ----------
    panel
        The panel.
    rows
        The judged sessions, as places on its axis.
    cells
        The model's forecasts.
    name
        Name of the model.
    baselines
        The fitted baselines.
    horizon
        Sessions ahead.
    """
    k = panel.horizon_index(horizon)
    tables: dict[str, LossTable] = {}
    for measure, of_model in losses_at(panel, cells, name, baselines, horizon).items():
        table = loss_table(
            measure, of_model, horizon, sessions=panel.sessions, symbols=panel.symbols, reference=REFERENCES[measure]
        )
        if table is not None:
            levels = scored_levels(cells, k) if measure == "crps" else ()
            tables[measure] = replace(table, levels=levels)
    if not tables:
        return None
    outcomes: dict[Kind, Outcome] = {
        kind: _outcome(kind, horizon, tables[measure]) for kind, (measure, _) in DECIDES.items() if measure in tables
    }
    result = HorizonResult(horizon, tables, outcomes)
    if "squared_error" in tables or "brier" in tables:
        result = _with_evaluation(result, panel, rows, cells, name, baselines, horizon)
    if "crps" in tables:
        result = _with_coverage(result, panel, cells, k, horizon)
    if "qlike" in tables:
        realised = np.exp(np.where(panel.mask, panel.log_variance[:, :, k], np.nan).astype("float64"))
        share = realised / cells.variance[:, :, k].astype("float64")
        known = share[np.isfinite(share)]
        result = replace(result, level=float(known.mean()) if len(known) else math.nan)
    return result


def trading_of(panel: Panel, cells: Cells, name: str, horizon: int) -> CostSweep | None:
    """Portfolios by the forecasts at `horizon`; None without returns and directions, or with only one session."""
    predictions, mask = _predictions(panel, cells, name, horizon)
    if not mask.any():
        return None
    days = np.flatnonzero(mask.any(axis=1))
    try:
        return sweep_costs(
            replace(panel, mask=mask), slice(int(days[0]), int(days[-1]) + 1), predictions, horizon=horizon
        )
    except HistoryError:
        return None


def _predictions(panel: Panel, cells: Cells, name: str, horizon: int) -> tuple[Predictions, Bool]:
    """The model as `tenor.evaluation` takes it, and the cells of its forecasts; what a file lacks says nothing.

    Without P(up) the sign of the return is the direction, its size over the volatility known at the time the
    confidence; without a return the price stays.
    """
    k = panel.horizon_index(horizon)
    scale = np.maximum(panel.volatility[:, :, None] * np.sqrt(np.array(panel.horizons, "float32")), 1e-8)
    p_up, mean = cells.p_up, cells.mean
    has_mean = np.isfinite(mean)
    if has_mean[:, :, k].any():
        p_up = np.where(np.isfinite(p_up), p_up, ndtr(mean / scale).astype("float32"))
        mask = panel.mask & has_mean[:, :, k]
    else:
        mean = np.zeros_like(mean)
        mask = panel.mask & np.isfinite(p_up[:, :, k])
    return Predictions(name, mean, p_up), mask


def _with_evaluation(
    result: HorizonResult,
    panel: Panel,
    rows: slice,
    cells: Cells,
    name: str,
    baselines: Baselines,
    horizon: int,
) -> HorizonResult:
    predictions, mask = _predictions(panel, cells, name, horizon)
    k = panel.horizon_index(horizon)
    for other in baselines.predictions.values():
        mask &= np.isfinite(other.mean[:, :, k]) & np.isfinite(other.p_up[:, :, k])
    counted = replace(panel, mask=mask)
    everyone = {name: predictions} | baselines.predictions
    part = _with_two_sessions(rows, mask)
    evaluation = evaluate(counted, part, everyone, horizon=horizon)
    if evaluation.days < LEAST_DAYS:
        evaluation = replace(evaluation, tests=[], against={})
    return replace(
        result, evaluation=evaluation, probabilities=tuple(evaluation.reliability) if cells.own_probability else ()
    )


def _with_two_sessions(rows: slice, mask: Bool) -> slice:
    """`rows`, one session longer at the end where it is a single one: a portfolio needs a second to be filled in."""
    return slice(rows.start, min(rows.stop + 1, len(mask))) if rows.stop - rows.start < 2 else rows


def _with_coverage(result: HorizonResult, panel: Panel, cells: Cells, k: int, horizon: int) -> HorizonResult:
    realised = np.where(panel.mask, panel.targets[:, :, k], np.nan).astype("float64")
    quantiles = {level: values[:, :, k].astype("float64") for level, values in cells.quantiles.items()}
    coverage = {}
    for percent, (low, high) in INTERVALS.items():
        if low in quantiles and high in quantiles:
            inside, _ = interval_cells(quantiles[low], quantiles[high], realised)
            coverage[str(percent)] = _mean(inside, horizon)
    below = {}
    for level, values in quantiles.items():
        known = np.isfinite(values) & np.isfinite(realised)
        below[f"{level:g}"] = _mean(np.where(known, realised <= values, np.nan), horizon)
    return replace(result, coverage=coverage, below=below)


def _mean(cells: Float64, horizon: int) -> ConfidenceInterval:
    """The mean by day of those days that have a cell."""
    days = np.isfinite(cells).any(axis=1)
    return mean_by_day(cells[days], horizon) if days.any() else ConfidenceInterval(math.nan, math.nan, math.nan)


def _outcome(kind: Kind, horizon: int, table: LossTable) -> Outcome:
    comparison = table.comparisons[table.reference]
    equal = math.isnan(comparison.holm) and comparison.change == 0 and table.days >= LEAST_DAYS
    side = 0 if equal else comparison.side
    sides = {other: each.side for other, each in table.comparisons.items()}
    outcome = Outcome(
        kind=kind,
        horizon=horizon,
        measure=table.measure,
        reference=table.reference,
        side=side,
        change=comparison.change,
        p=comparison.holm,
        raw_p=comparison.p,
        overall_p=math.nan,
        beaten=tuple(other for other, each in sides.items() if each == 1),
        lost_to=tuple(other for other, each in sides.items() if each == -1),
        days=table.days,
        samples=table.samples,
        sentence="",
    )
    return replace(outcome, sentence=outcome_sentence(outcome))
