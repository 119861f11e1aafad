"""Is the world still the one the model was trained in, and do its intervals still hold?

Drift: each feature's (and the sentiment's) last `WINDOW` sessions against the training part, by PSI and
Kolmogorov-Smirnov distance. The cells of a session move together and neighbouring sessions look alike, so tables for
independent draws would cry every day: what is unusual is read off the training part itself, from windows of the same
length inside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenor.inference.predictor import Predictor
from tenor.schema import Float64, Panel
from tenor.serving.past import past_forecasts

WINDOW = 20
"""Sessions that are compared with the training part."""
BINS = 10
"""Groups of equal count in the training part, for PSI."""
FINE = 5
"""Steps of a bin in which the Kolmogorov-Smirnov distance is taken."""
LEAST_PSI = 0.25
"""The customary bound of a large shift: below it nothing is called drift."""
MARGIN = 1.5
"""How far beyond the most unusual window of the training part something must lie to be called drift."""
PROMISED = 0.90
SIGNS = 3.5
"""Standard errors by which error or coverage must miss to raise an alarm."""
EARLIER = 60
"""Sessions before the window that say how much a day's error and coverage vary."""


@dataclass(frozen=True)
class MonitorCheck:
    """One thing watched.

    Attributes
    ----------
    kind
        ``drift``, ``error``, ``coverage`` or ``staleness``.
    name
        The feature, or the horizon.
    value, bound
        What was found, and the bound beyond which it is an alarm.
    detail
        One sentence.
    """

    kind: str
    name: str
    value: float
    bound: float
    alarm: bool
    detail: str


@dataclass(frozen=True)
class MonitorReport:
    """Everything watched at one refresh, alarms first."""

    as_of: str
    checks: tuple[MonitorCheck, ...]

    @property
    def alarms(self) -> tuple[MonitorCheck, ...]:
        """Those that raise an alarm."""
        return tuple(check for check in self.checks if check.alarm)

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values."""
        return {"as_of": self.as_of, "alarms": len(self.alarms), "checks": [asdict(check) for check in self.checks]}


def watch(panel: Panel, predictor: Predictor, documents: Sequence[Mapping[str, Any]], *, now: pd.Timestamp) -> MonitorReport:
    """Check features, sentiment, errors, coverage and staleness with `documents` (see `documents.document`).

    Parameters
    ----------
    panel
        Unscaled, of the predictor's own recipe, from the training part on.
    """
    checks = [*feature_drift(panel, _training(panel, predictor)), *forecast_outcomes(documents, predictor.horizons)]
    behind = min((int(document["behind"]) for document in documents), default=0)
    detail = f"{behind} sessions have closed since the last one seen" if behind else "the last closed session is in"
    checks.append(MonitorCheck("staleness", "sessions_behind", float(behind), 0.0, behind > 0, detail))
    order = {True: 0, False: 1}
    return MonitorReport(now.isoformat(), tuple(sorted(checks, key=lambda c: (order[c.alarm], c.kind, -c.value))))


def feature_drift(panel: Panel, training: slice, *, window: int = WINDOW) -> list[MonitorCheck]:
    """Each feature's last `window` sessions against `training` (places on the session axis).

    The value is the larger of PSI and KS distance, each over its own bound, so that 1 is the bound of an alarm; both
    must pass theirs. PSI = sum over bins of (p - q) log(p / q), with half a cell added to each bin.
    """
    start, stop, _ = training.indices(len(panel.sessions))
    if stop - start < 4 * window or len(panel.sessions) - stop < 1:
        return []
    found = []
    for k, name in enumerate(panel.features):
        counts = _counts(panel.values[:, :, k], panel.mask, training)
        if counts.shape[1] < 2:
            continue  # the same everywhere in the training part
        whole = counts[start:stop].sum(axis=0)
        moving = np.cumsum(np.vstack([np.zeros(counts.shape[1]), counts]), axis=0)
        windows = moving[window:] - moving[:-window]
        psi, distance = _distances(windows, whole)
        # windows inside the training part, each against the rest of it, so that none is measured against itself
        inside = slice(start, stop - window + 1)
        usual_psi, usual_distance = _distances(windows[inside], whole - windows[inside])
        psi_bound = max(LEAST_PSI, MARGIN * float(usual_psi.max()))
        distance_bound = 1 - (1 - float(usual_distance.max())) / MARGIN  # a distance can't exceed 1
        value = min(psi[-1] / psi_bound, distance[-1] / distance_bound)
        detail = (
            f"PSI {psi[-1]:.2f} (bound {psi_bound:.2f}) and KS {distance[-1]:.2f} (bound {distance_bound:.2f}) "
            f"over the last {window} sessions against the training part"
        )
        found.append(MonitorCheck("drift", name, float(value), 1.0, bool(value > 1), detail))
    return found


def _counts(values: NDArray[np.float32], mask: NDArray[np.bool_], training: slice) -> Float64:
    """How many cells of each session fall into each fine bin, [session, bin]; quantiles of the training part."""
    reference = values[training][mask[training]]
    if not len(reference):
        return np.zeros((len(values), 1))
    edges = np.unique(np.quantile(reference, np.arange(1, BINS * FINE) / (BINS * FINE)))
    bin_of = np.searchsorted(edges, values, side="left")
    row = np.broadcast_to(np.arange(len(values))[:, None], mask.shape)
    flat = (row * (len(edges) + 1) + bin_of)[mask]
    size = len(values) * (len(edges) + 1)
    return np.bincount(flat, minlength=size).reshape(len(values), -1).astype("float64")


def _distances(windows: Float64, reference: Float64) -> tuple[Float64, Float64]:
    """PSI and Kolmogorov-Smirnov distance of each row of `windows` from `reference` (one, or one a row)."""
    steps = max(1, round(windows.shape[1] / BINS))
    places = np.arange(0, windows.shape[1], steps)
    reference = np.broadcast_to(reference, windows.shape)
    coarse, base = (np.add.reduceat(table, places, axis=1) + 0.5 for table in (windows, reference))
    p, q = (table / table.sum(axis=1, keepdims=True) for table in (coarse, base))
    psi = ((p - q) * np.log(p / q)).sum(axis=1)
    cumulated = [
        np.cumsum(table, axis=1) / np.maximum(table.sum(axis=1, keepdims=True), 1) for table in (windows, reference)
    ]
    return psi, np.abs(cumulated[0] - cumulated[1]).max(axis=1)


def forecast_outcomes(documents: Iterable[Mapping[str, Any]], horizons: Sequence[int]) -> list[MonitorCheck]:
    """Error against persistence, and coverage against the promised, of the forecasts that came due last."""
    found: list[MonitorCheck] = []
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
        frame = pd.DataFrame(rows, columns=["session", "said", "came", "held"])
        frame["worse"] = (frame["said"] - frame["came"]) ** 2 - frame["came"] ** 2
        daily = frame.groupby("session")[["worse", "held"]].mean().astype("float64")
        recent, earlier = daily.tail(WINDOW), daily.iloc[-WINDOW - EARLIER : -WINDOW]
        if len(earlier) < WINDOW:
            continue
        # forecasts of h sessions share h - 1 of them: fewer of the days are news
        root = math.sqrt(len(recent) / horizon)
        scale = float((frame["came"] ** 2).mean()) or 1.0
        worse = float(recent["worse"].mean()) / scale
        bound = SIGNS * float(earlier["worse"].std()) / scale / root
        text = f"squared error {worse:+.2%} against persistence's, over {len(recent)} sessions".replace("-", "−")
        found.append(MonitorCheck("error", f"{horizon}", worse, bound, worse > bound, text))
        covered = float(recent["held"].mean())
        least = PROMISED - max(0.05, SIGNS * float(earlier["held"].std()) / root)
        text = f"the 90 % interval held {covered:.1%} of returns over {len(recent)} sessions"
        found.append(MonitorCheck("coverage", f"{horizon}", covered, least, covered < least, text))
    return found


def _training(panel: Panel, predictor: Predictor) -> slice:
    """The training part's places on the panel's session axis."""
    first, last = (pd.Timestamp(day) for day in predictor.recipe.split["train"])
    return slice(int(panel.sessions.searchsorted(first)), int(panel.sessions.searchsorted(last, side="right")))
