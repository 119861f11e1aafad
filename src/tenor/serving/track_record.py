"""The track record: forecasts that came due after the model's validation part, against persistence."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tenor.evaluation.bootstrap import interval, resampled_days
from tenor.evaluation.significance import holm, mean_test
from tenor.metrics import skill_of_sums
from tenor.serving.schemas import PastForecast, TrackRecord

LEVEL = 0.05
NOTHING_DUE = "No forecast made after the model's validation part has come due yet: there is nothing to judge."


@dataclass(frozen=True)
class TestedRecord:
    """A track record with the two-sided p-value of equal squared error with persistence (Diebold-Mariano on days)."""

    record: TrackRecord
    p: float


def track_record(rows: Iterable[PastForecast], *, horizon: int, since: str) -> TestedRecord:
    """The track record of past forecasts, day by day; `with_verdicts` adds the verdict.

    Skill is 1 - RMSE / RMSE of persistence on returns; its interval comes from resampling days in blocks, because
    stocks move together.

    Parameters
    ----------
    rows
        Past forecasts of all symbols.
    horizon
        Theirs, in sessions.
    since
        ISO date, the first day of the model's test part: what comes before was fitted or tuned on.
    """
    due = [row for row in rows if row.session >= since and row.realised_return is not None]
    if not due:
        return TestedRecord(
            TrackRecord(horizon, 0, 0, None, None, None, None, None, None, None, None, NOTHING_DUE), math.nan
        )
    days = sorted({row.session for row in due})
    place = {day: i for i, day in enumerate(days)}
    day = np.array([place[row.session] for row in due])
    predicted = np.array([row.expected_return for row in due])
    p_up = np.array([row.p_up for row in due])
    realised = np.array([row.realised_return for row in due], dtype="float64")
    # squared errors summed by day: days, not forecasts, are what is resampled; persistence forecasts a return of 0
    errors = np.bincount(day, weights=(predicted - realised) ** 2)
    persistence = np.bincount(day, weights=realised**2)
    drawn = resampled_days(len(days), horizon=horizon)
    draws = skill_of_sums(drawn @ errors, drawn @ persistence) if len(drawn) else np.empty(0)
    skill = interval(float(skill_of_sums(errors.sum(), persistence.sum())), draws)
    record = TrackRecord(
        horizon=horizon,
        days=len(days),
        forecasts=len(due),
        first=days[0],
        last=days[-1],
        skill=_none_if_nan(skill.value),
        skill_low=_none_if_nan(skill.low),
        skill_high=_none_if_nan(skill.high),
        direction=float(((p_up > 0.5) == (realised > 0)).mean()),
        up_share=float((realised > 0).mean()),
        coverage=float(np.mean([bool(row.held) for row in due])),
        verdict="",
    )
    return TestedRecord(record, mean_test((errors - persistence) / np.bincount(day), horizon=horizon).p)


def with_verdicts(tested: Iterable[TestedRecord]) -> list[TrackRecord]:
    """The records with their verdicts, at 5 % over all horizons together (Holm)."""
    tested = list(tested)
    adjusted = holm({str(place): result.p for place, result in enumerate(tested)})
    count = sum(not math.isnan(p) for p in adjusted.values())
    return [
        dataclasses.replace(result.record, verdict=_verdict(result.record, p, count))
        for result, p in zip(tested, adjusted.values(), strict=True)
    ]


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
    plain = record.direction is not None and record.up_share is not None and record.direction <= record.up_share
    rest = " Its directions are no better than saying “up” every time." if plain else ""
    return f"Better than persistence, which says that the price stays: {figures}.{rest}"


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value
