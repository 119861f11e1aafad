"""The verdict follows the evidence, in both directions, and is silent where there is none."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from tenor.evaluation.risk_metrics import qlike
from tenor.serving.schemas import PastForecast
from tenor.serving.track_record import track_record, with_verdicts

DAYS = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2020-01-01", periods=300)]


def rows(
    days: int,
    foresight: float,
    *,
    noise: float = 0.0,
    seed: int = 0,
    symbols: int = 5,
    sees_volatility: bool = False,
) -> list[PastForecast]:
    """Forecasts that hold `foresight` of the return, and `noise` of their own.

    Days are calm and wild in turn, twenty at a time; the EWMA says the same of all, and so does a forecast that does
    not see it.
    """
    rng = np.random.default_rng(seed)
    past = []
    for i, (day, after) in enumerate(itertools.islice(itertools.pairwise(DAYS), days)):
        true = (0.01, 0.0265)[i // 20 % 2]
        volatility = true if sees_volatility else 0.02 * math.exp(0.05 * float(rng.normal()))
        for _ in range(symbols):
            realised = float(rng.normal(0, true))
            predicted = foresight * realised + noise * float(rng.normal(0, 0.02))
            past.append(
                PastForecast(
                    session=day, target_session=after, last_price=100.0, expected_return=predicted,
                    price=100 * math.exp(predicted), lower=97.0, upper=103.0,
                    volatility=volatility, baseline_volatility=0.02, p_up=0.6 if predicted > 0 else 0.4,
                    made="replayed", model_version="m",
                    realised_return=realised, realised_price=100 * math.exp(realised),
                    held=97 <= 100 * math.exp(realised) <= 103,
                )
            )  # fmt: skip
    return past


def judged(past: list[PastForecast], since: str = "2020-01-01") -> str:
    return with_verdicts([track_record(past, horizon=1, since=since)])[0].verdict


def test_foresight_is_better_noise_is_worse_and_persistence_has_no_edge() -> None:
    assert judged(rows(250, 0.2)).startswith("Better than persistence")
    assert judged(rows(250, 0.0, noise=0.5)).startswith("Worse than persistence")
    assert judged(rows(250, 0.0, noise=0.02)).startswith(("No edge", "Worse"))
    assert judged(rows(10, 0.2)).startswith("10 days are too few")
    assert judged([]).startswith("No forecast made after")
    assert judged(rows(250, 0.2), since="2030-01-01").startswith("No forecast made after")


def test_the_record_follows_its_definitions() -> None:
    past = rows(100, 0.3, noise=0.3)
    record = track_record(past, horizon=1, since=DAYS[40]).record
    due = [row for row in past if row.session >= DAYS[40]]
    predicted = np.array([row.expected_return for row in due])
    realised = np.array([row.realised_return for row in due])
    assert record.skill == pytest.approx(1 - np.sqrt(((predicted - realised) ** 2).mean() / (realised**2).mean()))
    assert record.direction == pytest.approx(((predicted > 0) == (realised > 0)).mean())
    assert (record.days, record.forecasts, record.first) == (60, 300, DAYS[40])
    assert record.coverage == pytest.approx(np.mean([row.held for row in due]))
    assert record.skill_low is not None
    assert record.skill_high is not None
    assert record.skill is not None
    assert record.skill_low < record.skill < record.skill_high


def test_p_values_are_adjusted_for_two_horizons() -> None:
    one = track_record(rows(60, 0.035, noise=0.05, seed=3), horizon=1, since="2020-01-01")
    alone = with_verdicts([one])[0].verdict
    together = with_verdicts([one, track_record(rows(60, 0.0, noise=0.05, seed=4), horizon=1, since="2020")])[0].verdict
    p_alone, p_together = (float(text.rsplit("p = ", 1)[1].split(".", 2)[1][:2]) for text in (alone, together))
    assert p_together >= p_alone
    assert "(Holm over 2 horizons)" in together
    assert "Holm" not in alone


def test_under_the_null_an_edge_is_seldom_found() -> None:
    verdicts = [judged(rows(120, 0.0, noise=0.001, seed=seed, symbols=3)) for seed in range(60)]
    false_alarms = sum(not verdict.startswith("No edge") for verdict in verdicts)
    assert false_alarms <= 8  # 5 % of 60 is 3; more than 8 has a probability below 1 %


def test_a_volatility_that_sees_calm_and_wild_days_is_better_than_the_average_of_them() -> None:
    seeing = track_record(rows(250, 0.0, sees_volatility=True), horizon=1, since="2020-01-01").record
    (blind,) = with_verdicts([track_record(rows(250, 0.0), horizon=1, since="2020-01-01")])
    (judged_,) = with_verdicts([track_record(rows(250, 0.0, sees_volatility=True), horizon=1, since="2020-01-01")])
    assert seeing.risk_low is not None
    assert seeing.risk_low > 0
    assert seeing.squared_ratio == pytest.approx(1, abs=0.15)
    assert "the volatility is better than an EWMA's" in judged_.risk_verdict
    assert judged_.risk_verdict.startswith("The 90 % interval held ")
    assert "the volatility is not distinguishable from an EWMA's" in blind.risk_verdict
    assert with_verdicts([track_record([], horizon=1, since="2020")])[0].risk_verdict.startswith("No forecast made")
    few = with_verdicts([track_record(rows(10, 0.0), horizon=1, since="2020-01-01")])[0]
    assert "10 days are too few to compare" in few.risk_verdict


def test_the_gain_is_the_difference_of_the_losses() -> None:
    past = rows(100, 0.0, sees_volatility=True)
    record = track_record(past, horizon=1, since="2020-01-01").record
    realised = np.array([[row.realised_return for row in past]], dtype="float64") ** 2
    losses = [
        np.nanmean(qlike(np.array([[getattr(row, name) for row in past]]) ** 2, realised))
        for name in ("baseline_volatility", "volatility")
    ]
    assert record.risk_gain == pytest.approx(losses[0] - losses[1])
