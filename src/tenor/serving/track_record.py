"""The track record: forecasts that came due after the model's validation part, against an EWMA and persistence."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tenor.evaluation.bootstrap import ConfidenceInterval, interval, resampled_days
from tenor.evaluation.significance import holm, mean_test
from tenor.metrics import ratio, skill_of_sums
from tenor.schema import Float64
from tenor.serving.schemas import PastForecast, TrackRecord

LEVEL = 0.05
NOTHING_DUE = "No forecast made after the model's validation part has come due yet: there is nothing to judge."


@dataclass(frozen=True)
class TestedRecord:
    """A track record with its two-sided p-values (Diebold-Mariano on days).

    Attributes
    ----------
    record
        The track record.
    p
        P-value of equal squared errors of forecast and persistence.
    risk_p
        P-value of equal QLIKE losses of forecast and EWMA.
    """

    record: TrackRecord
    p: float
    risk_p: float


def track_record(rows: Iterable[PastForecast], *, horizon: int, since: str) -> TestedRecord:
    """The track record of past forecasts; `with_verdicts` adds the verdicts.

    Volatility is judged by QLIKE of the forecast variance and of the EWMA's against squared returns. These are noisy
    but right on average, so the better forecast has the lower expected loss (Patton 2011). Returns are judged by skill:
    1 - RMSE / RMSE of persistence. Intervals come from resampling blocks of days, because stocks move together.

    Parameters
    ----------
    rows
        Past forecasts of all symbols.
    horizon
        Horizon of the forecasts, in sessions.
    since
        ISO date, the first day of the model's test part; earlier days were used for fitting or calibration.
    """
    due = [row for row in rows if row.session >= since and row.realised_return is not None]
    if not due:
        undefined = dict.fromkeys(field.name for field in dataclasses.fields(TrackRecord))
        given = {"horizon": horizon, "days": 0, "forecasts": 0, "risk_verdict": NOTHING_DUE, "verdict": NOTHING_DUE}
        return TestedRecord(TrackRecord(**{**undefined, **given}), math.nan, math.nan)  # type: ignore[arg-type]
    days = sorted({row.session for row in due})
    place = {day: i for i, day in enumerate(days)}
    day = np.array([place[row.session] for row in due])
    predicted = np.array([row.expected_return for row in due])
    p_up = np.array([row.p_up for row in due])
    realised = np.array([row.realised_return for row in due], dtype="float64")
    # squared errors summed by day, because days are resampled, not forecasts; persistence forecasts a return of 0
    errors = np.bincount(day, weights=(predicted - realised) ** 2)
    persistence = np.bincount(day, weights=realised**2)
    drawn = resampled_days(len(days), horizon=horizon)
    draws = skill_of_sums(drawn @ errors, drawn @ persistence) if len(drawn) else np.empty(0)
    skill = interval(float(skill_of_sums(errors.sum(), persistence.sum())), draws)
    volatility = np.array([row.volatility for row in due])
    gains = _gains(volatility, np.array([row.baseline_volatility for row in due]), realised, horizon)
    gain, risk_p = _by_day(gains, day, drawn, horizon)
    record = TrackRecord(
        horizon=horizon,
        days=len(days),
        forecasts=len(due),
        first=days[0],
        last=days[-1],
        coverage=float(np.mean([bool(row.held) for row in due])),
        squared_ratio=_none_if_nan(float(ratio(realised**2, horizon * volatility**2).mean())),
        risk_gain=_none_if_nan(gain.value),
        risk_low=_none_if_nan(gain.low),
        risk_high=_none_if_nan(gain.high),
        risk_verdict="",
        skill=_none_if_nan(skill.value),
        skill_low=_none_if_nan(skill.low),
        skill_high=_none_if_nan(skill.high),
        direction=float(((p_up > 0.5) == (realised > 0)).mean()),
        up_share=float((realised > 0).mean()),
        verdict="",
    )
    return TestedRecord(record, mean_test((errors - persistence) / np.bincount(day), horizon=horizon).p, risk_p)


def _gains(volatility: Float64, baseline: Float64, realised: Float64, horizon: int) -> Float64:
    """The QLIKE loss of the variance `baseline`^2 less that of `volatility`^2; the realised variance's log cancels."""
    losses = []
    for each in (baseline, volatility):
        variance = horizon * np.where(each > 0, each, np.nan) ** 2
        losses.append(realised**2 / variance + np.log(variance))
    gains: Float64 = losses[0] - losses[1]
    return gains


def _by_day(values: Float64, day: Float64, drawn: Float64, horizon: int) -> tuple[ConfidenceInterval, float]:
    """The mean of the finite `values` with its interval over `drawn` days, and the p-value of a mean of zero."""
    known = np.isfinite(values)
    days = drawn.shape[1]
    sums = np.bincount(day, weights=np.where(known, values, 0.0), minlength=days)
    counts = np.bincount(day, weights=known, minlength=days)
    draws = ratio(drawn @ sums, drawn @ counts) if len(drawn) else np.empty(0)
    return interval(float(ratio(sums.sum(), counts.sum())), draws), mean_test(ratio(sums, counts), horizon=horizon).p


def with_verdicts(tested: Iterable[TestedRecord]) -> list[TrackRecord]:
    """The records with their verdicts on volatility and on returns, each tested at 5 % over all horizons (Holm)."""
    tested = list(tested)
    adjusted = holm({str(place): result.p for place, result in enumerate(tested)})
    risk = holm({str(place): result.risk_p for place, result in enumerate(tested)})
    count, risk_count = (sum(not math.isnan(p) for p in table.values()) for table in (adjusted, risk))
    return [
        dataclasses.replace(
            result.record,
            risk_verdict=_risk_verdict(result.record, risk_p, risk_count),
            verdict=_verdict(result.record, p, count),
            risk_better=risk_p < LEVEL and (result.record.risk_gain or 0.0) > 0,
            better=p < LEVEL and (result.record.skill or 0.0) > 0 and not _as_plain(result.record),
        )
        for result, p, risk_p in zip(tested, adjusted.values(), risk.values(), strict=True)
    ]


def _risk_verdict(record: TrackRecord, p: float, horizons: int) -> str:
    """One sentence on how far the price moved against `record`; `p` is adjusted for the number of `horizons`."""
    if not record.days or record.coverage is None:
        return NOTHING_DUE
    held = f"The 90 % interval held {100 * record.coverage:.1f} % of {record.forecasts:,} returns"
    if record.risk_gain is None or math.isnan(p) or record.risk_low is None or record.risk_high is None:
        return f"{held}; {record.days} days are too few to compare the volatility with an EWMA's."
    side = "not distinguishable from" if p >= LEVEL else "better than" if record.risk_gain > 0 else "worse than"
    over = f" (Holm over {horizons} horizons)" if horizons > 1 else ""
    figures = (
        f"QLIKE gain {record.risk_gain:+.3f}, 95 % interval {record.risk_low:+.3f} to {record.risk_high:+.3f}, "
        f"{record.days} days, p = {p:.2f}{over}"
    )
    return f"{held}; the volatility is {side} an EWMA's: {figures.replace('-', '−')}."


def _verdict(record: TrackRecord, p: float, horizons: int) -> str:
    """One sentence on `record`; `p` is adjusted for the number of `horizons`."""
    if not record.days:
        return NOTHING_DUE
    if record.skill is None:
        return "No price has moved since: there is nothing to judge."
    if math.isnan(p) or record.skill_low is None or record.skill_high is None:
        return (
            f"{record.days} days are too few to tell the forecasts from persistence, which says that the price stays."
        )
    span = ", ".join(
        (
            f"skill {100 * record.skill:+.2f} %",
            f"95 % interval {100 * record.skill_low:+.2f} to {100 * record.skill_high:+.2f} %",
        )
    )
    over = f" (Holm over {horizons} horizons)" if horizons > 1 else ""
    figures = f"{span}, {record.days} days, p = {p:.2f}{over}".replace("-", "−")
    if p >= LEVEL:
        return f"No edge over persistence, which says that the price stays: {figures}."
    if record.skill < 0:
        return f"Worse than persistence, which says that the price stays: {figures}."
    rest = " Its directions are no better than saying “up” every time." if _as_plain(record) else ""
    return f"Better than persistence, which says that the price stays: {figures}.{rest}"


def _as_plain(record: TrackRecord) -> bool:
    """Whether its directions are no better than saying "up" every time."""
    return record.direction is not None and record.up_share is not None and record.direction <= record.up_share


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value
