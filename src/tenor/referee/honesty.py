"""Find forecasts that could not have been made honestly: too late, within the training period, or equal to outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenor.calendars import by_calendar, exchange
from tenor.errors import DataError
from tenor.ingest.files.forecast_files import ForecastRows
from tenor.leakcheck.lead import Moves, best_lead
from tenor.referee.placing import Places
from tenor.referee.result import DATES, HINDSIGHT, LATE, LEAK, TRAINING, Finding
from tenor.schema import Bool, Float32, Float64, Panel

EQUAL_SHARE = 0.2
"""If this share of forecasts equals the outcome in five digits, it can't be chance."""
TOO_GOOD = 0.5
"""A forecast of volatility or quantiles whose loss is below this share of the best baseline's is suspected."""
UNDONE = 0.8
"""The correlation with the reversal of the last move from which a file may be dated by the sessions it forecasts."""
_FEWEST = 20


@dataclass(frozen=True)
class Doubts:
    """Rows that must not count for the verdict, and why.

    Attributes
    ----------
    rows
        [row that can be judged]; whether the row is doubted.
    findings
        The reasons in words.
    """

    rows: Bool
    findings: tuple[Finding, ...]


def doubts(rows: ForecastRows, places: Places, panel: Panel, *, trained_until: str | None = None) -> Doubts:
    """Which forecasts were made too late, in hindsight, or within the stated training period.

    Parameters
    ----------
    rows, places
        The forecasts, and the places of those that can be judged.
    panel
        The panel.
    trained_until
        The last session whose close the training used, for all rows, in addition to what the file states.

    Raises
    ------
    DataError
        `trained_until` is not a date.
    """
    frame = rows.frame.iloc[places.index]
    opens, closes = _moments(frame["symbol"], places, panel)
    begun = _closes_of(frame["symbol"], places, panel.calendar)
    doubted = np.zeros(len(places.index), dtype=bool)
    findings = []

    def name(kind: str, bad: Bool, text: str) -> None:
        if bad.any():
            doubted[bad] = True
            findings.append(Finding(kind, f"{int(bad.sum()):,} {text}: {_shown(frame, bad)}", int(bad.sum()), True))

    as_of, made = (
        frame[column].dt.tz_localize(None).to_numpy().astype("datetime64[us]") for column in ("as_of", "made_at")
    )
    after = ~np.isnat(as_of) & (as_of >= closes)
    name(LATE, after, "forecasts made (as_of) after the close that they forecast")
    name(
        LATE,
        ~np.isnat(as_of) & (as_of > opens) & ~after,
        "made (as_of) after the session that they forecast had opened",
    )
    early = ~np.isnat(as_of) & (as_of < begun)
    name(LATE, early, "that claim to know the close of a session which was not over (as_of before it)")
    hindsight = ~np.isnat(made) & (made > opens)
    name(HINDSIGHT, hindsight, "computed (made_at) after the session that they forecast had opened")
    until = frame["trained_until"].to_numpy().astype("datetime64[us]")
    if trained_until is not None:
        day = pd.to_datetime(trained_until, errors="coerce", format="ISO8601")
        if pd.isna(day):
            raise DataError(f"--trained-until is {trained_until!r}: write a date as YYYY-MM-DD.")
        until = np.fmax(until, np.datetime64(day.tz_localize(None), "us"))
    # a forecast made after the last session of the training overlaps with none of its targets
    inside = ~np.isnat(until) & (places.last_session.to_numpy().astype("datetime64[us]") < until)
    name(TRAINING, inside, "within the stated training period")
    return Doubts(doubted, tuple(findings))


def leaks(
    panel: Panel,
    cells: Mapping[str, Float32],
    horizon: int,
    losses: Mapping[str, tuple[float, float]],
) -> list[Finding]:
    """Whether forecasts at one horizon match the outcome better than any information known before could allow.

    Parameters
    ----------
    panel
        The panel; its mask says which cells are used.
    cells
        From the forecast quantity (``return``, ``p_up``, ``volatility``) to the forecasts [session, symbol].
    horizon
        Sessions ahead.
    losses
        From each measure to the model's loss and the lowest loss of a baseline.
    """
    k = panel.horizon_index(horizon)
    realised = np.where(panel.mask, panel.targets[:, :, k], np.nan).astype("float64")
    findings = []
    for name, values in cells.items():
        forecast = values.astype("float64")
        if name == "return":
            both = np.isfinite(forecast) & np.isfinite(realised) & (np.abs(realised) > 1e-9)
            same = both & (np.abs(forecast - realised) <= 1e-5 * np.abs(realised) + 1e-9)
            if both.sum() >= _FEWEST and same.sum() > EQUAL_SHARE * both.sum():
                text = f"{int(same.sum()):,} of {int(both.sum()):,} forecast returns {horizon} ahead equal the outcome"
                findings.append(Finding(LEAK, f"{text}: they know it", int(same.sum()), True))
                continue
        if name == "return" and (finding := _dated_by_target(forecast, panel, horizon)):
            findings.append(finding)
        lead = best_lead(*_series(forecast, realised, horizon))
        if lead is not None and lead.leaks:
            text = (
                f"{name}, {horizon} ahead: {100 * lead.share:.0f} % of what is new in it is explained by later returns "
                f"(p {max(lead.chance, 1e-300):.0e}; honest forecasts stay below {100 * lead.limit:.0f} %)"
            )
            findings.append(Finding(LEAK, text, int(np.isfinite(forecast).sum()), True))
    for measure, (ours, best) in losses.items():
        if np.isfinite(ours) and ours < TOO_GOOD * best:
            text = (
                f"{measure}, {horizon} ahead: {100 * ours / best:.0f} % of the best baseline's; no forecast from the "
                "past is so good"
            )
            findings.append(Finding(LEAK, text, 0, True))
    return findings


def _dated_by_target(forecast: Float64, panel: Panel, horizon: int) -> Finding | None:
    """Whether the forecasts undo the move just made, as prices do that are dated by the session they are for."""
    past = np.full(forecast.shape, np.nan)
    past[horizon:] = np.log(panel.close[horizon:]) - np.log(panel.close[:-horizon])
    both = np.isfinite(forecast) & np.isfinite(past)
    if both.sum() < _FEWEST or np.ptp(forecast[both]) == 0 or np.ptp(past[both]) == 0:
        return None
    if np.corrcoef(forecast[both], past[both])[0, 1] > -UNDONE:
        return None
    text = (
        f"forecasts {horizon} ahead take back the move of the sessions before: if 'session' is the date that is "
        "forecast, call that column target_session"
    )
    return Finding(DATES, text, int(both.sum()), excluded=False)


def _series(forecast: Float64, realised: Float64, horizon: int) -> tuple[Sequence[Float64], Sequence[Moves]]:
    """Forecasts and moves of each symbol that has any, over the sessions between its first and last forecast."""
    columns, moves = [], []
    for i in range(forecast.shape[1]):
        known = np.flatnonzero(np.isfinite(forecast[:, i]))
        if len(known) < _FEWEST:
            continue
        span = slice(int(known[0]), int(known[-1]) + 1)
        columns.append(forecast[span, i])
        moves.append(Moves(realised[span, i], horizon, memory=horizon > 1))
    return columns, moves


def _moments(symbols: pd.Series, places: Places, panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """When the session after the last known one opens, and when the target session closes, of each row (UTC)."""
    opens = np.full(len(symbols), np.datetime64("NaT"), "datetime64[us]")
    closes = opens.copy()
    axis = exchange(panel.calendar)
    target = panel.sessions[places.session + np.array(panel.horizons)[places.horizon]]
    following = panel.sessions[places.session + 1]
    opens[:] = axis.opens(following).tz_localize(None).to_numpy()
    closes[:] = axis.closes(target).tz_localize(None).to_numpy()
    return opens, closes


def _closes_of(symbols: pd.Series, places: Places, calendar: str) -> np.ndarray:
    """When the last known session of each row closed on its symbol's exchange (UTC); NaT where it has none."""
    closes = np.full(len(symbols), np.datetime64("NaT"), "datetime64[us]")
    for own, here in by_calendar(symbols.reset_index(drop=True), calendar):
        days = places.last_session[here]
        known = exchange(own).sessions(days.min(), days.max()) if len(days) else days
        sound = np.asarray(days.isin(known))
        at = np.flatnonzero(here)[sound]
        closes[at] = exchange(own).closes(days[sound]).tz_localize(None).to_numpy()
    return closes


def _shown(frame: pd.DataFrame, bad: Bool, most: int = 3) -> str:
    rows = frame[bad].head(most)
    listed = ", ".join(f"row {int(row)} ({symbol})" for row, symbol in zip(rows["row"], rows["symbol"], strict=True))
    return f"{listed}{' …' if bad.sum() > most else ''}"
