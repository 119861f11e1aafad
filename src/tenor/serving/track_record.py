"""How the forecasts did: those that came due after the model's validation part, against persistence."""

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
NOTHING = "No forecast made after the model's validation part has come due yet: there is nothing to judge."


@dataclass(frozen=True)
class Tested:
    """A track record, and the two-sided p-value of "its squared error is persistence's" (Diebold-Mariano on days)."""

    record: TrackRecord
    p: float


def track_record(rows: Iterable[PastForecast], *, horizon: int, since: str) -> Tested:
    """Judge past forecasts of all symbols, day by day; `with_verdicts` then says what it comes to.

    Skill is 1 - RMSE / RMSE of persistence on returns; its interval comes from resampling days in blocks, because
    stocks move together.

    Parameters
    ----------
    since
        ISO date, the first day of the model's test part: what comes before was fitted or tuned on.
    """
    due = [row for row in rows if row.session >= since and row.realised_return is not None]
    if not due:
        return Tested(TrackRecord(horizon, 0, 0, None, None, None, None, None, None, None, None, NOTHING), math.nan)
    days = sorted({row.session for row in due})
    place = {day: i for i, day in enumerate(days)}
    day = np.array([place[row.session] for row in due])
    said, p_up = (np.array([getattr(row, name) for row in due]) for name in ("expected_return", "p_up"))
    came = np.array([row.realised_return for row in due], dtype="float64")
    ours, nothing = (np.bincount(day, weights=error) for error in ((said - came) ** 2, came**2))
    drawn = resampled_days(len(days), horizon=horizon)
    draws = skill_of_sums(drawn @ ours, drawn @ nothing) if len(drawn) else np.empty(0)
    skill = interval(float(skill_of_sums(ours.sum(), nothing.sum())), draws)
    record = TrackRecord(
        horizon=horizon,
        days=len(days),
        forecasts=len(due),
        first=days[0],
        last=days[-1],
        skill=_known(skill.value),
        skill_low=_known(skill.low),
        skill_high=_known(skill.high),
        direction=float(((p_up > 0.5) == (came > 0)).mean()),
        up_share=float((came > 0).mean()),
        coverage=float(np.mean([bool(row.held) for row in due])),
        verdict="",
    )
    return Tested(record, mean_test((ours - nothing) / np.bincount(day), horizon=horizon).p)


def with_verdicts(tested: Iterable[Tested]) -> list[TrackRecord]:
    """The records with their verdicts, at 5 % over all horizons together (Holm)."""
    tested = list(tested)
    adjusted = holm({str(place): one.p for place, one in enumerate(tested)})
    count = sum(not math.isnan(p) for p in adjusted.values())
    return [
        dataclasses.replace(one.record, verdict=_verdict(one.record, p, count))
        for one, p in zip(tested, adjusted.values(), strict=True)
    ]


def _verdict(record: TrackRecord, p: float, horizons: int) -> str:
    """`p` is adjusted for so many `horizons`."""
    if not record.days:
        return NOTHING
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
    told = f"{span}, {record.days} days, p = {p:.2f}{over}".replace("-", "−")
    if p >= LEVEL:
        return f"No edge over persistence, which says that the price stays: {told}."
    if record.skill < 0:
        return f"Worse than persistence, which says that the price stays: {told}."
    plain = record.direction is not None and record.up_share is not None and record.direction <= record.up_share
    rest = " Its directions are no better than saying “up” every time." if plain else ""
    return f"Better than persistence, which says that the price stays: {told}.{rest}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
