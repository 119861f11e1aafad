"""Monitoring: whether the data is still like that of the training, and errors, intervals and volatility still right.

Drift compares the last `WINDOW` sessions of each feature (and of sentiment) with the training part;
`tenor.serving.drift` describes how.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from tenor.evaluation.bootstrap import ConfidenceInterval, interval, resampled_days
from tenor.inference.recipe import Recipe
from tenor.schema import Panel
from tenor.serving import webhooks
from tenor.serving.drift import LEAST_WINDOWS, WINDOW, enough, profile, stands_still
from tenor.serving.logs import LOGGER
from tenor.serving.published import past_forecasts

NOMINAL_COVERAGE = 0.90
STANDARD_ERRORS = 3.5
"""A deviation of error or coverage by this many standard errors raises an alarm."""
EARLIER = 60
"""Number of sessions before the window from which the variation of a day's error and coverage is estimated."""
CALIBRATION = 250
"""Number of sessions of past forecasts over which the volatility is judged."""
TOLERANCE = 1.35
"""Factor by which squared returns may differ from the forecast variance; that is 1.16 for the volatility."""

log = logging.getLogger(LOGGER)


@dataclass(frozen=True)
class MonitorCheck:
    """One measurement and whether it raises an alarm.

    Attributes
    ----------
    kind
        ``drift``, ``error``, ``coverage``, ``volatility`` or ``staleness``.
    name
        The feature, or the horizon.
    value
        The measured value.
    bound
        The bound beyond which it raises an alarm.
    alarm
        Whether it raises an alarm.
    detail
        The result in one sentence.
    """

    kind: str
    name: str
    value: float
    bound: float
    alarm: bool
    detail: str


@dataclass(frozen=True)
class MonitorReport:
    """The checks of one refresh, alarms first."""

    as_of: str
    checks: tuple[MonitorCheck, ...]

    @property
    def alarms(self) -> tuple[MonitorCheck, ...]:
        """The checks that raise an alarm."""
        return tuple(check for check in self.checks if check.alarm)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {"as_of": self.as_of, "alarms": len(self.alarms), "checks": [asdict(check) for check in self.checks]}


def watch(panel: Panel, recipe: Recipe, documents: Sequence[Mapping[str, Any]], *, now: pd.Timestamp) -> MonitorReport:
    """Check features, sentiment, errors, coverage, volatility and staleness, with `documents` of `documents.document`.

    Parameters
    ----------
    panel
        The unscaled panel of `recipe`, from the training part on.
    recipe
        Recipe of the model that made the forecasts.
    documents
        One for each symbol.
    now
        The moment of the refresh.
    """
    checks = [
        *feature_drift(panel, training_part(panel, recipe)),
        *forecast_outcomes(documents, recipe.horizons),
        *volatility_calibration(documents, recipe.horizons, since=recipe.split["test"][0]),
    ]
    behind = min((int(document["behind"]) for document in documents), default=0)
    detail = f"{behind} sessions have closed since the last one used" if behind else "the last closed session was used"
    checks.append(MonitorCheck("staleness", "sessions_behind", float(behind), 0.0, behind > 0, detail))
    order = {True: 0, False: 1}
    return MonitorReport(now.isoformat(), tuple(sorted(checks, key=lambda c: (order[c.alarm], c.kind, -c.value))))


def feature_drift(panel: Panel, training: slice, *, window: int = WINDOW) -> list[MonitorCheck]:
    """Compare each feature's last `window` sessions with `training` (places on the session axis).

    The value is how unusual the window is by PSI, Kolmogorov-Smirnov distance and distance moved
    (`tenor.serving.drift.Profile.judge`); above 1 it is an alarm. Only symbols with cells in the window are used, also
    in the training part. Nothing is judged if the training part has too few sessions with all features, and features
    that rarely change are not judged.
    """
    start, stop, _ = training.indices(len(panel.sessions))
    if stop - start < LEAST_WINDOWS * window or len(panel.sessions) - stop < 1:
        return []
    alive = panel.mask[-window:].any(axis=0)
    if not alive.any():
        text = f"no symbol had all features in the last {window} sessions, so that their drift can't be judged"
        return [MonitorCheck("drift", "cells", 0.0, 0.0, True, text)]
    mask = panel.mask[:, alive]
    if not enough(mask, training, window):
        return []
    checks = []
    for k, name in enumerate(panel.features):
        values = panel.values[:, alive, k]
        if stands_still(values, mask, training, window):
            text = "changes so seldom that the training part does not show what is usual: not judged"
            checks.append(MonitorCheck("drift", name, 0.0, 1.0, False, text))
            continue
        usual = profile(values, mask, training, window)
        value, found = usual.judge(values[-window:], mask[-window:])
        psi, ks, move = usual.bounds
        detail = (
            f"PSI {found.psi[0]:.2f} (bound {psi:.2f}), KS {found.ks[0]:.2f} (bound {ks:.2f}) and moved by "
            f"{found.move[0]:.2f} standard deviations (bound {move:.2f}), over the last {window} sessions against the "
            "training part"
        )
        checks.append(MonitorCheck("drift", name, value, 1.0, value > 1, detail))
    return checks


def forecast_outcomes(documents: Iterable[Mapping[str, Any]], horizons: Sequence[int]) -> list[MonitorCheck]:
    """The error compared with persistence, and the coverage compared with 90 %, of the last forecasts that came due."""
    checks: list[MonitorCheck] = []
    documents = list(documents)
    for horizon in horizons:
        rows = [
            (row.session, row.expected_return, row.realised_return, row.held)
            for document in documents
            for row in past_forecasts(document, horizon)
            if row.realised_return is not None
        ]
        if not rows:
            continue
        frame = pd.DataFrame(rows, columns=["session", "predicted", "realised", "held"])
        # the squared error beyond that of persistence, which forecasts a return of 0
        frame["excess"] = (frame["predicted"] - frame["realised"]) ** 2 - frame["realised"] ** 2
        daily = frame.groupby("session")[["excess", "held"]].mean().astype("float64")
        recent, earlier = daily.tail(WINDOW), daily.iloc[-WINDOW - EARLIER : -WINDOW]
        if len(earlier) < WINDOW:
            continue
        # neighbouring forecasts of h sessions share h - 1 of them: fewer of the days are independent
        root = math.sqrt(len(recent) / horizon)
        scale = float((frame["realised"] ** 2).mean()) or 1.0
        excess = float(recent["excess"].mean()) / scale
        bound = STANDARD_ERRORS * float(earlier["excess"].std()) / scale / root
        text = f"squared error {excess:+.2%} against persistence's, over {len(recent)} sessions".replace("-", "−")
        checks.append(MonitorCheck("error", f"{horizon}", excess, bound, excess > bound, text))
        covered = float(recent["held"].mean())
        least = NOMINAL_COVERAGE - max(0.05, STANDARD_ERRORS * float(earlier["held"].std()) / root)
        text = f"the 90 % interval held {covered:.1%} of returns over {len(recent)} sessions"
        checks.append(MonitorCheck("coverage", f"{horizon}", covered, least, covered < least, text))
    return checks


def volatility_calibration(
    documents: Iterable[Mapping[str, Any]], horizons: Sequence[int], *, since: str = ""
) -> list[MonitorCheck]:
    """Whether the forecast volatility is right on average: the mean of (return / volatility)², which should be 1.

    The mean is over the last `CALIBRATION` sessions that came due, with a 95 % interval from resampled days. The level
    of the volatility is that of ranges within sessions, not of squared returns, so some distance from 1 is normal. An
    alarm is raised if the mean differs by more than the factor `TOLERANCE` and the interval does not contain 1. The
    bound is the nearer side of the tolerance.

    Parameters
    ----------
    since
        The first session to use, as ISO date; the level was calibrated on earlier ones.
    """
    checks = []
    documents = list(documents)
    for horizon in horizons:
        rows = [
            (row.session, row.realised_return**2 / (horizon * row.volatility**2))
            for document in documents
            for row in past_forecasts(document, horizon)
            if row.realised_return is not None and row.volatility > 0 and row.session >= since
        ]
        if not rows:
            continue
        frame = pd.DataFrame(rows, columns=["session", "ratio"])
        daily = frame.groupby("session")["ratio"].agg(["sum", "count"]).tail(CALIBRATION).to_numpy("float64")
        drawn = resampled_days(len(daily), horizon=horizon)
        if not len(drawn):
            continue
        total, count = (drawn @ daily).T
        mean = interval(float(daily[:, 0].sum() / daily[:, 1].sum()), total / count)
        checks.append(_volatility_check(mean, horizon, len(daily)))
    return checks


def _volatility_check(mean: ConfidenceInterval, horizon: int, days: int) -> MonitorCheck:
    high = mean.value >= 1
    bound = TOLERANCE if high else 1 / TOLERANCE
    off = mean.value > bound if high else mean.value < bound
    alarm = bool(off and not mean.low <= 1 <= mean.high)
    side = f"; the volatility is {'too low' if high else 'too high'}" if alarm else ""
    text = (
        f"squared returns are {mean.value:.2f} times the forecast variance, 95 % interval {mean.low:.2f} to "
        f"{mean.high:.2f}, over {days} sessions{side}"
    )
    return MonitorCheck("volatility", f"{horizon}", mean.value, bound, alarm, text)


def notify(
    report: MonitorReport, before: Mapping[str, Any] | None, *, webhook: str | None = None
) -> dict[str, Any] | None:
    """Log the alarms that are new or have ended since the report `before`, and post them to `webhook`.

    Parameters
    ----------
    report
        The new report.
    before
        The last report, as from `MonitorReport.to_json`.
    webhook
        An http(s) address to which the message is posted as JSON. If it does not answer, this is logged, and takes at
        most `webhooks.TIMEOUT` seconds.

    Returns
    -------
    dict or None
        The message with ``as_of``, new ``alarms`` and those that are ``over``; None if nothing changed.

    Raises
    ------
    ConfigError
        `webhook` is not an http(s) address.
    """
    if webhook is not None:
        webhooks.check(webhook)
    known = {(check["kind"], check["name"]) for check in (before or {}).get("checks", ()) if check["alarm"]}
    raised = {(check.kind, check.name): check for check in report.alarms}
    new = [check for key, check in raised.items() if key not in known]
    over = sorted(known - raised.keys())
    if not new and not over:
        return None
    for check in new:
        log.warning("alarm", extra={"kind": check.kind, "watched": check.name, "detail": check.detail})
    for kind, name in over:
        log.info("alarm over", extra={"kind": kind, "watched": name})
    message = {
        "as_of": report.as_of,
        "alarms": [{"kind": check.kind, "name": check.name, "detail": check.detail} for check in new],
        "over": [{"kind": kind, "name": name} for kind, name in over],
    }
    if webhook is not None:
        webhooks.post(webhook, message)
    return message


def training_part(panel: Panel, recipe: Recipe) -> slice:
    """The training part's places on the panel's session axis."""
    first, last = (pd.Timestamp(day) for day in recipe.split["train"])
    return slice(int(panel.sessions.searchsorted(first)), int(panel.sessions.searchsorted(last, side="right")))
